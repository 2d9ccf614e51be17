"""The command line that benchmarks share."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.files import write_json


def command(
    doc: str | None, quick: str, parts: Iterable[str] = (), against: bool = False
) -> argparse.Namespace:
    """Return what the command line asks for: `quick`, `json`, and `parts`, all if none is named.

    Parameters
    ----------
    doc : str or None
        The module's docstring, shown by ``--help`` as it is.
    quick : str
        What ``--quick`` does.
    parts : iterable of str
        What may be measured by itself.
    against : bool
        Whether another commit can be measured too.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = list(parts)
    if names:
        parser.add_argument(
            "parts", nargs="*", metavar="PART", help=f"one or more of {', '.join(names)}; or all"
        )
    parser.add_argument("--quick", action="store_true", help=quick)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there")
    if against:
        parser.add_argument("--against", metavar="COMMIT", help="another commit, measured in turns with this")
    options = parser.parse_args()
    if names:
        if unknown := set(options.parts) - set(names):
            parser.error(f"no part {', '.join(sorted(unknown))}; there are {', '.join(names)}")
        options.parts = options.parts or names
    return options


def print_numbers(numbers: Mapping[str, float]) -> None:
    """Print a number a line."""
    for name, value in numbers.items():
        print(f"{name:45} {value:.4g}")


def report(numbers: Mapping[str, float], file: Path | None, **about: Any) -> None:
    """Print numbers, and write them, with what there is to say about them, if a file is named."""
    print_numbers(numbers)
    if file is not None:
        write_json(file, {**about, **numbers})


def listed(option: str, text: str, known: Sequence[str]) -> list[str]:
    """Return the names that an option lists.

    Raises
    ------
    ConfigurationError
        If one is not known.

    Examples
    --------
    >>> listed("--priors", "same, none", ["none", "same"])
    ['same', 'none']
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    if unknown := set(names) - set(known):
        raise ConfigurationError(f"{option}: no {min(unknown)}; there are {', '.join(known)}")
    return names
