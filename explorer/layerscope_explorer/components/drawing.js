/* What a lens shows as one SVG: its pictures as Bokeh draws them, and around them the words and
   marks of the page, each where it stands. */
const SVG = "http://www.w3.org/2000/svg"
/* Folded away, or a control rather than content. */
const LEFT_OUT = ".ls-numbers, .ls-copy, .ls-choices, .katex-mathml, .ls-heat-tip, select, input"

/* The first element that a selector finds, in whatever shadow. */
function findDeep(selector, root = document) {
  const own = root.querySelector(selector)
  if (own) return own
  for (const node of root.querySelectorAll("*")) {
    const found = node.shadowRoot && findDeep(selector, node.shadowRoot)
    if (found) return found
  }
  return null
}

function svgNode(name, attributes = {}) {
  const node = document.createElementNS(SVG, name)
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value)
  return node
}

const short = value => Number(value.toFixed(2))

/* Any CSS colour as one that every program knows. */
const asColor = (() => {
  const pen = document.createElement("canvas").getContext("2d", {willReadFrequently: true})
  const known = new Map()
  return color => {
    if (!known.has(color)) {
      pen.clearRect(0, 0, 1, 1)
      pen.fillStyle = color
      pen.fillRect(0, 0, 1, 1)
      const [r, g, b, a] = pen.getImageData(0, 0, 1, 1).data
      known.set(color, {fill: `rgb(${r},${g},${b})`, opacity: short(a / 255)})
    }
    return known.get(color)
  }
})()

function drawBox(out, style, box) {
  const {fill, opacity} = asColor(style.backgroundColor)
  if (opacity && box.width && box.height) {
    out.append(svgNode("rect", {...box, fill, "fill-opacity": opacity, rx: parseFloat(style.borderTopLeftRadius) || 0}))
  }
  for (const [side, y] of [["Top", box.y], ["Bottom", box.y + box.height]]) {
    const width = parseFloat(style[`border${side}Width`])
    if (!width || style[`border${side}Style`] === "none") continue
    const line = asColor(style[`border${side}Color`])
    if (!line.opacity) continue
    const dashes = style[`border${side}Style`] === "dashed" ? {"stroke-dasharray": "5 3"} : {}
    const at = short(y + (side === "Top" ? width : -width) / 2)
    out.append(svgNode("line", {
      x1: box.x, x2: short(box.x + box.width), y1: at, y2: at,
      stroke: line.fill, "stroke-opacity": line.opacity, "stroke-width": width, ...dashes,
    }))
  }
}

/* A text node, line by line as the page broke it. */
function drawText(out, node, place) {
  const style = getComputedStyle(node.parentElement)
  const kept = style.whiteSpace.startsWith("pre")
  const range = document.createRange()
  const lines = []
  for (const word of node.data.matchAll(kept ? /[^\n]+/g : /\S+/g)) {
    range.setStart(node, word.index)
    range.setEnd(node, word.index + word[0].length)
    const box = range.getBoundingClientRect()
    if (!box.width) continue
    const last = lines[lines.length - 1]
    if (last && Math.abs(last.top - box.top) < 2) {
      last.text += ` ${word[0]}`
      last.right = box.right
    } else lines.push({text: word[0], top: box.top, height: box.height, left: box.left, right: box.right})
  }
  const size = parseFloat(style.fontSize)
  for (const line of lines) {
    const text = svgNode("text", {
      x: short(line.left - place.left), y: short(line.top - place.top + line.height / 2 + 0.35 * size),
      "font-family": style.fontFamily.replaceAll('"', "'"), "font-size": size, "font-weight": style.fontWeight,
      "font-style": style.fontStyle, fill: asColor(style.color).fill,
      textLength: short(line.right - line.left), lengthAdjust: "spacingAndGlyphs", "xml:space": "preserve",
    })
    text.textContent = style.textTransform === "uppercase" ? line.text.toUpperCase() : line.text
    out.append(text)
  }
}

/* An icon or a small curve, with the colours its style sheet gives it. */
function drawVector(out, node, box) {
  const copy = node.cloneNode(true)
  const pairs = [[node, copy], ...[...node.querySelectorAll("*")].map((one, at) => [one, copy.querySelectorAll("*")[at]])]
  for (const [one, twin] of pairs) {
    const style = getComputedStyle(one)
    for (const name of ["fill", "stroke"]) {
      if (style[name] === "none") { twin.setAttribute(name, "none"); continue }
      const color = asColor(style[name])
      twin.setAttribute(name, color.fill)
      twin.setAttribute(`${name}-opacity`, color.opacity)
    }
    twin.setAttribute("stroke-width", style.strokeWidth)
    twin.removeAttribute("class")
  }
  for (const [name, value] of Object.entries(box)) copy.setAttribute(name, value)
  out.append(copy)
}

function drawFigure(out, view, box) {
  const nested = view.export("svg", false).canvas.cloneNode(true)
  for (const [name, value] of Object.entries(box)) nested.setAttribute(name, value)
  out.append(nested)
}

function drawNode(out, node, place, figures) {
  if (node.nodeType === Node.TEXT_NODE) {
    if (node.data.trim()) drawText(out, node, place)
    return
  }
  if (node.nodeType !== Node.ELEMENT_NODE || node.matches(LEFT_OUT) || !node.checkVisibility?.()) return
  const found = node.getBoundingClientRect()
  const box = {x: short(found.left - place.left), y: short(found.top - place.top), width: short(found.width), height: short(found.height)}
  if (figures.has(node)) { drawFigure(out, figures.get(node), box); return }
  const style = getComputedStyle(node)
  if (style.position === "absolute" && found.width <= 1) return
  if (node instanceof HTMLCanvasElement) {
    if (node.width && node.height) {
      out.append(svgNode("image", {...box, href: node.toDataURL(), preserveAspectRatio: "none", style: "image-rendering: pixelated"}))
    }
    return
  }
  if (node instanceof SVGElement) { drawVector(out, node, box); return }
  drawBox(out, style, box)
  for (const child of (node.shadowRoot ?? node).childNodes) drawNode(out, child, place, figures)
}

/* The SVG of a lens's card as text; "" where there is no such card. */
function drawLens(card) {
  if (!card) return ""
  const figures = new Map()
  for (const view of Bokeh.index.query(view => view.model.type === "Figure")) figures.set(view.el, view)
  const place = card.getBoundingClientRect()
  const [width, height] = [Math.ceil(place.width), Math.ceil(place.height)]
  const svg = svgNode("svg", {xmlns: SVG, width, height, viewBox: `0 0 ${width} ${height}`})
  const paper = asColor(getComputedStyle(card).backgroundColor)
  svg.append(svgNode("rect", {width, height, fill: paper.opacity ? paper.fill : "white"}))
  for (const child of (card.shadowRoot ?? card).childNodes) drawNode(svg, child, place, figures)
  return new XMLSerializer().serializeToString(svg)
}

/* An SVG as the pixels of a PNG, twice as many as the page has. */
async function toPixels(source) {
  const image = new Image()
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(source)}`
  await image.decode()
  const canvas = document.createElement("canvas")
  canvas.width = 2 * image.naturalWidth
  canvas.height = 2 * image.naturalHeight
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height)
  return new Promise(resolve => canvas.toBlob(resolve, "image/png"))
}
