export function render({model}) {
  const root = document.createElement("p")
  root.className = "ls-small-words"
  const draw = () => { root.textContent = model.text_of; root.hidden = !model.text_of }
  model.on("text_of", draw)
  draw()
  return root
}
