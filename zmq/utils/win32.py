"""Ctrl-C on Windows, where a thread that waits in libzmq does not hear of it.

Called by programs whose main thread polls; elsewhere signals interrupt libzmq and there is nothing to do.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

CTRL_C_EVENT = 0


class allow_interrupt:
    """Call a function when Ctrl-C is pressed, so that it can end the wait in libzmq (Windows only).

    Python turns Ctrl-C into `KeyboardInterrupt` only when libzmq returns. The function makes it return: it sends a
    message to a socket that is polled, say. On other systems nothing needs to be done, and nothing is.

    Parameters
    ----------
    action : callable, optional
        Called without arguments, in a thread that Windows starts for it.

    Raises
    ------
    TypeError
        `action` cannot be called.
    OSError
        Windows refuses the handler.

    Notes
    -----
    Source: SetConsoleCtrlHandler in the documentation of the Windows console.

    Examples
    --------
    >>> with allow_interrupt(lambda: stop.send(b"")):
    ...     poller.poll()
    """

    def __init__(self, action: Callable[[], Any] | None = None) -> None:
        if action is not None and not callable(action):
            raise TypeError(f"action must be a function, not {type(action).__name__}")
        self.action = action
        self._set: Callable[[bool], None] | None = _console_handler(self._handle) if sys.platform == "win32" else None

    def _handle(self, event: int) -> int:
        if event == CTRL_C_EVENT and self.action is not None:
            self.action()
        return 0  # Python's own handler is to hear of it too

    def __enter__(self) -> allow_interrupt:
        if self._set is not None:
            self._set(True)
        return self

    def __exit__(self, *args: object) -> None:
        if self._set is not None:
            self._set(False)


def _console_handler(handle: Callable[[int], int]) -> Callable[[bool], None]:
    """Return a function that adds a handler to the console's, and removes it."""
    # Typed as anything: on other systems ctypes has none of these names.
    import ctypes as _ctypes
    from ctypes.wintypes import BOOL, DWORD

    ctypes: Any = _ctypes
    handler_type = ctypes.WINFUNCTYPE(BOOL, DWORD)
    set_handler = ctypes.WinDLL("kernel32", use_last_error=True).SetConsoleCtrlHandler
    set_handler.argtypes = (handler_type, BOOL)
    set_handler.restype = BOOL
    handler = handler_type(handle)

    def add_or_remove(add: bool) -> None:
        if not set_handler(handler, add):
            raise ctypes.WinError(ctypes.get_last_error())

    return add_or_remove


__all__ = ["allow_interrupt"]
