/* Bytes as text, in pieces that fit into the arguments of a call. */
function base64(bytes) {
  let text = ""
  for (let at = 0; at < bytes.length; at += 0x8000)
    text += String.fromCharCode(...bytes.subarray(at, at + 0x8000))
  return btoa(text)
}

export function render({model}) {
  const strings = model.strings
  const root = element("section", "ls-data-file")
  root.setAttribute("aria-label", strings.title)
  const head = element("div", "ls-head")
  const choose = button("ls-choose", strings.choose, () => input.click())
  const input = element("input", "ls-hidden")
  input.type = "file"
  input.accept = ".csv,.tsv,.txt,.npy,.npz"
  input.tabIndex = -1
  input.setAttribute("aria-label", strings.choose)
  head.append(choose, input, element("span", "ls-hint", fill(strings.hint, {limit: model.limit / 1e6})))
  const said = element("p", "ls-said")
  said.setAttribute("role", "status")
  const preview = element("div", "ls-preview")
  root.append(head, said, preview)

  const complain = text => { said.textContent = text; said.classList.add("ls-bad") }
  const take = async file => {
    if (!file) return
    // Never loaded into the page, let alone sent, if it is too large anyway.
    if (file.size > model.limit) {
      complain(fill(strings.too_large, {name: file.name, limit: model.limit / 1e6}))
      return
    }
    said.classList.remove("ls-bad")
    said.textContent = fill(strings.loading, {name: file.name})
    const bytes = new Uint8Array(await file.arrayBuffer())
    model.send_msg({type: "file", name: file.name, content: base64(bytes)})
    input.value = ""
  }
  input.addEventListener("change", () => take(input.files[0]))
  root.addEventListener("dragover", event => { event.preventDefault(); root.classList.add("ls-over") })
  root.addEventListener("dragleave", () => root.classList.remove("ls-over"))
  root.addEventListener("drop", event => {
    event.preventDefault()
    root.classList.remove("ls-over")
    take(event.dataTransfer.files[0])
  })

  const target = shown => {
    const row = element("label", "ls-row", strings.learn)
    const select = element("select", "ls-select")
    for (const name of shown.targets) select.append(new Option(name, name, false, name === shown.target))
    select.addEventListener("change", () => model.send_msg({type: "target", name: select.value}))
    row.append(select)
    return row
  }
  const table = shown => {
    const place = element("div", "ls-scroll")
    place.tabIndex = 0
    place.setAttribute("role", "region")
    place.setAttribute("aria-label", strings.first_rows)
    const grid = element("table", "ls-table")
    shown.head.forEach((row, at) => {
      const line = grid.insertRow()
      row.forEach((word, column) => {
        const cell = element(at ? "td" : "th", `ls-as-${(shown.columns[column] ?? {}).role}`, word)
        if (!at) cell.scope = "col"
        line.append(cell)
      })
      if (at) return
      const roles = grid.insertRow()
      for (const one of shown.columns) {
        const words = one.role === "input" ? [strings.input, one.note] : [one.note]
        roles.append(element("td", `ls-role ls-as-${one.role}`, words.filter(Boolean).join("; ")))
      }
    })
    place.append(grid)
    return place
  }
  const draw = () => {
    const shown = JSON.parse(model.content)
    preview.replaceChildren()
    said.classList.toggle("ls-bad", Boolean(shown.error))
    said.textContent = shown.error ?? ""
    if (!shown.name) return
    preview.append(element("h3", "ls-name", shown.name))
    if (shown.words) preview.append(element("p", "ls-words", shown.words))
    if (shown.targets.length > 1) preview.append(target(shown))
    preview.append(table(shown))
    if (shown.more) preview.append(element("p", "ls-words", fill(strings.more, {count: shown.more})))
    const use = button("ls-primary ls-use", shown.used ? strings.used : strings.use,
      () => model.send_msg({type: "use"}))
    use.disabled = shown.used || Boolean(shown.error)
    preview.append(use)
  }
  model.on("content", draw)
  draw()
  return root
}
