"""What Ray and Tune read from the environment, and what they may log, during a session."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

from mlpf_hpo.own_package import PATH_VARIABLE, import_path

ENVIRONMENT = {
    # Tune trains each trial in a new thread, for which glibc would open a new arena: 10 MB a trial were lost.
    "MALLOC_ARENA_MAX": "1",
    "RAY_worker_niceness": "0",  # Ray's default of 15 starves trials on a machine that others use
    "RAY_AIR_NEW_OUTPUT": "0",  # the new output prints a frame whatever the verbosity
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Tune's lets fit() return as if all were done; ours does not
    "TUNE_FUNCTION_THREAD_TIMEOUT_S": "60",  # a stopped training may need a moment to leave its thread
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",  # Tune's own state is never restored
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
}
"""What Ray and Tune read from the environment."""

LEVELS = {
    "ray": logging.ERROR,
    "ray._private.services": logging.CRITICAL,  # that a slow machine has no dashboard, which nobody asked for
    "ray.tune": logging.CRITICAL,
    "ray.tune.execution.insufficient_resources_manager": logging.WARNING,
}
"""What Ray and Tune may log: that nothing can start for lack of resources, as a run would wait for ever."""


@contextmanager
def ray_environment() -> Iterator[None]:
    """Set what Ray reads from the environment, and quieten it; afterwards all is as before."""
    own = {name: value for name, value in ENVIRONMENT.items() if name not in os.environ}
    own[PATH_VARIABLE] = import_path()
    before = {name: os.environ.get(name) for name in own}
    levels = {name: logging.getLogger(name).level for name in LEVELS}
    os.environ.update(own)
    for name, level in LEVELS.items():
        logging.getLogger(name).setLevel(level)
    try:
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
