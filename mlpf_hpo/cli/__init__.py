"""The command line, `mlpf-hpo`: one file per group of commands."""

from mlpf_hpo.cli.app import main

__all__ = ["main"]
