"""Regressors by name, one a file."""
