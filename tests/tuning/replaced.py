"""A task whose training is replaced by a function. Workers import this file: it imports nothing."""


class ReplacedTask:
    """Trains by a function; all else is as with the task whose place it takes, so trials keep their keys."""

    keeps_checkpoints = False

    def __init__(self, train, task) -> None:
        self.train = train
        self.of_task = task

    def __getattr__(self, name):
        if name.startswith("__") or name == "of_task":
            raise AttributeError(name)
        return getattr(self.of_task, name)

    def check(self, space) -> None:
        """Take any space."""

    def direction(self, metric) -> None:
        """Know no metric."""
