/* While a slider is dragged the sentence changes many times a second: the eye sees every change,
   a screen reader hears only the one that stays. */
const SETTLED_AFTER = 700

export function render({model}) {
  const root = document.createElement("div")
  root.className = "ls-status"
  const dot = document.createElement("span")
  dot.className = "ls-dot"
  const sentence = document.createElement("span")
  sentence.className = "ls-sentence"
  sentence.setAttribute("aria-hidden", "true")
  const live = document.createElement("span")
  live.className = "ls-hidden"
  live.setAttribute("role", "status")
  const duration = document.createElement("span")
  duration.className = "ls-duration"
  const compiling = document.createElement("span")
  compiling.className = "ls-duration"
  const cure = document.createElement("button")
  cure.type = "button"
  cure.className = "ls-button ls-cure"
  cure.addEventListener("click", () => model.send_msg({type: "cure"}))
  root.append(dot, sentence, live, cure, compiling, duration)

  let timer = 0
  const draw = () => {
    root.dataset.level = model.level
    sentence.textContent = model.sentence
    sentence.title = model.sentence
    cure.textContent = model.cure
    cure.hidden = !model.cure
    duration.textContent = model.duration
    duration.title = model.duration_label
    compiling.textContent = model.compiling
    compiling.title = model.compiling_label
    compiling.hidden = !model.compiling
    clearTimeout(timer)
    timer = setTimeout(() => { if (live.textContent !== model.sentence) live.textContent = model.sentence }, SETTLED_AFTER)
  }
  model.on(["sentence", "cure", "level", "duration", "compiling"], draw)
  model.on("remove", () => clearTimeout(timer))
  draw()
  return root
}
