const TYPING = "input:not([type=range]):not([type=checkbox]), textarea, select, [contenteditable=true]"
const USES_SPACE = "button, a, input, select, textarea, summary, [role=button], [role=slider], [role=tab], [role=option], [role=menuitem], [role=combobox], [role=switch]"

function shortcut(event) {
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
  if (event.altKey || event.shiftKey) return null
  if (key === "." || key === ",") return key === "." ? "step" : "back"
  if (event.repeat) return null
  if (key === "r") return "reroll"
  if (/^[1-9]$/.test(key)) return `lens ${key}`
  return event.key === " " && !on(USES_SPACE) ? "train" : null
}

export function render({model}) {
  const listen = event => {
    if (event.defaultPrevented) return
    const key = shortcut(event)
    if (!key) return
    event.preventDefault()
    model.send_msg({key})
  }
  document.addEventListener("keydown", listen)
  model.on("remove", () => document.removeEventListener("keydown", listen))
  return document.createElement("span")
}
