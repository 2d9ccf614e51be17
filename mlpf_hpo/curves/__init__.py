"""Learning curves: the data set that predictors are fitted on.

`mlpf_hpo.curves.load` is `mlpf_hpo.load_curves`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlpf_hpo.curves.data_sets import load_curves as load

__all__ = ["load"]


def __getattr__(name: str) -> Any:
    """Load `load` at its first use: a module of this folder may be needed without it."""
    if name != "load":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from mlpf_hpo.curves.data_sets import load_curves

    return load_curves
