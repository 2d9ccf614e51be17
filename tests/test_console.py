"""How a command ends: errors in one sentence, interruptions without a traceback."""

from __future__ import annotations

import re
import signal
import subprocess
import sys

import pytest

INTERRUPTED = "interrupted: nothing of this stage's outputs was written; run it again to go on\n"

AT_WORK = """
import logging, os, signal
from mlpf_hpo import console
from mlpf_hpo.errors import ConfigurationError, InterruptedStageError

def send(number):
    os.kill(os.getpid(), number)

class Finalised:
    def __del__(self):
        raise RuntimeError("while it is collected")

def main():
    {body}

console.run(main)
"""


def end_of(body: str) -> tuple[int, str]:
    """Run a command that does something and return its exit status and what it said."""
    indented = body.strip().replace("\n", "\n    ")
    ended = subprocess.run(
        [sys.executable, "-c", AT_WORK.format(body=indented)], capture_output=True, text=True, check=False
    )
    return ended.returncode, ended.stdout + ended.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    "after",
    [
        "raise",
        "raise ValueError('of a compiled module') from None",
        "logging.getLogger('sqlalchemy.pool').exception('Exception during reset or similar'); raise",
        "Finalised(); raise",
        "import threading; thread = threading.Thread(target={}.pop); thread.start(); thread.join(); raise",
        # What a half-imported NumPy makes of it: it can't be imported again.
        "import sys; sys.modules['numpy'] = None; raise",
    ],
)
def test_an_interruption_is_told_in_one_line(number: signal.Signals, after: str) -> None:
    body = f"try:\n    send({number.value})\nexcept KeyboardInterrupt:\n    {after}"
    assert end_of(body) == (130, INTERRUPTED)


def test_a_stage_tells_itself_what_an_interruption_left() -> None:
    body = (
        "try:\n    send(signal.SIGINT)\n"
        "except KeyboardInterrupt:\n    raise InterruptedStageError('3 of 4 trials') from None"
    )
    assert end_of(body) == (130, "error: 3 of 4 trials\n")


def test_an_error_that_is_a_user_s_to_solve() -> None:
    assert end_of("raise ConfigurationError('lr: too high')") == (1, "error: lr: too high\n")


@pytest.mark.parametrize(
    "asked",
    [
        "import mlflow; mlflow.MlflowClient('http://127.0.0.1:1').search_experiments()",
        "import requests; requests.get('http://127.0.0.1:1')",
        "import urllib3; urllib3.PoolManager(retries=False).request('GET', 'http://127.0.0.1:1')",
    ],
)
def test_an_mlflow_that_went_away_while_it_was_asked_is_told_in_one_line(asked: str, monkeypatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    status, said = end_of(asked)
    assert status == 1
    assert re.fullmatch(
        r"error: MLflow at http://127\.0\.0\.1:1 does not answer: .*connection.*\n", said, re.IGNORECASE
    ), said


def test_an_error_that_is_ours_shows_where_it_came_from() -> None:
    status, said = end_of("raise ValueError('unforeseen')")
    assert status == 1
    assert "in main" in said
    assert said.endswith("ValueError: unforeseen\n")


def test_a_full_disk_is_told_in_one_line() -> None:
    status, said = end_of("import errno; raise OSError(errno.ENOSPC, 'No space left on device', 'data/x')")
    assert (status, said) == (1, "error: data/x: No space left on device\n")


def test_ctrl_c_stays_ignored_in_the_background() -> None:
    """A shell lets it ignore SIGINT, and so it must stay."""
    body = "send(signal.SIGINT)\nconsole.out.print('went on')"
    script = "signal.signal(signal.SIGINT, signal.SIG_IGN)\n\nconsole.run(main)"
    command = AT_WORK.replace("console.run(main)", script).format(body=body.replace("\n", "\n    "))
    ended = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, "went on\n")
