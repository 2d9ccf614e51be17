"""Samplers of QUBOs by name; installed packages add others, see `mlpf_hpo.extensions`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from types import ModuleType
from typing import Any, Literal

from mlpf_hpo.extensions import Registry
from mlpf_hpo.predictors.samplers.base import Sampler, SampleResult, require_at_least_one
from mlpf_hpo.predictors.samplers.recorded import Recorded
from mlpf_hpo.project import state_folder


@dataclass(frozen=True)
class Settings:
    """Settings of samplers; each takes those that it has a use for.

    Attributes
    ----------
    reads, sweeps : int
        Samples, and updates of every bit per sample.
    solver : str
        Of D-Wave's service: a name, or a topology; empty takes what Ocean's configuration names.
    annealing_time : float
        Duration of a QPU's anneal, µs.
    chain_strength : float or "auto"
        Of embedded problems, in units of the largest coefficient, rounded up; "auto" is the device topology's
        in `mlpf_hpo.predictors.samplers.qpu.CHAIN_STRENGTHS`.
    control_bits : int or None
        Precision of a mock device's coefficients; None for a perfect one.
    control_noise : float
        Errors of a mock device's coefficients, in units of their range.
    device_seconds : float
        Budget of a paid device's time, over all that is on record in `RECORDS`.
    """

    reads: int = 100
    sweeps: int = 100
    solver: str = ""
    annealing_time: float = 20.0
    chain_strength: float | Literal["auto"] = "auto"
    control_bits: int | None = None
    control_noise: float = 0.0
    device_seconds: float = 60.0


# Ocean takes a second to import, D-Wave's client more, scikit-learn half of one: each is imported only for
# sampling, and not for predictions of a fitted model.
def _exact() -> Sampler:
    from mlpf_hpo.predictors.samplers.exact import Exact

    return Exact()


def _classical() -> ModuleType:
    from mlpf_hpo.predictors.samplers import classical

    return classical


def _zoom(asked: Settings) -> Sampler:
    from mlpf_hpo.predictors.samplers.zoom import Zoom

    return Zoom(asked.reads)


def _quantum_annealer(asked: Settings) -> Sampler:
    from mlpf_hpo.predictors.samplers.qpu import QuantumAnnealer

    device = QuantumAnnealer(asked.reads, asked.annealing_time, asked.chain_strength, asked.solver)
    settings = f"{asked.reads} {asked.annealing_time} {asked.chain_strength} {asked.solver}"
    return Recorded(device, asked.device_seconds, _records(), settings)


def _leap_hybrid(asked: Settings) -> Sampler:
    from mlpf_hpo.predictors.samplers.leap import LeapHybrid

    return Recorded(LeapHybrid(), asked.device_seconds, _records())


def _mock(asked: Settings, topology: str) -> Sampler:
    from mlpf_hpo.predictors.samplers.control_error import ControlError
    from mlpf_hpo.predictors.samplers.mock import MockAnnealer

    control = ControlError(asked.control_bits, asked.control_noise)
    return MockAnnealer(asked.reads, asked.sweeps, topology, asked.chain_strength, control)


RECORDS = "qpu"
"""Folder of recorded results of paid devices, within the project's state."""


def _records() -> str:
    return str(state_folder() / RECORDS)


_BUILT_IN: dict[str, Callable[[Settings], Sampler]] = {
    "random": lambda asked: _classical().RandomBits(asked.reads),
    "steepest_descent": lambda asked: _classical().SteepestDescent(asked.reads),
    "simulated_annealing": lambda asked: _classical().SimulatedAnnealing(asked.reads, asked.sweeps),
    "path_integral": lambda asked: _classical().PathIntegralAnnealing(asked.reads, asked.sweeps),
    "tabu": lambda asked: _classical().Tabu(asked.reads, asked.sweeps),
    "zoom": _zoom,
    "exact": lambda _: _exact(),
    "mock_pegasus": lambda asked: _mock(asked, "pegasus"),
    "mock_zephyr": lambda asked: _mock(asked, "zephyr"),
    "qpu": _quantum_annealer,
    "leap_hybrid": _leap_hybrid,
}

SAMPLERS: Registry[Callable[[Settings], Sampler]] = Registry("mlpf_hpo.samplers", "sampler", _BUILT_IN)
"""Samplers by name: functions of `Settings`; the entry point of a package names such a function."""


def make_sampler(name: str, reads: int = 100, sweeps: int = 100, **device: Any) -> Sampler:
    """Return the sampler called `name`; `sweeps` matters to those that sweep, `device` to D-Wave's.

    Raises
    ------
    ConfigurationError
        If there is no such sampler, or `reads` or `sweeps` is below 1.

    Examples
    --------
    >>> make_sampler("simulated_annealing", reads=10, sweeps=50)
    SimulatedAnnealing(reads=10, sweeps=50)
    """
    SAMPLERS.check(name, "sampler")
    require_at_least_one(reads=reads, sweeps=sweeps)
    return SAMPLERS[name](Settings(reads, sweeps, **device))


def describe_sampler(name: str, reads: int, sweeps: int) -> str:
    """Return a sampler with its settings as text, for captions.

    Examples
    --------
    >>> describe_sampler("simulated_annealing", 100, 1000)
    'simulated annealing, 100 reads x 1000 sweeps'
    >>> describe_sampler("exact", 100, 1000)
    'exact'
    """
    sampler = make_sampler(name, reads, sweeps)
    asked: Any = sampler.device if isinstance(sampler, Recorded) else sampler
    settings = {field.name for field in fields(asked)} if is_dataclass(asked) else set()
    words = name.replace("_", " ")
    if "sweeps" in settings:
        return f"{words}, {reads} reads x {sweeps} sweeps"
    return f"{words}, {reads} reads" if "reads" in settings else words


__all__ = ["SAMPLERS", "SampleResult", "Sampler", "Settings", "describe_sampler", "make_sampler"]
