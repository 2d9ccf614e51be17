#!/usr/bin/env bash
# pyhepmc 2.16.1: a file that is damaged or cut short is read without an error, and so is a compressed one by another name.
#
# Guess: iterating over a file raises where an event cannot be parsed; and whether a file is compressed is seen by its
#   content.
# Seen: (1) iteration just ends before the event that is cut short; (2) a HepMC2 event with one damaged line comes
#   back without the particle of that line, and the events after it come too; (3) a gzip file whose name does not end
#   with .gz holds no events.
# Matters wherever a file's events are counted by reading them: nothing tells a damaged file from a short one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyhepmc==2.16.1 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import gzip
import sys
from pathlib import Path

import pyhepmc

pyhepmc.Setup.print_errors = pyhepmc.Setup.print_warnings = False
pyhepmc.Setup.debug_level = 0
with pyhepmc.open("whole.hepmc", "w", format="hepmc2") as out:
    for number in range(3):
        event = pyhepmc.GenEvent(pyhepmc.Units.GEV, pyhepmc.Units.MM)
        event.event_number = number
        vertex = pyhepmc.GenVertex((0, 0, 0, 0))
        vertex.add_particle_in(pyhepmc.GenParticle((0, 0, 7000, 7000), 2212, 4))
        for i in range(5):
            vertex.add_particle_out(pyhepmc.GenParticle((i, 1, 2, 10), 22, 1))
        event.add_vertex(vertex)
        out.write(event)
content = Path("whole.hepmc").read_bytes()
lines = [i for i in range(len(content)) if content.startswith(b"\nP ", i)]
Path("cut.hepmc").write_bytes(content[: lines[-2] + 20])
Path("damaged.hepmc").write_bytes(content[: lines[2]] + b"\nXYZ" + content[lines[2] + 4 :])
Path("packed").write_bytes(gzip.compress(content))
found = {}
for name in ("whole.hepmc", "cut.hepmc", "damaged.hepmc", "packed"):
    with pyhepmc.open(name) as events:
        found[name] = [len(event.particles) for event in events]
print("pyhepmc", pyhepmc.__version__, "- particles of the events read:", found)
sys.exit(found != {"whole.hepmc": [6, 6, 6], "cut.hepmc": [6, 6], "damaged.hepmc": [5, 6, 6], "packed": []})
PYTHON
