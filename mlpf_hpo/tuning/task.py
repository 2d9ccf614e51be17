"""The `Task` protocol: what trials train, on which data, and what identifies them; plans of trials.

Campaigns and searches receive a task and depend on nothing else of what they train. MLPF is one
(`mlpf_hpo.mlpf.task`); params.yaml names any other as ``task: package.module:object``.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from mlpf_hpo.errors import ConfigurationError, did_you_mean, one_line
from mlpf_hpo.metric_modes import Direction, resolve_mode
from mlpf_hpo.seeds import derive_seed
from mlpf_hpo.space import Choice, Configuration, Domain, Integer, SearchSpace, hashed_values, stable_hash
from mlpf_hpo.target_metric import TargetMetric
from mlpf_hpo.tuning.trial_reports import EpochReport, TrialEnd

REFERENCE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
"""How params.yaml names a task that is not built in."""


TRIAL_SCHEMA = 3
"""Raised whenever the same configuration and seed would no longer give the same curve."""


@dataclass(frozen=True)
class TaskResources:
    """What one trial occupies, from which the number of trials at once is computed.

    Attributes
    ----------
    threads : int
        Threads of each of its processes.
    processes : int
        Processes of a training, each with a GPU of its own where there are GPUs: more than one for DDP.

    Examples
    --------
    >>> TaskResources(threads=2, processes=4).cpus
    8
    """

    threads: int = 1
    processes: int = 1

    @property
    def cpus(self) -> int:
        """Number of cores that a trial occupies."""
        return self.threads * self.processes


class Task(Protocol):
    """What is trained. Objects of it travel to worker processes, so they must be picklable.

    Examples
    --------
    >>> from pathlib import Path
    >>> from mlpf_hpo import EpochReport, TaskResources, TrialEnd, TrialSpec
    >>> class Toy:
    ...     name, keeps_checkpoints, dataset_path = "toy", False, None
    ...     data_digest, constants, resources = "none", {"task": "toy"}, TaskResources()
    ...
    ...     def direction(self, metric):
    ...         return {"accuracy": "max"}.get(metric)
    ...
    ...     def check(self, space): ...
    ...
    ...     def train(self, trial, max_epochs, checkpoint_dir, report):
    ...         for epoch in range(1, max_epochs + 1):
    ...             accuracy = 1 - trial.configuration["lr"] / epoch
    ...             report(EpochReport(epoch, {"accuracy": accuracy}, timestamp_ms=1000 * epoch))
    ...         return TrialEnd("finished", max_epochs)
    >>> reports = []
    >>> Toy().train(TrialSpec("t000", {"lr": 0.2}, 0, Toy()), 2, Path(), reports.append)
    TrialEnd(status='finished', epochs=2)
    >>> [report.metrics["accuracy"] for report in reports]
    [0.8, 0.9]
    """

    @property
    def name(self) -> str:
        """What the task is called in captions and messages."""

    @property
    def constants(self) -> Mapping[str, Any]:
        """All that changes a curve beside configuration, seed and data, as JSON values: part of every key.

        A task other than MLPF says its name, or a version of its own, in here.
        """

    @property
    def data_digest(self) -> str:
        """Digest of the data that are trained and validated on; part of every trial's key."""

    @property
    def dataset_path(self) -> Path | None:
        """Where the data are, for MLflow; None if they are in no file."""

    @property
    def resources(self) -> TaskResources:
        """What one trial occupies."""

    @property
    def keeps_checkpoints(self) -> bool:
        """Whether `train` leaves checkpoints by `save_checkpoint`: that of the best trial is then kept."""

    def direction(self, metric: str) -> Direction | None:
        """Return whether small or large values of a metric are good; None of a metric that is not known."""

    def check(self, space: SearchSpace) -> None:
        """Refuse a search space that the task cannot be trained with, with a `ConfigurationError`."""

    def train(
        self,
        spec: TrialSpec[Any],
        /,
        max_epochs: int,
        checkpoint_dir: Path,
        report: Callable[[EpochReport], None],
    ) -> TrialEnd:
        """Train `spec.configuration` with `spec.seed` up to `max_epochs`, and report after every epoch.

        The report may end the training by raising. A training that was interrupted goes on from what it left
        in `checkpoint_dir`, and first reports the epochs of its checkpoint again.
        """


T = TypeVar("T", bound=Task, covariant=True)


@dataclass(frozen=True)
class TrialSpec(Generic[T]):
    """All that determines a training.

    Attributes
    ----------
    trial_id : str
        Position in the stream of configurations, like ``t003``.
    configuration : mapping
        Hyperparameter name -> value.
    seed : int
        Seed of weights, dropout and data order.
    task : Task
        What is trained.

    Examples
    --------
    >>> from mlpf_hpo import TrialSpec
    >>> spec = TrialSpec("t003", {"lr": 0.2}, seed=7, task=None)
    >>> spec.trial_id, spec.configuration["lr"]
    ('t003', 0.2)
    """

    trial_id: str
    configuration: Configuration
    seed: int
    task: T

    @property
    def key(self) -> str:
        """Identity across stages and reruns: equal keys promise equal curves on equal hardware.

        Neither paths nor the number of epochs are in it, so that a longer training extends a shorter one, nor
        the scheduler that asked for it.
        """
        content = {
            "schema": TRIAL_SCHEMA,
            "configuration": hashed_values(self.configuration),
            "seed": self.seed,
            "events": self.task.data_digest,
            "constants": dict(self.task.constants),
        }
        return stable_hash(content, length=16)


def plan_trials(task: Task, space: SearchSpace, seed: int, n: int, purpose: str) -> list[TrialSpec[Task]]:
    """Return the first `n` trials of the stream that belongs to a purpose.

    Streams of different purposes ("campaign", "search") share no configuration, so that a predictor learnt on
    one is never judged on what it has seen. More trials extend the stream.

    Raises
    ------
    ConfigurationError
        If the task cannot be trained in this space.
    """
    task.check(space)
    configurations = space.stream(n, derive_seed(seed, "stream", purpose))
    return [
        TrialSpec(f"t{i:03d}", configuration, derive_seed(seed, "trial", purpose, i), task)
        for i, configuration in enumerate(configurations)
    ]


def plan_repeats(
    specs: Sequence[TrialSpec[Task]], seed: int, n_seeds: int, purpose: str
) -> list[TrialSpec[Task]]:
    """Return further trainings of the trials of a stream, ``t003r1`` for the first one of ``t003``.

    They have the configurations of `specs`, which begin the stream, and seeds of their own.
    """
    return [
        replace(
            spec, trial_id=f"{spec.trial_id}r{n}", seed=derive_seed(seed, "trial", purpose, i, "repeat", n)
        )
        for n in range(1, n_seeds + 1)
        for i, spec in enumerate(specs)
    ]


def trials_identity(task: Task, space: SearchSpace, seed: int) -> str:
    """Return the identity of what the trials of a campaign, or of a search, share.

    The number of trials and of epochs stand outside: more of either extends the campaign.
    """
    shared = {
        "schema": TRIAL_SCHEMA,
        "seed": seed,
        "space": {name: _domain_record(domain) for name, domain in space.domains.items()},
        **task.constants,
        "events": task.data_digest,
    }
    return stable_hash(shared, length=8)


def _domain_record(domain: Domain) -> dict[str, Any]:
    if isinstance(domain, Choice):
        return {"values": list(domain.values)}
    kind = {"type": "int"} if isinstance(domain, Integer) else {}
    return {**asdict(domain), **kind}


def task_tags(task: Task) -> dict[str, str]:
    """Return the tags that a task gives its runs beside those of the machine: its `tags`, where it has any.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> task_tags(SimpleNamespace(tags={"simulator": "2.1"})), task_tags(SimpleNamespace())
    ({'simulator': '2.1'}, {})
    """
    return dict(getattr(task, "tags", {}))


def check_target(task: Task, target: TargetMetric) -> None:
    """Refuse a target whose direction the task contradicts."""
    direction = task.direction(target.metric)
    if direction in ("min", "max"):
        resolve_mode(target.metric, target.mode, direction, option="target.mode")


def load_task(reference: str, settings: Mapping[str, Any]) -> Task:
    """Return the task that ``package.module:object`` names; modules of this folder are found as well.

    Parameters
    ----------
    reference : str
        The object is called with the settings as keywords, like a class.
    settings : mapping
        Section `task_settings` of params.yaml.

    Raises
    ------
    ConfigurationError
        If there is no such object, it breaks, or does not take these settings.
    """
    module, _, name = reference.partition(":")
    if (folder := str(Path.cwd())) not in sys.path:
        sys.path.append(folder)  # a command has the folder of its script there instead
    try:
        make: Any = getattr(importlib.import_module(module), name)
    except Exception as error:  # a foreign module may break in any way
        raise ConfigurationError(f"task: {reference} cannot be loaded: {one_line(error)}") from error
    if not callable(make):
        raise ConfigurationError(f"task: {reference} is no class or function that makes a task")
    try:
        parameters = inspect.signature(make).parameters
    except ValueError as error:  # of some functions in C
        raise ConfigurationError(f"task: {reference} is no class or function of Python's: {error}") from error
    open_ended = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    for key in settings:
        if key not in parameters and not open_ended:
            hint = did_you_mean(key, parameters)
            raise ConfigurationError(f"task_settings.{key}: unknown key of {reference}{hint}")
    try:
        task: Task = make(**settings)
    except ConfigurationError:
        raise
    except Exception as error:
        raise ConfigurationError(f"task_settings: {reference} refuses them: {one_line(error)}") from error
    missing = [part for part in _PARTS if not hasattr(task, part)]
    if missing:
        raise ConfigurationError(f"task: what {reference} makes is no task, it lacks {', '.join(missing)}")
    return task


_PARTS = sorted(name for name in vars(Task) if not name.startswith("_"))
