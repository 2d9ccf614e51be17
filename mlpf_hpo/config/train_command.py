"""The command that trains a configuration of MLPF."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from mlpf_hpo.config.mlpf_space import LIMITS
from mlpf_hpo.project import EVENTS, PARAMS
from mlpf_hpo.space import Configuration


def train_command(
    configuration: Configuration,
    seed: int,
    epochs: int,
    out: Path,
    events: Path = EVENTS,
    params: Path = PARAMS,
) -> str:
    """Return the command that trains a configuration of MLPF: by the same seed, with the same curve.

    Examples
    --------
    >>> train_command({"lr": 0.001, "bin_size": 8.0}, 7, 16, Path("runs/best"))
    'mlpf-hpo train --lr 0.001 --bin-size 8 --epochs 16 --seed 7 --out runs/best'
    """
    options: dict[str, Any] = {
        name: int(value) if LIMITS[name].whole else value for name, value in configuration.items()
    }
    options |= {"epochs": epochs, "seed": seed, "out": out}
    options |= {"events": events} if events != EVENTS else {}
    options |= {"params": params} if params != PARAMS else {}
    words = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    return shlex.join(["mlpf-hpo", "train", *words])
