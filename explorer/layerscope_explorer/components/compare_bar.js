/* With more chips than this the values are left to the hint of the button. */
const WITH_VALUES = 4

export function render({model}) {
  const {strings} = model
  const root = element("section", "ls-compare")
  root.setAttribute("aria-label", strings.title)
  const head = element("div", "ls-compare-head")
  const title = element("h2", "ls-compare-title", strings.title)
  const words = element("p", "ls-compare-words")
  words.setAttribute("role", "status")
  const actions = element("div", "ls-compare-actions")
  actions.append(
    button("ls-swap", strings.swap, () => model.send_msg({type: "swap"})),
    button("ls-repin", strings.repin, () => model.send_msg({type: "pin"})),
    button("ls-unpin", strings.unpin, () => model.send_msg({type: "unpin"})),
  )
  head.append(title, words, actions)
  const list = element("ul", "ls-chips")
  const error = element("p", "ls-compare-error")
  error.setAttribute("role", "alert")
  root.append(head, list, error)

  const chip = ({key, layer, name, change, revert}) => {
    const item = element("li", "ls-difference")
    item.dataset.key = key
    const about = element(layer ? "button" : "span", "ls-difference-name", name)
    if (layer) {
      about.type = "button"
      about.addEventListener("click", () => model.send_msg({type: "select", layer}))
    }
    const back = element("button", "ls-revert", "↶")
    back.type = "button"
    back.setAttribute("aria-label", revert)
    back.title = revert
    back.addEventListener("click", () => model.send_msg({type: "revert", key}))
    item.append(about, ...(change ? [element("span", "ls-difference-change", change)] : []), back)
    return item
  }

  const draw = () => {
    words.textContent = model.words
    error.textContent = model.error
    error.hidden = !model.error
    // Whoever takes back one after another with the keyboard stays in the row.
    const items = [...list.children]
    const at = items.findIndex(item => item.querySelector(".ls-revert:focus"))
    list.replaceChildren(...model.chips.map(chip))
    list.hidden = !model.chips.length
    list.classList.toggle("ls-many", model.chips.length > WITH_VALUES)
    if (at < 0) return
    const next = list.children[Math.min(at, list.children.length - 1)]
    const target = next?.querySelector(".ls-revert") ?? actions.firstChild
    target.focus()
  }
  model.on(["chips", "words", "error"], draw)
  draw()
  return root
}
