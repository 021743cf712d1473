const ICONS = {
  open: "M2.5 12.5v-9h4l1.5 2h5.5v7zM2.5 7h11",
  share: "M8 10V2.5M5.2 5 8 2.2 10.8 5M3.5 8.5v5h9v-5",
}
/* A file's bytes; the server counts again. */
const LARGEST_FILE = 2_000_000
/* A goal as an example: the same in every language. */
const GOAL = "most(dead) < 5 %"
const TYPING = "input, textarea, select, [contenteditable=true]"

function plainButton(className, text, action) {
  const button = element("button", className, text)
  button.type = "button"
  button.addEventListener("click", action)
  return button
}

/* A button that unfolds a panel below it; Escape, or going elsewhere, folds it again. */
function makeMenu(name, label, title, onOpen) {
  const place = element("div", `ls-menu-place ls-${name}-menu`)
  const button = plainButton("ls-menu-button", "", () => open(panel.hidden))
  const icon = svgNode("svg", {viewBox: "0 0 16 16", class: "ls-icon", "aria-hidden": "true"})
  icon.append(svgNode("path", {d: ICONS[name]}))
  button.append(icon, element("span", "ls-menu-label", label))
  button.title = title
  button.setAttribute("aria-label", title)
  button.setAttribute("aria-expanded", "false")
  const panel = element("div", "ls-panel")
  panel.setAttribute("role", "group")
  panel.setAttribute("aria-label", title)
  panel.hidden = true
  place.append(button, panel)

  const stops = () => [...panel.querySelectorAll("button, input, select, textarea, summary")].filter(one => one.checkVisibility())
  const open = wanted => {
    if (panel.hidden !== wanted) return
    panel.hidden = !wanted
    button.setAttribute("aria-expanded", String(wanted))
    if (!wanted) return
    onOpen()
    stops()[0]?.focus({preventScroll: true})
  }
  place.addEventListener("keydown", event => {
    const target = event.composedPath()[0]
    const typing = target.matches?.(TYPING)
    if (event.key === "Escape" && !panel.hidden) { open(false); button.focus() }
    else if (!typing && ["ArrowDown", "ArrowUp"].includes(event.key) && !panel.hidden) {
      const all = stops()
      all[all.indexOf(target) + (event.key === "ArrowDown" ? 1 : -1)]?.focus()
    } else { if (!panel.hidden && event.key !== "Tab") event.stopPropagation(); return }
    event.preventDefault()
    event.stopPropagation()
  })
  place.addEventListener("focusout", event => {
    // The browser's own dialog for files takes the focus from everything.
    if (event.relatedTarget && !place.contains(event.relatedTarget)) open(false)
  })
  const onOutside = event => { if (!event.composedPath().includes(place)) open(false) }
  document.addEventListener("pointerdown", onOutside, true)
  return {place, panel, button, open, remove: () => document.removeEventListener("pointerdown", onOutside, true)}
}

function download(name, type, content) {
  const link = document.createElement("a")
  link.href = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], {type}))
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000)
}

/* Everything in the language that is spoken now. */
function build(model) {
  const strings = model.strings
  const root = element("div", "ls-sharing")
  const send = (type, more = {}) => model.send_msg({type, ...more})
  const cards = {
    signal: () => findDeep(".ls-signal-card"),
    lens: () => findDeep(".ls-lens-card:not(.ls-closed)", findDeep(".ls-lens-place")?.shadowRoot ?? document),
  }

  /* --- what can be opened --- */
  const opening = makeMenu("open", strings.open, strings.open_label, () => send("looked"))
  const file = element("input", "ls-hidden")
  file.type = "file"
  file.accept = ".json,application/json"
  file.tabIndex = -1
  file.setAttribute("aria-label", strings.open_file)
  const read = async chosen => {
    if (!chosen) return
    if (chosen.size > LARGEST_FILE) send("too_large")
    else send("open", {text: await chosen.text()})
  }
  file.addEventListener("change", () => { read(file.files[0]); file.value = ""; opening.open(false) })
  const entry = ({name, title, about}, type) => {
    const button = plainButton("ls-entry", "", () => { opening.open(false); send(type, {name}) })
    button.dataset.name = name
    button.append(element("span", "ls-entry-title", title))
    if (about) button.append(element("span", "ls-entry-about", about))
    return button
  }
  const heading = text => element("h2", "ls-heading", text)
  const demos = element("div", "ls-entries ls-demos")
  const lessons = element("div", "ls-entries ls-lessons")
  const chooser = plainButton("ls-button", strings.open_file, () => file.click())
  const files = element("div", "ls-files")
  files.append(chooser, element("span", "ls-note", strings.drop), file)
  opening.panel.append(files, heading(strings.lessons), lessons, heading(strings.demos), demos)
  /* Each by itself: lessons come when the menu is open, and the focus may be on a demo. */
  const drawDemos = () => demos.replaceChildren(...model.demos.map(one => entry(one, "demo")))
  const drawLessons = () => lessons.replaceChildren(...model.lessons.map(one => entry(one, "lesson")))

  /* --- how it is shared and kept --- */
  const sharing = makeMenu("share", strings.share, strings.share_label, () => { say(""); drawNames() })
  const said = element("p", "ls-said")
  said.setAttribute("role", "status")
  const say = (words, bad = false) => { said.textContent = words; said.classList.toggle("ls-bad", bad) }
  const link = plainButton("ls-button ls-primary ls-link", strings.link, () => send("link"))
  link.hidden = !model.served
  const keep = element("div", "ls-row")
  keep.append(
    link,
    plainButton("ls-button ls-save", strings.save, () => send("save")),
    plainButton("ls-button ls-keras", strings.code, () => send("code")),
    plainButton("ls-button ls-report", strings.report, () => send("report", {page: model.served ? location.origin + location.pathname : ""})),
  )
  const saveDrawing = async (what, format) => {
    const source = drawLens(cards[what]())
    if (!source) { say(strings.nothing_to_save, true); return }
    const name = `layerscope-${what}.${format}`
    if (format === "svg") download(name, "image/svg+xml", source)
    else download(name, "image/png", await toPixels(source))
    say(fill(strings.saved, {name}))
  }
  const pictures = element("div", "ls-pictures-grid")
  const names = {}
  for (const what of ["signal", "lens"]) {
    names[what] = element("span", "ls-picture-name")
    pictures.append(names[what])
    for (const format of ["png", "svg", "csv"]) {
      const action = format === "csv" ? () => send("csv", {what}) : () => saveDrawing(what, format)
      const button = plainButton(`ls-button ls-${what}-${format}`, format.toUpperCase(), action)
      pictures.append(button)
    }
  }
  const drawNames = () => {
    names.signal.textContent = strings.signal
    const {lens, layer} = model.names
    names.lens.textContent = layer ? fill(strings.lens, {name: lens, layer}) : lens
    for (const what of ["signal", "lens"]) {
      for (const format of ["png", "svg", "csv"]) {
        pictures.querySelector(`.ls-${what}-${format}`).setAttribute("aria-label", fill(strings.picture_of, {format: format.toUpperCase(), what: names[what].textContent}))
      }
    }
    open.options[0].textContent = fill(strings.open_selected, {name: layer})
  }

  /* --- a locked link for a class --- */
  const teach = element("details", "ls-teach")
  const words = element("textarea", "ls-words")
  words.rows = 2
  words.maxLength = 400
  words.placeholder = strings.words_hint
  const goal = element("input", "ls-goal")
  goal.maxLength = 300
  goal.placeholder = GOAL
  goal.spellcheck = false
  const open = element("select", "ls-open")
  for (const value of ["selected", "arguments", "all"]) {
    const option = document.createElement("option")
    option.value = value
    option.textContent = strings[`open_${value}`]
    open.append(option)
  }
  const labelled = (label, control) => {
    const node = element("label", "ls-labelled")
    node.append(element("span", "", label), control)
    return node
  }
  teach.append(
    element("summary", "ls-heading", strings.teach), element("p", "ls-note", strings.teach_help),
    labelled(strings.words, words), labelled(strings.goal, goal), labelled(strings.leave_open, open),
    plainButton("ls-button ls-class-link", strings.class_link, () => send("class", {words: words.value, goal: goal.value, open: open.value})),
  )
  teach.hidden = !model.served
  sharing.panel.append(keep, heading(strings.pictures), pictures, teach, said)
  root.append(opening.place, sharing.place)

  const hear = async message => {
    if (message.kind === "link") {
      await toClipboard(location.origin + location.pathname + message.search)
      say(strings.link_copied)
      sharing.panel.dataset.copied = message.search
    } else if (message.kind === "file") {
      download(message.name, message.type, message.text)
      say(fill(strings.saved, {name: message.name}))
    } else if (message.kind === "report") {
      const page = message.text.replaceAll(/<!--picture of (\w+)-->/g, (_, name) => drawLens(cards[name === "signal" ? "signal" : "lens"]()))
      download(message.name, "text/html", page)
      say(fill(strings.saved, {name: message.name}))
    } else if (message.kind === "refused") say(message.why, true)
  }

  /* --- the whole page --- */
  const onKey = event => {
    const target = event.composedPath()[0]
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return
    if (target instanceof Element && target.matches(TYPING)) return
    const menu = {s: sharing, o: opening}[event.key.toLowerCase()]
    if (!menu) return
    event.preventDefault()
    menu.open(true)
  }
  const carriesFile = event => [...(event.dataTransfer?.types ?? [])].includes("Files")
  const onDrag = event => { if (carriesFile(event)) event.preventDefault() }
  const onDrop = event => {
    if (!carriesFile(event)) return
    event.preventDefault()
    read(event.dataTransfer.files[0])
  }
  const listeners = {keydown: onKey, dragover: onDrag, drop: onDrop}
  for (const [name, listener] of Object.entries(listeners)) document.addEventListener(name, listener)
  const remove = () => {
    for (const [name, listener] of Object.entries(listeners)) document.removeEventListener(name, listener)
    opening.remove()
    sharing.remove()
  }
  drawDemos()
  drawLessons()
  drawNames()
  return {root, hear, remove, drawDemos, drawLessons, drawNames}
}

export function render({model}) {
  let built = build(model)
  const place = element("div", "ls-sharing-place")
  place.append(built.root)
  model.on("msg:custom", message => built.hear(message))
  model.on("demos", () => built.drawDemos())
  model.on("lessons", () => built.drawLessons())
  model.on("names", () => built.drawNames())
  model.on("strings", () => {
    built.remove()
    built = build(model)
    place.replaceChildren(built.root)
  })
  model.on("remove", () => built.remove())
  return place
}
