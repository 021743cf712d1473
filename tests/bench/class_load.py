"""A class at work: so many pages open, each edited every few seconds, some of them training.

Run ``python tests/bench/class_load.py 1 10 30 60``. Each visitor is a websocket client that sends
what the page would; a server is started for every number of them. What is measured of an edit is
the time from sending it to the first drawing that comes back, as a browser on the same machine
would see it.

``python tests/bench/class_load.py --mixed 30`` has ten people do all sorts of things for 30
minutes, and prints a line a minute: neither memory nor the time of an edit may grow.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import random
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from layerscope_explorer.ledger import quantile
from layerscope_explorer.serve import LONGEST_SILENCE

sys.path[:0] = [str(Path(__file__).parents[1])]
from class_client import Visit, run  # noqa: E402
from explorer.test_serving import Served  # noqa: E402

#: Seconds between two edits of one person.
PAUSE = (3.0, 7.0)
#: What pages of a class may be like: an edit of the first dense layer, of an opening stack.
UNITS = range(16, 96)
#: What people do beside that: a component and what it sends.
ELSE: tuple[tuple[str, dict[str, Any]], ...] = (
    *(
        ("LensTabs", {"open": name})
        for name in ("weights", "activation", "outputs", "math", "code")
    ),
    *(("Shortcuts", {"key": key}) for key in ("undo", "redo", "train")),
    ("TopBar", {"type": "reroll"}),
    ("TopBar", {"type": "pin"}),
)


async def visitor(page: Visit, seconds: float, errors: list[str], chance: random.Random) -> None:
    """Edit a page every few seconds."""
    until = time.monotonic() + seconds
    await page.sleep(chance.uniform(0, PAUSE[1]))
    units = 0
    while time.monotonic() < until:
        try:
            # The same again would be no edit.
            units = chance.choice([one for one in UNITS if one != units])
            await page.edit("units", units)
        except (TimeoutError, ConnectionError) as error:
            errors.append(type(error).__name__)
        await page.sleep(chance.uniform(*PAUSE))


async def try_everything(server: Served) -> None:
    """Let one person do all there is: what a process loads for it stays, whoever comes later."""
    page = await Visit.open(server.port)
    for component, data in ELSE:
        await page.message(component, data)
        await page.sleep(0.5)
    await page.edit("units", UNITS[0] - 2)
    await page.sleep(5)
    page.close()
    await all_gone(server)


async def all_gone(server: Served) -> tuple[float, float]:
    """Wait until nobody is there; return how many sessions stay in memory, and its bytes then.

    The second is asked for after the last connection has ended, and after the server has begun
    anew if it was to.
    """
    until = time.monotonic() + 60
    while (left := server.metrics()["sessions_in_memory"]) and time.monotonic() < until:
        await asyncio.sleep(1)
    await asyncio.sleep(LONGEST_SILENCE + 5)
    return left, server.metrics()["memory_bytes"]


async def crowd(server: Served, count: int, seconds: float, training: int) -> dict[str, float]:
    """Let so many visitors work; return what was measured."""
    chance = random.Random(count)
    await try_everything(server)
    first = await Visit.open(server.port)
    await first.edit("units", 20)
    alone = server.metrics()["memory_bytes"]
    begun = time.perf_counter()
    pages = [first] + [await Visit.open(server.port) for _ in range(count - 1)]
    opened = time.perf_counter() - begun
    for page in pages:
        await page.edit("units", UNITS[0] - 1)
        page.seconds.clear()
    together = server.metrics()["memory_bytes"]
    trained = pages[:training] if count > training else []
    for page in trained:
        await page.message("Shortcuts", {"key": "train"})
    errors: list[str] = []
    await asyncio.gather(
        *(visitor(page, seconds, errors, chance) for page in pages[len(trained) :])
    )
    numbers = server.metrics()
    edits = [one for page in pages for one in page.seconds]
    for page in pages:
        page.close()
    left, after = await all_gone(server)
    return {
        "pages": count,
        "edits": len(edits),
        "p50 ms": 1000 * quantile(edits, 0.5),
        "p95 ms": 1000 * quantile(edits, 0.95),
        "server p95 ms": 1000 * numbers["edit_seconds_p95"],
        "errors": len(errors) + numbers["faults_total"],
        "open ms": 1000 * opened / max(count - 1, 1),
        "MB alone": alone / 2**20,
        "MB a page": (together - alone) / 2**20 / max(count - 1, 1),
        "MB working": numbers["memory_bytes"] / 2**20,
        "MB after": after / 2**20,
        "in memory after": left,
    }


async def busy(page: Visit, until: float, chance: random.Random) -> None:
    """Edit a page every few seconds, and do something else as often."""
    for units in itertools.cycle(UNITS):
        await page.sleep(chance.uniform(*PAUSE) / 2)
        if time.monotonic() > until:
            return
        await page.message(*chance.choice(ELSE))
        await page.sleep(chance.uniform(*PAUSE) / 2)
        await page.set("units", units)


async def mixed_use(
    server: Served, count: int, seconds: float, every: float
) -> AsyncIterator[dict[str, float]]:
    """Let so many people do all sorts of things; yield what the server says, again and again.

    How long edits take is what the server measured in the last five minutes.
    """
    chance = random.Random(count)
    pages = [await Visit.open(server.port) for _ in range(count)]
    begun = time.monotonic()
    people = [asyncio.ensure_future(busy(page, begun + seconds, chance)) for page in pages]
    for turn in range(1, int(seconds / every) + 1):
        rest = max(0, begun + turn * every - time.monotonic())
        ended, _ = await asyncio.wait(people, timeout=rest, return_when=asyncio.FIRST_EXCEPTION)
        for person in ended:
            # What went wrong with one is raised here, for whoever looks no further.
            person.result()
        numbers = server.metrics()
        yield {
            "minutes": (time.monotonic() - begun) / 60,
            "pages": numbers["sessions"],
            "edits": numbers["edits_total"],
            "p50 ms": 1000 * numbers["edit_seconds_p50"],
            "p95 ms": 1000 * numbers["edit_seconds_p95"],
            "training": numbers["sessions_training"],
            "MB": numbers["memory_bytes"] / 2**20,
            "errors": numbers["faults_total"],
        }
    await asyncio.gather(*people)
    for page in pages:
        page.close()


async def print_mixed(server: Served, count: int, minutes: float) -> None:
    """Print a line a minute."""
    head = True
    async for row in mixed_use(server, count, 60 * minutes, 60):
        print_row(row, head)
        head = False


def print_row(row: dict[str, float], head: bool) -> None:
    """Print what was measured, the first time with its names."""
    if head:
        print("  ".join(f"{name:>15}" for name in row))
    print("  ".join(f"{value:15,.1f}" for value in row.values()), flush=True)


def measured(count: int, seconds: float, training: int) -> dict[str, float]:
    """Start a server, let a class work on it, and end it."""
    server = Served().wait()
    try:
        return run(crowd(server, count, seconds, training))
    finally:
        server.end()


def main() -> None:
    """Print a line for each number of pages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("counts", nargs="*", type=int, default=[1, 10, 30, 60])
    parser.add_argument("--seconds", type=float, default=30.0, help="of work; default: 30")
    parser.add_argument("--training", type=int, default=2, help="pages that train; default: 2")
    parser.add_argument("--mixed", type=float, help="minutes of mixed use by ten people instead")
    given = parser.parse_args()
    if given.mixed:
        server = Served().wait()
        try:
            run(print_mixed(server, 10, given.mixed))
        finally:
            server.end()
        return
    for number, count in enumerate(given.counts):
        print_row(measured(count, given.seconds, given.training), head=number == 0)


if __name__ == "__main__":
    main()
