"""Run `worker.py` with another library under the name of `zmq`: pyomq, whose calls have PyZMQ's names.

`bench.py` starts it, with what `plan.PEER_HAS` says that it has.
"""

from __future__ import annotations

import sys

import pyomq
import pyomq.asyncio

sys.modules |= {"zmq": pyomq, "zmq.asyncio": pyomq.asyncio}
# `workloads.common` sets it, for thousands of sockets; here is no such limit.
pyomq.MAX_SOCKETS = None
pyomq.Context.set = lambda self, option, value: None

import worker  # noqa: E402

if __name__ == "__main__":
    worker.main()
