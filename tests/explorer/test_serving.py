"""A server for a class: started as a teacher starts it, watched, overloaded, and killed."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from class_client import Visit, run
from layerscope_explorer.serving import renewal
from layerscope_explorer.visitors import visitors
from served_explorer import ROOT, free_port
from waiting import eventually

TOKEN = "for-the-teacher"


class Served:
    """A running ``python -m layerscope_explorer.serve``.

    Parameters
    ----------
    options : what stands behind the command.
    port : any by default.
    before : Python to be run before it.
    environment : what is added to this process's.
    """

    def __init__(self, *options: str, port: int = 0, before: str = "", **environment: str) -> None:
        self.port = port or free_port()
        program = f"{before}\nfrom layerscope_explorer import serve\nraise SystemExit(serve.main())"
        how = ["-c", program] if before else ["-m", "layerscope_explorer.serve"]
        self.process = subprocess.Popen(
            [sys.executable, *how, "--port", str(self.port), "--token", TOKEN, *options],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
        )

    def wait(self) -> Served:
        """Wait until it can be visited."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if "/teacher" in line:
                return self
        raise RuntimeError(self.process.stderr.read() if self.process.stderr else "")

    def get(self, path: str, **headers: str) -> tuple[int, str]:
        """Return the status and the text of a page."""
        try:
            with urlopen(Request(f"http://127.0.0.1:{self.port}{path}", headers=headers)) as got:
                return got.status, got.read().decode()
        except HTTPError as error:
            return error.code, ""

    def metrics(self) -> dict[str, float]:
        """Return the numbers by name."""
        _, text = self.get(f"/metrics?token={TOKEN}&collect=1")
        pairs = (line.split() for line in text.splitlines())
        return {name.removeprefix("layerscope_"): float(value) for name, value in pairs}

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Send a signal; return the exit status and the log."""
        self.process.send_signal(number)
        _, log = self.process.communicate(timeout=60)
        return self.process.returncode, log


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    served = Served("--limit", "MAX_SESSIONS=4", "--limit", "MAX_LAYERS=12", "--forget", "1").wait()
    yield served
    if served.process.poll() is None:
        served.end(signal.SIGKILL)


@pytest.fixture(autouse=True)
def _nobody_here(request: pytest.FixtureRequest) -> None:
    """Begin when those of the test before are gone."""
    if "server" in request.fixturenames:
        served = request.getfixturevalue("server")
        eventually(lambda: served.metrics()["sessions"] == 0, "nobody there")


def test_only_who_has_the_token_sees_the_numbers(server: Served) -> None:
    for path in ("/metrics", "/teacher"):
        assert server.get(path)[0] == 404
        assert server.get(f"{path}?token=guessed")[0] == 404
        assert server.get(f"{path}?token={TOKEN}")[0] == 200
    assert server.get("/metrics", Authorization=f"Bearer {TOKEN}")[0] == 200
    assert server.get("/liveness")[0] == 200
    status, page = server.get(f"/teacher?token={TOKEN}", **{"Accept-Language": "zh"})
    assert status == 200
    assert "谁在这里" in page


def test_an_edit_is_answered_and_counted(server: Served) -> None:
    async def visit() -> None:
        page = await Visit.open(server.port)
        await page.edit("units", 17)
        page.close()

    before = server.metrics()
    run(visit())
    after = server.metrics()
    assert after["edits_total"] > before["edits_total"]
    assert 0 < after["edit_seconds_p50"] < 5
    assert after["faults_total"] == before["faults_total"]


def test_what_is_computed_while_a_browser_draws_the_page_is_not_lost(server: Served) -> None:
    async def visit() -> None:
        # The opening stack's pictures are there at once; those of the lesson's take a moment.
        page = await Visit.open(server.port, "?lesson=recurrence", meanwhile=1.5)
        assert "LSTM" in await page.heard("packed_rows")
        page.close()

    run(visit())


def test_pages_that_are_closed_are_gone(server: Served) -> None:
    async def come_and_go() -> None:
        pages = [await Visit.open(server.port) for _ in range(3)]
        assert server.metrics()["sessions"] == 3
        for page in pages:
            page.close()

    run(come_and_go())
    eventually(lambda: server.metrics()["sessions"] == 0, "nobody there")
    # Nothing of them is kept alive by anything.
    eventually(lambda: server.metrics()["sessions_in_memory"] == 0, "nobody remembered")


def test_a_full_server_says_so_and_goes_on(server: Served) -> None:
    async def crowd() -> None:
        pages = [await Visit.open(server.port) for _ in range(4)]
        status, text = server.get("/apps")
        assert status == 200
        assert "places on this server are taken" in text
        await pages[0].edit("units", 21)
        for page in pages:
            page.close()

    run(crowd())
    assert server.metrics()["sessions_refused_total"] >= 1


def test_a_client_that_sends_nonsense_loses_nobody(server: Served) -> None:
    async def attack() -> None:
        good = await Visit.open(server.port)
        bad = await Visit.open(server.port)
        for sent in ("", "{", "[]", '{"msgid": 1}', "\x00", "9" * 100_000):
            await bad.raw(sent)
        other = await Visit.open(server.port)
        await other.patch({"kind": "ModelChanged", "model": {"id": "p1"}, "attr": "x", "new": 1})
        await other.patch({"kind": "Nothing"})
        await other.message("LayerStack", {"type": "remove", "id": "<script>"})
        await other.change("LayerStack", "packed_rows", "<script>alert(1)</script>")
        await other.change("LayerStack", "packed_rows", 7)
        await other.edit("units", 11)
        await good.edit("units", 12)
        for page in (good, bad, other):
            page.close()

    run(attack())
    assert server.get("/liveness")[0] == 200


def test_a_page_that_disappears_in_training_stops_it(server: Served) -> None:
    async def leave() -> None:
        page = await Visit.open(server.port)
        await page.message("Shortcuts", {"key": "train"})
        await page.until(lambda: server.metrics()["sessions_training"] == 1)
        page.close()

    run(leave())
    # A connection whose end was not heard is found dead by a ping, after half a minute.
    eventually(lambda: server.metrics()["sessions"] == 0, "nobody there")
    # The slice under way is taken to its end.
    for number in ("sessions_training", "queue_training"):
        eventually(lambda number=number: server.metrics()[number] == 0, number)


def test_a_taken_port_is_said_in_a_sentence(server: Served) -> None:
    second = Served(port=server.port)
    status, log = second.process.wait(timeout=60), second.process.stderr
    assert status == 1
    assert log is not None
    text = log.read()
    assert f"Port {server.port} is taken" in text
    assert "Traceback" not in text
    assert server.get("/liveness")[0] == 200


def test_a_limit_that_is_none_is_said_in_a_sentence() -> None:
    served = Served("--limit", "MAX_LAYERS=many")
    _, log = served.process.communicate(timeout=60)
    assert served.process.returncode == 2
    assert "LAYERSCOPE_MAX_LAYERS must be a whole number" in log
    assert "Traceback" not in log


def test_the_end_is_told_and_the_log_names_nothing_that_was_typed(server: Served) -> None:
    async def until_the_end() -> str:
        page = await Visit.open(server.port)
        await page.message("Palette", {"type": "add", "name": "SECRET-NAME"})
        await page.heard("SECRET-NAME", 10)
        server.process.send_signal(signal.SIGTERM)
        said = await page.heard("about to stop", 10)
        page.close()
        return said

    assert run(until_the_end())
    _, log = server.process.communicate(timeout=60)
    assert server.process.returncode == 0
    assert "SECRET-NAME" not in log
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    assert any(line["event"] == "stopping" for line in lines)
    # Nothing failed while a page was closed.
    assert not [line for line in lines if line["logger"] == "panel.io.application"], log
    assert any(re.fullmatch("[0-9a-f]{8}", line.get("page", "")) for line in lines)


@pytest.mark.slow
def test_a_server_that_is_killed_starts_again() -> None:
    first = Served().wait()

    async def train() -> None:
        page = await Visit.open(first.port)
        await page.message("Shortcuts", {"key": "train"})
        await page.message("SharingMenus", {"type": "save"})
        await page.sleep(0.3)
        first.end(signal.SIGKILL)

    run(train())
    again = Served(port=first.port).wait()
    assert again.get("/apps")[0] == 200
    assert again.end()[0] == 0


@pytest.mark.slow
def test_a_server_that_has_grown_begins_anew_once_nobody_is_there() -> None:
    grown = "from layerscope_explorer.serving import renewal\nrenewal._GROWN = 0.5"
    server = Served("--renew", "2", "--forget", "0.5", before=grown).wait()

    async def stay() -> dict[str, float]:
        page = await Visit.open(server.port)
        await page.sleep(4)
        await page.edit("units", 18)
        return server.metrics()

    async def stay_until_the_end() -> dict[str, float]:
        page = await Visit.open(server.port)
        await page.edit("units", 17)
        numbers = server.metrics()
        server.process.send_signal(signal.SIGTERM)
        return numbers

    # Nobody has been there: nothing can have grown.
    time.sleep(3)
    first = server.metrics()
    assert first["uptime_seconds"] >= 3
    assert run(stay())["uptime_seconds"] > first["uptime_seconds"] + 4
    eventually(lambda: server.metrics()["sessions_served_total"] == 0, "a new beginning")
    # Who comes then is served as before, by the same process at the same address.
    assert run(stay_until_the_end())["edits_total"] == 1
    _, log = server.process.communicate(timeout=60)
    assert server.process.returncode == 0
    events = [json.loads(line)["event"] for line in log.splitlines() if line.startswith("{")]
    assert sum(event.startswith("beginning anew") for event in events) == 1
    assert not [line for line in log.splitlines() if '"error"' in line]


@pytest.mark.parametrize("ends", [False, True])
def test_a_server_that_ends_does_not_begin_anew(
    monkeypatch: pytest.MonkeyPatch, ends: bool
) -> None:
    begun: list[object] = []
    monkeypatch.setattr(renewal, "_GROWN", 0)
    monkeypatch.setattr(renewal, "_LOOK", 1)
    monkeypatch.setattr(renewal, "_in_use", lambda _: False)
    monkeypatch.setattr(renewal, "_begin_anew", begun.append)
    monkeypatch.setattr(visitors(), "served", 1)

    async def look() -> None:
        with socket.create_server(("127.0.0.1", 0)) as one:
            if ends:
                one.close()
            renewal.renew_while_empty(None, [one], 0)
            until = time.monotonic() + (1 if ends else 60)
            while not begun and time.monotonic() < until:
                await asyncio.sleep(0.01)
            one.close()

    asyncio.run(look())
    assert bool(begun) != ends


def test_a_server_that_cannot_begin_anew_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def gone(*_: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(os, "execve", gone)
    with socket.create_server(("127.0.0.1", 0)) as one:
        renewal._begin_anew([one])
        assert not one.get_inheritable()
    assert "goes on" in caplog.text


@pytest.mark.slow
def test_memory_stays_as_it_is_while_ten_people_do_all_sorts_of_things() -> None:
    from class_load import mixed_use

    served = Served().wait()

    async def use() -> list[dict[str, float]]:
        rows = []
        # Two minutes, or as long as a slow machine needs for as many edits.
        async for row in mixed_use(served, 10, seconds=600, every=20):
            rows.append(row)
            if len(rows) >= 6 and row["edits"] > rows[2]["edits"] + 100:
                break
        return rows

    try:
        rows = run(use())
    finally:
        status, _ = served.end()
    assert status == 0
    assert {row["errors"] for row in rows} == {0}
    assert {row["pages"] for row in rows} == {10}
    assert rows[-1]["edits"] > rows[2]["edits"] + 100
    # The first minute warms up.
    assert rows[-1]["MB"] < 1.15 * rows[2]["MB"]


NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")


@pytest.mark.slow
@pytest.mark.skipif(NGINX is None, reason="nginx is not installed")
def test_two_processes_behind_nginx_keep_each_page_at_its_own(tmp_path: Path) -> None:
    front = free_port()
    backs = [Served("--origin", f"127.0.0.1:{front}") for _ in range(2)]
    config = (ROOT / "assets/nginx.conf").read_text()
    ports = iter(str(back.port) for back in backs)
    config = re.sub(r"127\.0\.0\.1:500\d", lambda _: f"127.0.0.1:{next(ports)}", config)
    config = config.replace("listen 80;", f"listen 127.0.0.1:{front};")
    head = f"daemon off; pid {tmp_path}/pid; error_log {tmp_path}/error.log;"
    temps = "".join(
        f"{name}_temp_path {tmp_path}/{name};"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    whole = f"{head} events {{}} http {{ access_log off; {temps} {config} }}"
    (tmp_path / "nginx.conf").write_text(whole)
    for back in backs:
        back.wait()
    command = [str(NGINX), "-c", str(tmp_path / "nginx.conf"), "-e", str(tmp_path / "error.log")]
    proxy = subprocess.Popen(command)

    async def crowd() -> None:
        pages = [await Visit.open(front) for _ in range(6)]
        for number, page in enumerate(pages):
            await page.edit("units", 11 + number)
        assert sum(back.metrics()["sessions"] for back in backs) == 6
        for page in pages:
            page.close()

    try:
        eventually(lambda: _answers(front), "an answer")
        run(crowd())
    finally:
        proxy.terminate()
        proxy.wait(10)
        for back in backs:
            back.end()


def _answers(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/liveness") as got:
            return got.status == 200
    except OSError:
        return False
