#!/usr/bin/env bash
# numpy 2.4.6: the last bits of exp, log, tan, arctan2, power ... depend on the processor; of sin and cos, on glibc's.
#
# Guess: one wheel of numpy, the same numbers in, on any x86 processor: the same bits out, as PCG64 and its
#   normal() promise. A sample made from a seed has the same checksum everywhere.
# Seen: functions are chosen by what the processor can do when numpy is imported. With AVX2 and AVX-512 left out
#   (NPY_DISABLE_CPU_FEATURES, as on a processor without them) exp, log, tan, sinh, arctan, cbrt, expm1, arctan2 and power
#   of doubles differ in the last bit for some numbers. sin and cos do not, but they are the C library's: without its
#   variant for FMA (GLIBC_TUNABLES) these differ. sqrt, multiplication and the generator's normal() never do.
# Matters where a checksum of computed numbers is to hold on other machines. Needs an x86 processor with AVX2, and glibc.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6
cat > "$folder/bits.py" <<'PYTHON'
import hashlib
import json

import numpy as np

generator = np.random.default_rng(1)
x, y = generator.uniform(0.1, 3.0, (2, 100_000))
of_one = [np.exp, np.log, np.tan, np.sinh, np.arctan, np.cbrt, np.expm1, np.sin, np.cos, np.sqrt]
results = {function.__name__: function(x) for function in of_one}
results |= {function.__name__: function(x, y) for function in (np.arctan2, np.power, np.multiply)}
results["normal"] = generator.normal(size=100_000)
print(json.dumps({name: hashlib.sha256(values.tobytes()).hexdigest() for name, values in results.items()}))
PYTHON
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import json
import os
import subprocess
import sys

from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

folder = sys.argv[1]


def bits(**variables):
    command = [f"{folder}/venv/bin/python", f"{folder}/bits.py"]
    done = subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


here = bits()
there = " ".join(feature for feature in __cpu_dispatch__ if __cpu_features__[feature])
by_numpy = bits(NPY_DISABLE_CPU_FEATURES=there)
by_glibc = bits(GLIBC_TUNABLES="glibc.cpu.hwcaps=-AVX2,-FMA")
numpys = sorted(name for name in here if by_numpy[name] != here[name])
glibcs = sorted(name for name in here if by_glibc[name] != here[name])
print("left out:", there)
print("other bits without it:", ", ".join(numpys))
print("other bits without FMA in glibc:", ", ".join(glibcs))
expected = sorted(["exp", "log", "tan", "sinh", "arctan", "cbrt", "expm1", "arctan2", "power"])
sys.exit(numpys != expected or glibcs != ["cos", "sin"])
PYTHON
