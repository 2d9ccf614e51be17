"""Small trainings, for networks that come out of them."""

from tests.tuning.conftest import empty_database, make_spec, stores

__all__ = ["empty_database", "make_spec", "stores"]
