export function render({model}) {
  const root = document.createElement("div")
  root.className = "ls-page-notice"
  const words = document.createElement("p")
  words.setAttribute("role", "alert")
  const close = document.createElement("button")
  close.type = "button"
  close.className = "ls-icon-button"
  close.textContent = "✕"
  close.addEventListener("click", () => model.send_msg({type: "dismiss"}))
  root.append(words, close)
  const draw = () => {
    root.hidden = !model.words
    words.textContent = model.words
    close.setAttribute("aria-label", model.dismiss)
    close.title = model.dismiss
  }
  model.on(["words", "dismiss"], draw)
  draw()
  return root
}
