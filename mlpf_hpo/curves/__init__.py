"""Learning curves: the data set that predictors are fitted on."""
