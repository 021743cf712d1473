const ICONS = {
  play: "M5 3.2v9.6l7.5-4.8z",
  pause: "M5 3.5v9M11 3.5v9",
  rewind: "M3.6 3.2v9.6M13 3.2v9.6L6 8z",
  back: "M11.6 3.2v9.6M9.2 3.2v9.6L3 8z",
  step: "M4.4 3.2v9.6M6.8 3.2v9.6L13 8z",
  reset: "M3.2 8a4.8 4.8 0 1 0 1.6-3.6M3 2.8v2.6h2.6",
}

function iconButton(className, action) {
  const node = button(className, undefined, action)
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg")
  svg.setAttribute("viewBox", "0 0 16 16")
  svg.setAttribute("class", "ls-icon")
  svg.setAttribute("aria-hidden", "true")
  const path = document.createElementNS(svg.namespaceURI, "path")
  svg.append(path)
  const label = element("span")
  node.append(svg, label)
  return {
    node,
    show(icon, text, key) {
      path.setAttribute("d", ICONS[icon])
      say(label, text)
      node.title = key ? `${text} (${key})` : text
    },
  }
}

export function render({model}) {
  const strings = model.strings
  const send = type => () => model.send_msg({type})
  const root = element("div", "ls-transport")
  const toggle = iconButton("ls-primary ls-train", send("toggle"))
  const rewind = iconButton("ls-small", send("rewind"))
  const back = iconButton("ls-small", send("back"))
  const step = iconButton("ls-small", send("step"))
  const reset = iconButton("ls-reset", send("reset"))
  rewind.show("rewind", strings.rewind)
  back.show("back", strings.step_back, ",")
  step.show("step", strings.step, ".")
  reset.show("reset", strings.reset_weights)
  const buttons = element("div", "ls-buttons")
  buttons.append(toggle.node, rewind.node, back.node, step.node, reset.node)

  const slider = element("input", "ls-scrub")
  slider.type = "range"
  slider.min = 0
  slider.step = 1
  slider.setAttribute("aria-label", strings.scrub)
  // The newest place is asked for, and the next one once that is shown.
  let wanted = null, asked = null
  const ask = () => {
    if (wanted === null || asked !== null) return
    asked = wanted
    wanted = null
    model.send_msg({type: "seek", at: asked})
    setTimeout(() => { asked = null; ask() }, 60)
  }
  slider.addEventListener("input", () => { wanted = Number(slider.value); paint(); ask() })
  const words = element("span", "ls-words")
  const place = element("span", "ls-place")
  const above = element("div", "ls-above")
  above.append(words, place)
  const progress = element("div", "ls-progress")
  progress.append(above, slider)
  root.append(buttons, progress)

  const paint = () => {
    const most = Number(slider.max)
    slider.style.setProperty("--at", `${most ? 100 * slider.value / most : 0}%`)
    slider.style.setProperty("--reached", `${most ? 100 * model.reached / most : 0}%`)
  }
  const draw = () => {
    const {status, at, reached} = model
    root.dataset.status = status
    if (status === "running") toggle.show("pause", strings.pause, strings.space)
    else toggle.show("play", !at ? strings.train : status === "finished" ? strings.train_more : strings.resume, strings.space)
    rewind.node.disabled = back.node.disabled = !at
    reset.node.disabled = !reached
    slider.max = Math.max(reached, 1)
    slider.disabled = !reached
    if (wanted === null && asked === null) slider.value = at
    slider.setAttribute("aria-valuetext", model.place)
    say(words, model.words)
    say(place, model.place)
    paint()
  }
  model.on(["status", "at", "reached", "words", "place"], draw)
  draw()
  return root
}
