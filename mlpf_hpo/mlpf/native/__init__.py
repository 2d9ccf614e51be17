"""A training step of MLPF written out by hand: kernels in C, and large products by PyTorch's library."""
