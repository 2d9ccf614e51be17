"""A training step of MLPF written out by hand: products by PyTorch, all between them by kernels in C."""
