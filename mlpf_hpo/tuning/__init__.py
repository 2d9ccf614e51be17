"""Trials, schedulers, and running many of them under Ray Tune."""
