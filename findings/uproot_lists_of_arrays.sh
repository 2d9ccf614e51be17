#!/usr/bin/env bash
# uproot 5.7.7: it writes lists of arrays of fixed length without an error, and cannot read what it has written.
#
# Guess: a branch of type `var * 4 * float32` (the edges of towers in a Delphes file: a list an event, four numbers
#   each) is either refused by mktree and extend, or comes back as it was.
# Seen: both take it, and the branch in the file has the right type, float[][4]. Reading it raises ValueError ("has the
#   wrong number of bytes"): what is counted is one number a row, and not four.
# Matters where a file is only written and read elsewhere: the error comes from the reader, when the data are gone.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check uproot==5.7.7 awkward==2.14.0 numpy==2.4.6
"$folder/venv/bin/python" - "$folder/edges.root" <<'PYTHON'
import sys

import awkward as ak
import numpy as np
import uproot

edges = ak.unflatten(np.arange(20, dtype=np.float32).reshape(5, 4), [2, 3])
print("uproot", uproot.__version__, "- written:", edges.type)
with uproot.recreate(sys.argv[1]) as file:
    file.mktree("tree", {"edges": edges.type.content}).extend({"edges": edges})
branch = uproot.open(sys.argv[1])["tree"]["edges"]
print("in the file:", branch.typename, branch.interpretation)
try:
    print("read:", branch.array().tolist())
except ValueError as error:
    print("read: ValueError:", str(error).splitlines()[0][:100])
    sys.exit(0)
sys.exit("the branch can be read, or the error is another one")
PYTHON
