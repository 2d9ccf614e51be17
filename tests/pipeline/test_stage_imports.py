"""What only reads files and MLflow imports no library that it does not need: each takes a second or more."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "pytorch_lightning", "ray", "sklearn", "dimod", "optuna")
UNLIKE_FIGURE_2 = tuple(name for name in HEAVY if name != "sklearn")
"""Figure 2 is made of searches, and freeze-thaw's predictions take scikit-learn."""


@pytest.mark.parametrize(
    ("imported", "without"),
    [
        ("mlpf_hpo.reporting.inputs, mlpf_hpo.reporting.site", (*UNLIKE_FIGURE_2, "mlflow", "sqlalchemy")),
        ("mlpf_hpo.curves.dataset, mlpf_hpo.tuning.campaign", HEAVY),
        ("mlpf_hpo.networks.copied_network, mlpf_hpo.tuning.trial_network", ("pytorch_lightning",)),
        ("mlpf_hpo.reporting.status", (*HEAVY, "mlflow", "pandas", "numpy")),  # imported while DVC answers
    ],
    ids=["report", "curves", "best network", "status"],
)
def test_what_is_not_needed_is_not_imported(imported: str, without: tuple[str, ...]) -> None:
    code = f"import sys, {imported}; print(sorted({set(without)} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr
