"""Strict YAML reader: duplicate keys and invalid values are errors that name the line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from mlpf_hpo.errors import ConfigurationError, MissingInputError
from mlpf_hpo.file_kind import NO_TEXT_DATA, file_kind


class _Loader(yaml.SafeLoader):
    """Loader of plain values that refuses duplicate keys; PyYAML itself silently keeps the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: dict[Any, yaml.Node] = {}
        for key, _ in node.value:
            name = (key.tag, key.value) if isinstance(key, yaml.ScalarNode) else None
            if name is not None and name in seen and key.value != "<<":
                first = seen[name].start_mark.line + 1
                raise _problem(f"key {key.value!r} stands there already, in line {first}", key)
            seen[name] = key
        return super().construct_mapping(node, deep)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, OverflowError) as error:  # a date that is none, a number of 5,000 digits
            raise _problem(str(error), node) from None


def _problem(message: str, node: yaml.Node) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, message, node.start_mark)


def read_mapping(path: Path, what: str) -> dict[Any, Any]:
    """Return the mapping that a YAML file holds; an empty file holds an empty one.

    `what` says what the file is, and how to get it, for the message if it is missing.

    Raises
    ------
    MissingInputError
        If there is no such file.
    ConfigurationError
        If it cannot be read, is not YAML, has a key twice, or holds something else than a mapping.
    """
    kind = file_kind(path)
    if kind in NO_TEXT_DATA:
        raise ConfigurationError(f"{path}: {kind}, not a {what}")
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - a SafeLoader
    except FileNotFoundError:
        raise MissingInputError(f"{path}: no such {what}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: cannot be read: {error}") from None
    except yaml.MarkedYAMLError as error:
        raise ConfigurationError(f"{path}{_where(error)}: {error.problem}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigurationError(f"{path}: not valid YAML: {error}") from None
    except RecursionError:
        raise ConfigurationError(f"{path}: nested too deeply") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigurationError(f"{path}: expected sections, found {type(content).__name__}")
    return content


def _where(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark
    return "" if mark is None else f", line {mark.line + 1}, column {mark.column + 1}"
