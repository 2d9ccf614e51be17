"""Scheduling policies by name, one a file."""
