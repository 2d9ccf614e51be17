import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpf_hpo.workload import copies
from mlpf_hpo.workload.copies import CopyEnd, CopyMessage, overlap, processors_of_copies, run_copies

PROLOGUE = """
import os, pathlib, signal, sys, time
from mlpf_hpo.workload.copies import CopyChannel
me = int(pathlib.Path.cwd().name.removeprefix("proc_"))
channel = CopyChannel()
"""


def run(tmp_path: Path, n: int, body: str, stall_seconds: float = 30.0, **more) -> list[CopyEnd]:
    folders = [tmp_path / f"proc_{i}" for i in range(n)]
    for folder in folders:
        folder.mkdir()
    command = [sys.executable, "-c", PROLOGUE + body]
    return run_copies(
        command, folders, [{"COPY": str(i)} for i in range(n)], stall_seconds=stall_seconds, **more
    )


def test_copies_start_together_and_run_in_their_folders(tmp_path: Path) -> None:
    body = """
time.sleep(0.4 * me)
before = time.monotonic()
channel.barrier()
channel.report(copy=os.environ["COPY"], before=before, after=time.monotonic())
print("here")
"""
    messages: list[CopyMessage] = []
    ends = run(tmp_path, 3, body, on_message=messages.append)
    assert ends == [CopyEnd(i, None) for i in range(3)]
    assert [str(message.copy) for message in messages] == [message.content["copy"] for message in messages]
    assert min(m.content["after"] for m in messages) >= max(m.content["before"] for m in messages)
    assert (tmp_path / "proc_2" / "out.log").read_text() == "here\n"


def test_a_copy_killed_before_a_barrier_holds_up_no_other(tmp_path: Path) -> None:
    body = """
channel.barrier()
if me == 1:
    os.kill(os.getpid(), signal.SIGKILL)
channel.barrier()
channel.report(done=True)
"""
    messages: list[CopyMessage] = []
    ends = run(tmp_path, 3, body, on_message=messages.append)
    assert ends == [CopyEnd(0, None), CopyEnd(1, "killed by signal 9 (SIGKILL)"), CopyEnd(2, None)]
    assert sorted(message.copy for message in messages) == [0, 2]


def test_a_copy_killed_at_a_barrier_holds_up_no_other(tmp_path: Path) -> None:
    body = """
channel.report(ready=True)
if me == 0:
    channel.barrier()
else:
    time.sleep(1.0)
    channel.barrier()
"""

    def kill_the_first(message: CopyMessage) -> None:
        if message.copy == 0:
            os.kill(message.pid, signal.SIGKILL)

    ends = run(tmp_path, 2, body, on_message=kill_the_first)
    assert [end.failure is None for end in ends] == [False, True]


def test_a_failing_copy_is_told_by_its_last_line(tmp_path: Path) -> None:
    (end,) = run(tmp_path, 1, "channel.barrier(); raise ValueError('no luck')")
    assert end.failure is not None
    assert end.failure.startswith("left with status 1: ValueError: no luck")


def test_a_stuck_copy_is_killed_but_a_waiting_one_is_not(tmp_path: Path) -> None:
    body = """
if me == 0:
    channel.barrier()  # waits longer than the limit
else:
    time.sleep(60)
"""
    start = time.monotonic()
    ends = run(tmp_path, 2, body, stall_seconds=1.5)
    assert time.monotonic() - start < 20
    assert ends[0].failure is None
    assert "no sign of life" in str(ends[1].failure)


def test_a_process_that_a_dead_copy_left_behind_holds_up_nobody(tmp_path: Path) -> None:
    body = """
if os.fork() == 0:
    time.sleep(8)
os._exit(0)
"""
    start = time.monotonic()
    assert run(tmp_path, 1, body) == [CopyEnd(0, None)]
    assert time.monotonic() - start < 7


def test_an_interruption_leaves_no_copy_behind(tmp_path: Path) -> None:
    pids = []

    def interrupt(message: CopyMessage) -> None:
        pids.append(message.pid)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, 2, "channel.report(ready=True)\ntime.sleep(60)", on_message=interrupt)
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


def test_an_interruption_while_a_copy_starts_leaves_none_behind(tmp_path: Path, monkeypatch) -> None:
    pids, start = [], copies._start

    def interrupted_start(*arguments):
        copy = start(*arguments)
        pids.append(copy.process.pid)
        signal.raise_signal(signal.SIGINT)
        return copy

    monkeypatch.setattr(copies, "_start", interrupted_start)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, 2, "channel.report(ready=True)\ntime.sleep(60)")
    (pid,) = pids
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_copies_leave_when_their_driver_is_killed(tmp_path: Path) -> None:
    (tmp_path / "proc_0").mkdir()
    body = PROLOGUE + "channel.report(ready=True)\ntime.sleep(60)"
    driver = f"""
import sys
from pathlib import Path
from mlpf_hpo.workload.copies import run_copies
run_copies([sys.executable, "-c", {body!r}], [Path({str(tmp_path / "proc_0")!r})], [{{}}],
           stall_seconds=60, on_message=lambda message: print(message.pid, flush=True))
"""
    with subprocess.Popen([sys.executable, "-c", driver], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        process.kill()
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and "State:\tZ" not in Path(f"/proc/{pid}/status").read_text():
        assert time.monotonic() < deadline, "the copy outlived its driver"
        time.sleep(0.05)


@given(
    st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100)).map(sorted).map(tuple), min_size=1, max_size=5),
    st.floats(-50, 50),
)
def test_overlap_is_a_share_and_does_not_depend_on_the_origin(windows, shift: float) -> None:
    value = overlap(windows)
    assert 0.0 <= value <= 1.0
    if min(end - start for start, end in windows) > 1e-3:
        assert overlap([(start + shift, end + shift) for start, end in windows]) == pytest.approx(
            value, abs=1e-6
        )


def test_copies_share_no_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {7, 2, 3, 5, 11})
    assert processors_of_copies(2, 2) == [[2, 3], [5, 7]]
    assert processors_of_copies(5, 1) == [[2], [3], [5], [7], [11]]
    assert processors_of_copies(3, 2) == [None, None, None], "too few: the system decides"


def test_where_processes_cannot_choose_processors_the_system_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_setaffinity")
    assert processors_of_copies(1, 1) == [None]
