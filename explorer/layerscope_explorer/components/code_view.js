/* How long typing rests before an edit is sent, in milliseconds. */
const REST = 350

export function render({model}) {
  const strings = model.strings
  const root = element("div", "ls-code")
  const copy = button("ls-copy", strings.copy, () => copyText())
  const error = element("p", "ls-code-error")
  error.setAttribute("role", "alert")
  const box = element("div", "ls-code-box")
  const shown = element("pre")
  shown.tabIndex = 0
  const field = element("textarea")
  field.spellcheck = false
  field.autocomplete = "off"
  box.append(shown, field)
  const run = button("ls-primary ls-run", strings.run, () => send())
  root.append(copy, error, box, run)
  let timer = 0, copied = 0, count = 0

  const text = () => (model.editable ? field.value : model.source)

  const copyText = async () => {
    await toClipboard(text())
    copy.textContent = strings.copied
    clearTimeout(copied)
    copied = setTimeout(() => { copy.textContent = strings.copy }, 1500)
  }
  const send = () => { clearTimeout(timer); model.send_msg({source: field.value, count: ++count}) }
  field.addEventListener("input", () => {
    grow()
    clearTimeout(timer)
    if (!model.waiting) timer = setTimeout(send, REST)
  })
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
    run.hidden = !model.waiting
    if (model.editable) {
      // What is being typed is not replaced by its own tidier spelling, nor while it is wrong.
      if (!field.matches(":focus") && !model.error) field.value = model.source
      grow()
      return
    }
    const line = (tag, words, className = "") => element(tag, `ls-code-line ${className}`, words + "\n")
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
