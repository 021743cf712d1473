"""How long a person waits: from a change in the browser to updated pictures.

    python tests/bench/edit_latency.py [changes]

Serves the explorer as the README does, moves the first layer's `filters` slider in headless
Chromium, and measures in the page the time until pixels of the weight histogram change, on an
otherwise idle page. Prints p50 and p95; also the server's own part, as the page shows it.
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from playwright.sync_api import sync_playwright

from served_explorer import QUIET, chromium_path, open_explorer, served

#: Sets the slider as a drag would, then looks at the picture in every frame.
MEASURE = """
async ([argument, value]) => {
  const find = (selector, root = document) => {
    const found = root.querySelector(selector);
    if (found) return found;
    for (const node of root.querySelectorAll('*')) {
      const inner = node.shadowRoot && find(selector, node.shadowRoot);
      if (inner) return inner;
    }
    return null;
  };
  const inside = (host, selector) => find(selector, host) || find(selector, host.shadowRoot);
  const canvas = inside(find("[aria-label='Weights']"), 'canvas');
  const small = document.createElement('canvas');
  small.width = 160; small.height = 60;
  const context = small.getContext('2d', {willReadFrequently: true});
  const look = () => {
    context.clearRect(0, 0, small.width, small.height);
    context.drawImage(canvas, 0, 0, small.width, small.height);
    return context.getImageData(0, 0, small.width, small.height).data;
  };
  const before = look();
  const slider = find(`.ls-arg-${argument} input.ls-slider`);
  const started = performance.now();
  slider.value = value;
  slider.dispatchEvent(new Event('input', {bubbles: true}));
  while (performance.now() - started < 5000) {
    await new Promise(requestAnimationFrame);
    const now = look();
    if (now.some((pixel, index) => pixel !== before[index])) return performance.now() - started;
  }
  return null;
}
"""


def main(changes: int = 100) -> None:
    """Measure and print."""
    with served() as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=QUIET)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        open_explorer(page, server.url)
        page.wait_for_timeout(1500)
        found = []
        for number in range(changes):
            value = 8 + (number * 7) % 40
            found.append(page.evaluate(MEASURE, ["filters", value]))
            page.wait_for_timeout(120)
        browser.close()
    missed = found.count(None)
    times = sorted(value for value in found if value is not None)
    p95 = times[int(0.95 * (len(times) - 1))]
    print(
        f"{len(times)} changes seen, {missed} missed: "
        f"p50 {statistics.median(times):.0f} ms, p95 {p95:.0f} ms, max {times[-1]:.0f} ms"
    )


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
