const POSITIONS = 200
/* Milliseconds between the values of a drag: more would only keep the server from answering. */
const ANSWERED_AFTER = 25

function fill(template, values) {
  return template.replace(/\{(\w+)\}/g, (_, key) => values[key] ?? "")
}

function element(tag, className, text) {
  const node = document.createElement(tag)
  node.className = className
  if (text !== undefined) node.textContent = text
  return node
}

/* Writing the same words again would make the browser lay them out again. */
function say(node, text) {
  if (node.textContent !== text) node.textContent = text
}

function format(value) {
  if (value === null || value === undefined) return ""
  if (typeof value !== "number") return String(value)
  const size = Math.abs(value)
  return size !== 0 && (size < 1e-4 || size >= 1e6) ? value.toExponential().replace("e+", "e") : String(value)
}

/* What the person typed: a number when it is one, null when it is empty, else the text itself,
   so that the reason why it is not valid can quote it. */
function parse(text) {
  const trimmed = text.trim()
  if (trimmed === "") return null
  const number = Number(trimmed)
  return Number.isNaN(number) ? trimmed : number
}

/* Slider positions for a range; decades get equal room on a logarithmic one. One that starts at
   zero has zero at its very left, then four decades. */
function scale({low, high, integer, log}) {
  if (integer && !log) return {min: low, max: high, value: at => at, at: value => value}
  const floor = low > 0 ? low : high * 1e-4
  const [from, to] = log ? [Math.log(floor), Math.log(high)] : [low, high]
  const round = integer ? Math.round : v => Number(v.toPrecision(log ? 2 : 3))
  return {
    min: 0,
    max: POSITIONS,
    value: at => {
      if (log && at === 0) return low
      const v = from + (to - from) * at / POSITIONS
      return round(log ? Math.exp(v) : v)
    },
    at: value => {
      if (log && value < floor) return 0
      return Math.round(POSITIONS * ((log ? Math.log(value) : value) - from) / (to - from))
    },
  }
}

/* A slider under the control's line; `onMove` hears the value at the thumb. */
function makeSlider(control, field, onMove) {
  if (field.low === null || field.low === undefined) return {paint() {}}
  const steps = scale(field)
  const slider = element("input", "ls-slider")
  slider.type = "range"
  slider.min = steps.min
  slider.max = steps.max
  slider.step = 1
  slider.setAttribute("aria-label", field.name)
  control.row.insertBefore(slider, control.error)
  slider.addEventListener("input", () => onMove(steps.value(Number(slider.value))))
  return {
    paint(value, words) {
      const known = typeof value === "number"
      const at = known ? Math.min(Math.max(steps.at(value), steps.min), steps.max) : steps.min
      slider.value = at
      slider.style.setProperty("--at", `${100 * (at - steps.min) / (steps.max - steps.min)}%`)
      slider.setAttribute("aria-valuetext", words)
    },
  }
}

const THUMBNAIL = {width: 48, height: 24}

function drawing(path) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg")
  svg.setAttribute("viewBox", `0 0 ${THUMBNAIL.width} ${THUMBNAIL.height}`)
  svg.setAttribute("class", "ls-drawing")
  svg.setAttribute("aria-hidden", "true")
  const line = document.createElementNS(svg.namespaceURI, "path")
  line.setAttribute("d", path)
  svg.append(line)
  return svg
}

/* A choice by looks: a button with a drawing that opens a list of all of them. */
function makePicker(field, drawings, {onPick, onPreview}) {
  const place = element("div", "ls-picker-place")
  const button = element("button", "ls-picker")
  button.type = "button"
  button.setAttribute("role", "combobox")
  button.setAttribute("aria-haspopup", "listbox")
  button.setAttribute("aria-expanded", "false")
  const list = element("div", "ls-options")
  list.id = `ls-options-${field.path}`
  button.setAttribute("aria-controls", list.id)
  list.setAttribute("role", "listbox")
  list.setAttribute("aria-label", field.name)
  list.tabIndex = -1
  list.hidden = true
  place.append(button, list)
  const labels = new Map(field.options)
  const options = new Map()
  let value = field.value
  let marked = value

  const face = (node, name) => {
    node.replaceChildren(drawing(drawings[name] ?? ""), element("span", "ls-picked", labels.get(name) ?? name))
  }
  const mark = name => {
    if (!options.has(name)) return
    marked = name
    for (const [key, option] of options) option.classList.toggle("ls-marked", key === name)
    options.get(name).scrollIntoView({block: "nearest"})
    button.setAttribute("aria-activedescendant", options.get(name).id)
    onPreview(name === value ? null : name)
  }
  const close = () => {
    if (list.hidden) return
    list.hidden = true
    button.setAttribute("aria-expanded", "false")
    button.removeAttribute("aria-activedescendant")
    onPreview(null)
  }
  const open = () => {
    list.hidden = false
    button.setAttribute("aria-expanded", "true")
    const room = window.innerHeight - button.getBoundingClientRect().bottom
    list.classList.toggle("ls-above", room < 300)
    mark(value)
  }
  const pick = name => { close(); if (name !== value) { show(name); onPick(name) } }
  const show = name => {
    value = name
    face(button, name)
    for (const [key, option] of options) option.setAttribute("aria-selected", String(key === name))
  }
  for (const [name] of field.options) {
    const option = element("div", "ls-option")
    option.id = `ls-option-${field.path}-${name}`
    option.setAttribute("role", "option")
    option.dataset.name = name
    face(option, name)
    option.addEventListener("pointerdown", event => event.preventDefault())
    option.addEventListener("pointermove", () => { if (marked !== name) mark(name) })
    option.addEventListener("click", () => pick(name))
    options.set(name, option)
    list.append(option)
  }
  button.addEventListener("click", () => (list.hidden ? open() : close()))
  button.addEventListener("blur", close)
  list.addEventListener("pointerleave", () => onPreview(null))
  let typed = "", typedAt = 0
  button.addEventListener("keydown", event => {
    const names = [...options.keys()]
    const at = names.indexOf(list.hidden ? value : marked)
    const step = {ArrowDown: 1, ArrowUp: -1}[event.key]
    if (list.hidden && (step || event.key === "Enter" || event.key === " ")) open()
    else if (step) mark(names[Math.min(Math.max(at + step, 0), names.length - 1)])
    else if (event.key === "Home") mark(names[0])
    else if (event.key === "End") mark(names[names.length - 1])
    else if (!list.hidden && (event.key === "Enter" || event.key === " ")) pick(marked)
    else if (!list.hidden && event.key === "Escape") close()
    else if (event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey) {
      typed = event.timeStamp - typedAt < 700 ? typed + event.key.toLowerCase() : event.key.toLowerCase()
      typedAt = event.timeStamp
      const found = names.find(name => (labels.get(name) ?? name).toLowerCase().startsWith(typed))
      if (found === undefined) return
      if (list.hidden) open()
      mark(found)
    } else return
    event.preventDefault()
    event.stopPropagation()
  })
  return {place, button, show}
}

export function render({model}) {
  const strings = model.strings
  const root = element("div", "ls-form")
  const head = element("header", "ls-head")
  const title = element("h2", "ls-title")
  const subtitle = element("span", "ls-subtitle")
  const summary = element("p", "ls-summary")
  const formula = element("div", "ls-formula")
  const body = element("div", "ls-body")
  const empty = element("p", "ls-empty")
  const expand = element("button", "ls-icon-button ls-expand")
  expand.type = "button"
  expand.innerHTML = '<svg class="ls-icon" viewBox="0 0 16 16" aria-hidden="true"><path d="M4 10l4-4 4 4"/></svg>'
  head.append(title, subtitle, expand)
  head.addEventListener("click", () => { if (expand.offsetParent) model.expanded = !model.expanded })
  const notice = element("p", "ls-notice")
  root.append(head, summary, formula, notice, body, empty)
  const child = model.formula ? model.get_child("formula") : null
  if (child) formula.append(child)

  let controls = new Map()
  let owner = null
  let counter = 0

  function send(control, type, value = null) {
    control.sent = ++counter
    model.send_msg({type, path: control.path, value, count: control.sent})
  }

  /* The first value goes at once, then the newest one each time the server had time to answer. */
  function sendSoon(control, value) {
    control.next = {value}
    if (control.timer) return
    const go = () => {
      control.timer = 0
      if (!control.next) return
      send(control, "set", control.next.value)
      control.next = null
      control.timer = setTimeout(go, ANSWERED_AFTER)
    }
    go()
  }

  const makers = {
    number(control, field) {
      const input = element("input", "ls-number")
      input.inputMode = field.integer ? "numeric" : "decimal"
      input.autocomplete = "off"
      input.spellcheck = false
      input.placeholder = field.optional ? strings.none : ""
      control.side.append(input)
      control.input = input
      const paint = value => slider.paint(value, format(value) || strings.none)
      const show = value => { input.value = format(value); paint(value) }
      const take = value => { show(value); sendSoon(control, value) }
      const slider = makeSlider(control, field, take)
      input.addEventListener("input", () => {
        const value = parse(input.value)
        paint(value)
        sendSoon(control, value)
      })
      input.addEventListener("keydown", event => {
        if (!["ArrowUp", "ArrowDown"].includes(event.key)) return
        const value = parse(input.value)
        if (typeof value !== "number") return
        event.preventDefault()
        const unit = field.integer ? 1 : 10 ** Math.floor(Math.log10(Math.abs(value) || 1)) / 10
        take(Number((value + (event.key === "ArrowUp" ? unit : -unit)).toPrecision(8)))
      })
      control.draw = value => {
        const typing = input.matches(":focus") && Object.is(parse(input.value), value ?? null)
        if (typing) paint(value)
        else show(value)
      }
    },
    text(control, field) {
      const input = element("input", "ls-text")
      input.autocomplete = "off"
      input.spellcheck = false
      input.placeholder = field.placeholder || (field.optional ? strings.none : "")
      control.side.append(input)
      control.input = input
      const paint = () => slider.paint(parse(input.value.split(",")[0]), input.value)
      const slider = makeSlider(control, field, value => {
        input.value = Array(field.length).fill(value).join(", ")
        paint()
        sendSoon(control, input.value)
      })
      input.addEventListener("input", () => { paint(); sendSoon(control, input.value) })
      const show = () => { input.value = control.value ?? ""; paint() }
      // What is being typed is left alone; leaving the field shows it as it was understood.
      control.draw = () => { if (!input.matches(":focus")) show() }
      input.addEventListener("blur", show)
    },
    switch(control) {
      const input = element("input", "ls-switch")
      input.type = "checkbox"
      input.setAttribute("role", "switch")
      control.side.append(input)
      control.input = input
      input.addEventListener("change", () => send(control, "set", input.checked))
      control.draw = value => { input.checked = Boolean(value) }
    },
    picker(control, field) {
      const drawings = model.thumbnails[field.kind] ?? {}
      const picker = makePicker(field, drawings, {
        onPick: name => send(control, "set", name),
        onPreview: name => model.send_msg({type: "preview", path: control.path, value: name}),
      })
      control.side.append(picker.place)
      control.input = picker.button
      control.draw = value => picker.show(value ?? "")
    },
    select(control, field) {
      const input = element("select", "ls-select")
      for (const [value, label] of field.options) {
        const option = document.createElement("option")
        option.value = value
        option.textContent = label
        input.append(option)
      }
      control.side.append(input)
      control.input = input
      input.addEventListener("change", () => send(control, "set", input.value))
      control.draw = value => { input.value = value }
    },
  }

  function makeControl(field) {
    const row = element("div", `ls-field ls-arg-${field.path.replaceAll(".", "-")} ls-${field.control}-field`)
    if (field.nested) {
      row.classList.add("ls-nested")
      row.style.setProperty("--depth", field.nested)
    }
    const line = element("div", "ls-line")
    const dot = element("button", "ls-dot")
    dot.type = "button"
    dot.title = fill(strings.reset, field)
    dot.setAttribute("aria-label", dot.title)
    // A long name breaks after an underscore, not within a word.
    const label = element("label", "ls-label", field.name.replaceAll("_", "_\u200b"))
    const side = element("div", "ls-side")
    const error = element("p", "ls-error")
    line.append(dot, label, side)
    // The same value for all layers of this kind, one click away.
    const everywhere = element("button", "ls-everywhere")
    everywhere.type = "button"
    everywhere.hidden = true
    everywhere.addEventListener("click", () => send(control, "everywhere"))
    row.append(line, everywhere, error)
    const control = {path: field.path, row, side, error, sent: 0, locked: false}
    dot.addEventListener("click", () => { send(control, "reset"); control.input.focus() })
    makers[field.control](control, field)
    const id = `ls-${field.path}`
    control.input.id = id
    label.htmlFor = id
    error.id = `${id}-error`
    label.title = field.help
    return {...control, control, dot, everywhere}
  }

  function drawControl({control, dot, everywhere}, field) {
    say(everywhere, field.everywhere || "")
    everywhere.hidden = !field.everywhere
    control.row.classList.toggle("ls-changed", field.changed)
    dot.hidden = !field.changed
    if (control.locked !== Boolean(field.locked)) {
      control.locked = Boolean(field.locked)
      control.row.classList.toggle("ls-locked", control.locked)
      for (const one of control.row.querySelectorAll("input, select, button")) one.disabled = control.locked
    }
    // Older than what the person did since: the answer to that is on its way.
    if (field.heard < control.sent || control.next) return
    control.value = field.value
    control.draw(field.value)
    say(control.error, field.error)
    control.error.hidden = !field.error
    control.row.classList.toggle("ls-invalid", Boolean(field.error))
    if (field.error) {
      control.input.setAttribute("aria-invalid", "true")
      control.input.setAttribute("aria-describedby", control.error.id)
    } else {
      control.input.removeAttribute("aria-invalid")
      control.input.removeAttribute("aria-describedby")
    }
  }

  const keyOf = field => JSON.stringify([field.path, field.control, field.low, field.high, field.options])

  const opened = new Map()

  function groupBox(group) {
    if (!group.label) return element("div", "ls-group")
    const box = element("details", "ls-group")
    box.open = opened.get(group.label) ?? group.open
    const label = element("summary", "ls-group-label", group.label)
    const count = element("span", "ls-count")
    label.append(count)
    box.append(label)
    box.addEventListener("toggle", () => opened.set(group.label, box.open))
    return box
  }

  let structure = ""

  function layOut(groups, newOwner) {
    const wanted = JSON.stringify(groups.map(g => [g.label, g.fields.map(keyOf)]))
    if (wanted === structure && owner === newOwner) return
    if (owner !== newOwner) { controls = new Map(); opened.clear() }
    owner = newOwner
    structure = wanted
    const focused = [...controls.values()].find(c => c.control.input.matches(":focus"))
    const kept = new Map()
    const boxes = groups.map(group => {
      const box = groupBox(group)
      for (const field of group.fields) {
        const key = keyOf(field)
        const made = controls.get(key) ?? makeControl(field)
        kept.set(key, made)
        box.append(made.row)
      }
      return box
    })
    controls = kept
    body.replaceChildren(...boxes)
    focused?.control.input.focus({preventScroll: true})
  }

  function draw() {
    const content = JSON.parse(model.content)
    const groups = content.groups
    layOut(groups, content.owner)
    for (const group of groups) for (const field of group.fields) drawControl(controls.get(keyOf(field)), field)
    body.querySelectorAll("details").forEach((box, index) => {
      const labelled = groups.filter(g => g.label)[index]
      const changed = labelled.fields.filter(f => f.changed && !f.nested).length
      say(box.querySelector(".ls-count"), changed ? `${changed} ${strings.changed}` : "")
      if (labelled.fields.some(f => f.error)) box.open = true
      if (labelled.unfold && !box.dataset.unfolded) box.open = true
      box.dataset.unfolded = labelled.unfold ? "yes" : ""
    })
    say(notice, content.notice)
    notice.hidden = !content.notice
    say(empty, content.empty)
    empty.hidden = groups.length > 0
  }

  function drawHead() {
    head.hidden = !model.title
    title.textContent = model.title
    subtitle.textContent = model.subtitle
    summary.textContent = model.summary
    summary.hidden = !model.summary
    root.classList.toggle("ls-inline", model.inline)
    const label = model.expanded ? strings.collapse : strings.expand
    expand.setAttribute("aria-expanded", String(model.expanded))
    expand.setAttribute("aria-label", label)
    expand.title = label
    if (model.color) root.style.setProperty("--c", model.color)
  }

  /* Enter on a card goes to the first control of its layer, Escape back to the card. */
  const edit = () => {
    if (!model.title) return
    if (expand.offsetParent) model.expanded = true
    const parts = [...body.querySelectorAll("input, select, button, summary")]
    parts.find(part => part.checkVisibility({visibilityProperty: true, opacityProperty: true}))?.focus()
  }
  document.addEventListener("ls-edit", edit)
  model.on("remove", () => document.removeEventListener("ls-edit", edit))
  body.addEventListener("keydown", event => {
    if (event.key !== "Escape" || !model.title) return
    document.dispatchEvent(new CustomEvent("ls-stack", {detail: "focus"}))
    event.preventDefault()
  })

  model.on(["title", "subtitle", "summary", "color", "expanded"], drawHead)
  model.on("content", draw)
  drawHead()
  draw()
  return root
}
