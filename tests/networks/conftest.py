"""Small trainings, for networks that come out of them."""

from tests.tuning.conftest import make_spec, stores

__all__ = ["make_spec", "stores"]
