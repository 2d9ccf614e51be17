"""Read and validate parameter files: params.yaml and those of the studies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.settings.validation import Model, format_key, validated
from mlpf_hpo.settings.yaml_file import read_mapping

DEEPEST = 4
"""Levels of params.yaml; below, every key is unknown."""

VALUES = "values"
"""The key of a hyperparameter's values in a search space."""


def read_parameters(model: type[Model], path: Path, where: str) -> Model:
    """Read and check a parameter file; `where` is the folder in which the command has to run.

    Raises
    ------
    MissingInputError
        If there is no such file.
    ConfigurationError
        If it is not YAML, or as for `parameters`.
    """
    return parameters(model, read_mapping(path, f"parameter file; run this in {where}"), str(path))


def parameters(model: type[Model], content: Mapping[Any, Any], source: str) -> Model:
    """Check a mapping of parameters; `source` names it in error messages.

    Raises
    ------
    ConfigurationError
        If a key is unknown or a value is not allowed; each problem on its own line with the key's path.
    """
    switches = [f"{path}: {value} is no number or name" for path, value in _switches(content)]
    if switches:
        raise ConfigurationError(f"{source}:\n  " + "\n  ".join(switches))
    return validated(model, content, source)


def _switches(content: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield true and false with their paths: no parameter is one, but pydantic takes them for 1 and 0.

    Only a hyperparameter's values may be booleans.
    """
    if isinstance(content, bool):
        yield path, str(content).lower()
    elif isinstance(content, dict) and path.count(".") < DEEPEST:
        for key, value in content.items():
            yield from _switches(value, f"{path}.{format_key(key)}".removeprefix("."))
    elif isinstance(content, list) and path.rpartition(".")[2] != VALUES:
        for index, value in enumerate(content):
            if isinstance(value, bool):
                yield f"{path}.{index}", str(value).lower()
