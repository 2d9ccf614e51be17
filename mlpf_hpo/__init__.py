"""Hyperparameter search for MLPF in which predicted learning curves decide what to stop."""

from importlib.metadata import version

__version__ = version("mlpf_hpo")
