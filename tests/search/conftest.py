"""Curves, and a backend without Ray, for schedulers."""

from tests.tuning.conftest import curves, simulate

__all__ = ["curves", "simulate"]
