export function render({model}) {
  model.on("msg:custom", ({search, push}) => {
    history[push ? "pushState" : "replaceState"](null, "", location.pathname + search)
  })
  const back = () => model.send_msg({search: location.search})
  addEventListener("popstate", back)
  model.on("remove", () => removeEventListener("popstate", back))
  return document.createElement("span")
}
