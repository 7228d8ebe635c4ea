"""``python -m zmq.log``: show what `zmq.log.handlers.PUBHandler` publishes.

Lives here: that Ctrl-C ends it without a word, at any moment from here on. Python has imported `zmq` by then, and a
Ctrl-C before that is Python's own. What must not: what the command does (`zmq.log._watcher`).
"""

from __future__ import annotations

import os
import signal
import sys


def leave(*_: object) -> None:
    """End the program while it imports: there is nothing yet to clean up."""
    # What a handler raises meanwhile may be printed and forgotten: importlib has callbacks that nothing gets out of.
    os._exit(0)


def interrupt(*_: object) -> None:
    """End the program while it works, and let nobody disturb that who presses the keys twice."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


def run() -> int:
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        # Somebody has it ignored, as shells do in the background.
        from zmq.log._watcher import main

        return main()
    signal.signal(signal.SIGINT, leave)
    from zmq.log._watcher import main

    signal.signal(signal.SIGINT, interrupt)
    try:
        return main()
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


if __name__ == "__main__":
    try:
        sys.exit(run())
    except KeyboardInterrupt:
        sys.exit(0)
