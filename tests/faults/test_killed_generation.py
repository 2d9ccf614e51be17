"""A generation that is killed, and started again."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mlpf_hpo.events.store import EventStore

pytest.importorskip("pythia8mc")
pytest.importorskip("fastjet")

SCRIPT = """
import sys
from pathlib import Path
from mlpf_hpo.events import generation

if __name__ == "__main__":
    generation.BLOCK = 3  # so that a dozen events are several
    generation.generate_store(
        Path(sys.argv[1]), "ttbar", 12, 0.0, 11, 30, 2, progress=lambda *values: print(*values, flush=True)
    )
"""


@pytest.mark.faults
def test_a_killed_generation_goes_on(tmp_path: Path, measured) -> None:
    script, path, whole = tmp_path / "generate.py", tmp_path / "events", tmp_path / "whole"
    script.write_text(SCRIPT)
    command = [sys.executable, str(script)]
    killed = subprocess.Popen([*command, str(path)], stdout=subprocess.PIPE, text=True)
    assert killed.stdout is not None
    done = next(int(line.split()[0]) for line in killed.stdout if not line.startswith("0 "))
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    killed.stdout.close()
    assert not path.exists()
    again, uninterrupted = (
        subprocess.run([*command, str(out)], capture_output=True, text=True, check=True)
        for out in (path, whole)
    )
    taken_up = int(again.stdout.split()[0])
    assert taken_up >= done > 0
    assert int(uninterrupted.stdout.split()[0]) == 0
    assert EventStore.open(path).digest == EventStore.open(whole).digest
    for file in whole.iterdir():
        assert (path / file.name).read_bytes() == file.read_bytes()
    assert {entry.name for entry in tmp_path.iterdir()} == {script.name, "events", "whole"}
    measured(
        "kills",
        "the generation of 12 events gets SIGKILL",
        f"no store is left; the next start takes up {taken_up} events and writes the bytes of a whole run",
    )
