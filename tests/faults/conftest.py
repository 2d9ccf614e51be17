"""Fixtures of the fault tests."""

from tests.faults.file_systems import small_disk
from tests.reporting.conftest import inputs, validation_result
from tests.tuning.conftest import empty_database, make_spec, stores

__all__ = ["empty_database", "inputs", "make_spec", "small_disk", "stores", "validation_result"]
