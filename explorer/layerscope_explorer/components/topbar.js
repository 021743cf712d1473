const ICONS = {
  undo: "M6.5 3.5 3 7l3.5 3.5M3 7h6.2a3.6 3.6 0 0 1 0 7.2H7",
  redo: "M9.5 3.5 13 7l-3.5 3.5M13 7H6.8a3.6 3.6 0 0 0 0 7.2H9",
  dice: "M3.5 3h9a.5.5 0 0 1 .5.5v9a.5.5 0 0 1-.5.5h-9a.5.5 0 0 1-.5-.5v-9a.5.5 0 0 1 .5-.5ZM5.9 5.9h.01M10.1 5.9h.01M8 8h.01M5.9 10.1h.01M10.1 10.1h.01",
}
const LARGEST_SEED = 2 ** 31 - 1

function iconButton(name, label, action) {
  const button = document.createElement("button")
  button.type = "button"
  button.className = `ls-icon-button ls-${name}`
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg")
  svg.setAttribute("viewBox", "0 0 16 16")
  svg.setAttribute("class", "ls-icon")
  svg.setAttribute("aria-hidden", "true")
  const path = document.createElementNS(svg.namespaceURI, "path")
  path.setAttribute("d", ICONS[name])
  svg.append(path)
  button.append(svg)
  button.addEventListener("click", action)
  setLabel(button, label)
  return button
}

function setLabel(node, label) {
  node.setAttribute("aria-label", label)
  node.title = label
}

export function render({model}) {
  const strings = model.strings
  const root = document.createElement("div")
  root.className = "ls-topbar"

  // The visible title belongs to the page's header, where it is not a first-level heading.
  const heading = document.createElement("h1")
  heading.className = "ls-hidden"
  heading.textContent = strings.title

  const seed = document.createElement("label")
  seed.className = "ls-seed"
  const name = document.createElement("span")
  name.textContent = strings.seed
  const input = document.createElement("input")
  input.setAttribute("aria-label", strings.seed)
  input.inputMode = "numeric"
  input.autocomplete = "off"
  input.maxLength = 10
  input.className = "ls-seed-input"
  seed.append(name, input)

  const commit = () => {
    const value = Number(input.value)
    const valid = /^\d+$/.test(input.value.trim()) && value <= LARGEST_SEED
    if (valid && value !== model.seed) model.send_msg({type: "seed", value})
    if (!valid) input.value = model.seed
  }
  input.addEventListener("change", commit)
  input.addEventListener("keydown", event => {
    if (event.key === "Enter") commit()
    if (event.key === "Escape") { input.value = model.seed; input.blur() }
  })

  const dice = iconButton("dice", strings.reroll, () => model.send_msg({type: "reroll"}))
  const undo = iconButton("undo", "", () => model.send_msg({type: "undo"}))
  const redo = iconButton("redo", "", () => model.send_msg({type: "redo"}))
  const rule = document.createElement("span")
  rule.className = "ls-rule"
  root.append(heading, seed, dice, rule, undo, redo)

  const draw = () => {
    if (!input.matches(":focus")) input.value = model.seed
    setLabel(undo, model.undo_label || strings.undo_nothing)
    setLabel(redo, model.redo_label || strings.redo_nothing)
    undo.disabled = !model.undo_label
    redo.disabled = !model.redo_label
  }
  model.on(["seed", "undo_label", "redo_label"], draw)
  draw()
  return root
}
