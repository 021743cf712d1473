"""How training streams, and what it costs others.

    python tests/bench/training_frames.py [seconds]

Serves the explorer as the README does. One page trains a network for the digits with the Train lens
open: it counts how many pictures a second reach the canvas, of the curves and of the signal, and
how long after a press on Pause the server no longer takes steps. Meanwhile a second page moves a
slider of its own stack: the time until its pictures have changed, beside the same without training.
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from playwright.sync_api import sync_playwright

from bench.edit_latency import SLIDER, TOOLS
from layerscope_explorer.codec import to_json
from layerscope_explorer.document import Document
from layerscope_explorer.edits import add_layer, set_training
from served_explorer import QUIET, chromium_path, open_explorer, served

#: Counts how often something is drawn into each visible picture, a frame of the browser at most.
COUNTER = """
() => {
  const counts = new Map();
  const seen = new Map();
  let frame = 0;
  const next = () => { frame += 1; requestAnimationFrame(next); };
  next();
  for (const name of ['clearRect']) {
    const draw = CanvasRenderingContext2D.prototype[name];
    CanvasRenderingContext2D.prototype[name] = function (...args) {
      if (this.canvas.width > 200 && seen.get(this.canvas) !== frame) {
        seen.set(this.canvas, frame);
        counts.set(this.canvas, (counts.get(this.canvas) ?? 0) + 1);
      }
      return draw.apply(this, args);
    };
  }
  window.drawn = () => [...counts.values()].sort((a, b) => b - a);
  window.frames = () => frame;
}
"""


def mlp() -> Document:
    """Return a network of two hidden layers for the digits, to be trained for long."""
    document = add_layer(Document(), "Flatten", None, {})
    for units in (64, 64):
        dense = {"units": units, "activation": "relu"}
        document = add_layer(document, "Dense", None, dense)
    document = add_layer(document, "Dense", None, {"units": 10, "activation": "softmax"})
    return set_training(document, "epochs", 500)


def edits(page: Any, count: int) -> list[float]:
    """Return how long a page takes to answer edits, in milliseconds."""
    found = []
    for number in range(count):
        value = 110 + (number * 37) % 80
        found.append(page.evaluate("a => layerscope.change(...a)", [SLIDER, value]))
        page.wait_for_timeout(100)
    return sorted(one for one in found if one is not None)


def say(name: str, times: list[float]) -> None:
    """Print a distribution of times."""
    p95 = times[int(0.95 * (len(times) - 1))]
    p50 = statistics.median(times)
    print(f"{name}: p50 {p50:.0f} ms, p95 {p95:.0f} ms, max {times[-1]:.0f} ms")


def rates(page: Any, seconds: float) -> str:
    """Return how many pictures a second were drawn, of the pictures that change most often."""
    before, frames = page.evaluate("() => [drawn(), frames()]")
    page.wait_for_timeout(1000 * seconds)
    after, frames_after = page.evaluate("() => [drawn(), frames()]")
    before += [0] * (len(after) - len(before))
    each = sorted(((a - b) / seconds for a, b in zip(after, before, strict=True)), reverse=True)
    shown = ", ".join(f"{one:.1f}" for one in each[:8])
    return f"{shown} pictures/s ({(frames_after - frames) / seconds:.0f} frames/s of the browser)"


def pause(page: Any) -> tuple[float, int]:
    """Press Pause; return after how many milliseconds the page says so, and steps taken since."""
    place = page.locator(".ls-place")
    took = page.evaluate(
        """() => {
          const find = (selector, root = document) => {
            const found = root.querySelector(selector);
            if (found) return found;
            for (const node of root.querySelectorAll('*')) {
              const inside = node.shadowRoot && find(selector, node.shadowRoot);
              if (inside) return inside;
            }
          };
          const button = find('.ls-train'), root = find('.ls-transport');
          const started = performance.now();
          button.click();
          return new Promise(done => {
            const look = () => (root.dataset.status === 'paused'
              ? done(performance.now() - started) : requestAnimationFrame(look));
            look();
          });
        }"""
    )
    first = place.inner_text()
    page.wait_for_timeout(600)
    last = place.inner_text()
    steps = [int(one.split()[1].replace(",", "")) for one in (first, last)]
    return took, steps[1] - steps[0]


def main(seconds: float = 6.0) -> None:
    """Measure and print."""
    with served() as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=QUIET)
        editor = browser.new_page(viewport={"width": 1440, "height": 1000})
        editor.add_init_script(TOOLS)
        open_explorer(editor, server.url)
        editor.wait_for_selector(SLIDER)
        editor.wait_for_timeout(1500)
        say("second page, nobody trains", edits(editor, 30))
        # A browser of its own, as another person has: pages of one share a thread that paints.
        other = playwright.chromium.launch(executable_path=chromium_path(), args=QUIET)
        page = other.new_page(viewport={"width": 1440, "height": 1400})
        page.add_init_script(f"({COUNTER})()")
        open_explorer(page, server.url)
        page.locator(".ls-tab-code").click()
        page.get_by_role("radio", name="JSON").click()
        page.locator(".ls-code textarea").fill(to_json(mlp(), indent=2))
        page.locator(".ls-card").nth(3).wait_for()
        page.locator(".ls-tab-train").click()
        page.locator(".ls-transport .ls-train").click()
        page.wait_for_timeout(1500)
        print("training, alone:", rates(page, seconds))
        print("training, while another page edits: ", end="")
        before = page.evaluate("() => drawn()")
        times = edits(editor, 40)
        after = page.evaluate("() => drawn()")
        spent = sum(times) / 1000 + 0.1 * len(times)
        print(f"{max(a - b for a, b in zip(after, before, strict=False)) / spent:.1f} pictures/s")
        say("second page, the first trains", times)
        print("steps:", page.locator(".ls-place").inner_text())
        waits = []
        for _ in range(5):
            took, late = pause(page)
            waits.append(took)
            print(f"pause after {took:.0f} ms, {late} steps later")
            page.locator(".ls-transport .ls-train").click()
            page.wait_for_timeout(500)
        browser.close()
        other.close()


if __name__ == "__main__":
    main(*(float(argument) for argument in sys.argv[1:]))
