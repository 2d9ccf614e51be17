"""D-Wave quantum annealers: the QUBO's clique embedded once per working graph, then sampled.

Anneals are those of the paper, 20 µs. Its chain strength was 10 · ⌈max |Q|⌉; the default is the topology's.
"""

from __future__ import annotations

import functools
import hashlib
import math
import time
from dataclasses import dataclass
from typing import Any, Literal

import dwave.system
import numpy as np
from dwave.cloud.config.exceptions import ConfigFileError
from dwave.cloud.exceptions import (
    CanceledFutureError,
    PollingTimeout,
    ProblemUploadError,
    SolverNotFoundError,
)
from minorminer import busclique

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.predictors.qubo import Qubo
from mlpf_hpo.predictors.samplers.base import SampleResult, from_sample_set, require_at_least_one

Embedding = dict[int, tuple[int, ...]]

TOPOLOGIES = ("pegasus", "zephyr")

PAPER_CHAIN_STRENGTH = 10.0
CHAIN_STRENGTHS = {"pegasus": 5.0, "zephyr": 3.0}
"""Default chain strengths by topology, in units of the largest coefficient, rounded up.

Those of least training error over the control errors that `studies/published` gives its mock annealers.
"""

REMEDY = "set DWAVE_API_TOKEN or run `dwave config create`, and see `dwave ping`; or choose another sampler"
FAILURES = (ValueError, OSError, ConfigFileError, PollingTimeout, CanceledFutureError, ProblemUploadError)

_embeddings: dict[tuple[str, int], Embedding] = {}


@dataclass(frozen=True, eq=False)
class QuantumAnnealer:
    """Reads of a D-Wave QPU. Hardware takes no seed: equal seeds give different samples.

    Attributes
    ----------
    reads : int
        Number of anneals.
    annealing_time : float
        Duration of an anneal, µs.
    chain_strength_factor : float or "auto"
        Chain strength in units of the largest coefficient, rounded up. "auto" is that of the device's
        topology in `CHAIN_STRENGTHS`, the paper's on any other.
    solver : str
        Name of a solver, or a topology ("pegasus", "zephyr") of which the largest is taken. Empty takes what
        Ocean's configuration (environment, or file) names.
    device : dimod.Structured sampler or None
        A connected solver. None connects to `solver`, once per process.
    """

    reads: int = 1000
    annealing_time: float = 20.0
    chain_strength_factor: float | Literal["auto"] = "auto"
    solver: str = ""
    device: Any = None

    def __post_init__(self) -> None:
        require_at_least_one(reads=self.reads)

    def __deepcopy__(self, memo: dict[int, Any]) -> QuantumAnnealer:
        # scikit-learn's clone copies parameters deeply; a connection is shared, never copied.
        return self

    def sample(self, qubo: Qubo, seed: int) -> SampleResult:
        """Anneal `reads` times.

        `info` holds the settings, the solver, the embedding's size, the share of broken chains and the QPU's
        own timings (`timing.qpu_access_time` and others, µs; `device_seconds` is what is charged).

        Raises
        ------
        ConfigurationError
            If there is no token, no connection or no such solver; if the problem does not fit on the solver;
            or if the solver refuses it.
        """
        del seed
        device = self._connected()
        self._check_reads(device)
        embedding = clique_embedding(device, qubo.n_variables)
        strength = self._chain_strength_factor(device) * math.ceil(qubo.largest_coefficient)
        composite = dwave.system.FixedEmbeddingComposite(device, embedding)
        model = qubo.bqm()
        start = time.perf_counter()
        try:
            sample_set = composite.sample(
                model,
                num_reads=self.reads,
                annealing_time=self.annealing_time,
                chain_strength=strength,
                answer_mode="raw",
            )
            sample_set.resolve()
        except FAILURES as error:
            raise ConfigurationError(
                f"qpu: {_solver_name(device)} did not answer: {error}; {REMEDY}"
            ) from error
        seconds = time.perf_counter() - start
        info: dict[str, float | int | str] = {
            "reads": self.reads,
            "annealing_time": self.annealing_time,
            "chain_strength": strength,
            **_describe(device, embedding),
            **_measured(sample_set),
        }
        return from_sample_set(sample_set, seconds, info)

    def expected_seconds(self, qubo: Qubo) -> float:
        """Return the QPU access time that D-Wave's model of the solver foresees for `sample`, in seconds.

        Raises
        ------
        ConfigurationError
            As `sample`; also if the solver has no such model.
        """
        device = self._connected()
        self._check_reads(device)
        qubits = sum(map(len, clique_embedding(device, qubo.n_variables).values()))
        try:
            microseconds = device.solver.estimate_qpu_access_time(
                qubits, num_reads=self.reads, annealing_time=self.annealing_time
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ConfigurationError(
                f"qpu: {_solver_name(device)} gives no time estimate for {self.reads} reads ({error!r}): "
                "no budget can be kept; choose another solver"
            ) from error
        return float(microseconds) / 1e6

    def _chain_strength_factor(self, device: Any) -> float:
        if self.chain_strength_factor != "auto":
            return self.chain_strength_factor
        return CHAIN_STRENGTHS.get(device.properties["topology"]["type"], PAPER_CHAIN_STRENGTH)

    def _connected(self) -> Any:
        return _connect(self.solver) if self.device is None else self.device

    def _check_reads(self, device: Any) -> None:
        most = device.properties.get("num_reads_range", [1, math.inf])[1]
        if self.reads > most:
            solver = _solver_name(device)
            raise ConfigurationError(f"reads = {self.reads}: {solver} takes {most} at most in one submission")


def clique_embedding(device: Any, n_variables: int) -> Embedding:
    """Return chains of qubits for a fully connected problem on the graph of working qubits.

    Found once per graph and size in a process: a solver's graph changes when it is recalibrated, so the key
    is a digest of its couplers.

    Raises
    ------
    ConfigurationError
        If so large a clique does not fit.
    """
    couplers = np.asarray(sorted(device.edgelist), dtype=np.int64)
    key = (hashlib.sha256(couplers.tobytes()).hexdigest(), n_variables)
    if key not in _embeddings:
        graph = device.to_networkx_graph()
        found = busclique.find_clique_embedding(n_variables, graph, seed=0, use_cache=False)
        if not found:
            largest = _largest_clique(graph, n_variables)
            raise ConfigurationError(
                f"qpu: {n_variables} fully connected variables do not fit on {_solver_name(device)}: its "
                f"{len(device.nodelist)} qubits take {largest}; train on fewer points, or with fewer bits"
            )
        _embeddings[key] = {int(variable): tuple(chain) for variable, chain in found.items()}
    return _embeddings[key]


def _largest_clique(graph: Any, too_many: int) -> int:
    """Return how many fully connected variables fit on a graph, found by bisection below `too_many`."""
    fits = 0
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        if busclique.find_clique_embedding(middle, graph, seed=0, use_cache=False):
            fits = middle
        else:
            too_many = middle
    return fits


@functools.lru_cache(maxsize=4)
def _connect(solver: str) -> Any:
    """Open a solver once per process; a failure is not remembered."""
    asked: dict[str, Any] = {}
    if solver in TOPOLOGIES:
        asked["solver"] = {"topology__type": solver, "order_by": "-num_active_qubits"}
    elif solver:
        asked["solver"] = {"name": solver}
    try:
        return dwave.system.DWaveSampler(**asked)
    except SolverNotFoundError as error:
        wanted = solver or "as configured"
        raise ConfigurationError(
            f"qpu: this account has no solver {wanted} online; `dwave solvers` lists those that it has"
        ) from error
    except FAILURES as error:
        reason = str(error) or type(error).__name__
        raise ConfigurationError(f"qpu: no D-Wave solver can be reached ({reason}): {REMEDY}") from error


def _solver_name(device: Any) -> str:
    return str(device.properties.get("chip_id", type(device).__name__))


def _describe(device: Any, embedding: Embedding) -> dict[str, float | int | str]:
    lengths = [len(chain) for chain in embedding.values()]
    topology = device.properties.get("topology", {})
    return {
        "solver": _solver_name(device),
        "topology": f"{topology.get('type', 'unknown')} {topology.get('shape', '')}".strip(),
        "qubits": sum(lengths),
        "chain_length": max(lengths),
    }


def _measured(sample_set: Any) -> dict[str, float | int | str]:
    broken = np.asarray(sample_set.record.chain_break_fraction, dtype=np.float64)
    measured: dict[str, float | int | str] = {
        "chain_break_fraction": float(broken.mean()),
        "chain_break_fraction_max": float(broken.max()),
    }
    if "problem_id" in sample_set.info:
        measured["problem_id"] = str(sample_set.info["problem_id"])
    for name, microseconds in sample_set.info.get("timing", {}).items():
        measured[f"timing.{name}"] = float(microseconds)
    if "timing.qpu_access_time" in measured:
        measured["device_seconds"] = float(measured["timing.qpu_access_time"]) / 1e6
    return measured
