"""Takes the pictures in ``assets/screenshots`` anew: ``python tests/browser/screenshots.py``."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from playwright.sync_api import sync_playwright

from served_explorer import QUIET, ROOT, chromium_path, open_explorer, served

FOLDER = ROOT / "assets" / "screenshots"
SIZES = {"": (1440, 900), "phone-": (390, 844)}
#: Lenses, each on the layer at this place of the stack of this demo.
LENSES = {
    "weights": ("", 2),
    "activation": ("?demo=digits", 0),
    "outputs": ("?demo=digits", 0),
    "math": ("?demo=digits", 0),
}


def main() -> None:
    """Save the page in both themes and both sizes, and some of the lenses."""
    FOLDER.mkdir(exist_ok=True)
    with served() as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=QUIET)
        for prefix, (width, height) in SIZES.items():
            page = browser.new_page(viewport={"width": width, "height": height})
            open_explorer(page, server.url)
            for theme in ("light", "dark"):
                # Long enough for fonts, pictures and colours to settle.
                page.wait_for_timeout(2500)
                page.screenshot(path=FOLDER / f"{prefix}{theme}.png")
                page.get_by_role("button", name="Toggle theme").first.click()
                page.mouse.move(width / 2, 20)
            page.close()
        for lens, (demo, place) in LENSES.items():
            page = browser.new_page(viewport={"width": 1440, "height": 1600})
            open_explorer(page, server.url + demo)
            page.locator(".ls-card").nth(place).locator(".ls-main").click()
            page.locator(f".ls-tab-{lens}").click()
            page.wait_for_timeout(2500)
            page.locator(".ls-lens-place").screenshot(path=FOLDER / f"{lens}.png")
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
