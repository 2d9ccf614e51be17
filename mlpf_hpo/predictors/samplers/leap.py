"""Leap's hybrid solver: a service of classical heuristics that ask a QPU now and then."""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass
from typing import Any

import dwave.system

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.predictors.qubo import Qubo
from mlpf_hpo.predictors.samplers.base import SampleResult, from_sample_set
from mlpf_hpo.predictors.samplers.qpu import FAILURES, REMEDY


@dataclass(frozen=True, eq=False)
class LeapHybrid:
    """One answer of the hybrid solver for binary quadratic models; it takes neither reads nor a seed.

    Attributes
    ----------
    time_limit : float or None
        Seconds that the service may work; None is the least that it takes for the problem's size.
    device : sampler or None
        A connected solver. None connects to what Ocean's configuration names, once per process.
    """

    time_limit: float | None = None
    device: Any = None

    def __deepcopy__(self, memo: dict[int, Any]) -> LeapHybrid:
        # scikit-learn's clone copies parameters deeply; a connection is shared, never copied.
        return self

    def sample(self, qubo: Qubo, seed: int) -> SampleResult:
        """Ask the service once.

        `info` holds the solver and its timings (`timing.run_time`, `timing.qpu_access_time`, µs), and
        `device_seconds`, what is charged.

        Raises
        ------
        ConfigurationError
            If there is no token, no connection, no such solver, or the service refuses the problem.
        """
        del seed
        device = self._connected()
        limit = self.expected_seconds(qubo)
        start = time.perf_counter()
        try:
            sample_set = device.sample(qubo.bqm(), time_limit=limit)
            sample_set.resolve()
        except FAILURES as error:
            raise ConfigurationError(f"leap_hybrid: the service did not answer: {error}; {REMEDY}") from error
        seconds = time.perf_counter() - start
        timings = {
            f"timing.{name}": float(sample_set.info[name])
            for name in ("run_time", "charge_time", "qpu_access_time")
            if name in sample_set.info
        }
        charged = timings.get("timing.charge_time", limit * 1e6) / 1e6
        solver = str(getattr(device.solver, "name", type(device).__name__))
        info: dict[str, float | int | str] = {
            "reads": len(sample_set),
            "solver": solver,
            "time_limit": limit,
            "device_seconds": charged,
            **timings,
        }
        return from_sample_set(sample_set, seconds, info)

    def expected_seconds(self, qubo: Qubo) -> float:
        """Return the time limit in seconds, which is what the service charges.

        Raises
        ------
        ConfigurationError
            If there is no connection, or the limit is below the least that the service takes.
        """
        least = float(self._connected().min_time_limit(qubo.bqm()))
        if self.time_limit is not None and self.time_limit < least:
            raise ConfigurationError(
                f"time_limit = {self.time_limit}: leap_hybrid takes at least {least:g} seconds for "
                f"{qubo.n_variables} variables"
            )
        return least if self.time_limit is None else float(self.time_limit)

    def _connected(self) -> Any:
        return _connect() if self.device is None else self.device


@functools.lru_cache(maxsize=1)
def _connect() -> Any:
    """Open the configured hybrid solver once per process; a failure is not remembered."""
    try:
        return dwave.system.LeapHybridSampler()
    except FAILURES as error:
        reason = str(error) or type(error).__name__
        raise ConfigurationError(
            f"leap_hybrid: no hybrid solver can be reached ({reason}): {REMEDY}"
        ) from error
