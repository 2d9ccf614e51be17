"""Predictors of a trial's final value from its partial learning curve, with intervals."""
