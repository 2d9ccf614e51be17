"""Schedulers and predictors in the libraries that people train with: no file imports another's."""
