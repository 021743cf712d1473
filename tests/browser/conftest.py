from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from served_explorer import (
    QUIET,
    Arrive,
    Server,
    Visit,
    chromium_path,
    open_explorer,
    served,
    watch,
)

Visiting = Callable[[], AbstractContextManager[Visit]]


def _unavailable() -> str:
    if chromium_path() is None:
        return "no chromium on the path"
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        return "playwright is not installed"
    return ""


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    if reason := _unavailable():
        if os.environ.get("LAYERSCOPE_REQUIRE_BROWSER"):
            pytest.fail(f"The browser tests must run here: {reason}.")
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=QUIET)
        loop = asyncio.get_running_loop()
        yield browser
        asyncio._set_running_loop(loop)
        browser.close()


@pytest.fixture(scope="session")
def loop(chromium: Any) -> asyncio.AbstractEventLoop:
    """Playwright's, which it leaves running in this thread."""
    return asyncio.get_running_loop()


@pytest.fixture(autouse=True)
def _loop_runs_in_browser_tests_only(request: pytest.FixtureRequest) -> Iterator[None]:
    if "chromium" not in request.fixturenames:
        yield
        return
    asyncio._set_running_loop(request.getfixturevalue("loop"))
    yield
    asyncio._set_running_loop(None)


@pytest.fixture(scope="session")
def server(chromium: Any) -> Iterator[Server]:
    with served() as running:
        yield running


@pytest.fixture(scope="session")
def profiles() -> list[Any]:
    """Those nobody uses: what a browser has compiled of a page's scripts is there for the next."""
    return []


@pytest.fixture
def visiting(chromium: Any, profiles: list[Any]) -> Visiting:
    """Opens a page of 1440x900 for a block; the test fails if anything went wrong on it."""

    @contextmanager
    def open_page() -> Iterator[Visit]:
        profile = (
            profiles.pop()
            if profiles
            else chromium.new_context(viewport={"width": 1440, "height": 900})
        )
        page = profile.new_page()
        # Two cores may be shared with other browsers, servers and what they compile.
        page.set_default_timeout(60_000)
        visit = watch(page)
        yield visit
        # The next person is another one.
        profile.new_cdp_session(page).send(
            "Storage.clearDataForOrigin", {"origin": "*", "storageTypes": "local_storage"}
        )
        for opened in profile.pages:
            opened.close()
        profile.clear_permissions()
        profiles.append(profile)
        assert visit.problems == [], "\n".join(visit.problems[:3])
        assert visit.foreign == []

    return open_page


@pytest.fixture
def newcomer(visiting: Visiting, server: Server) -> Iterator[Visit]:
    """A page not open yet; the test fails if anything goes wrong on it or the server."""
    with visiting() as visit:
        yield visit
    assert "".join(server.errors()) == ""


@pytest.fixture
def arrive(newcomer: Visit, server: Server) -> Arrive:
    """Opens the explorer at an address, for those who have no use for the usual page before."""

    def open_at(query: str, color_scheme: str | None = None) -> Any:
        if color_scheme is not None:
            newcomer.page.emulate_media(color_scheme=color_scheme)
        open_explorer(newcomer.page, server.url + query)
        return newcomer.page

    return open_at


@pytest.fixture
def visit(newcomer: Visit, server: Server) -> Visit:
    """The explorer, open; the test fails if anything went wrong on the page or the server."""
    open_explorer(newcomer.page, server.url)
    return newcomer
