"""Small trainings, for the reference training."""

from tests.tuning.conftest import empty_database, make_spec, stores

__all__ = ["empty_database", "make_spec", "stores"]
