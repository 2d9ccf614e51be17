"""The project's own campaign: trainings for a data set of curves, and what these curves say."""
