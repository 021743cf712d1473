"""A visitor without a browser: speaks as the page's own script does, over the same websocket."""

from __future__ import annotations

import asyncio
import json
import re
import time
import uuid
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar

from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.websocket import WebSocketClosedError, websocket_connect

_LONGEST = 100_000_000


def run(what: Coroutine[Any, Any, Any]) -> Any:
    """Do something with visitors, to its end, at which all have left."""

    async def do() -> Any:
        try:
            return await what
        finally:
            for visit in list(Visit.here):
                visit.close()

    return asyncio.run(do())


class Visit:
    """One open page.

    Attributes
    ----------
    seconds : how long each edit took, from sending it to the first picture that came back.
    """

    #: Whose page is open.
    here: ClassVar[set[Visit]] = set()

    def __init__(self, port: int) -> None:
        self.port = port
        self.seconds: list[float] = []
        self._document: Any = None
        self._heard: asyncio.Queue[str] = asyncio.Queue()
        self._count = 0
        # Both are there as soon as the page is open.
        self._socket: Any = None
        self._listening: Any = None

    @classmethod
    async def open(cls, port: int, query: str = "", meanwhile: float = 0.0) -> Visit:
        """Open the page as a browser does: get it, connect, pull its document, draw it.

        Parameters
        ----------
        meanwhile : seconds that drawing takes.
        """
        visit = cls(port)
        client = AsyncHTTPClient(force_instance=True, max_body_size=_LONGEST)
        got = await client.fetch(
            HTTPRequest(
                f"http://127.0.0.1:{port}/apps{query}", request_timeout=120, connect_timeout=60
            )
        )
        client.close()
        cookies = [one.partition(";")[0] for one in got.headers.get_list("Set-Cookie")]
        found = re.search(r'"token":"([^"]+)"', got.body.decode())
        assert found is not None
        request = HTTPRequest(
            f"ws://127.0.0.1:{port}/apps/ws",
            connect_timeout=60,
            headers={"Origin": f"http://127.0.0.1:{port}", "Cookie": "; ".join(cookies)},
        )
        visit._socket = await websocket_connect(
            request, subprotocols=["bokeh", found[1]], max_message_size=_LONGEST
        )
        # As browsers do.
        visit._socket.protocol.set_nodelay(True)
        await visit._read()
        sent = await visit._send("PULL-DOC-REQ", {})
        while visit._document is None:
            header, content = await visit._read()
            if header.get("reqid") == sent:
                visit._document = json.loads(content)
        await asyncio.sleep(meanwhile)
        nothing = {"type": "map", "entries": []}
        ready = {"type": "event", "name": "document_ready", "values": nothing}
        await visit.patch({"kind": "MessageSent", "msg_type": "bokeh_event", "msg_data": ready})
        visit._listening = asyncio.ensure_future(visit._listen())
        cls.here.add(visit)
        return visit

    # --- what the page does ----------------------------------------------------------------

    async def message(self, component: str, data: Any) -> None:
        """Send a message of a component, by the name of its class."""
        await self._event(self._model(component)["id"], data)

    async def edit(self, argument: str, value: Any, timeout: float = 60.0) -> float:
        """Set an argument of the selected layer; wait for its picture, return the seconds."""
        while not self._heard.empty():
            self._heard.get_nowait()
        start = time.perf_counter()
        await self.set(argument, value)
        await self.heard("packed_rows", timeout)
        self.seconds.append(time.perf_counter() - start)
        return self.seconds[-1]

    async def set(self, argument: str, value: Any) -> None:
        """Set an argument of the selected layer."""
        self._count += 1
        data = {"type": "set", "path": argument, "value": value, "count": self._count}
        await self.message("FieldForm", data)

    async def change(self, component: str, name: str, value: Any) -> None:
        """Write into a property of a component."""
        data = self._model(component)["attributes"]["data"]
        await self.patch(
            {"kind": "ModelChanged", "model": {"id": data["id"]}, "attr": name, "new": value}
        )

    async def heard(self, words: str, timeout: float = 60.0) -> str:
        """Wait for a message of the server that has some words in it, and return it."""
        others: list[str] = []
        try:
            async with asyncio.timeout(timeout):
                while words not in (said := await self._heard.get()):
                    others.append(said[:120])
        except TimeoutError:
            instead = "\n".join(others) or "nothing"
            raise TimeoutError(f"no {words!r} in {timeout} s, but {instead}") from None
        return said

    async def until(self, holds: Callable[[], bool], seconds: float = 20.0) -> None:
        """Look at the page until something holds."""
        async with asyncio.timeout(seconds):
            while not holds():
                await asyncio.sleep(0.1)

    async def sleep(self, seconds: float) -> None:
        """Look at the page."""
        await asyncio.sleep(seconds)

    def close(self) -> None:
        """Close the page."""
        self.here.discard(self)
        self._listening.cancel()
        self._socket.close()

    # --- below -----------------------------------------------------------------------------

    async def patch(self, event: dict[str, Any]) -> None:
        """Send a change of the document."""
        await self._send("PATCH-DOC", {"events": [event]})

    async def raw(self, text: str) -> None:
        """Send what is no message."""
        try:
            await self._socket.write_message(text)
        except WebSocketClosedError:
            return

    async def _event(self, model_id: str, data: Any) -> None:
        values = [["model", {"id": model_id}], ["data", _encoded(data)]]
        event = {
            "type": "event",
            "name": "data_event",
            "values": {"type": "map", "entries": values},
        }
        await self.patch({"kind": "MessageSent", "msg_type": "bokeh_event", "msg_data": event})

    async def _send(self, kind: str, content: Any) -> str:
        header = {"msgid": uuid.uuid4().hex, "msgtype": kind}
        for part in (header, {}, content):
            await self._socket.write_message(json.dumps(part))
        return header["msgid"]

    async def _read(self) -> tuple[dict[str, Any], str]:
        header = await self._socket.read_message()
        if header is None:
            raise ConnectionError("the server closed the connection")
        found = json.loads(header)
        await self._socket.read_message()
        content = await self._socket.read_message()
        for _ in range(found.get("num_buffers", 0)):
            await self._socket.read_message()
            await self._socket.read_message()
        return found, str(content)

    async def _listen(self) -> None:
        while True:
            header, content = await self._read()
            if header["msgtype"] == "PATCH-DOC":
                self._heard.put_nowait(content)

    def _model(self, component: str) -> dict[str, Any]:
        """Return the model of a component in the document as it was pulled."""

        def find(data: Any) -> Any:
            if isinstance(data, dict):
                if data.get("attributes", {}).get("class_name") == component:
                    return data
                return next(filter(None, map(find, data.values())), None)
            return next(filter(None, map(find, data)), None) if isinstance(data, list) else None

        found = find(self._document)
        if found is None:
            raise LookupError(component)
        return found


def _encoded(data: Any) -> Any:
    """Return data as a browser writes it: a dictionary is a map with entries."""
    if isinstance(data, dict):
        return {"type": "map", "entries": [[key, _encoded(one)] for key, one in data.items()]}
    return [_encoded(one) for one in data] if isinstance(data, list) else data
