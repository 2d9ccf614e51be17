#!/usr/bin/env bash
# numpy 2.4.6: a seed of several integers does not tell how many there were: zeros at its end are nothing.
#
# Guess: default_rng([42]), default_rng([42, 0]) and default_rng([42, 0, 0]) are three streams, as [42, 1] is a fourth:
#   the usual way to number the streams of workers or events is default_rng([seed, number]).
# Seen: all three are the same stream, which is also that of default_rng(42). [0, 42] is another one.
# Matters where streams of different depth share a first number: what is drawn for the whole, by [seed], is drawn
#   again for part 0, by [seed, 0].
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import numpy as np

seeds = {"42": 42, "[42]": [42], "[42, 0]": [42, 0], "[42, 0, 0]": [42, 0, 0], "[42, 1]": [42, 1], "[0, 42]": [0, 42]}
first = {name: int(np.random.default_rng(seed).integers(2**62)) for name, seed in seeds.items()}
same = sorted(name for name, value in first.items() if value == first["42"])
print("numpy", np.__version__, "- first integers:", first)
print("same stream as 42:", same)
sys.exit(same != ["42", "[42, 0, 0]", "[42, 0]", "[42]"])
PYTHON
