"""Errors without the secrets that were at hand where they were raised.

Lives here: how an error is told or raised without what the frames of its traceback, or the error that it came from,
hold on to. What must not: what an error says, which is the business of who raises it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from types import TracebackType
from typing import TypeVar

T = TypeVar("T")


def forget(error: BaseException) -> None:
    """Empty the frames that an error, and those that it came from, hold on to; those that still run stay."""
    seen: set[int] = set()
    left = [error]
    while left:
        each = left.pop()
        if id(each) not in seen:
            seen.add(id(each))
            found = each.__traceback__
            while found is not None:
                with contextlib.suppress(RuntimeError):
                    found.tb_frame.clear()
                found = found.tb_next
            left += [other for other in (each.__cause__, each.__context__) if other is not None]


def shown(error: BaseException) -> tuple[type[BaseException], BaseException, TracebackType | None]:
    """Return what a record of the log holds of an error: not the frame that handles it."""
    found = error.__traceback__
    found = found and found.tb_next
    return type(error), error.with_traceback(found), found


def kept(function: Callable[[], T]) -> T:
    """Call a function that knows a secret. What it raises comes out without its frames and what it handled."""
    try:
        return function()
    except Exception as error:
        forget(error)
        error.__cause__ = error.__context__ = None
        raised = error.with_traceback(None)
    try:
        raise raised
    finally:
        # The error holds on to this frame.
        del raised
