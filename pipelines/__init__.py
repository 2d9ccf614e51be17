"""The stages of dvc.yaml, each run from the project's folder as `python -m pipelines.NAME`."""
