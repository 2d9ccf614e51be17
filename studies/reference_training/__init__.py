"""A longer training of MLPF, compared with rule-based particle flow and with its copied input."""
