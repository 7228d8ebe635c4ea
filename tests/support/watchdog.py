"""A limit to the time of a program that a test runs. Imports nothing that a test would want to import first."""

from __future__ import annotations

import faulthandler
import signal


def limit(seconds: float) -> None:
    """End this program, with a traceback of every thread, when it takes longer.

    The watchdog's thread blocks signals, but only once it runs; what it takes before is lost on a thread that computes.
    """
    faulthandler.enable()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    faulthandler.dump_traceback_later(seconds, exit=True)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
