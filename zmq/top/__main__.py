"""``python -m zmq.top``: show a running process.

Lives here: that Ctrl-C ends it without a word. What must not: what it does (`zmq.top.command`).
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from zmq.top.command import main


def run() -> int:
    status = 0
    try:
        with suppress(KeyboardInterrupt):
            status = main()
        sys.stdout.flush()
    except BrokenPipeError:
        # Such as by `head`; nothing is written when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return status


if __name__ == "__main__":
    sys.exit(run())
