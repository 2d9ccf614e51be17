"""Checks of settings that several schedulers have."""

from __future__ import annotations

from mlpf_hpo.errors import ConfigurationError


def check_whole(name: str, value: object, least: int, most: int | None = None) -> None:
    """Raise ConfigurationError unless a setting is a whole number within its limits.

    Examples
    --------
    >>> check_whole("k", 0, least=1)
    Traceback (most recent call last):
    mlpf_hpo.errors.ConfigurationError: k must be a whole number of at least 1, found 0
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ConfigurationError(f"{name} must be a whole number of at least {least}, found {value!r}")
    if most is not None and value > most:
        raise ConfigurationError(f"{name} must be at most {most}, found {value}")


def check_share(name: str, value: object) -> None:
    """Raise ConfigurationError unless a setting lies within (0, 1).

    Examples
    --------
    >>> check_share("share", 1)
    Traceback (most recent call last):
    mlpf_hpo.errors.ConfigurationError: share must be a number between 0 and 1, both excluded, found 1
    """
    if not isinstance(value, int | float) or not 0 < value < 1:
        raise ConfigurationError(f"{name} must be a number between 0 and 1, both excluded, found {value!r}")
