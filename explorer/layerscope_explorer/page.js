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
  for (const view of Bokeh.index.query(view => view.model.type === "Figure")) view.request_repaint()
}

// What stands outside of the components follows the language, and so does the address.
function speak(language, words) {
  document.documentElement.lang = language
  const button = document.querySelector(".ls-theme")
  button?.setAttribute("aria-label", words.theme)
  button?.setAttribute("title", words.theme)
  const address = new URL(location)
  address.searchParams.set("lang", language)
  history.replaceState(history.state, "", address)
}

// Whenever Bokeh paints a part of a picture, it places an empty element where that is, by writing a
// style sheet anew. The browser would lay out the page again before the next text is drawn, a dozen
// times for every edit: so what says the same is not written, and glyphs, which move with every
// value, have no place.
function keepElementsStill() {
  const sheet = Bokeh.require("core/dom").InlineStyleSheet.prototype
  const write = sheet._update
  sheet._update = function (css) { if (this.el.textContent !== css) write.call(this, css) }
  Bokeh.require("models/renderers/glyph_renderer").GlyphRendererView.prototype.update_position =
    function () { this.position.replace(":host { display: none; }") }
}

// Before anything is painted: the theme chosen last in this browser, else the system's.
showTheme(rememberedTheme()
  ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"))
