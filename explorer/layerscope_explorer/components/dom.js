/* What several components make their part of the page with; it stands in front of their scripts. */

function element(tag, className, text) {
  const node = document.createElement(tag)
  if (className) node.className = className
  if (text !== undefined) node.textContent = text
  return node
}

function button(className, words, action) {
  const node = element("button", `ls-button ${className}`, words)
  node.type = "button"
  node.addEventListener("click", action)
  return node
}

/* Writing the same words again would make the browser lay them out again. */
function say(node, text) {
  if (node.textContent !== text) node.textContent = text
}

function setLabel(node, label) {
  node.setAttribute("aria-label", label)
  node.title = label
}

function fill(template, values) {
  return template.replace(/\{(\w+)\}/g, (_, key) => values[key] ?? "")
}

/* The first element that a selector finds and that can be seen, in whatever shadow. */
function findDeep(selector, root = document) {
  for (const node of root.querySelectorAll(selector)) if (node.checkVisibility()) return node
  for (const node of root.querySelectorAll("*")) {
    const found = node.shadowRoot && findDeep(selector, node.shadowRoot)
    if (found) return found
  }
  return null
}

/* The clipboard is only there on https and localhost; a classroom is neither. */
async function toClipboard(words) {
  try { await navigator.clipboard.writeText(words) } catch {
    const area = document.createElement("textarea")
    area.value = words
    document.body.append(area)
    area.select()
    document.execCommand("copy")
    area.remove()
  }
}
