"""``python -m layerscope_explorer.serve``: the explorer for a class, with limits and a watch on it.

``panel serve apps/`` serves the same page; here the options of a server for many are set as such a
server needs them. Every limit is also an environment variable: see `limits`.
"""

from __future__ import annotations

import argparse
import errno
import logging
import os
import secrets
import sys
from collections.abc import Sequence
from typing import Any

__all__ = ["LONGEST_SILENCE", "main", "make_server"]

_LOG = logging.getLogger("layerscope_explorer.serve")

#: Bytes of one message of a browser: a file of data, and what surrounds it.
_LONGEST_MESSAGE = 8_000_000
#: Seconds that a connection may ask for nothing: longer than a proxy keeps one, but not the hour
#: of Tornado's that holds on to memory of pages that were closed long ago.
LONGEST_SILENCE = 75


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m layerscope_explorer.serve", description="Serve the explorer to a class."
    )
    parser.add_argument("--port", type=int, default=5006, help="default: 5006")
    parser.add_argument(
        "--address", default="127.0.0.1", help="0.0.0.0 lets other machines in; default: 127.0.0.1"
    )
    parser.add_argument(
        "--origin", action="append", default=[], metavar="HOST:PORT",
        help="what stands in the browsers' address bar, where that is not this machine and port",
    )  # fmt: skip
    parser.add_argument(
        "--token", default="",
        help="opens /teacher and /metrics (?token=...); default: LAYERSCOPE_TOKEN, or a new one",
    )  # fmt: skip
    parser.add_argument(
        "--forget", type=float, default=20.0, metavar="SECONDS",
        help="how long a page whose browser is gone may come back; default: 20",
    )  # fmt: skip
    if os.name == "posix":
        parser.add_argument(
            "--renew", type=float, default=60.0, metavar="SECONDS",
            help="a process that has grown begins anew when nobody was there for so long, and gives"
            " its memory back; 0: never; default: 60",
        )  # fmt: skip
    else:
        # Elsewhere no process can become another one and keep its sockets.
        parser.set_defaults(renew=0.0)
    parser.add_argument("--log", choices=("json", "text"), default="json", help="default: json")
    parser.add_argument(
        "--limit", action="append", default=[], metavar="NAME=NUMBER",
        help="such as MAX_SESSIONS=40 or MAX_PARAMETERS=500000; see layerscope_explorer.limits",
    )  # fmt: skip
    return parser


def make_server(
    port: int, address: str, origins: Sequence[str], forget: float = 20.0, renew: float = 0.0
) -> Any:
    """Return a warm server, listening but not started.

    Raises
    ------
    OSError
        If the port is taken.
    """
    import panel as pn

    from layerscope_explorer.page import open_page
    from layerscope_explorer.serving.renewal import handed_over, listening, renew_while_empty
    from layerscope_explorer.serving.routes import ROUTES
    from layerscope_explorer.warmup import warm_up

    def page() -> None:
        closed = open_page(pn.state.curdoc, pn.state.session_args or {}, pn.state.headers or {})
        pn.state.on_session_destroyed(closed)

    # It fills the page's document itself; Panel's types want something to be returned.
    pages: Any = {"apps": page}
    sockets = listening(port, address)
    port = sockets[0].getsockname()[1]
    with handed_over(sockets):
        server = pn.serve(
            pages,
            port=port,
            address=address,
            websocket_origin=[f"{address}:{port}", f"localhost:{port}", *origins],
            show=False,
            start=False,
            liveness=True,
            title="Layerscope",
            extra_patterns=ROUTES,
            check_unused_sessions_milliseconds=max(int(250 * forget), 100),
            unused_session_lifetime_milliseconds=int(1000 * forget),
            websocket_max_message_size=_LONGEST_MESSAGE,
            http_server_kwargs={"idle_connection_timeout": LONGEST_SILENCE},
        )
    warm_up()
    if renew:
        renew_while_empty(server, sockets, renew)
    return server


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to stop; return what the shell is told."""
    given = _parser().parse_args(arguments)
    # A class has no Python of its own to run.
    os.environ.pop("LAYERSCOPE_OWN_CODE", None)
    for name, _, number in (one.partition("=") for one in given.limit):
        os.environ[f"LAYERSCOPE_{name}"] = number
    # Only now: the limits are read when they are imported.
    try:
        import layerscope_explorer.limits  # noqa: F401
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    from layerscope_explorer.serving.logs import log_as_json
    from layerscope_explorer.serving.renewal import begun_anew
    from layerscope_explorer.serving.routes import TOKEN
    from layerscope_explorer.serving.stopping import stop_gracefully

    if given.log == "json":
        log_as_json()
    token = os.environ[TOKEN] = given.token or os.environ.get(TOKEN) or secrets.token_urlsafe(9)
    told = begun_anew()
    try:
        server = make_server(given.port, given.address, given.origin, given.forget, given.renew)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        print(
            f"Port {given.port} is taken by another program; choose one with --port.",
            file=sys.stderr,
        )
        return 1
    if not told:
        where = f"http://{given.address}:{server.port}"
        print(f"Layerscope: {where}/apps")
        print(f"For the teacher: {where}/teacher?token={token}", flush=True)
    stop_gracefully(server)
    server.start()
    server.io_loop.start()
    _LOG.info("stopped")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
