"""Schedulers: which trial starts, pauses, goes on or stops. Independent of Ray and MLflow."""
