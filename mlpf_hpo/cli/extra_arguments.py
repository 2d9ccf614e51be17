"""Extra arguments of the benchmark: options of this workload that HEP-Workloads hands on as one text."""

from __future__ import annotations

import argparse
import shlex
from typing import Any, NoReturn

from mlpf_hpo.errors import ConfigurationError

VARIABLE = "EXTRA_ARGS"
"""Environment variable that has them where the option is not given."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigurationError(
            f"--extra-args: {message}; they are options of this workload: {', '.join(sorted(OPTIONS))}"
        )


OPTIONS = {"--epochs": int, "--batch-size": int, "--device": str, "--precision": str, "--workload": str}


def parse_extra_arguments(text: str) -> dict[str, Any]:
    """Return the options in a text by name; those that are not there are left out.

    Examples
    --------
    >>> parse_extra_arguments("--batch-size 4 --device=cpu")
    {'batch_size': 4, 'device': 'cpu'}

    Raises
    ------
    ConfigurationError
        If there is anything else in it.
    """
    parser = _Parser(prog="", add_help=False, allow_abbrev=False, argument_default=argparse.SUPPRESS)
    for option, kind in OPTIONS.items():
        parser.add_argument(option, type=kind)
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ConfigurationError(f"--extra-args: {error}: {text!r}") from None
    return vars(parser.parse_args(words))
