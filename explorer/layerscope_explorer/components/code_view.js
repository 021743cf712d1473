/* How long typing rests before an edit is sent, in milliseconds. */
const REST = 350

export function render({model}) {
  const strings = model.strings
  const root = document.createElement("div")
  root.className = "ls-code"
  const copy = document.createElement("button")
  copy.type = "button"
  copy.className = "ls-button ls-copy"
  const error = document.createElement("p")
  error.className = "ls-code-error"
  error.setAttribute("role", "alert")
  const box = document.createElement("div")
  box.className = "ls-code-box"
  const shown = document.createElement("pre")
  shown.tabIndex = 0
  const field = document.createElement("textarea")
  field.spellcheck = false
  field.autocomplete = "off"
  box.append(shown, field)
  root.append(copy, error, box)
  let timer = 0, copied = 0, count = 0

  const text = () => (model.editable ? field.value : model.source)

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
  copy.addEventListener("click", async () => {
    await toClipboard(text())
    copy.textContent = strings.copied
    clearTimeout(copied)
    copied = setTimeout(() => { copy.textContent = strings.copy }, 1500)
  })
  field.addEventListener("input", () => {
    grow()
    clearTimeout(timer)
    timer = setTimeout(() => model.send_msg({source: field.value, count: ++count}), REST)
  })
  field.addEventListener("keydown", event => event.stopPropagation())

  const grow = () => { field.style.height = "0"; field.style.height = `${field.scrollHeight + 2}px` }

  const draw = () => {
    const [from, to] = model.marked
    shown.hidden = model.editable
    field.hidden = !model.editable
    shown.setAttribute("aria-label", model.label)
    field.setAttribute("aria-label", model.label)
    error.textContent = model.error
    error.hidden = !model.error
    copy.textContent = strings.copy
    if (model.editable) {
      // What is being typed is not replaced by its own tidier spelling, nor while it is wrong.
      if (!field.matches(":focus") && !model.error) field.value = model.source
      grow()
      return
    }
    const lines = model.source.replace(/\n$/, "").split("\n").map((line, number) => {
      const row = document.createElement("span")
      row.className = number >= from && number < to ? "ls-code-line ls-marked" : "ls-code-line"
      row.textContent = line + "\n"
      return row
    })
    shown.replaceChildren(...lines)
    shown.querySelector(".ls-marked")?.scrollIntoView({block: "nearest"})
  }
  model.on("remove", () => { clearTimeout(timer); clearTimeout(copied) })
  model.on(["source", "marked", "editable", "error", "label"], draw)
  draw()
  return root
}
