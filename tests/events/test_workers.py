"""Work shared out to processes: order, errors, and no process left behind."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.events.workers import Workers


@pytest.mark.parametrize("n", [1, 2])
def test_results_come_in_order(n: int) -> None:
    with Workers(n) as crew:
        assert list(crew.map(math.sqrt, [(i * i,) for i in range(8)])) == [float(i) for i in range(8)]
        assert list(crew.map(math.pow, [(2, 3)])) == [8.0]
        assert list(crew.map(math.sqrt, [])) == []


@pytest.mark.parametrize("n", [1, 2])
def test_errors_of_the_work_reach_the_caller(n: int) -> None:
    with pytest.raises(ValueError, match="domain"), Workers(n) as crew:
        list(crew.map(math.sqrt, [(4.0,), (-1.0,)]))


def test_few_jobs_are_taken_before_their_results_are() -> None:
    taken: list[int] = []

    def jobs():
        for i in range(20):
            taken.append(i)
            yield (float(i),)

    with Workers(2) as crew:
        results = crew.map(math.sqrt, jobs())
        next(results)
        assert len(taken) <= 3
        assert len(list(results)) == 19


def test_a_process_ended_from_outside_is_a_clear_error() -> None:
    with pytest.raises(ConfigurationError, match=r"events\.workers: one of 2 processes"), Workers(2) as crew:
        list(crew.map(os._exit, [(3,)]))


def test_nobody_waits_for_running_work_after_an_error() -> None:
    crew = Workers(2)
    crew.__enter__()
    assert next(crew.map(time.sleep, [(0.0,), (120.0,), (120.0,)])) is None
    begin = time.monotonic()
    crew.__exit__(KeyboardInterrupt, None, None)
    assert time.monotonic() - begin < 30


def test_no_processes_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"events\.workers: 0"):
        Workers(0)


SCRIPT = """
import os, time
from mlpf_hpo.events.workers import Workers

if __name__ == "__main__":
    with Workers(2) as crew:
        print(*{pid for pid in crew.map(os.getpid, [()] * 4)}, flush=True)
        list(crew.map(time.sleep, [(0.1,)]))
        time.sleep(120)
"""


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks processes up in /proc")
def test_workers_end_with_a_killed_caller(tmp_path: Path) -> None:
    script = tmp_path / "caller.py"
    script.write_text(SCRIPT)
    caller = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert caller.stdout is not None
    pids = [int(pid) for pid in caller.stdout.readline().split()]
    assert pids
    caller.send_signal(signal.SIGKILL)
    caller.wait()
    caller.stdout.close()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and any(map(alive, pids)):
        time.sleep(0.05)
    assert not any(map(alive, pids))


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"
