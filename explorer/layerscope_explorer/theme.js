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
  // Axes take the colour of their numbers from the page whenever they are painted.
  for (const view of Bokeh.index.query(view => view.model.type === "Figure")) view.request_repaint()
}

showTheme(rememberedTheme()
  ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"))
