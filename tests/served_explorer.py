"""The explorer as a person meets it: the README's command, and headless Chromium."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]

#: Without these Chromium looks for servers of its own at every start.
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


#: A traceback with those it came of, up to the next entry of the log: that begins with a date.
_COMPLAINT = re.compile(
    r"^Traceback \(.*\n(?:(?!\d{4}-\d\d-\d\d |Traceback \().*\n|(?<=:\n\n)Traceback \(.*\n)*",
    re.MULTILINE,
)

#: What Tornado and Bokeh complain of when a page closes while it is written to, connects, or
#: has sent something that is still to be read: its connection has no session any more.
_A_PAGE_LEFT = re.compile(
    r"WebSocketClosedError\n|assert self\._session is not None\n(?:.*\n)?AssertionError\n"
)


def chromium_path() -> str | None:
    """Return a Chromium on the path, None where there is none."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    return None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class Server:
    """A running ``panel serve apps/``."""

    url: str
    pid: int
    lines: list[str] = field(default_factory=list)
    _told: int = 0

    def errors(self) -> list[str]:
        """Return what the server complained about since it was last asked, and what followed."""
        since, self._told = self._told, self._written()
        log = _COMPLAINT.sub(
            lambda found: "" if _A_PAGE_LEFT.search(found[0]) else found[0],
            "".join(self.lines[since : self._told]),
        )
        lines = log.splitlines(keepends=True)
        for number, line in enumerate(lines):
            if re.search(r"ERROR|Traceback|Error:", line):
                return lines[number:]
        return []

    def _written(self) -> int:
        """Return the number of lines in the log, once what is being written is complete."""
        count = -1
        until = time.monotonic() + 10
        while count < len(self.lines) and time.monotonic() < until:
            count = len(self.lines)
            time.sleep(0.1)
        return count


@contextmanager
def served(timeout: float = 120, **environment: str) -> Iterator[Server]:
    """Serve the explorer until the block ends, with these variables set."""
    port = free_port()
    command = [
        sys.executable, "-m", "panel", "serve", "apps/", "--address", "127.0.0.1",
        "--port", str(port), "--allow-websocket-origin", f"127.0.0.1:{port}",
    ]  # fmt: skip
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
    )
    server = Server(f"http://127.0.0.1:{port}/apps", process.pid)
    assert process.stdout is not None
    output = process.stdout
    reader = threading.Thread(target=lambda: server.lines.extend(iter(output)), daemon=True)
    reader.start()
    try:
        until = time.monotonic() + timeout
        while not any("app running at" in line for line in server.lines):
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError("The server did not start:\n" + "".join(server.lines))
            time.sleep(0.05)
        yield server
    finally:
        process.terminate()
        process.wait(timeout=60)


@dataclass
class Visit:
    """A page with what went wrong on it."""

    page: Any
    problems: list[str]
    foreign: list[str]


#: Opens the explorer at an address's query, in a colour scheme if one is named; gives the page.
Arrive = Callable[..., Any]


def watch(page: Any) -> Visit:
    """Note every console error, page error and request to another origin."""
    visit = Visit(page, [], [])
    page.on(
        "console",
        lambda message: visit.problems.append(message.text) if message.type == "error" else None,
    )
    page.on("pageerror", lambda error: visit.problems.append(error.stack or str(error)))

    def asked(request: Any) -> None:
        if not request.url.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:")):
            visit.foreign.append(request.url)

    page.on("request", asked)
    return visit


def open_explorer(page: Any, url: str) -> None:
    """Go to the explorer and wait until it can be used and its pictures are drawn."""
    page.goto(url, timeout=60_000)
    page.wait_for_selector(".ls-input", timeout=60_000)
    page.wait_for_selector(".ls-field", timeout=60_000)
    page.wait_for_function(
        "() => window.Bokeh && Bokeh.documents.length && Bokeh.documents[0].is_idle",
        timeout=60_000,
    )
