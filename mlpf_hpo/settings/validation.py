"""Validation of settings by pydantic, with error messages that name the key's path and the value."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, RootModel, ValidationError

from mlpf_hpo.errors import ConfigurationError, did_you_mean

LONGEST_KEY = 60
"""Longest part of a key in an error message, in characters."""


class Section(BaseModel):
    """A part of a configuration file: frozen, finite, and without room for unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


Model = TypeVar("Model", bound=Section)


def validated(model: type[Model], content: Mapping[Any, Any], source: str, under: str = "") -> Model:
    """Return the model that `content` describes.

    Messages begin with `source`, where it comes from, and with `under`, the path of the key that holds it.

    Raises
    ------
    ConfigurationError
        Each problem on its own line with the key's path; unknown names come with the nearest known one.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        problems = [_explain(model, problem, under) for problem in error.errors()]
        raise ConfigurationError(f"{source}:\n  " + "\n  ".join(problems)) from None


def format_key(key: object) -> str:
    """Return a key as text of one line for an error message, cut at `LONGEST_KEY` characters."""
    text = str(key)[:LONGEST_KEY]
    return text if text.isprintable() else ascii(text)[1:-1]


def _explain(model: type[Section], problem: Any, under: str) -> str:
    """Return one problem as `path: what is wrong`."""
    unknown = problem["type"] == "extra_forbidden"
    parts = problem["loc"]
    if parts[-1:] == ("[key]",) and not unknown:  # pydantic's word for "the name"
        parts = parts[:-1]
    location = [format_key(part) for part in parts]
    path = ".".join([under, *location] if under else location) or "(top level)"
    if unknown:
        return f"{path}: unknown key{did_you_mean(location[-1], _known_keys(model, location[:-1]))}"
    message, found = problem["msg"].removeprefix("Value error, "), problem["input"]
    hint = ""
    if problem["type"] == "literal_error" and isinstance(found, str):
        hint = did_you_mean(found, _allowed(problem["ctx"]["expected"]))
    # Not repr: a few aliases in YAML stand for more text than memory holds.
    return f"{path}: {message[0].lower()}{message[1:]} (found {reprlib.repr(found)}){hint}"


def _allowed(expected: str) -> list[str]:
    """Return the names in pydantic's enumeration, ``'a', 'b' or 'c'``."""
    return expected.replace(" or ", ", ").replace("'", "").split(", ")


def _known_keys(model: type[BaseModel], location: list[str]) -> list[str]:
    """Return the keys of the sections that can stand at a place."""
    models = [model]
    for part in location:
        fields = [one.model_fields.get("root" if issubclass(one, RootModel) else part) for one in models]
        models = [found for field in fields if field is not None for found in _models(field.annotation)]
    return [name for one in models for name in one.model_fields]


def _models(annotation: Any) -> list[type[BaseModel]]:
    """Return the models in a type, those that a mapping or a union holds among them."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in get_args(annotation) for found in _models(part)]
