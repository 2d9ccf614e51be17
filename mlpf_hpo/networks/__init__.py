"""Trained MLPF networks: loaded from checkpoints, found by name, registered."""
