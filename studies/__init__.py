"""Whole experiments, each with its own dvc.yaml, whose stages run from the project's folder."""
