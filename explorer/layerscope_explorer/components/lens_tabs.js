// How much of the neighbours is seen, in pixels: a sign that there are more.
const PEEK = 24

export function render({model}) {
  const root = document.createElement("div")
  root.className = "ls-tabs"
  root.setAttribute("role", "tablist")
  root.setAttribute("aria-label", model.label)
  const tabs = new Map()

  const open = (name, focus) => {
    mark(name)
    model.send_msg({open: name})
    if (focus) tabs.get(name).focus()
  }

  const onKey = event => {
    const names = [...tabs.keys()].filter(name => !tabs.get(name).hidden)
    const index = names.indexOf(event.currentTarget.dataset.name)
    const target = {
      ArrowRight: names[(index + 1) % names.length],
      ArrowLeft: names[(index + names.length - 1) % names.length],
      Home: names[0],
      End: names[names.length - 1],
    }[event.key]
    if (!target) return
    // The page moves through the layers with the same keys.
    event.preventDefault()
    event.stopPropagation()
    open(target, true)
  }

  const mark = opened => {
    for (const [name, tab] of tabs) {
      tab.setAttribute("aria-selected", String(name === opened))
      tab.tabIndex = name === opened ? 0 : -1
    }
    reveal(opened)
  }

  // Only sideways: the page itself stays where it is.
  const reveal = name => {
    const tab = tabs.get(name)
    if (!tab) return
    const most = tab.offsetLeft - PEEK
    const least = tab.offsetLeft + tab.offsetWidth + PEEK - root.clientWidth
    root.scrollLeft = Math.min(Math.max(root.scrollLeft, least), most)
  }

  model.lenses.forEach(([name, label], index) => {
    const tab = document.createElement("button")
    tab.type = "button"
    tab.className = `ls-tab ls-tab-${name}`
    tab.dataset.name = name
    tab.setAttribute("role", "tab")
    tab.textContent = label
    if (index < 9) tab.title = `${label} (${index + 1})`
    tab.addEventListener("click", () => open(name, false))
    tab.addEventListener("keydown", onKey)
    tabs.set(name, tab)
    root.append(tab)
  })

  const hide = () => { for (const [name, tab] of tabs) tab.hidden = model.hidden.includes(name) }

  model.on("opened", () => mark(model.opened))
  model.on("hidden", hide)
  hide()
  mark(model.opened)
  // Where it comes onto the page, for the first time or again, it has forgotten how far it was moved.
  for (const event of ["after_render", "after_layout"]) model.on(event, () => reveal(model.opened))
  return root
}
