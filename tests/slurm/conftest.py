"""An empty database."""

from tests.tuning.conftest import empty_database

__all__ = ["empty_database"]
