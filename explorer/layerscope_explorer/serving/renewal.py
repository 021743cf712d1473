"""A server that begins anew while nobody is there, and is as small then as on its first day.

Python gives memory back by the mebibyte, and only where nothing is left in it. When a class of 60
has gone, something small that stays for good lies in a third of what its pages took.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from bokeh.server import server as bokeh_server
from tornado.ioloop import PeriodicCallback
from tornado.netutil import bind_sockets

from layerscope.compiled import compiling
from layerscope_explorer.serving.metrics import memory
from layerscope_explorer.visitors import visitors
from layerscope_explorer.workers import edit_pool, training_pool

__all__ = ["begun_anew", "handed_over", "listening", "renew_while_empty"]

_LOG = logging.getLogger(__name__)

#: Environment variable that names the sockets on which an earlier program of this process listens.
_SOCKETS = "LAYERSCOPE_SOCKETS"
#: Times the memory of a warm server without a visitor, above which it begins anew.
_GROWN = 1.1
#: How often is looked, in milliseconds.
_LOOK = 1_000


def begun_anew() -> bool:
    """Tell whether this process has served before, and its sockets are yet to be taken over."""
    return _SOCKETS in os.environ


def listening(port: int, address: str) -> list[socket.socket]:
    """Return the sockets of a port: those on which this process has listened before, else new ones.

    Raises
    ------
    OSError
        If the port is taken.
    """
    if kept := os.environ.pop(_SOCKETS, ""):
        return [socket.socket(fileno=int(number)) for number in kept.split(",")]
    return bind_sockets(port, address)


@contextmanager
def handed_over(sockets: Sequence[socket.socket]) -> Iterator[None]:
    """Let a server of Bokeh's, which takes sockets from nobody, listen on these."""
    bokeh: Any = bokeh_server
    bind = bokeh.bind_sockets
    bokeh.bind_sockets = lambda *_: (list(sockets), sockets[0].getsockname()[1])
    try:
        yield
    finally:
        bokeh.bind_sockets = bind


def renew_while_empty(server: Any, sockets: Sequence[socket.socket], seconds: float) -> None:
    """Begin anew when a server has grown and nobody was there for so many seconds.

    Who comes meanwhile waits a few seconds: the sockets stay open, and the system keeps who knocks.
    """
    small = memory()
    left_at = time.monotonic()
    served = 0

    def look() -> None:
        nonlocal left_at, served
        if sockets[0].fileno() < 0:
            # The server is ending.
            looking.stop()
        elif _in_use(server) or served != visitors().served:
            left_at, served = time.monotonic(), visitors().served
        elif served and time.monotonic() - left_at >= seconds and memory() > _GROWN * small:
            _LOG.info("beginning anew at %d MB", memory() // 2**20)
            left_at = time.monotonic()
            _begin_anew(sockets)

    looking = PeriodicCallback(look, _LOOK)
    looking.start()


def _in_use(server: Any) -> bool:
    """Tell whether somebody is there, or something is being computed."""
    return bool(
        len(visitors())
        or server.get_sessions()
        or edit_pool()._work_queue.qsize()
        or training_pool()._work_queue.qsize()
        or compiling.progress().wanted
    )


def _begin_anew(sockets: Sequence[socket.socket]) -> None:
    """Become the same program again; go on as before where the system does not let it."""
    for one in sockets:
        one.set_inheritable(True)
    environment = {**os.environ, _SOCKETS: ",".join(str(one.fileno()) for one in sockets)}
    with suppress(OSError):
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)
    _LOG.warning("The program cannot be started again; the server goes on with the memory it has.")
    for one in sockets:
        one.set_inheritable(False)
