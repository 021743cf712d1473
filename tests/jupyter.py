"""A real JupyterLab with a copy of the teaching notebooks, and what a test does in it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from notebooks import FOLDER
from served_explorer import free_port

#: Name of a notebook with nothing but an import, beside the teaching ones.
EMPTY = "empty"
_EMPTY = {
    "cells": [
        {
            "cell_type": "code",
            "execution_count": None,
            "id": "first",
            "metadata": {},
            "outputs": [],
            "source": "import layerscope as ls\nfrom layerscope_explorer import Explorer",
        }
    ],
    "metadata": {"kernelspec": {"display_name": "Python 3", "name": "python3"}},
    "nbformat": 4,
    "nbformat_minor": 5,
}

#: All of a notebook's cells stand in the page, also those that are not in view; nobody is asked
#: for news.
_SETTINGS = {
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false"},
}

_CELLS = """() => {
  const cells = jupyterapp.shell.currentWidget.content.widgets
  return cells.filter(cell => cell.model.type === "code").map(cell => ({
    count: cell.model.executionCount,
    outputs: cell.model.outputs.toJSON(),
    busy: cell.promptNode?.textContent.includes("*") ?? false,
  }))
}"""


def write_notebooks(folder: Path) -> Path:
    """Put copies of the notebooks where `jupyter_lab` serves them, over what was saved there."""
    work = folder / "work"
    shutil.copytree(FOLDER, work, dirs_exist_ok=True)
    (work / f"{EMPTY}.ipynb").write_text(json.dumps(_EMPTY), "utf-8")
    return work


@contextmanager
def jupyter_lab(folder: Path, application: str = "lab") -> Iterator[str]:
    """Serve copies of the notebooks until the block ends; gives the address.

    Parameters
    ----------
    folder : empty; nothing is read from or written to a person's own settings.
    application : "lab", or "notebook" for Notebook 7.
    """
    work = write_notebooks(folder)
    for name, setting in _SETTINGS.items():
        path = folder / "settings" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(setting), "utf-8")
    port = free_port()
    command = [
        sys.executable, "-m", "jupyter", application, "--no-browser", "--allow-root",
        "--expose-app-in-browser", "--ip", "127.0.0.1", "--port", str(port),
        "--ServerApp.port_retries=0", "--IdentityProvider.token=", "--ServerApp.password=",
        f"--ServerApp.root_dir={work}", "--LabApp.extension_manager=readonly",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]  # fmt: skip
    environment = {
        **os.environ,
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
        "IPYTHONDIR": str(folder / "ipython"),
    }
    log = (folder / "log").open("w")
    process = subprocess.Popen(
        command, cwd=folder, stdout=log, stderr=subprocess.STDOUT, env=environment
    )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{url}/api/status", process, folder / "log")
        yield url
    finally:
        process.terminate()
        process.wait(timeout=20)
        log.close()


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("Jupyter did not start:\n" + log.read_text("utf-8"))


class Notebook:
    """One notebook, open in JupyterLab or Notebook 7.

    Parameters
    ----------
    page : of the browser.
    url : of the server.
    name : of the notebook.
    application : "lab" or "notebook".
    """

    def __init__(self, page: Any, url: str, name: str, application: str = "lab") -> None:
        self.page = page
        place = {"lab": "lab/tree", "notebook": "notebooks"}[application]
        self._address = f"{url}/{place}/{name}.ipynb"
        page.goto(self._address + ("?reset" if application == "lab" else ""))
        self.ready()

    def ready(self) -> None:
        """Wait until the notebook is there and its kernel waits for something to do."""
        self.page.wait_for_function(
            """() => {
              const shown = window.jupyterapp?.shell?.currentWidget
              const kernel = shown?.sessionContext?.session?.kernel
              return shown?.content?.widgets?.length && kernel?.status === "idle"
            }""",
            timeout=90_000,
        )

    def command(self, name: str) -> None:
        """Do what a menu's entry does, without waiting for its end."""
        self.page.evaluate("name => { jupyterapp.commands.execute(name) }", name)

    def cells(self) -> list[dict[str, Any]]:
        """Return number and outputs of each code cell."""
        return self.page.evaluate(_CELLS)

    def run_all(self, timeout: float = 180) -> list[dict[str, Any]]:
        """Run the notebook from top to bottom, and return its code cells."""
        self.command("notebook:run-all-cells")
        return self.done(timeout=timeout)

    def done(self, timeout: float = 180) -> list[dict[str, Any]]:
        """Wait until all code cells have run, or one has failed, and return them."""
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            cells = self.cells()
            if errors_of(cells) or all(cell["count"] and not cell["busy"] for cell in cells):
                return cells
            self.page.wait_for_timeout(100)
        raise TimeoutError(f"Cells still run: {[cell['count'] for cell in self.cells()]}")

    def end(self) -> None:
        """End the kernel, as leaving the page does not."""
        self.page.evaluate("() => jupyterapp.shell.currentWidget.sessionContext.shutdown()")

    def open_again(self) -> None:
        """Leave the page and come back to it; the kernel stays."""
        self.page.goto("about:blank")
        self.page.goto(self._address)
        self.ready()

    def restart_and_run_all(self) -> list[dict[str, Any]]:
        """Do so, as a menu's entry does once it is confirmed, and return the code cells."""
        # What the kernel does now is told when it is asked for something.
        self.page.evaluate(
            "async () => { await jupyterapp.shell.currentWidget.sessionContext.restartKernel() }"
        )
        self.command("notebook:clear-all-cell-outputs")
        return self.run_all()

    def append(self, code: str, timeout: float = 60) -> dict[str, Any]:
        """Add a cell at the end, run it, and return it."""
        before = max((cell["count"] or 0 for cell in self.cells()), default=0)
        self.start(code)
        return self.finished(before, timeout)

    def start(self, code: str) -> None:
        """Add a cell at the end, and run it without waiting for its end."""
        self.page.evaluate(
            """code => {
              const shown = jupyterapp.shell.currentWidget
              const cells = shown.content.model.sharedModel
              cells.insertCell(cells.cells.length, {cell_type: "code", source: code})
              shown.content.activeCellIndex = cells.cells.length - 1
              jupyterapp.commands.execute("notebook:run-cell")
            }""",
            code,
        )

    def finished(self, before: int, timeout: float = 60) -> dict[str, Any]:
        """Return the last cell once it has run, with a number above `before`."""
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            last = self.cells()[-1]
            if (last["count"] or 0) > before and not last["busy"]:
                return last
            self.page.wait_for_timeout(50)
        raise TimeoutError("The last cell still runs.")


def text_of(cell: dict[str, Any]) -> str:
    """Return what a cell printed or returned as text."""
    return "".join(
        "".join(one.get("text") or one.get("data", {}).get("text/plain") or "")
        for one in cell["outputs"]
    )


def errors_of(cells: list[dict[str, Any]]) -> list[str]:
    """Return what went wrong in cells."""
    return [
        f"{one['ename']}: {one['evalue']}"
        for cell in cells
        for one in cell["outputs"]
        if one["output_type"] == "error"
    ]
