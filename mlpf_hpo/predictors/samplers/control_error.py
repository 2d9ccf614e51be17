"""`ControlError`: what happens to a problem's coefficients when an annealer is programmed with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import dimod
import numpy as np

from mlpf_hpo.array_types import FloatArray
from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.predictors.samplers.classical import beta_range
from mlpf_hpo.seeds import derive_seed

MOST_BITS = 52
"""Of a precision: as many as a float64 has."""

TOLERANCE = 1e-9
"""By which rounding may take a scaled coefficient out of its range."""


@dataclass(frozen=True, eq=False)
class Ising:
    """Coefficients of a problem of spins: fields h_i, and couplings J of the pairs (rows, columns)."""

    h: FloatArray
    rows: np.ndarray[Any, np.dtype[np.int64]]
    columns: np.ndarray[Any, np.dtype[np.int64]]
    J: FloatArray

    @classmethod
    def of(cls, model: dimod.BinaryQuadraticModel) -> Ising:
        """Return the coefficients of a model, its variables in their order."""
        spins = model.change_vartype(dimod.SPIN, inplace=False)
        h, (rows, columns, J), _ = spins.to_numpy_vectors(variable_order=list(model.variables))
        return cls(h, rows.astype(np.int64), columns.astype(np.int64), J)

    def model(self, labels: list[Any]) -> dimod.BinaryQuadraticModel:
        """Return the model of these coefficients."""
        quadratic = (self.rows, self.columns, self.J)
        return dimod.BinaryQuadraticModel.from_numpy_vectors(
            self.h, quadratic, 0.0, dimod.SPIN, variable_order=labels
        )

    def at_spins(self, values: FloatArray) -> FloatArray:
        """Return sums over the couplings of every spin, of a value per coupling."""
        n = len(self.h)
        return np.asarray(np.bincount(self.rows, values, n) + np.bincount(self.columns, values, n), float)

    def coupled(self) -> dict[str, FloatArray]:
        """Return what a device limits, by the name of the limit among its properties."""
        return {
            "h_range": self.h,
            "extended_j_range": self.J,
            "per_qubit_coupling_range": self.at_spins(self.J),
        }

    def beta_range(self) -> tuple[float, float] | None:
        """Return the inverse temperatures of Ocean's annealer for this problem."""
        smallest = np.where(self.h != 0, np.abs(self.h), np.inf)
        couplings = np.where(self.J != 0, np.abs(self.J), np.inf)
        np.minimum.at(smallest, self.rows, couplings)
        np.minimum.at(smallest, self.columns, couplings)
        return beta_range(np.abs(self.h) + self.at_spins(np.abs(self.J)), smallest)


@dataclass(frozen=True)
class ControlError:
    """Precision and errors of a device's coefficients, in units of the width of their range.

    Fields and couplings have ranges of their own, which the device's properties name; a chain's strength is
    a coupling, and what is left of the range for the problem shrinks as it grows.

    Attributes
    ----------
    bits : int or None
        Precision: coefficients are rounded to multiples of width / 2**bits. None: not rounded.
    noise : float
        Standard deviation of independent Gaussian errors of all coefficients that are not zero, drawn once
        per submission, which all of its reads share.
    auto_scale : bool
        Whether a problem is scaled so that it fills the ranges as far as they allow, as D-Wave's service
        does by default. Otherwise a coefficient out of its range is refused.

    Examples
    --------
    >>> ControlError(bits=6).step([-2.0, 1.0])
    0.046875
    """

    bits: int | None = None
    noise: float = 0.0
    auto_scale: bool = True

    def __post_init__(self) -> None:
        if self.bits is not None and not 1 <= self.bits <= MOST_BITS:
            raise ConfigurationError(f"control_bits = {self.bits}: a precision has 1 to {MOST_BITS} bits")
        if not 0 <= self.noise < np.inf:
            raise ConfigurationError(f"control_noise = {self.noise}: must be finite and not below 0")

    def step(self, limits: list[float]) -> float:
        """Return the distance of neighbouring values in a range; 0 where coefficients are not rounded."""
        return 0.0 if self.bits is None else (limits[1] - limits[0]) / 2**self.bits

    def scaled(self, problem: Ising, properties: Mapping[str, Any]) -> Ising:
        """Return a problem as it is programmed: scaled into the device's ranges, or checked against them.

        Raises
        ------
        ConfigurationError
            If a coefficient is out of its range and `auto_scale` is off.
        """
        ratios = {
            name: max(values.max(initial=0.0) / high, values.min(initial=0.0) / low)
            for name, values in problem.coupled().items()
            for low, high in [properties[name]]
        }
        if self.auto_scale:
            factor = 1.0 / (max(ratios.values()) or 1.0)
            return replace(problem, h=factor * problem.h, J=factor * problem.J)
        for name, ratio in ratios.items():
            if ratio > 1 + TOLERANCE:
                raise ConfigurationError(
                    f"a coefficient is {ratio:.3g} times as large as {name} {properties[name]} allows: "
                    "scale the problem, or turn auto_scale on"
                )
        return problem

    def disturbed(self, problem: Ising, properties: Mapping[str, Any], seed: int) -> Ising:
        """Return a scaled problem as the device sets it: rounded, then with its errors."""
        generator = np.random.default_rng(derive_seed(seed, "control error"))
        ranges = {"h": properties["h_range"], "J": properties["extended_j_range"]}
        found = {}
        for name, limits in ranges.items():
            values, step = getattr(problem, name), self.step(limits)
            rounded = np.rint(values / step) * step if step else values
            errors = self.noise * (limits[1] - limits[0]) * generator.standard_normal(len(values))
            found[name] = np.where(values != 0, rounded + errors, 0.0)
        return replace(problem, **found)


class ProgrammedSampler:
    """A sampler of what a device with control errors makes of a problem.

    Parameters
    ----------
    sampler : dimod.Sampler
        Simulated annealing: its temperatures are those of the problem without errors.
    control : ControlError
    properties : mapping
        Of the device: its ranges.
    seed : int
        Of the errors.
    """

    def __init__(
        self, sampler: dimod.Sampler, control: ControlError, properties: Mapping[str, Any], seed: int
    ) -> None:
        self.parameters, self.properties = sampler.parameters, properties
        self._sampler, self._control, self._seed = sampler, control, seed

    def sample(self, bqm: dimod.BinaryQuadraticModel, **settings: Any) -> dimod.SampleSet:
        """Sample; energies are those of the disturbed problem."""
        scaled = self._control.scaled(Ising.of(bqm), self.properties)
        disturbed = self._control.disturbed(scaled, self.properties, self._seed)
        found = self._sampler.sample(
            disturbed.model(list(bqm.variables)), beta_range=scaled.beta_range(), **settings
        )
        return found.change_vartype(bqm.vartype, inplace=False)
