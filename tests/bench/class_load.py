"""A class at work: so many pages open, each edited every few seconds, some of them training.

Run ``python tests/bench/class_load.py 1 10 30 60``. Each visitor is a websocket client that sends
what the page would; a server is started for every number of them. What is measured of an edit is
the time from sending it to the first drawing that comes back, as a browser on the same machine
would see it.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from pathlib import Path

from layerscope_explorer.ledger import quantile

sys.path[:0] = [str(Path(__file__).parents[1])]
from class_client import Visit, run  # noqa: E402
from explorer.test_serving import Served  # noqa: E402

#: Seconds between two edits of one person.
PAUSE = (3.0, 7.0)
#: What pages of a class may be like: an edit of the first dense layer, of an opening stack.
UNITS = range(16, 96)


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


async def crowd(server: Served, count: int, seconds: float, training: int) -> dict[str, float]:
    """Let so many visitors work; return what was measured."""
    chance = random.Random(count)
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
    until = time.monotonic() + 60
    while server.metrics()["sessions_in_memory"] and time.monotonic() < until:
        await asyncio.sleep(1)
    await asyncio.sleep(2)
    after = server.metrics()
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
        "MB after": after["memory_bytes"] / 2**20,
        "in memory after": after["sessions_in_memory"],
    }


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
    given = parser.parse_args()
    head = True
    for count in given.counts:
        row = measured(count, given.seconds, given.training)
        if head:
            print("  ".join(f"{name:>15}" for name in row))
            head = False
        print("  ".join(f"{value:15,.1f}" for value in row.values()), flush=True)


if __name__ == "__main__":
    main()
