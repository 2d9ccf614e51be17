#!/usr/bin/env bash
# ray 2.60.0: `ray symmetric-run` has status 0 where Ray could not start, and the command was not run.
#
# Guess: a batch job whose head node finds its port taken ends with an error: `ray start` fails, so does what called it.
# Seen: "Failed to start Ray", and status 0. The command was not run; to Slurm the job is COMPLETED, and jobs that depend
#   on it (--dependency=afterok) start.
# Runs in a namespace of processes of its own (unshare), because `ray symmetric-run` ends every Ray process it sees.
set -euo pipefail
if [ -z "${APART:-}" ]; then
  own=(--pid --fork --kill-child --mount-proc)
  [ "$(id -u)" = 0 ] || own+=(--user --map-root-user)
  APART=yes exec unshare "${own[@]}" bash "$0"
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "ray[default]==2.60.0"
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import os
import socket
import subprocess
import sys
from pathlib import Path

folder = Path(sys.argv[1])
with socket.create_server(("127.0.0.1", 0)) as other:  # whatever else listens there
    port = other.getsockname()[1]
    ended = subprocess.run(
        [folder / "venv/bin/ray", "symmetric-run", "--address", f"127.0.0.1:{port}", "--", "touch", folder / "ran"],
        env={
            **os.environ,
            "PATH": f"{folder}/venv/bin:{os.environ['PATH']}",
            "HOME": str(folder),
            "RAY_TMPDIR": str(folder),
        },
        capture_output=True,
        text=True,
    )
failed = "Failed to start Ray" in ended.stderr
ran = (folder / "ran").exists()
print(f"ray symmetric-run: failed to start Ray: {failed}; command ran: {ran}; status {ended.returncode}")
sys.exit(not (failed and not ran and ended.returncode == 0))
PYTHON
