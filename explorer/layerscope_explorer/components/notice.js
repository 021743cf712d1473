export function render({model}) {
  const root = element("div", "ls-page-notice")
  const words = element("p")
  words.setAttribute("role", "alert")
  const close = element("button", "ls-icon-button", "✕")
  close.type = "button"
  close.addEventListener("click", () => model.send_msg({type: "dismiss"}))
  root.append(words, close)
  const draw = () => {
    root.hidden = !model.words
    words.textContent = model.words
    setLabel(close, model.dismiss)
  }
  model.on(["words", "dismiss"], draw)
  draw()
  return root
}
