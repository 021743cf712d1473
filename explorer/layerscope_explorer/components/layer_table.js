export function render({model}) {
  const root = element("div", "ls-layers")
  const scroller = element("div", "ls-layers-scroll")
  scroller.tabIndex = 0
  scroller.setAttribute("role", "region")
  const table = element("table")
  const head = element("thead"), body = element("tbody"), foot = element("tfoot")
  table.append(head, body, foot)
  scroller.append(table)
  const notes = element("ul", "ls-layers-notes")
  root.append(scroller, notes)

  const cells = (tag, texts) => texts.map((text, column) => {
    const cell = element(tag, column > 2 ? "ls-number" : "", text)
    if (tag === "th") cell.scope = "col"
    return cell
  })

  const draw = () => {
    scroller.setAttribute("aria-label", model.headings[0] ?? "")
    const top = element("tr")
    top.append(...cells("th", model.headings))
    head.replaceChildren(top)
    const focused = body.querySelector("button:focus")?.dataset.id
    body.replaceChildren(...model.rows.map(row => {
      const line = element("tr", row.id === model.selected ? "ls-selected" : "")
      line.style.setProperty("--share", `${(100 * row.share).toFixed(1)}%`)
      const [name, ...rest] = row.cells
      const first = element("th")
      first.scope = "row"
      const button = element("button", "ls-row", name)
      button.type = "button"
      button.dataset.id = row.id
      if (row.id === model.selected) button.setAttribute("aria-current", "true")
      button.addEventListener("click", () => model.send_msg({id: row.id}))
      first.append(button)
      line.append(first, ...cells("td", ["", ...rest]).slice(1))
      line.addEventListener("click", event => { if (event.target !== button) model.send_msg({id: row.id}) })
      return line
    }))
    if (focused) body.querySelector(`button[data-id="${CSS.escape(focused)}"]`)?.focus()
    const last = element("tr")
    last.append(...cells("td", model.totals))
    foot.replaceChildren(last)
    notes.replaceChildren(...model.notes.map(line => element("li", "", line)))
    notes.hidden = !model.notes.length
  }
  model.on(["headings", "rows", "totals", "selected", "notes"], draw)
  draw()
  return root
}
