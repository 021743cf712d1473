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
  const run = document.createElement("button")
  run.type = "button"
  run.className = "ls-button ls-primary ls-run"
  root.append(copy, error, box, run)
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
  const send = () => { clearTimeout(timer); model.send_msg({source: field.value, count: ++count}) }
  field.addEventListener("input", () => {
    grow()
    clearTimeout(timer)
    if (!model.waiting) timer = setTimeout(send, REST)
  })
  run.addEventListener("click", send)
  field.addEventListener("keydown", event => {
    event.stopPropagation()
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send()
  })

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
    run.textContent = strings.run
    run.hidden = !model.waiting
    if (model.editable) {
      // What is being typed is not replaced by its own tidier spelling, nor while it is wrong.
      if (!field.matches(":focus") && !model.error) field.value = model.source
      grow()
      return
    }
    const line = (tag, words, className = "") => {
      const row = document.createElement(tag)
      row.className = `ls-code-line ${className}`
      row.textContent = words + "\n"
      return row
    }
    const gone = number => (model.removed[number] ?? []).map(words => line("del", words))
    const lines = model.source.replace(/\n$/, "").split("\n")
    const rows = lines.flatMap((words, number) => {
      const tag = model.added.includes(number) ? "ins" : "span"
      return [...gone(number), line(tag, words, number >= from && number < to ? "ls-marked" : "")]
    })
    shown.replaceChildren(...rows, ...gone(lines.length))
    shown.querySelector(".ls-marked")?.scrollIntoView({block: "nearest"})
  }
  model.on("remove", () => { clearTimeout(timer); clearTimeout(copied) })
  model.on(["source", "marked", "removed", "added", "editable", "waiting", "error", "label"], draw)
  draw()
  return root
}
