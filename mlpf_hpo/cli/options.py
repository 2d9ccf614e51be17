"""Options that several commands have, and the format of their help."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer.core import TyperGroup

from mlpf_hpo.errors import MlpfHpoError
from mlpf_hpo.project import EVENTS as EVENTS
from mlpf_hpo.project import PARAMS as PARAMS
from mlpf_hpo.project import STATE

if TYPE_CHECKING:
    from mlpf_hpo.curves.schema import LearningCurves

StateFolder = Annotated[
    Path | None,
    typer.Option("--state", help="Folder that keeps the checkpoints of runs.", show_default=STATE),
]
Mode = Annotated[
    str,
    typer.Option(
        help="min or max: whether small or large values are good; by default by the metric or the data."
    ),
]
Hyperparameters = Annotated[
    str,
    typer.Option(
        help="Columns, separated by commas; by default all that can be hyperparameters; see what is printed."
    ),
]
LossPrefix = Annotated[
    str, typer.Option(help="CSV columns PREFIX0, PREFIX1, ... are the curve; loss_ by default.")
]
ParamsFile = Annotated[Path, typer.Option("--params", help="Parameter file.")]
EventsFolder = Annotated[Path, typer.Option("--events", help="Folder with the stores train and validation.")]
CURVES_HELP = "Curves: CSV with a row per trial, Parquet of ours, or the name of a data set that is shipped."
IN_PARAMS = "as in params.yaml"
"""Shown as the default of an option that the parameter file has a value for."""


def group(text: str, epilog: str, cls: type[TyperGroup] = TyperGroup) -> typer.Typer:
    """Return a group of commands with its help."""
    return typer.Typer(
        cls=cls,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        help=text,
        epilog=epilog,
    )


def column_names(text: str) -> list[str] | None:
    """Return the names in a list with commas, None for an empty one.

    Examples
    --------
    >>> column_names("lr, dropout"), column_names("")
    (['lr', 'dropout'], None)
    """
    return [name.strip() for name in text.split(",") if name.strip()] or None


def open_curves(file: Path, loss_prefix: str, mode: str, hyperparameters: str) -> LearningCurves:
    """Return the curves of a file, or of a shipped data set by its name, as these options say."""
    from mlpf_hpo.curves.readers.csv_table import read_table

    return read_table(file, loss_prefix or None, mode or None, column_names(hyperparameters))


def column_option(file: Path) -> str:
    """Return the option that makes a column of a file a hyperparameter; empty for Parquet: it has no other.

    Examples
    --------
    >>> column_option(Path("table.csv")), column_option(Path("campaign-v0"))
    ('--hyperparameters', '')
    """
    from mlpf_hpo.curves.shipped_files import curves_file

    return "" if (curves_file(file) or file).suffix == ".parquet" else "--hyperparameters"


def examples(*commands: str, also: str = "") -> str:
    """Return the end of a help text: commands to copy, each on its own line, and a remark."""
    lines = ["Examples:", *(f"[cyan]{command}[/cyan]" for command in commands)]
    return "\n\n".join([*lines, *([also] if also else [])])


@contextmanager
def flags_named(flags: Mapping[str, str]) -> Iterator[None]:
    """Replace keys of params.yaml in error messages by the options that set them, by key."""
    try:
        yield
    except MlpfHpoError as error:
        keys = "|".join(map(re.escape, sorted(flags, key=len, reverse=True)))
        message = re.sub(rf"(?<![\w.-])(?:{keys})(?![\w-])", lambda found: flags[found[0]], str(error))
        error.args = (message,)
        raise
