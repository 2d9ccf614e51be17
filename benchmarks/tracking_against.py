"""How long a campaign takes to be read back, beside another commit, in turns: from SQLite and by a server."""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from benchmarks.against import ROOT, ask, checkout, worker
from benchmarks.tracking_load import FILLED, METRICS, Size, check, fill, fill_concurrently
from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.tracking.client import connect
from mlpf_hpo.tracking.writer import RunWriter
from tests.tracking.servers import MlflowServer, Postgres

ROUNDS, QUICK_ROUNDS = 5, 2


def readback_against(commit: str, size: Size, rounds: int) -> dict[str, float]:
    """Return today's time of reading a campaign back over that of a commit, by a server and from SQLite.

    Raises
    ------
    ConfigurationError
        If there is no such commit, it cannot be installed or run, or there is no PostgreSQL.
    """
    with tempfile.TemporaryDirectory(prefix="tracking") as folder, ExitStack() as stack:
        before = stack.enter_context(checkout(commit, Path(folder, "before")))
        sides = [(before, before / ".venv/bin/python"), (ROOT, Path(sys.executable))]
        uris = stack.enter_context(filled_stores(size, Path(folder)))
        return readback_ratios(sides, uris, size, rounds)


@contextmanager
def filled_stores(size: Size, folder: Path) -> Iterator[dict[str, str]]:
    """Yield the addresses of two stores that hold the same campaign, each point of which was checked.

    One is a server on PostgreSQL, written to by many writers at once.
    """
    sqlite = f"sqlite:///{folder / 'mlflow.db'}"
    fill(RunWriter(connect(sqlite)), size.runs, size.epochs)
    try:
        postgres = Postgres()
    except pytest.skip.Exception as missing:
        raise ConfigurationError(str(missing)) from None
    server = MlflowServer(postgres.create("mlflow"), folder)
    server.start()
    try:
        fill_concurrently(server.uri, size.runs, size.epochs)
        uris = {"http": server.uri, "sqlite": sqlite}
        for uri in uris.values():
            check(connect(uri), FILLED, size.runs, size.epochs)
        yield uris
    finally:
        server.kill()
        postgres.remove()


def readback_ratios(
    sides: Sequence[tuple[Path, Path]], uris: Mapping[str, str], size: Size, rounds: int
) -> dict[str, float]:
    """Return the ratios of two checkouts, each with its interpreter; the second over the first.

    Wall time, as most of a server's work is another process's; beside it the processor time of the reader.
    """
    found: dict[str, float] = {}
    with ExitStack() as stack:
        workers = [stack.enter_context(worker(*side, "readback_worker.py")) for side in sides]
        for name, uri in uris.items():
            request = {"uri": uri, "campaign": FILLED}
            pairs = [
                [ask(one, request, f"reading {request['uri']} back") for one in workers]
                for _ in range(rounds)
            ]
            for pair in pairs:
                for answer in pair:
                    assert answer["points"] == size.runs * size.epochs * len(METRICS)
            found |= _compared(f"against.readback.{name}", pairs)
    return found


def _compared(key: str, pairs: list[list[dict[str, float]]]) -> dict[str, float]:
    ratios = [after["seconds"] / before["seconds"] for before, after in pairs]
    of_processor = [after["processor"] / before["processor"] for before, after in pairs]
    return {
        f"{key}.ratio": statistics.median(ratios),
        f"{key}.low": min(ratios),
        f"{key}.high": max(ratios),
        f"{key}.processor_ratio": statistics.median(of_processor),
        f"{key}.before_seconds": statistics.median(before["seconds"] for before, _ in pairs),
        f"{key}.after_seconds": statistics.median(after["seconds"] for _, after in pairs),
    }
