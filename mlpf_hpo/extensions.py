"""Extension points: what installed packages add to this one through entry points.

A package adds a regressor, a sampler, a scheduler, a searcher, a reader or a source of curves, a source of
events, a workload of the benchmark or a tier of its events by an entry point in one of `GROUPS`. Its name
then works like a built-in one in params.yaml and on the command line.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any, Generic, NamedTuple, TypeVar

from mlpf_hpo.errors import ConfigurationError, did_you_mean, one_line

T = TypeVar("T")

GROUPS = (
    "mlpf_hpo.regressors",
    "mlpf_hpo.samplers",
    "mlpf_hpo.schedulers",
    "mlpf_hpo.searchers",
    "mlpf_hpo.curve_readers",
    "mlpf_hpo.curve_sources",
    "mlpf_hpo.event_sources",
    "mlpf_hpo.workloads",
    "mlpf_hpo.workload_tiers",
)


@lru_cache
def _entry_points(group: str) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=group)}


def modules_of(group: str, packages: Collection[str]) -> list[ModuleType]:
    """Return the modules of a group's entry points that belong to packages, by their first name.

    Entry points of other packages are not loaded, nor those that cannot be.
    """
    found = []
    for point in _entry_points(group).values():
        if point.module.partition(".")[0] in packages:
            with suppress(Exception):  # an error is raised where the name is used
                found.append(import_module(point.module))
    return found


class InModule(NamedTuple):
    """A built-in object that is imported when its name is looked up, so that others need not wait for it."""

    module: str
    attribute: str

    def load(self) -> Any:
        """Return the object."""
        return getattr(import_module(self.module), self.attribute)


class Registry(Mapping[str, T], Generic[T]):
    """Names of one kind of extension: built-in ones, then those of installed packages.

    An entry point is loaded only when its name is looked up, so that a broken package affects only
    the use of its own name.

    Parameters
    ----------
    group : str
        One of `GROUPS`.
    kind : str
        What a name stands for, for messages, like "regressor".
    builtin : mapping
        Name -> object, or where it is (`InModule`). An entry point cannot take a built-in name.

    Examples
    --------
    >>> registry = Registry("mlpf_hpo.samplers", "sampler", {"exact": object})
    >>> "exact" in registry
    True
    >>> registry.lookup("exakt", "predictors.qsvr.sampler")
    Traceback (most recent call last):
    mlpf_hpo.errors.ConfigurationError: predictors.qsvr.sampler: no sampler 'exakt' (did you mean exact?); ...
    """

    def __init__(self, group: str, kind: str, builtin: Mapping[str, T | InModule]) -> None:
        if group not in GROUPS:
            raise ValueError(f"{group}: not an extension group; there are {', '.join(GROUPS)}")
        self.group = group
        self.kind = kind
        self.builtin = dict(builtin)

    def __iter__(self) -> Iterator[str]:
        yield from self.builtin
        yield from (name for name in _entry_points(self.group) if name not in self.builtin)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, name: object) -> bool:
        return name in self.builtin or name in _entry_points(self.group)

    def __getitem__(self, name: str) -> T:
        if name in self.builtin:
            found = self.builtin[name]
            return found.load() if isinstance(found, InModule) else found
        point = _entry_points(self.group)[name]
        try:
            loaded: Any = point.load()
        except Exception as error:  # a foreign package may break in any way
            raise ConfigurationError(
                f"{self.kind} {name!r}: the entry point {point.value} of "
                f"{point.dist.name if point.dist else 'a package'} cannot be loaded: {one_line(error)}"
            ) from error
        return loaded

    def lookup(self, name: str, where: str = "") -> T:
        """Return what a name stands for.

        Raises
        ------
        ConfigurationError
            If there is no such name, or its package is broken; `where` says which parameter asked.
        """
        self.check(name, where)
        return self[name]

    def check(self, name: str, where: str = "") -> None:
        """Refuse an unknown name, without loading anything."""
        if name not in self:
            prefix = f"{where}: " if where else ""
            raise ConfigurationError(
                f"{prefix}no {self.kind} {name!r}{did_you_mean(name, list(self))}; there are: "
                f"{', '.join(sorted(self))}"
            )
