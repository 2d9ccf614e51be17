#!/usr/bin/env bash
# scikit-learn 1.9.1: kernels of the same values differ by whether the two arrays are one object.
#
# Guess: rbf_kernel depends on values alone, so that a fitted KernelRidge, and the same model pickled and loaded,
#   give the same predictions of the training rows, bit by bit.
# Seen: where both arguments are one object, squared distances are computed in another order and their diagonal is set
#   to zero; entries differ in the last digits, some of the diagonal of a copy are not 1. A fitted KernelRidge keeps
#   the caller's array itself, so that it predicts that array otherwise than a loaded model does; a copy of the rows is
#   predicted alike by both.
# Matters to whoever compares a stored model with the one in memory bit by bit, on the rows it was trained on.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check scikit-learn==1.9.1 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import pickle
import sys

import numpy as np
import sklearn
from sklearn.kernel_ridge import KernelRidge
from sklearn.metrics.pairwise import rbf_kernel

X = np.random.default_rng(0).uniform(size=(80, 13))
model = KernelRidge(kernel="rbf", gamma=0.1, alpha=1e-6).fit(X, X.sum(axis=1))
loaded = pickle.loads(pickle.dumps(model))
seen = {
    "kernel of one object and of a copy": bool((rbf_kernel(X, X) == rbf_kernel(X, X.copy())).all()),
    "diagonal of a copy is 1": bool((np.diag(rbf_kernel(X, X.copy())) == 1).all()),
    "predictions of the training array": bool((model.predict(X) == loaded.predict(X)).all()),
    "predictions of a copy": bool((model.predict(X.copy()) == loaded.predict(X)).all()),
}
print("scikit-learn", sklearn.__version__, "- equal bit by bit:", seen)
sys.exit(list(seen.values()) != [False, False, False, True])
PYTHON
