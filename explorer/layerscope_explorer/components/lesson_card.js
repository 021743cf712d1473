/* How often the lights follow the parts they are on, in milliseconds. */
const FOLLOW = 120
const GAP = 4

/* Frames around parts of the page. They stand in the page itself, above everything. */
function makeLights() {
  let lights = [], timer = 0
  const place = light => {
    if (!light.target?.isConnected || !light.target.checkVisibility()) light.target = findDeep(light.selector)
    const box = light.target?.getBoundingClientRect()
    light.frame.hidden = !box || !box.width
    if (light.frame.hidden) return
    Object.assign(light.frame.style, {
      left: `${box.left - GAP}px`, top: `${box.top - GAP}px`,
      width: `${box.width + 2 * GAP}px`, height: `${box.height + 2 * GAP}px`,
    })
  }
  const clear = () => {
    clearInterval(timer)
    for (const light of lights) light.frame.remove()
    lights = []
  }
  return {
    clear,
    show(selectors) {
      if (selectors.join("\n") === lights.map(light => light.selector).join("\n")) return
      clear()
      lights = selectors.map(selector => {
        const frame = element("div", "ls-spotlight")
        frame.setAttribute("aria-hidden", "true")
        // The page's own sheet does not reach into a notebook.
        Object.assign(frame.style, {
          position: "fixed", zIndex: 60, pointerEvents: "none", borderRadius: "9px",
          outline: "2px solid var(--ls-page-accent, #2f5fd0)", outlineOffset: "0px",
          boxShadow: "0 0 0 5px color-mix(in srgb, var(--ls-page-accent, #2f5fd0) 22%, transparent)",
        })
        document.body.append(frame)
        return {selector, frame, target: null}
      })
      if (!lights.length) return
      const follow = () => lights.forEach(place)
      follow()
      timer = setInterval(follow, FOLLOW)
    },
  }
}

export function render({model}) {
  const root = element("section", "ls-lesson")
  const lights = makeLights()
  const send = (type, more = {}) => model.send_msg({type, ...more})
  const button = (className, action) => {
    const node = element("button", className)
    node.type = "button"
    node.addEventListener("click", action)
    return node
  }
  const head = element("div", "ls-lesson-head")
  const title = element("h2", "ls-lesson-title")
  const position = element("span", "ls-position")
  const again = button("ls-text-button ls-again", () => send("again"))
  const leave = button("ls-icon-button ls-leave", () => send("leave"))
  leave.textContent = "✕"
  head.append(title, position, again, leave)
  const say = element("p", "ls-say")
  say.setAttribute("aria-live", "polite")
  const ask = element("fieldset", "ls-ask")
  const foot = element("div", "ls-lesson-foot")
  const goal = element("span", "ls-goal-state")
  goal.setAttribute("role", "status")
  const hint = element("details", "ls-hint")
  const hintLabel = element("summary", "")
  const hintText = element("p", "")
  hint.append(hintLabel, hintText)
  const next = button("ls-button ls-primary ls-next", () => send("next"))
  foot.append(goal, next)
  const body = element("div", "ls-lesson-body")
  const told = element("div", "ls-told")
  told.append(say, ask, hint)
  body.append(told, foot)
  root.append(head, body)

  let asked = ""
  const drawAsk = content => {
    const key = JSON.stringify(content)
    if (key === asked) return
    asked = key
    ask.hidden = !content.question
    if (ask.hidden) { ask.replaceChildren(); return }
    const answered = content.answer >= 0
    const options = element("div", "ls-answers")
    content.options.forEach((words, index) => {
      const option = button("ls-button ls-answer", () => send("guess", {option: index}))
      option.textContent = words
      option.disabled = answered
      option.setAttribute("aria-pressed", String(index === content.answer))
      if (answered && index === content.right) option.classList.add("ls-right")
      if (answered && index === content.right) option.prepend("✓ ")
      options.append(option)
    })
    const because = element("p", "ls-because", content.because ?? "")
    because.hidden = !content.because
    ask.replaceChildren(element("legend", "ls-question", content.question), options, because)
    if (answered) { because.tabIndex = -1; because.focus({preventScroll: true}) }
  }

  let step = ""
  const draw = () => {
    const content = model.content
    const shown = Boolean(content.say || content.title)
    root.hidden = !shown
    if (!shown) { lights.clear(); step = ""; return }
    root.setAttribute("aria-label", content.label)
    title.textContent = content.title
    position.textContent = content.position
    say.textContent = content.say
    say.hidden = !content.say
    again.textContent = content.again
    leave.setAttribute("aria-label", content.leave)
    leave.title = content.leave
    drawAsk(content.ask)
    goal.textContent = content.goal
    goal.hidden = !content.goal
    goal.classList.toggle("ls-reached", content.reached)
    hint.hidden = !content.hint
    hintLabel.textContent = content.hint_label
    hintText.textContent = content.hint
    next.textContent = content.next
    next.hidden = !content.next
    next.disabled = !content.done
    foot.hidden = goal.hidden && next.hidden
    root.classList.toggle("ls-finished", Boolean(content.finished))
    lights.show(content.spotlight)
    const now = `${content.title} ${content.position}`
    if (now !== step) { hint.open = false; root.scrollTop = 0 }
    step = now
  }
  model.on("content", draw)
  model.on("remove", lights.clear)
  draw()
  return root
}
