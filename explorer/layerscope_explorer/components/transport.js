const ICONS = {
  play: "M5 3.2v9.6l7.5-4.8z",
  pause: "M5 3.5v9M11 3.5v9",
  stop: "M4 4h8v8H4z",
  reset: "M3.2 8a4.8 4.8 0 1 0 1.6-3.6M3 2.8v2.6h2.6",
}

function button(className, action) {
  const node = document.createElement("button")
  node.type = "button"
  node.className = `ls-button ${className}`
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg")
  svg.setAttribute("viewBox", "0 0 16 16")
  svg.setAttribute("class", "ls-icon")
  svg.setAttribute("aria-hidden", "true")
  const path = document.createElementNS(svg.namespaceURI, "path")
  svg.append(path)
  const label = document.createElement("span")
  node.append(svg, label)
  node.addEventListener("click", action)
  return {node, show(icon, text) { path.setAttribute("d", ICONS[icon]); label.textContent = text }}
}

export function render({model}) {
  const strings = model.strings
  const root = document.createElement("div")
  root.className = "ls-transport"
  const toggle = button("ls-primary ls-train", () => model.send_msg({type: "toggle"}))
  const stop = button("ls-stop", () => model.send_msg({type: "stop"}))
  const reset = button("ls-reset", () => model.send_msg({type: "reset"}))
  stop.show("stop", strings.stop)
  reset.show("reset", strings.reset_weights)
  const buttons = document.createElement("div")
  buttons.className = "ls-buttons"
  buttons.append(toggle.node, stop.node, reset.node)

  const bar = document.createElement("div")
  bar.className = "ls-bar"
  bar.setAttribute("role", "progressbar")
  bar.setAttribute("aria-label", strings.progress)
  bar.setAttribute("aria-valuemin", "0")
  bar.setAttribute("aria-valuemax", "100")
  const fill = document.createElement("div")
  fill.className = "ls-fill"
  bar.append(fill)
  const words = document.createElement("span")
  words.className = "ls-words"
  const progress = document.createElement("div")
  progress.className = "ls-progress"
  progress.append(words, bar)
  root.append(buttons, progress)

  const draw = () => {
    const {status} = model
    root.dataset.status = status
    if (status === "running") toggle.show("pause", strings.pause)
    else toggle.show("play", status === "paused" ? strings.resume : strings.train)
    stop.node.disabled = status !== "running" && status !== "paused"
    reset.node.disabled = status === "running"
    const percent = model.progress * 100
    fill.style.transform = `scaleX(${model.progress})`
    bar.setAttribute("aria-valuenow", percent.toFixed(0))
    bar.setAttribute("aria-valuetext", model.words)
    words.textContent = model.words
  }
  model.on(["status", "progress", "words"], draw)
  draw()
  return root
}
