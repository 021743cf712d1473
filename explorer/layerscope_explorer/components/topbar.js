const ICONS = {
  undo: "M6.5 3.5 3 7l3.5 3.5M3 7h6.2a3.6 3.6 0 0 1 0 7.2H7",
  history: "M5 6.5 8 9.5l3-3",
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

  const phase = document.createElement("select")
  phase.className = "ls-phase"
  phase.title = strings.phase_help
  phase.setAttribute("aria-label", strings.phase_help)
  for (const value of ["training", "inference"]) {
    const option = document.createElement("option")
    option.value = value
    option.textContent = strings[`phase_${value}`]
    phase.append(option)
  }
  phase.addEventListener("change", () => model.send_msg({type: "phase", value: phase.value}))

  const go = steps => model.send_msg({type: "go", steps})
  const dice = iconButton("dice", strings.reroll, () => model.send_msg({type: "reroll"}))
  const undo = iconButton("undo", "", () => go(-1))
  const redo = iconButton("redo", "", () => go(1))
  const history = iconButton("history", strings.history, () => openMenu(menu.hidden))
  history.setAttribute("aria-expanded", "false")
  const rule = document.createElement("span")
  rule.className = "ls-rule"

  /* Every edit by name, the newest on top; the undone ones above where one is. */
  const menu = document.createElement("ul")
  menu.className = "ls-menu"
  menu.hidden = true
  const place = document.createElement("div")
  place.className = "ls-menu-place"
  place.append(history, menu)

  const entry = (label, steps, kind) => {
    const item = document.createElement("li")
    const button = document.createElement("button")
    button.type = "button"
    button.className = `ls-menu-entry ls-${kind}`
    button.textContent = label
    if (kind === "now") button.setAttribute("aria-current", "true")
    button.addEventListener("click", () => { openMenu(false); if (steps) go(steps) })
    item.append(button)
    return item
  }
  const drawMenu = () => {
    const {past, future} = model
    const undone = future.map((name, index) => entry(name, index + 1, "undone")).reverse()
    const done = past.map((name, index) => {
      const steps = index + 1 - past.length
      return entry(name, steps, steps ? "done" : "now")
    }).reverse()
    const start = entry(strings.history_start, -past.length, past.length ? "done" : "now")
    menu.replaceChildren(...undone, ...done, start)
  }
  const openMenu = wanted => {
    menu.hidden = !wanted
    history.setAttribute("aria-expanded", String(wanted))
    if (wanted) menu.querySelector("[aria-current]")?.focus()
  }
  place.addEventListener("keydown", event => {
    const entries = [...menu.querySelectorAll("button")]
    const at = entries.findIndex(button => button.matches(":focus"))
    if (event.key === "Escape" && !menu.hidden) { openMenu(false); history.focus() }
    else if (event.key === "ArrowDown" && at >= 0) entries[at + 1]?.focus()
    else if (event.key === "ArrowUp" && at > 0) entries[at - 1].focus()
    else return
    event.preventDefault()
    event.stopPropagation()
  })
  place.addEventListener("focusout", event => {
    if (!place.contains(event.relatedTarget)) openMenu(false)
  })

  root.append(heading, phase, seed, dice, rule, undo, redo, place)

  let drawn = ""
  const draw = () => {
    // What is being typed is left alone.
    if (!input.matches(":focus") || input.value === drawn) input.value = model.seed
    drawn = String(model.seed)
    phase.value = model.phase
    phase.disabled = model.locked.includes("phase")
    input.disabled = dice.disabled = model.locked.includes("seed")
    setLabel(undo, model.undo_label || strings.undo_nothing)
    setLabel(redo, model.redo_label || strings.redo_nothing)
    undo.disabled = !model.undo_label
    redo.disabled = !model.redo_label
    history.disabled = !model.past.length && !model.future.length
    drawMenu()
  }
  model.on(["seed", "phase", "locked", "undo_label", "redo_label", "past", "future"], draw)
  draw()
  return root
}
