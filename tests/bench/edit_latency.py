"""How long a person waits: from a change in the browser to updated pictures.

    python tests/bench/edit_latency.py [changes]

Serves the explorer as the README does and moves the slider of an initializer's spread in headless
Chromium. For the opening stack, 32 dense layers of 256 and 64 of 64, on 256 samples, it measures
in the page the time until every visible picture (the signal's two and the open lens's) has changed;
then how many pictures a second follow a drag of three seconds, and how long after its end
the last one comes. Also the time until the first picture stands, from the server's answer.
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from playwright.sync_api import sync_playwright

from layerscope_explorer.codec import to_json
from layerscope_explorer.document import Document
from layerscope_explorer.edits import add_layer
from layerscope_explorer.presets import on_noise
from served_explorer import QUIET, chromium_path, open_explorer, served

SLIDER = ".ls-arg-kernel_initializer-stddev input.ls-slider"

#: Deep stacks that are tried too: layers and units.
DEEP = [(32, 256), (64, 64)]

TOOLS = """
window.layerscope = (() => {
  const all = (selector, root = document) => {
    const found = [...root.querySelectorAll(selector)];
    for (const node of root.querySelectorAll('*'))
      if (node.shadowRoot) found.push(...all(selector, node.shadowRoot));
    return found;
  };
  const inside = node => [node, node.shadowRoot].flatMap(root => (root ? all('canvas', root) : []));
  const canvases = () => all('.ls-lens-card:not(.ls-closed)').flatMap(inside)
    .filter(canvas => canvas.width > 200 && canvas.offsetParent !== null && !canvas.role);
  // Looking at pixels all the time would keep a core busy: a picture is looked at before a change,
  // and again once something was drawn into it.
  const drawn = new WeakMap();
  for (const name of ['clearRect', 'fillRect', 'drawImage', 'putImageData', 'stroke', 'fill']) {
    const draw = CanvasRenderingContext2D.prototype[name];
    CanvasRenderingContext2D.prototype[name] = function (...args) {
      drawn.set(this.canvas, performance.now());
      return draw.apply(this, args);
    };
  }
  const small = document.createElement('canvas');
  small.width = 200; small.height = 80;
  const context = small.getContext('2d', {willReadFrequently: true});
  const look = canvas => {
    context.clearRect(0, 0, small.width, small.height);
    context.drawImage(canvas, 0, 0, small.width, small.height);
    return context.getImageData(0, 0, small.width, small.height).data;
  };
  const differs = (one, other) => one.some((pixel, index) => pixel !== other[index]);
  const frame = () => new Promise(requestAnimationFrame);
  const set = (slider, value) => {
    slider.value = value;
    slider.dispatchEvent(new Event('input', {bubbles: true}));
  };
  return {
    count: () => canvases().length,
    async change(selector, value) {
      const slider = all(selector)[0];
      // Each picture has a second canvas for what hovers over it.
      const pictures = canvases().filter(canvas => look(canvas).some(Boolean));
      const before = pictures.map(look);
      const waiting = new Set(pictures.keys());
      const started = performance.now();
      const looked = pictures.map(() => started);
      set(slider, value);
      while (performance.now() - started < 5000) {
        await frame();
        const now = performance.now();
        for (const at of [...waiting]) {
          if (!(drawn.get(pictures[at]) > looked[at])) continue;
          looked[at] = now;
          if (differs(before[at], look(pictures[at]))) waiting.delete(at);
        }
        if (!waiting.size) return now - started;
      }
      console.log(`unchanged: ${[...waiting]} of ${pictures.map(one => [one.width, one.height])}`);
      return null;
    },
    async drag(selector, low, high, milliseconds) {
      const slider = all(selector)[0];
      const picture = canvases()[0];
      const first = look(picture);
      let last = drawn.get(picture), pictures = 0, at = 0, moves = 0, changed = false;
      const started = performance.now();
      while (performance.now() - started < milliseconds) {
        await frame();
        at = (performance.now() - started) / milliseconds;
        set(slider, Math.round(low + (high - low) * (0.5 - 0.5 * Math.cos(6 * Math.PI * at))));
        moves += 1;
        const now = drawn.get(picture);
        if (now === last) continue;
        pictures += 1; last = now;
        // Looking takes a while, and one picture may be as the first was by chance.
        if (pictures % 5 === 0 && !changed) changed = differs(first, look(picture));
      }
      if (!changed) throw new Error('Nothing changed');
      const ended = performance.now();
      while (performance.now() - ended < 1500) await frame();
      const settled = Math.max(drawn.get(picture), ended);
      return {moves, pictures, seconds: (ended - started) / 1000, lag: settled - ended};
    },
  };
})();
"""


def deep_stack(layers: int, units: int) -> Document:
    """Return dense layers on as many standard normal numbers as they have units."""
    small = {"class_name": "RandomNormal", "config": {"stddev": units**-0.5}}
    dense = {"units": units, "activation": "tanh", "kernel_initializer": small}
    document = on_noise(Document(), units)
    for _ in range(layers):
        document = add_layer(document, "Dense", None, dense)
    return document


def show(page: Any, document: Document) -> None:
    """Open a stack by its JSON, as a person could."""
    page.locator(".ls-tab-code").click()
    page.get_by_role("radio", name="JSON").click()
    page.locator(".ls-code textarea").fill(to_json(document, indent=2))
    page.locator(".ls-card").nth(len(document.layers) - 1).wait_for()
    page.locator(".ls-card").first.locator(".ls-main").click()
    page.locator(".ls-tab-weights").click()
    page.wait_for_timeout(2000)


def measure(page: Any, name: str, changes: int) -> None:
    """Print how quickly a page answers."""
    page.wait_for_selector(SLIDER)
    found = []
    for number in range(changes):
        value = 110 + (number * 37) % 80
        found.append(page.evaluate("a => layerscope.change(...a)", [SLIDER, value]))
        page.wait_for_timeout(150)
    if not any(found):
        raise SystemExit(f"{name}: no change was seen in all pictures")
    times = sorted(value for value in found if value is not None)
    p95 = times[int(0.95 * (len(times) - 1))] if times else float("nan")
    drag = page.evaluate("a => layerscope.drag(...a)", [SLIDER, 110, 190, 3000])
    server = page.locator(".ls-status .ls-duration >> nth=-1").inner_text()
    print(
        f"{name}: {page.evaluate('layerscope.count()')} pictures, {len(times)} changes seen, "
        f"{found.count(None)} missed; p50 {statistics.median(times):.0f} ms, p95 {p95:.0f} ms, "
        f"max {times[-1]:.0f} ms; the engine's part {server}; drag: {drag['moves']} moves in "
        f"{drag['seconds']:.1f} s, {drag['pictures'] / drag['seconds']:.1f} pictures/s, "
        f"last one {drag['lag']:.0f} ms after the end"
    )


FIRST_PICTURE = """
() => new Promise(done => {
  const answered = performance.getEntriesByType('navigation')[0].responseEnd;
  const look = () => (layerscope.count() >= 2 ? done(performance.now() - answered)
    : requestAnimationFrame(look));
  look();
})
"""


def main(changes: int = 60) -> None:
    """Measure and print."""
    with served() as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=QUIET)
        firsts = []
        for _ in range(5):
            page = browser.new_page(viewport={"width": 1440, "height": 1000})
            page.add_init_script(TOOLS)
            page.goto(server.url, wait_until="commit")
            firsts.append(page.evaluate(FIRST_PICTURE))
            page.close()
        print("first picture after the answer, ms:", json.dumps([round(one) for one in firsts]))
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        page.add_init_script(TOOLS)
        page.on("console", lambda message: print("page:", message.text))
        open_explorer(page, server.url)
        page.wait_for_timeout(1500)
        measure(page, "opening stack", changes)
        for layers, units in DEEP:
            show(page, deep_stack(layers, units))
            measure(page, f"{layers} dense layers of {units}", changes)
        browser.close()


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
