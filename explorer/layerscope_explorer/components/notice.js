// How often is asked whether the server is there again, in milliseconds.
const ASK = 2000

export function render({model, view}) {
  const root = element("div")
  const [said, words] = line("ls-page-notice")
  const close = element("button", "ls-icon-button", "✕")
  close.type = "button"
  close.addEventListener("click", () => model.send_msg({type: "dismiss"}))
  said.append(close)

  const [lost, news] = line("ls-lost")
  const reload = button("ls-reload", model.strings.reload, () => location.reload())
  lost.append(reload)
  lost.hidden = reload.hidden = true
  root.append(said, lost)

  const draw = () => {
    said.hidden = !model.words
    words.textContent = model.words
    setLabel(close, model.strings.dismiss)
  }

  let asking = null
  const ask = async () => {
    const there = await answers()
    say(news, there ? model.strings.back : model.strings.lost)
    reload.hidden = !there
  }
  const begin = () => {
    if (asking) return
    lost.hidden = false
    asking = setInterval(ask, ASK)
    ask()
  }
  // Nothing that is done here reaches the server any more, and nobody else would say so.
  view.model.document?.on_event("connection_lost", begin)
  model.on("remove", () => clearInterval(asking))

  model.on("words", draw)
  draw()
  return root
}

function line(className) {
  const root = element("div", className)
  const words = element("p")
  words.setAttribute("role", "alert")
  root.append(words)
  return [root, words]
}

/* That there is no such page says that there is a server, unlike a proxy that finds none. */
async function answers() {
  try {
    return (await fetch("liveness", {method: "HEAD", cache: "no-store"})).status < 500
  } catch {
    return false
  }
}
