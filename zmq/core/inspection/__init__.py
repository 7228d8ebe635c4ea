"""What a program does, for people who look for what holds it up.

Lives here: how those who wait are described. What must not: any way of waiting, and what frameworks import. Called by
users by way of `zmq.core.statistics` and the public names of `zmq`.

- `who`: greenlets, tasks and threads: their names, where they are, and who began them.
- `dump`: all of it as text. `dump_signal` (``dump_signal.h``): a signal that has it written, whatever stands still.
- `watch`: a native thread that logs what takes long.
- `service`: a native thread that answers whoever asks at a socket file. `keepers`: who keeps a hub from running.
"""

from __future__ import annotations

import os


def serve_if_asked() -> None:
    """Have this process answer where its environment says so; called when everything else is there."""
    where = os.environ.get("ZMQ_INSPECT")
    if where:
        from zmq.core.inspection.service import start_quietly

        start_quietly(where)
