const WHOLE = 32767
const NOTHING = -32768

const channels = color => [1, 3, 5].map(at => parseInt(color.slice(at, at + 2), 16))

function unpack(text) {
  const bytes = Uint8Array.from(atob(text), letter => letter.charCodeAt(0))
  return new Int16Array(bytes.buffer)
}

function number(value) {
  return String(Number(value.toPrecision(3))).replace("-", "−")
}

export function render({model}) {
  const root = document.createElement("div")
  root.className = "ls-heat"
  const canvas = document.createElement("canvas")
  canvas.setAttribute("role", "img")
  const tip = document.createElement("div")
  tip.className = "ls-heat-tip"
  tip.hidden = true
  const mark = document.createElement("div")
  mark.className = "ls-heat-mark"
  root.append(canvas, mark, tip)
  let values = new Int16Array(0)

  const draw = () => {
    const {rows, columns, values: packed} = model.content
    canvas.setAttribute("aria-label", model.label)
    root.hidden = !rows
    if (!rows) return
    values = unpack(packed)
    canvas.width = columns
    canvas.height = rows
    const positive = channels(model.colors.positive), negative = channels(model.colors.negative)
    const image = new ImageData(columns, rows)
    for (let at = 0; at < values.length; at++) {
      const value = values[at]
      if (value === NOTHING) continue
      const color = value < 0 ? negative : positive
      // A floor shows that a cell is there though it holds zero.
      image.data.set([...color, 14 + 241 * Math.abs(value) / WHOLE], 4 * at)
    }
    canvas.getContext("2d").putImageData(image, 0, 0)
    canvas.style.setProperty("--ratio", columns / rows)
    canvas.style.setProperty("--tallest", `${model.tallest}px`)
    drawMark()
  }
  const drawMark = () => {
    const [row, column] = model.marked
    mark.hidden = row === undefined || !model.content.rows
    if (mark.hidden) return
    const {rows, columns} = model.content
    const box = canvas.getBoundingClientRect(), own = root.getBoundingClientRect()
    mark.style.left = `${box.left - own.left + column * box.width / columns}px`
    mark.style.top = `${box.top - own.top + row * box.height / rows}px`
    mark.style.width = `${box.width / columns}px`
    mark.style.height = `${box.height / rows}px`
  }
  const cell = event => {
    const {rows, columns} = model.content
    const box = canvas.getBoundingClientRect()
    const column = Math.min(columns - 1, Math.floor((event.clientX - box.left) / box.width * columns))
    const row = Math.min(rows - 1, Math.floor((event.clientY - box.top) / box.height * rows))
    return [row, column]
  }
  canvas.addEventListener("pointermove", event => {
    const [row, column] = cell(event)
    const value = values[row * model.content.columns + column]
    tip.hidden = value === undefined || value === NOTHING
    if (tip.hidden) return
    tip.textContent = number(value / WHOLE * model.content.limit)
    const own = root.getBoundingClientRect()
    tip.style.left = `${event.clientX - own.left}px`
    tip.style.top = `${event.clientY - own.top}px`
  })
  canvas.addEventListener("pointerleave", () => { tip.hidden = true })
  canvas.addEventListener("click", event => {
    const [row, column] = cell(event)
    model.send_msg({row, column})
  })
  const watcher = new ResizeObserver(drawMark)
  watcher.observe(root)
  model.on("remove", () => watcher.disconnect())
  model.on(["content", "label", "tallest"], draw)
  model.on("marked", drawMark)
  draw()
  return root
}
