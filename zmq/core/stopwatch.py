"""`Stopwatch`: the time something takes, as libzmq's zmq_stopwatch_start and zmq_stopwatch_stop measure it.

Lives here: the one class, which needs nothing else of the package. Called by old programs.
"""

from __future__ import annotations

import time
import warnings


class Stopwatch:
    """Measure how long something takes.

    Deprecated, as it is in PyZMQ since 16: `time.perf_counter` does the same.

    Examples
    --------
    >>> watch = Stopwatch()
    >>> watch.start()
    >>> watch.stop()
    13
    """

    def __init__(self) -> None:
        warnings.warn("zmq.Stopwatch is deprecated: use time.perf_counter instead", DeprecationWarning, stacklevel=2)
        self._began: int | None = None

    def start(self) -> None:
        """Start, or start again from 0."""
        self._began = time.monotonic_ns()

    def stop(self) -> int:
        """Return the time since the start; the stopwatch runs on.

        Returns
        -------
        int
            Microseconds.

        Raises
        ------
        RuntimeError
            It was never started.
        """
        if self._began is None:
            raise RuntimeError("the Stopwatch was never started: call start before stop")
        return (time.monotonic_ns() - self._began) // 1000


__all__ = ["Stopwatch"]
