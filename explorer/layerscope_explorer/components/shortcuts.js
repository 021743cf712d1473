const TYPING = "input:not([type=range]):not([type=checkbox]), textarea, select, [contenteditable=true]"
const USES_SPACE = "button, a, input, select, textarea, summary, [role=button], [role=slider], [role=tab], [role=option], [role=menuitem], [role=combobox], [role=switch]"
/* Keys of the stack that also act on the selected layer where nothing else has the focus. */
const OF_THE_STACK = ["ArrowUp", "ArrowDown", "Enter", "Delete", "a", "b", "d"]

function shortcut(event, keys) {
  const key = event.key.toLowerCase()
  const target = event.composedPath()[0]
  const on = selector => target instanceof Element && target.matches(selector)
  // In a text field Ctrl+Z undoes typing, as everywhere else.
  if (on(TYPING)) return null
  if (event.ctrlKey || event.metaKey) {
    if (event.altKey) return null
    if (key === "z") return event.shiftKey ? "redo" : "undo"
    return key === "y" ? "redo" : null
  }
  if (event.altKey) return null
  // These may be held down, to go on step by step.
  if (!event.shiftKey && (key === "." || key === ",")) return key === "." ? "step" : "back"
  if (event.repeat) return null
  // Some keyboards need Shift for it.
  if (key === "?") return "keys"
  if (event.shiftKey) return null
  if (/^[1-9]$/.test(key)) return `lens ${key}`
  if (key === " ") return on(USES_SPACE) ? null : "train"
  return keys[key] ?? null
}

/* The sheet of all keys, beside the page and not over it: one goes on working while one reads. */
function sheet(model) {
  const root = element("section", "ls-keys")
  root.hidden = true
  root.tabIndex = -1
  const fill = () => {
    const {title, close} = model.strings
    root.setAttribute("aria-label", title)
    const head = element("div", "ls-keys-head")
    const button = element("button", "ls-icon-button", "×")
    button.type = "button"
    button.setAttribute("aria-label", close)
    button.title = close
    button.addEventListener("click", () => show(false))
    head.append(element("h2", "ls-keys-title", title), button)
    root.append(head)
    for (const [place, entries] of model.sheet) {
      const list = element("dl", "ls-keys-list")
      for (const [caps, words] of entries) {
        const row = element("div", "ls-key-row")
        const term = element("dt", "ls-key-caps")
        caps.split(" ").forEach(cap => term.append(element("kbd", "ls-key", cap)))
        row.append(term, element("dd", "ls-key-words", words))
        list.append(row)
      }
      root.append(element("h3", "ls-keys-place", place), list)
    }
  }
  let before = null
  const show = wanted => {
    if (!root.childElementCount) fill()
    if (wanted) before = deepest(document.activeElement)
    root.hidden = !wanted
    if (wanted) root.focus()
    else before?.focus?.()
  }
  root.addEventListener("keydown", event => {
    if (event.key !== "Escape") return
    show(false)
    event.preventDefault()
    event.stopPropagation()
  })
  return {root, toggle: () => show(root.hidden)}
}

function deepest(node) {
  return node?.shadowRoot?.activeElement ? deepest(node.shadowRoot.activeElement) : node
}

export function render({model}) {
  const {root, toggle} = sheet(model)
  const listen = event => {
    if (event.defaultPrevented) return
    const plain = !event.ctrlKey && !event.metaKey && !event.altKey && !event.shiftKey
    if (plain && event.target === document.body && OF_THE_STACK.includes(event.key)) {
      event.preventDefault()
      document.dispatchEvent(new CustomEvent("ls-stack", {detail: event.key}))
      return
    }
    const key = shortcut(event, model.letters)
    if (!key) return
    event.preventDefault()
    if (key === "keys") toggle()
    else if (key === "theme") window.toggleTheme?.()
    else model.send_msg({key})
  }
  document.addEventListener("keydown", listen)
  document.addEventListener("ls-keys", toggle)
  model.on("remove", () => {
    document.removeEventListener("keydown", listen)
    document.removeEventListener("ls-keys", toggle)
  })
  return root
}
