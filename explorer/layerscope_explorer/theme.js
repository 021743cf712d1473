// The page's theme: the one chosen last in this browser, else the system's. It stands before
// anything is painted.
function showTheme(theme) {
  document.documentElement.dataset.theme = theme
}

function rememberedTheme() {
  // A browser may forbid a page to remember.
  try { return localStorage.getItem("layerscope-theme") } catch { return null }
}

function toggleTheme() {
  const theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark"
  showTheme(theme)
  try { localStorage.setItem("layerscope-theme", theme) } catch { /* Then for this visit only. */ }
  // Axes take the colour of their numbers from the page when they are painted.
  pageStyles.clear()
  for (const view of Bokeh.index.query(view => view.model.type === "Figure")) view.request_repaint()
}

// Whenever Bokeh paints, it asks for the style of every line and every word, each time after it has
// changed the page, so that the browser lays out the page again for every answer. They are the
// same in the whole page.
const pageStyles = new Map()

function askPageStylesOnce() {
  const visual = Bokeh.require("core/visuals/visual").VisualProperties.prototype
  const ask = visual._get_css_value
  visual._get_css_value = function (name) {
    const key = this.css_prefix + name
    if (!pageStyles.has(key)) pageStyles.set(key, ask.call(this, name))
    return pageStyles.get(key)
  }
}

showTheme(rememberedTheme()
  ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"))
