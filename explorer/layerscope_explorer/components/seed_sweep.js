const WIDTH = 120, HEIGHT = 56, SVG = "http://www.w3.org/2000/svg"

function legend(strings, compared) {
  const list = element("ul", "ls-sweep-legend")
  for (const kind of ["forth", "back", ...(compared ? ["other"] : [])]) {
    const item = element("li", "")
    const mark = element("span", `ls-sweep-mark ls-${kind}`)
    mark.setAttribute("aria-hidden", "true")
    item.append(mark, strings[kind])
    list.append(item)
  }
  return list
}

export function render({model}) {
  const {strings} = model
  const root = element("section", "ls-sweep")
  root.setAttribute("aria-label", strings.title)
  const head = element("div", "ls-sweep-head")
  const actions = element("div", "ls-sweep-actions")
  const stop = button("ls-stop", strings.stop, () => model.send_msg({type: "stop"}))
  const again = button("ls-again", strings.again, () => model.send_msg({type: "again"}))
  const close = button("ls-close", strings.close, () => model.send_msg({type: "close"}))
  actions.append(stop, again, close)
  head.append(element("h2", "ls-sweep-title", strings.title), actions)
  const words = element("p", "ls-sweep-words")
  const marks = element("div", "")
  const bar = element("progress", "ls-sweep-bar")
  bar.max = 1
  const progress = element("p", "ls-sweep-progress")
  progress.setAttribute("role", "status")
  const grid = element("div", "ls-sweep-grid")
  const numbers = element("details", "ls-sweep-numbers")
  const table = element("table", "")
  numbers.append(element("summary", "", strings.numbers), table)
  root.append(head, words, marks, bar, progress, grid, numbers)

  const drawTile = ({seed, health, label, ...lines}, {low, high}) => {
    const tile = element("button", `ls-tile ls-${health}`)
    tile.type = "button"
    tile.dataset.seed = seed
    tile.title = label
    tile.setAttribute("aria-label", label)
    if (seed === model.seed) tile.setAttribute("aria-current", "true")
    tile.addEventListener("click", () => model.send_msg({type: "seed", value: seed}))
    const svg = document.createElementNS(SVG, "svg")
    svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`)
    svg.setAttribute("aria-hidden", "true")
    const last = Math.max(...lines.forth.map(([place]) => place), 1)
    const at = ([place, decade]) => [
      4 + (WIDTH - 8) * place / last, 4 + (HEIGHT - 8) * (high - decade) / (high - low),
    ]
    for (const kind of ["back", "forth", "other"]) {
      if (!lines[kind].length) continue
      const points = lines[kind].map(at)
      const line = document.createElementNS(SVG, "polyline")
      line.setAttribute("class", `ls-line ls-${kind}`)
      line.setAttribute("points", points.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" "))
      svg.append(line)
    }
    const foot = element("span", "ls-tile-foot")
    foot.append(element("span", "", String(seed)), element("span", "ls-tile-health", strings[`mark_${health}`]))
    tile.append(svg, foot)
    return tile
  }

  const draw = () => {
    const drawn = JSON.parse(model.packed)
    const tiles = drawn.tiles ?? []
    const focused = grid.querySelector(".ls-tile:focus")?.dataset.seed
    words.textContent = model.outdated ? strings.outdated : model.words
    marks.replaceChildren(legend(strings, model.compared))
    root.classList.toggle("ls-outdated", model.outdated)
    progress.textContent = model.progress
    progress.hidden = bar.hidden = stop.hidden = !model.progress
    again.hidden = Boolean(model.progress)
    bar.value = model.done
    bar.setAttribute("aria-label", strings.title)
    // Those to come keep their places, so that nothing moves while one looks.
    const missing = model.progress ? model.count - tiles.length : 0
    const waiting = Array.from({length: missing}, () => element("div", "ls-tile ls-waiting"))
    grid.replaceChildren(...tiles.map(tile => drawTile(tile, drawn)), ...waiting)
    if (focused) grid.querySelector(`[data-seed="${focused}"]`)?.focus()
    numbers.hidden = !tiles.length
    table.replaceChildren(...tiles.map(({seed, label}) => {
      const row = element("tr", "")
      const name = element("th", "", String(seed))
      name.scope = "row"
      row.append(name, element("td", "", label))
      return row
    }))
  }
  model.on(["packed", "words", "progress", "compared", "outdated", "seed"], draw)
  draw()
  requestAnimationFrame(() => root.scrollIntoView({block: "nearest"}))
  return root
}
