const ICONS = {
  up: "M4 9.5 8 5.5l4 4",
  down: "M4 6.5l4 4 4-4",
  duplicate: "M6 6h7v7H6zM3.5 10V3.5H10",
  remove: "M3.5 4.5h9M6.5 4.5V3h3v1.5M5 4.5l.5 8.5h5l.5-8.5",
  plus: "M8 3.5v9M3.5 8h9",
  bypass: "M3 11c0-5 10-5 10 0M11 9l2 2-2 2M8 12.5v.01",
  share: "M6.5 9.5l3-3M7 5l1.2-1.2a2.5 2.5 0 0 1 3.6 3.6L10.5 8.6M9 11l-1.2 1.2a2.5 2.5 0 0 1-3.6-3.6L5.5 7.4",
  unshare: "M7 5l1.2-1.2a2.5 2.5 0 0 1 3.6 3.6L10.5 8.6M9 11l-1.2 1.2a2.5 2.5 0 0 1-3.6-3.6L5.5 7.4",
  reroll: "M3.5 3h9a.5.5 0 0 1 .5.5v9a.5.5 0 0 1-.5.5h-9a.5.5 0 0 1-.5-.5v-9a.5.5 0 0 1 .5-.5ZM5.9 5.9h.01M10.1 5.9h.01M8 8h.01M5.9 10.1h.01M10.1 10.1h.01",
}
const DRAG_THRESHOLD = 6

function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg")
  svg.setAttribute("viewBox", "0 0 16 16")
  svg.setAttribute("class", "ls-icon")
  svg.setAttribute("aria-hidden", "true")
  const path = document.createElementNS(svg.namespaceURI, "path")
  path.setAttribute("d", ICONS[name])
  svg.append(path)
  return svg
}

function iconButton(name, label, action) {
  const button = element("button", `ls-icon-button ls-action-${name}`)
  button.type = "button"
  button.append(icon(name))
  setLabel(button, label)
  button.addEventListener("click", event => { event.stopPropagation(); action() })
  return button
}

/* An activation's curve, as its picker draws it. */
function drawing() {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg")
  svg.setAttribute("viewBox", "0 0 48 24")
  svg.setAttribute("class", "ls-curve")
  svg.setAttribute("aria-hidden", "true")
  const path = document.createElementNS(svg.namespaceURI, "path")
  svg.append(path)
  return {svg, draw: data => { svg.style.display = data ? "" : "none"; path.setAttribute("d", data) }}
}

/* Heights come as percent in one text. */
const heights = packed => (packed ? packed.split(" ").map(percent => percent / 100) : [])

/* Two paths in one small picture: theory as a grey area, the drawn weights in colour. */
function sparkline() {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg")
  svg.setAttribute("viewBox", "0 0 100 20")
  svg.setAttribute("preserveAspectRatio", "none")
  svg.setAttribute("class", "ls-spark")
  svg.setAttribute("aria-hidden", "true")
  const paths = ["ls-spark-theory", "ls-spark-measured"].map(name => {
    const path = document.createElementNS(svg.namespaceURI, "path")
    path.setAttribute("class", name)
    svg.append(path)
    return path
  })
  const outline = heights => {
    const step = 100 / Math.max(heights.length - 1, 1)
    return heights.map((h, i) => `${i ? "L" : "M"}${(i * step).toFixed(1)} ${(19.5 - 18.5 * h).toFixed(1)}`).join("")
  }
  return {
    svg,
    draw(measured, theory) {
      svg.style.display = measured.length ? "" : "none"
      paths[0].setAttribute("d", theory.length ? `${outline(theory)}L100 20L0 20Z` : "")
      paths[1].setAttribute("d", measured.length ? outline(measured) : "")
    },
  }
}

export function render({model}) {
  const strings = model.strings
  const cards = new Map()
  let rows = []
  /* Whose removal is on its way: the key may be pressed again before the answer. */
  const leaving = new Set()
  let drag = null
  let focusAfterDraw = null
  let expectsNewCard = false

  const root = element("div", "ls-stack")
  const input = element("button", "ls-input")
  input.type = "button"
  const inputShape = element("span", "ls-chip")
  const inputDetail = element("span", "ls-input-detail")
  input.append(element("span", "ls-input-name", strings.input), inputDetail, inputShape)
  input.addEventListener("click", () => select("input"))
  input.addEventListener("keydown", event => {
    if (event.key === "ArrowDown" && rows.length) { select(rows[0].id); focusCard(rows[0].id) }
    else if (event.key.toLowerCase() === "a" && !event.ctrlKey && !event.metaKey) openPalette(0)
    else return
    event.preventDefault()
    event.stopPropagation()
  })
  const list = element("ol", "ls-list")
  list.setAttribute("role", "list")
  list.setAttribute("aria-label", strings.label)
  const empty = element("p", "ls-empty", strings.empty)
  const addLast = element("button", "ls-button ls-add-last")
  addLast.type = "button"
  addLast.append(icon("plus"), element("span", "ls-add-text", strings.add))
  addLast.addEventListener("click", () => openPalette(rows.length))
  const total = element("div", "ls-total")
  const live = element("div", "ls-hidden")
  live.setAttribute("aria-live", "polite")
  const hint = element("p", "ls-hidden", strings.keys)
  hint.id = "ls-stack-keys"
  root.append(input, list, empty, addLast, total, hint, live)

  const indexOf = id => rows.findIndex(row => row.id === id)
  const announce = (template, values) => { live.textContent = fill(template, values) }
  const openPalette = index => { if (model.locked) return; expectsNewCard = true; model.send_msg({type: "palette", index}) }

  function select(id) {
    expectsNewCard = false
    mark(id)
    if (model.selected !== id) model.send_msg({type: "select", id})
  }

  function move(id, index) {
    const from = indexOf(id)
    if (model.locked || index < 0 || index >= rows.length || index === from) return
    focusAfterDraw = id
    announce(strings.moved, {name: rows[from].name, position: index + 1})
    model.send_msg({type: "move", id, index})
  }

  function remove(id) {
    const index = indexOf(id)
    if (model.locked || index < 0 || leaving.has(id)) return
    leaving.add(id)
    const neighbour = rows[index + 1] ?? rows[index - 1]
    focusAfterDraw = neighbour?.id ?? null
    announce(strings.removed, {name: rows[index].name})
    model.send_msg({type: "remove", id})
  }

  /* What is done to one layer as a whole. */
  function act(type, id) {
    if (model.locked && type !== "reroll") return
    if (type === "duplicate") announce(strings.duplicated, {name: rows[indexOf(id)].name})
    model.send_msg({type, id})
  }

  function onKey(event, id) {
    const index = indexOf(id)
    const back = ["ArrowUp", "ArrowLeft"].includes(event.key)
    const forth = ["ArrowDown", "ArrowRight"].includes(event.key)
    const plain = !event.ctrlKey && !event.metaKey && !event.altKey
    if (event.key === "Enter") {
      select(id)
      document.dispatchEvent(new Event("ls-edit"))
    } else if (back || forth) {
      const target = index + (forth ? 1 : -1)
      if (event.altKey) move(id, target)
      else if (rows[target]) { select(rows[target].id); focusCard(rows[target].id) }
      else if (target < 0) { select("input"); input.focus() }
    } else if (event.key === "Delete" || (event.key === "Backspace" && plain)) remove(id)
    else if (plain && event.key.toLowerCase() === "d") act("duplicate", id)
    else if (plain && event.key.toLowerCase() === "b") act("bypass", id)
    else if (plain && event.key.toLowerCase() === "s") act("share", id)
    else if (plain && event.key.toLowerCase() === "r") act("reroll", id)
    else if (plain && event.key.toLowerCase() === "a") openPalette(index + 1)
    else return
    event.preventDefault()
    event.stopPropagation()
  }

  function focusCard(id) {
    const card = cards.get(id)
    card?.main.focus({preventScroll: true})
    card?.slot.scrollIntoView({block: "nearest", inline: "nearest"})
  }

  function makeCard(id) {
    const slot = element("li", "ls-slot")
    const seam = element("div", "ls-seam")
    const insert = element("button", "ls-insert")
    insert.type = "button"
    insert.append(icon("plus"))
    insert.addEventListener("click", () => openPalette(indexOf(id)))
    const card = element("div", "ls-card")
    card.dataset.id = id
    const grip = element("span", "ls-grip")
    grip.title = strings.drag
    // Also what makes a browser let a finger meet the grip and not the button beside it.
    grip.addEventListener("click", () => select(id))
    const main = element("button", "ls-main")
    main.type = "button"
    main.setAttribute("aria-describedby", hint.id)
    main.addEventListener("click", () => select(id))
    main.addEventListener("keydown", event => onKey(event, id))
    const kind = element("span", "ls-kind")
    const name = element("span", "ls-name")
    const title = element("span", "ls-title")
    title.append(kind, name)
    const chip = element("span", "ls-chip")
    const detail = element("span", "ls-detail")
    const params = element("span", "ls-params")
    const health = element("span", "ls-health")
    const spark = sparkline()
    const curve = drawing()
    const pictures = element("span", "ls-pictures")
    pictures.append(spark.svg, curve.svg)
    const links = element("span", "ls-links")
    main.append(title, chip, detail, params, links, pictures, health)
    const actions = element("div", "ls-actions")
    const buttons = {
      up: iconButton("up", "", () => move(id, indexOf(id) - 1)),
      down: iconButton("down", "", () => move(id, indexOf(id) + 1)),
      bypass: iconButton("bypass", "", () => act("bypass", id)),
      reroll: iconButton("reroll", "", () => act("reroll", id)),
      share: iconButton("share", "", () => act("share", id)),
      unshare: iconButton("unshare", "", () => act("unshare", id)),
      duplicate: iconButton("duplicate", "", () => act("duplicate", id)),
      remove: iconButton("remove", "", () => remove(id)),
    }
    actions.append(...Object.values(buttons))
    card.append(grip, main, actions)
    slot.append(seam, insert, card)
    card.addEventListener("pointerdown", event => startDrag(event, id))
    return {slot, seam, insert, card, main, kind, name, chip, detail, params, health, spark, curve, links, buttons, seamKey: ""}
  }

  function drawSeam(card, row) {
    const key = JSON.stringify([row.error, row.fixes, row.note])
    if (key === card.seamKey) return
    card.seamKey = key
    card.seam.replaceChildren()
    card.seam.hidden = !row.error && !row.fixes.length
    card.seam.classList.toggle("ls-cure", !row.error)
    if (card.seam.hidden) return
    card.seam.append(element("p", "ls-seam-text", row.error || row.note))
    const fixes = element("div", "ls-fixes")
    row.fixes.forEach((label, index) => {
      const button = element("button", "ls-button ls-fix", label)
      button.type = "button"
      button.addEventListener("click", () => model.send_msg({type: "fix", id: row.id, index}))
      fixes.append(button)
    })
    card.seam.append(fixes)
    if (row.error) live.textContent = fill(strings.problem, {message: row.error})
  }

  function drawCard(card, row, index, count) {
    const key = JSON.stringify([row, index, count])
    if (key === card.key) return
    card.key = key
    card.card.style.setProperty("--c", row.color)
    card.card.dataset.health = row.health
    card.card.classList.toggle("ls-failed", Boolean(row.error))
    say(card.kind, row.kind)
    say(card.name, row.name)
    say(card.chip, row.shape)
    say(card.detail, row.detail)
    say(card.params, row.params)
    say(card.health, strings[`health_${row.health}`])
    card.health.title = row.note
    card.spark.draw(heights(row.spark), heights(row.theory))
    card.curve.draw(row.drawing)
    card.card.classList.toggle("ls-bypassed", row.bypassed)
    say(card.links, row.sources.length ? fill(strings.takes, {names: row.sources.join(", ")}) : "")
    card.buttons.bypass.setAttribute("aria-pressed", String(row.bypassed))
    card.buttons.share.style.display = row.shares ? "none" : ""
    card.buttons.unshare.style.display = row.shares ? "" : "none"
    card.buttons.reroll.disabled = !row.spark
    for (const name of ["bypass", "reroll", "share", "unshare"]) setLabel(card.buttons[name], fill(strings[name], row))
    card.main.setAttribute("aria-label", row.error ? `${row.label}. ${row.error}` : row.label)
    card.buttons.up.disabled = index === 0
    card.buttons.down.disabled = index === count - 1
    setLabel(card.buttons.up, fill(strings.move_up, row))
    setLabel(card.buttons.down, fill(strings.move_down, row))
    setLabel(card.buttons.duplicate, fill(strings.duplicate, row))
    setLabel(card.buttons.remove, fill(strings.remove, row))
    setLabel(card.insert, fill(strings.add_before, row))
    drawSeam(card, row)
  }

  function mark(selected) {
    const anchor = cards.has(selected) ? selected : rows[0]?.id
    input.classList.toggle("ls-selected", selected === "input")
    if (selected === "input") input.setAttribute("aria-current", "true")
    else input.removeAttribute("aria-current")
    for (const [id, card] of cards) {
      card.card.classList.toggle("ls-selected", id === selected)
      if (id === selected) card.main.setAttribute("aria-current", "true")
      else card.main.removeAttribute("aria-current")
      card.main.tabIndex = id === anchor ? 0 : -1
    }
  }

  function draw() {
    // Cards move under the pointer while one is dragged: drawing waits for the drop.
    if (drag?.moving) return
    rows = JSON.parse(model.packed_rows)
    for (const id of leaving) if (indexOf(id) < 0) leaving.delete(id)
    const hadFocus = [...cards].find(([, card]) => card.main.matches(":focus"))?.[0]
    const alive = new Set(rows.map(row => row.id))
    for (const [id, card] of cards) if (!alive.has(id)) { card.slot.remove(); cards.delete(id) }
    rows.forEach((row, index) => {
      if (!cards.has(row.id)) {
        cards.set(row.id, makeCard(row.id))
        if (expectsNewCard && row.id === model.selected) { focusAfterDraw = row.id; expectsNewCard = false }
      }
      const card = cards.get(row.id)
      drawCard(card, row, index, rows.length)
      if (list.children[index] !== card.slot) list.insertBefore(card.slot, list.children[index] ?? null)
    })
    say(inputShape, model.input_row.shape ?? "")
    say(inputDetail, model.input_row.detail ?? "")
    input.setAttribute("aria-label", model.input_row.label ?? "")
    say(total, model.total)
    empty.hidden = rows.length > 0
    mark(model.selected)
    const wanted = focusAfterDraw ?? hadFocus
    if (wanted && cards.has(wanted) && !cards.get(wanted).main.matches(":focus")) focusCard(wanted)
    focusAfterDraw = null
  }

  /* Drag by pointer events, so mouse and touch behave alike. A mouse may grab the whole card; a
     finger only the grip, or the list could not be scrolled. */
  function startDrag(event, id) {
    const onGrip = event.target.classList.contains("ls-grip")
    if (model.locked || event.button !== 0 || event.target.closest(".ls-actions")) return
    if (event.pointerType !== "mouse" && !onGrip) return
    const horizontal = getComputedStyle(list).flexDirection === "row"
    const order = rows.map(row => row.id)
    const from = order.indexOf(id)
    const boxes = order.map(key => cards.get(key).slot.getBoundingClientRect())
    const start = horizontal ? event.clientX : event.clientY
    const scroll = () => (horizontal ? list.scrollLeft : list.scrollTop)
    drag = {moving: false, to: from, scroll: scroll()}
    const side = horizontal ? ["left", "width", "X"] : ["top", "height", "Y"]
    const middle = box => box[side[0]] + box[side[1]] / 2

    const onMove = moved => {
      const offset = (horizontal ? moved.clientX : moved.clientY) - start + scroll() - drag.scroll
      if (!drag.moving) {
        if (Math.abs(offset) < DRAG_THRESHOLD) return
        drag.moving = true
        cards.get(id).slot.classList.add("ls-dragged")
        root.classList.add("ls-dragging")
      }
      moved.preventDefault()
      const center = middle(boxes[from]) + offset
      drag.to = boxes.filter((box, index) => index !== from && middle(box) < center).length
      order.forEach((key, index) => {
        const shift = index === from ? offset
          : (index > from && index <= drag.to ? -1 : index < from && index >= drag.to ? 1 : 0) * boxes[from][side[1]]
        cards.get(key).slot.style.transform = shift ? `translate${side[2]}(${shift}px)` : ""
      })
    }
    const onEnd = ended => {
      window.removeEventListener("pointermove", onMove)
      window.removeEventListener("pointerup", onEnd)
      window.removeEventListener("pointercancel", onEnd)
      window.removeEventListener("keydown", onEscape)
      const {moving, to} = drag
      drag = null
      for (const card of cards.values()) { card.slot.style.transform = ""; card.slot.classList.remove("ls-dragged") }
      root.classList.remove("ls-dragging")
      if (!moving) return
      // The click that follows a drop would select the card under the pointer.
      window.addEventListener("click", stop, {capture: true, once: true})
      setTimeout(() => window.removeEventListener("click", stop, {capture: true}), 0)
      if (ended.type === "pointerup" && to !== from) {
        const slot = cards.get(id).slot
        const others = [...list.children].filter(child => child !== slot)
        list.insertBefore(slot, others[to] ?? null)
        move(id, to)
      } else draw()
    }
    const stop = click => { click.stopPropagation(); click.preventDefault() }
    const onEscape = key => { if (key.key === "Escape") onEnd(key) }
    window.addEventListener("pointermove", onMove, {passive: false})
    window.addEventListener("pointerup", onEnd)
    window.addEventListener("pointercancel", onEnd)
    window.addEventListener("keydown", onEscape)
  }

  const lock = () => root.classList.toggle("ls-locked", model.locked)
  model.on("locked", lock)
  lock()
  /* Keys that come while nothing has the focus, and the way back out of the inspector. */
  const onKeyElsewhere = ({detail: key}) => {
    const row = rows.find(one => one.id === model.selected)
    if (!row || key === "focus") return row ? focusCard(row.id) : input.focus()
    focusCard(row.id)
    cards.get(row.id).main.dispatchEvent(new KeyboardEvent("keydown", {key, cancelable: true}))
  }
  document.addEventListener("ls-stack", onKeyElsewhere)
  model.on("remove", () => document.removeEventListener("ls-stack", onKeyElsewhere))

  model.on(["packed_rows", "total", "input_row"], draw)
  model.on("selected", () => { mark(model.selected); cards.get(model.selected)?.slot.scrollIntoView({block: "nearest", inline: "nearest"}) })
  draw()
  return root
}
