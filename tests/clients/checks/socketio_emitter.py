"""A process that only emits: it says something to everybody until it is ended."""

import sys
import warnings

warnings.simplefilter("ignore", DeprecationWarning)

import eventlet  # noqa: E402
import socketio  # noqa: E402

manager = socketio.ZmqManager(sys.argv[1], write_only=True)
number = 0
while True:
    manager.emit("news", number)
    number += 1
    eventlet.sleep(0.05)
