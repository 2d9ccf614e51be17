"""Schedulers: which trial starts, pauses, goes on or stops. Knows neither Ray nor MLflow."""
