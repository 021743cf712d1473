export function render({model}) {
  const root = element("div", "ls-calculation")
  const table = element("table")
  const body = element("tbody")
  table.append(body)
  root.append(table)
  for (const [sign, color] of Object.entries(model.colors)) root.style.setProperty(`--${sign}`, color)

  const nameOf = (line, number) => {
    const head = element("th")
    head.scope = "row"
    if (!line.can_follow) {
      head.textContent = line.name
      return head
    }
    const button = element("button", "ls-follow", line.name)
    button.type = "button"
    button.title = model.follow.replace("{name}", line.name)
    button.dataset.line = number
    button.addEventListener("click", () => model.send_msg({line: number}))
    head.append(button)
    return head
  }
  const draw = () => {
    table.setAttribute("aria-label", model.label)
    root.hidden = !model.lines.length
    const focused = body.querySelector("button:focus")?.dataset.line
    body.replaceChildren(...model.lines.map((line, number) => {
      const row = element("tr", `ls-${line.kind}`)
      const said = element("td", "ls-said", line.said)
      row.append(nameOf(line, number), said)
      if (line.kind === "term") {
        const bar = element("td", "ls-bar-cell")
        bar.setAttribute("aria-hidden", "true")
        const mark = element("div", line.share < 0 ? "ls-bar ls-negative" : "ls-bar")
        mark.style.setProperty("--share", `${(50 * Math.abs(line.share)).toFixed(1)}%`)
        if (line.share) bar.append(mark)
        row.append(bar)
      } else {
        said.colSpan = 2
      }
      row.append(element("td", "ls-value", line.value))
      return row
    }))
    if (focused !== undefined) body.querySelector(`button[data-line="${focused}"]`)?.focus()
  }
  model.on(["lines", "label", "follow"], draw)
  draw()
  return root
}
