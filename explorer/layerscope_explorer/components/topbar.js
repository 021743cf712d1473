const ICONS = {
  undo: "M6.5 3.5 3 7l3.5 3.5M3 7h6.2a3.6 3.6 0 0 1 0 7.2H7",
  history: "M5 6.5 8 9.5l3-3",
  redo: "M9.5 3.5 13 7l-3.5 3.5M13 7H6.8a3.6 3.6 0 0 0 0 7.2H9",
  dice: "M3.5 3h9a.5.5 0 0 1 .5.5v9a.5.5 0 0 1-.5.5h-9a.5.5 0 0 1-.5-.5v-9a.5.5 0 0 1 .5-.5ZM5.9 5.9h.01M10.1 5.9h.01M8 8h.01M5.9 10.1h.01M10.1 10.1h.01",
  sweep: "M2.5 2.5h3v3h-3zM6.6 2.5h3v3h-3zM10.7 2.5h3v3h-3zM2.5 6.6h3v3h-3zM6.6 6.6h3v3h-3zM10.7 6.6h3v3h-3zM2.5 10.7h3v3h-3zM6.6 10.7h3v3h-3zM10.7 10.7h3v3h-3z",
  more: "M3.5 8h.01M8 8h.01M12.5 8h.01",
  help: "M5.6 6.2a2.4 2.4 0 1 1 3.5 2.1c-.8.4-1.1.9-1.1 1.7M8 12.6h.01",
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

function selectBox(className, action) {
  const box = document.createElement("select")
  box.className = `ls-select ${className}`
  box.addEventListener("change", () => action(box.value))
  return box
}

function mark(kind, letter) {
  const node = document.createElement("span")
  node.className = `ls-pin-${kind}`
  node.textContent = letter
  return node
}

function offer(box, options) {
  const nodes = options.map(([value, words]) => new Option(words, value))
  const chosen = box.value
  box.replaceChildren(...nodes)
  box.value = chosen
}

/* A button with something that it opens under itself; Escape and leaving close it. */
function dropDown(icon, content, onOpen) {
  const button = iconButton(icon, "", () => open(content.hidden))
  button.setAttribute("aria-expanded", "false")
  const place = document.createElement("div")
  place.className = "ls-menu-place"
  place.append(button, content)
  content.hidden = true
  const open = wanted => {
    content.hidden = !wanted
    button.setAttribute("aria-expanded", String(wanted))
    if (wanted) onOpen()
  }
  place.addEventListener("keydown", event => {
    if (event.key !== "Escape" || content.hidden) return
    open(false)
    button.focus()
    event.preventDefault()
    event.stopPropagation()
  })
  place.addEventListener("focusout", event => {
    // Without a target the page itself lost the focus, or a finger met what takes none.
    if (event.relatedTarget && !place.contains(event.relatedTarget)) open(false)
  })
  return {button, place, open}
}

export function render({model}) {
  const root = document.createElement("div")
  root.className = "ls-topbar"

  // The visible title belongs to the page's header, where it is not a first-level heading.
  const heading = document.createElement("h1")
  heading.className = "ls-hidden"

  const label = document.createElement("label")
  label.className = "ls-seed"
  const name = document.createElement("span")
  const input = document.createElement("input")
  input.inputMode = "numeric"
  input.autocomplete = "off"
  input.maxLength = 10
  input.className = "ls-seed-input"
  const dice = iconButton("dice", "", () => model.send_msg({type: "reroll"}))
  const seed = document.createElement("div")
  seed.className = "ls-seed-place"
  const sweep = iconButton("sweep", "", () => { more.open(false); model.send_msg({type: "sweep"}) })
  label.append(name, input)
  seed.append(label, dice, sweep)

  const pin = document.createElement("button")
  pin.type = "button"
  pin.className = "ls-button ls-pin"
  pin.append(mark("a", "A"), mark("b", "B"))
  pin.addEventListener("click", () => { more.open(false); model.send_msg({type: "pin"}) })

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

  const phase = selectBox("ls-phase", value => model.send_msg({type: "phase", value}))
  const language = selectBox("ls-language", value => model.send_msg({type: "language", value}))
  offer(language, Object.entries(model.languages))

  const go = steps => model.send_msg({type: "go", steps})
  const undo = iconButton("undo", "", () => go(-1))
  const redo = iconButton("redo", "", () => go(1))
  const help = iconButton("help", "", () => document.dispatchEvent(new Event("ls-keys")))
  const rule = document.createElement("span")
  rule.className = "ls-rule"

  /* Every edit by name, the newest on top; the undone ones above where one is. */
  const menu = document.createElement("ul")
  menu.className = "ls-menu"
  const history = dropDown("history", menu, () => menu.querySelector("[aria-current]")?.focus())

  const entry = (label, steps, kind) => {
    const item = document.createElement("li")
    const button = document.createElement("button")
    button.type = "button"
    button.className = `ls-menu-entry ls-${kind}`
    button.textContent = label
    if (kind === "now") button.setAttribute("aria-current", "true")
    button.addEventListener("click", () => { history.open(false); if (steps) go(steps) })
    item.append(button)
    return item
  }
  const drawMenu = () => {
    const {past, future, strings} = model
    const undone = future.map((name, index) => entry(name, index + 1, "undone")).reverse()
    const done = past.map((name, index) => {
      const steps = index + 1 - past.length
      return entry(name, steps, steps ? "done" : "now")
    }).reverse()
    const start = entry(strings.history_start, -past.length, past.length ? "done" : "now")
    menu.replaceChildren(...undone, ...done, start)
  }
  menu.addEventListener("keydown", event => {
    const entries = [...menu.querySelectorAll("button")]
    const at = entries.findIndex(button => button.matches(":focus"))
    if (event.key === "ArrowDown") entries[at + 1]?.focus()
    else if (event.key === "ArrowUp") entries[at - 1]?.focus()
    else return
    event.preventDefault()
    event.stopPropagation()
  })

  /* What a narrow page has no room for is one button away; a wide one shows it in the row. */
  const further = document.createElement("div")
  further.className = "ls-further"
  further.append(seed, phase, pin, language, help)
  const more = dropDown("more", further, () => input.focus())
  more.place.classList.add("ls-more-place")
  help.addEventListener("click", () => more.open(false))

  root.append(heading, undo, redo, history.place, rule, more.place)

  let drawn = ""
  const draw = () => {
    // What is being typed is left alone.
    if (!input.matches(":focus") || input.value === drawn) input.value = model.seed
    drawn = String(model.seed)
    phase.value = model.phase
    phase.disabled = model.locked.includes("phase")
    input.disabled = dice.disabled = sweep.disabled = model.locked.includes("seed")
    pin.setAttribute("aria-pressed", String(model.pinned))
    setLabel(pin, model.pinned ? model.strings.unpin : model.strings.pin)
    setLabel(undo, model.undo_label || model.strings.undo_nothing)
    setLabel(redo, model.redo_label || model.strings.redo_nothing)
    undo.disabled = !model.undo_label
    redo.disabled = !model.redo_label
    history.button.disabled = !model.past.length && !model.future.length
    drawMenu()
  }
  const say = () => {
    const {strings} = model
    heading.textContent = strings.title
    name.textContent = strings.seed
    input.setAttribute("aria-label", strings.seed)
    offer(phase, ["training", "inference"].map(one => [one, strings[`phase_${one}`]]))
    setLabel(phase, strings.phase_help)
    setLabel(dice, strings.reroll)
    setLabel(sweep, strings.sweep)
    setLabel(history.button, strings.history)
    setLabel(more.button, strings.more)
    setLabel(language, strings.language)
    setLabel(help, strings.keys)
    language.value = model.language
    draw()
  }
  model.on(["seed", "phase", "locked", "pinned", "undo_label", "redo_label", "past", "future"], draw)
  model.on("strings", () => { say(); window.speak?.(model.language, model.strings) })
  say()
  return root
}
