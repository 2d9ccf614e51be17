"""Predictors in the MLflow Model Registry: champion and challenger, promotion, loading."""
