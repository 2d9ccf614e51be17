"""A training step of MLPF written out by hand: matrix products by PyTorch, all between them by kernels in C."""
