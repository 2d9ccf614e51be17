"""Made-up batches and networks."""

from tests.mlpf.conftest import make_batch, make_network

__all__ = ["make_batch", "make_network"]
