"""One Ray session for several runs of trials: the first that trains begins it, and it ends with the block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from contextvars import ContextVar

_SHARED: ContextVar[ExitStack | None] = ContextVar("shared_session", default=None)


@contextmanager
def shared_session() -> Iterator[None]:
    """Let the Ray sessions that begin within the block be one. To start Ray and to end it takes seconds."""
    with ExitStack() as stack:
        before = _SHARED.set(stack)
        try:
            yield
        finally:
            _SHARED.reset(before)


def session_stack() -> AbstractContextManager[ExitStack]:
    """Return what ends a session: the end of the block that shares it, else that of the session's own."""
    shared = _SHARED.get()
    return ExitStack() if shared is None else nullcontext(shared)
