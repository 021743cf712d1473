const ARROWS = {back: "M9.5 4 5.5 8l4 4", forth: "M6.5 4l4 4-4 4"}

export function render({model}) {
  const strings = model.strings
  const root = document.createElement("div")
  root.className = "ls-stepper"
  const name = document.createElement("span")
  name.className = "ls-stepper-name"
  const slider = document.createElement("input")
  slider.type = "range"
  slider.className = "ls-stepper-slider"
  slider.min = 0
  const shown = document.createElement("span")
  shown.className = "ls-stepper-value"
  let frame = 0

  const go = value => {
    slider.value = value
    paint()
    if (frame) return
    // At most one message per frame: the newest value wins.
    frame = requestAnimationFrame(() => { frame = 0; model.send_msg({value: Number(slider.value)}) })
  }
  const arrow = (kind, step) => {
    const button = document.createElement("button")
    button.type = "button"
    button.className = "ls-icon-button"
    button.innerHTML = `<svg class="ls-icon" viewBox="0 0 16 16" aria-hidden="true"><path d="${ARROWS[kind]}"/></svg>`
    button.addEventListener("click", () => go((Number(slider.value) + step + model.count) % model.count))
    return button
  }
  const back = arrow("back", -1), forth = arrow("forth", 1)
  slider.addEventListener("input", () => go(Number(slider.value)))
  slider.addEventListener("keydown", event => event.stopPropagation())
  root.append(name, back, slider, forth, shown)

  const paint = () => { shown.textContent = `${Number(slider.value) + 1} / ${model.count}` }
  const draw = () => {
    root.hidden = model.count < 2
    name.textContent = model.label
    slider.max = Math.max(model.count - 1, 0)
    if (!frame) slider.value = model.value
    slider.setAttribute("aria-label", model.label)
    for (const [button, label] of [[back, strings.back], [forth, strings.forth]]) {
      button.setAttribute("aria-label", label.replace("{name}", model.label))
      button.title = button.getAttribute("aria-label")
    }
    paint()
  }
  model.on(["value", "count", "label"], draw)
  draw()
  return root
}
