"""Read a study from a storage of Optuna: a database or a journal, opened without being written to.

Optuna 5.0 makes what it is asked to open: its tables in any database, an empty journal where there is none.
So what is there is looked at first.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, inspect
from sqlalchemy.exc import SQLAlchemyError

from mlpf_hpo.credentials import public_uri, register_secrets
from mlpf_hpo.curves.readers.recorded import Query, RecordedTraining, RecordedTrainings, choose_metric
from mlpf_hpo.errors import ConfigurationError, DataError, MissingInputError, did_you_mean, one_line
from mlpf_hpo.file_kind import file_kind

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

SQLITE = "sqlite:///"

STATUSES = {
    "COMPLETE": "finished",
    "PRUNED": "stopped",
    "FAIL": "failed",
    "RUNNING": "running",
    "WAITING": "running",
}

VALUE = "value"
"""Name of the metric of a study that gives it none."""


def read_optuna(where: str, query: Query) -> RecordedTrainings:
    """Return the trials of a study with their intermediate values; a pruned trial was stopped.

    Parameters
    ----------
    where : str
        A file of SQLite or of a journal, or the address of a database.
    query : Query
        `experiment` is the study, `condition` a pattern of the trials' states, such as ``COMPLETE``. A metric
        that the study does not name may be named.
    """
    public = public_uri(where)
    with _quiet(), _errors(public):
        study = _study(_storage(where, public), query.experiment, public)
        trials = study.get_trials(deepcopy=False)
        directions, names = study.directions, study.metric_names
    if len(directions) > 1:
        raise DataError(f"{public}: study {study.study_name} has {len(directions)} objectives; wanted is one")
    if query.condition is not None:
        trials = [trial for trial in trials if fnmatch(trial.state.name, query.condition.upper())]
    if not any(trial.intermediate_values for trial in trials):
        states = ", ".join(sorted({trial.state.name for trial in study.trials})) or "none"
        raise DataError(
            f"{public}: no intermediate values in {len(trials)} trials of study {study.study_name} (states "
            f"of all: {states}); wanted are those of trial.report(value, step)"
        )
    metric = choose_metric({names[0]: len(trials)}, query.metric, public) if names else query.metric or VALUE
    mode = "max" if directions[0].name == "MAXIMIZE" else "min"
    return RecordedTrainings(metric, tuple(map(_training, trials)), "max" if mode == "max" else "min")


def _training(trial: FrozenTrial) -> RecordedTraining:
    return RecordedTraining(
        name=f"trial {trial.number}",
        configuration=trial.params,
        points=sorted(trial.intermediate_values.items()),
        status=STATUSES[trial.state.name],
    )


def _study(storage: Any, name: str | None, where: str) -> Study:
    from optuna import load_study

    names = [study.study_name for study in storage.get_all_studies()]
    if not names:
        raise DataError(f"{where}: a storage of Optuna without a study")
    if name is None and len(names) > 1:
        raise ConfigurationError(f"{where}: several studies, say which with --experiment: {', '.join(names)}")
    if name is not None and name not in names:
        raise DataError(f"{where}: no study {name}{did_you_mean(name, names)}; there are {', '.join(names)}")
    return load_study(study_name=name or names[0], storage=storage)


def _storage(where: str, public: str) -> Any:
    """Return the storage, after a look at what is there."""
    from optuna.storages import JournalStorage, RDBStorage
    from optuna.storages.journal import JournalFileBackend

    if "://" in where and not where.startswith(SQLITE):
        register_secrets(where)
        _check_tables(where, public)
        return RDBStorage(where, skip_table_creation=True)
    path = Path(where.removeprefix(SQLITE))
    if not path.is_file():
        raise MissingInputError(
            f"{path}: {'a folder' if path.is_dir() else 'no such file'}; wanted is a storage of Optuna"
        )
    kind = file_kind(path)
    if kind == "a SQLite database":
        uri = f"{SQLITE}file:{path.resolve()}?mode=ro&uri=true"
        _check_tables(uri, public)
        return RDBStorage(uri, skip_table_creation=True)
    if kind != "a JSON file":
        raise DataError(f"{path}: {kind}; wanted is a SQLite database or a journal of Optuna")
    return JournalStorage(JournalFileBackend(str(path)))


def _check_tables(uri: str, public: str) -> None:
    engine = create_engine(uri)
    try:
        tables = set(inspect(engine).get_table_names())
    finally:
        engine.dispose()
    if not {"studies", "trials", "trial_intermediate_values"} <= tables:
        has = f"its tables are {', '.join(sorted(tables)[:5])}, ..." if tables else "it has no tables"
        raise DataError(f"{public}: a database, but no storage of Optuna: {has}")


@contextmanager
def _errors(where: str) -> Iterator[None]:
    """Turn what the database or the journal raises into our errors."""
    try:
        yield
    except ImportError as error:
        extra = "'mlpf_hpo[postgres]'" if where.startswith("postgres") else "the driver of that database"
        raise ConfigurationError(
            f"{where}: needs a package: pip install {extra} ({one_line(error)})"
        ) from None
    except (SQLAlchemyError, OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{where}: cannot be read as a storage of Optuna: {one_line(error)}") from None


@contextmanager
def _quiet() -> Iterator[None]:
    from optuna import logging

    before = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        logging.set_verbosity(before)
