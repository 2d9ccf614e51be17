"""Debian's Chromium under Playwright, and a small real MLflow store behind the real `mlpf-hpo ui`."""

from __future__ import annotations

import io
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from PIL import Image

from tests.browser.store import fill
from tests.reporting.conftest import inputs, validation_result

__all__ = ["inputs", "validation_result"]

ROOT = Path(__file__).parents[2]

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--disable-component-update",
    "--disable-sync",
)

SCREENSHOTS = "MLPF_HPO_SCREENSHOTS"
"""Environment variable: the folder into which the tests write what they look at."""

PATIENCE_MS = 120_000
"""How long a page may take to show what it should: only a broken one takes so long."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def chromium() -> Iterator[object]:
    """Yield a browser; tests are skipped where there is none."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=list(ARGUMENTS))
        yield browser
        browser.close()


@dataclass
class Tab:
    """A page, and what went wrong on it."""

    page: object
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def shoot(self, name: str, part: str | None = None) -> None:
        """Write a screenshot (of a part) if a folder for them is given; in 128 colours, to be small."""
        folder = os.environ.get(SCREENSHOTS)
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            shown = self.page.locator(part).first if part else self.page
            image = Image.open(io.BytesIO(shown.screenshot())).convert("RGB").quantize(128)
            image.save(Path(folder) / f"{name}.png", optimize=True)


@pytest.fixture
def open_tab(chromium) -> Iterator[Callable[..., Tab]]:
    """Return a function that opens an address in a browser of its own, without cookies or storage."""
    contexts = []

    def opened(url: str, width: int = 1500, height: int = 950, scheme: str = "light", **settings) -> Tab:
        context = chromium.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, **settings
        )
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        tab = Tab(page)
        page.on("pageerror", lambda error: tab.errors.append(str(error)))
        page.on("request", lambda request: tab.requests.append(request.url))
        page.goto(url)
        return tab

    yield opened
    for context in contexts:
        context.close()


@dataclass(frozen=True)
class Ui:
    """A running `mlpf-hpo ui`.

    Attributes
    ----------
    base : str
        Its address.
    printed : str
        What it printed.
    store : Filled
        What the store holds.
    """

    base: str
    printed: str
    store: object

    def link(self, heading: str, what: str) -> str:
        """Return the link that was printed for something below a heading."""
        section = re.split(rf"^  \S*{re.escape(heading)}.*$", self.printed, flags=re.MULTILINE)[1]
        return re.search(rf"^    {re.escape(what)}:\s+(\S+)$", section, flags=re.MULTILINE)[1]


@pytest.fixture(scope="session")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ui]:
    """Yield the interface over a small store, served by the command that a user types."""
    folder = tmp_path_factory.mktemp("ui")
    filled = fill(folder)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "mlpf_hpo.cli", "ui", "--port", str(port)],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=(folder / "log").open("w"),
        text=True,
        start_new_session=True,
    )
    overdue = threading.Timer(400, lambda: os.killpg(process.pid, signal.SIGKILL))
    overdue.start()
    printed = ""
    try:
        for line in process.stdout:
            printed += line
            if "data set, run:" in line:  # the last line
                break
        assert "data set, run:" in printed, (folder / "log").read_text()
        overdue.cancel()
        yield Ui(f"http://127.0.0.1:{port}", printed, filled)
    finally:
        overdue.cancel()
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=60)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
