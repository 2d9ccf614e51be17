"""Learning curves: the data set that predictors learn from."""
