/* Best first: the name is the query, it starts with the query, a word of it does (Max-Pooling-2D), it is inside
   the name, it is in the summary. */
function rank(item, query) {
  const name = item.name.toLowerCase()
  if (!query || name === query) return 0
  if (name.startsWith(query)) return 1
  const words = item.name.split(/(?=[A-Z][a-z])/).map(word => word.toLowerCase())
  if (words.some((_, index) => words.slice(index).join("").startsWith(query))) return 2
  if (name.includes(query)) return 3
  return item.summary.toLowerCase().includes(query) ? 4 : -1
}

function deepActive() {
  let node = document.activeElement
  while (node?.shadowRoot?.activeElement) node = node.shadowRoot.activeElement
  return node
}

export function render({model, el}) {
  const strings = model.strings
  let opener = null

  const root = element("div", "ls-palette")
  root.setAttribute("role", "dialog")
  root.setAttribute("aria-label", strings.title)
  const head = element("div", "ls-head")
  const search = element("input", "ls-search")
  search.type = "search"
  search.placeholder = strings.search
  search.setAttribute("aria-label", strings.search)
  search.autocomplete = "off"
  search.spellcheck = false
  const close = element("button", "ls-icon-button ls-close", "✕")
  close.type = "button"
  close.setAttribute("aria-label", strings.close)
  close.title = strings.close
  head.append(search, close)
  const results = element("div", "ls-results")
  const hint = element("p", "ls-hint", strings.hint)
  root.append(head, results, hint)

  const dismiss = () => { hide(); model.send_msg({type: "close"}) }
  // The stack moves the focus to the new card, so it does not go back to where it came from.
  const add = name => { opener = null; hide(); model.send_msg({type: "add", name}) }

  function itemButton(item) {
    const button = element("button", "ls-item")
    button.type = "button"
    button.dataset.name = item.name
    button.append(element("span", "ls-item-name", item.name), element("span", "ls-item-summary", item.summary))
    button.title = item.summary
    button.setAttribute("aria-label", `${fill(strings.add, item)}. ${item.summary}`)
    button.addEventListener("click", () => add(item.name))
    return button
  }

  function group(label, color, items) {
    const box = element("section", "ls-group")
    box.style.setProperty("--c", color)
    box.append(element("h2", "ls-group-label", label), ...items.map(itemButton))
    return box
  }

  function draw() {
    const query = search.value.trim().toLowerCase()
    const found = model.groups
      .map(g => {
        const ranked = g.items.map(item => [rank(item, query), item]).filter(([r]) => r >= 0)
        ranked.sort((a, b) => a[0] - b[0])
        return {...g, items: ranked.map(([, item]) => item), best: ranked[0]?.[0] ?? 9}
      })
      .filter(g => g.items.length)
    found.sort((a, b) => a.best - b.best)
    results.replaceChildren(...found.map(g => group(g.label, g.color, g.items)))
    if (!found.length) results.append(element("p", "ls-nothing", fill(strings.nothing, {query: search.value.trim()})))
    results.querySelector(".ls-item")?.classList.toggle("ls-first", Boolean(query))
    results.scrollTop = 0
  }

  function step(from, direction) {
    const stops = [search, ...results.querySelectorAll(".ls-item")]
    const next = stops[stops.indexOf(from) + direction]
    next?.focus()
    next?.scrollIntoView({block: "nearest"})
  }

  function onKey(event) {
    const target = event.composedPath()[0]
    if (event.key === "Escape") dismiss()
    else if (event.key === "ArrowDown") step(target, 1)
    else if (event.key === "ArrowUp") step(target, -1)
    else if (event.key === "Enter" && target === search) results.querySelector(".ls-item")?.click()
    else return
    event.preventDefault()
    event.stopPropagation()
  }

  const onOutside = event => { if (!event.composedPath().includes(root)) dismiss() }

  function show() {
    opener = deepActive()
    root.classList.add("ls-open")
    el.classList.add("ls-open")
    search.value = ""
    draw()
    search.focus({preventScroll: true})
    setTimeout(() => document.addEventListener("pointerdown", onOutside, true), 0)
  }

  function hide() {
    document.removeEventListener("pointerdown", onOutside, true)
    root.classList.remove("ls-open")
    el.classList.remove("ls-open")
    if (root.matches(":focus-within")) opener?.focus?.({preventScroll: true})
    opener = null
  }

  search.addEventListener("input", draw)
  close.addEventListener("click", dismiss)
  root.addEventListener("keydown", onKey)
  model.on("active", () => (model.active ? show() : hide()))
  model.on("groups", draw)
  model.on("remove", () => document.removeEventListener("pointerdown", onOutside, true))
  draw()
  if (model.active) show()
  return root
}
