"""Run one of the workloads with the `zmq` of this interpreter and print the result as one line of JSON.

`bench.py` starts it, a fresh process for every run; `workloads` has what it does.
"""

from __future__ import annotations

import argparse
import faulthandler
import importlib.metadata
import importlib.util
import json
import resource
import sys
from pathlib import Path
from typing import Any

from workloads import FRONT_ENDS, WORKLOADS

import zmq


def implementation() -> dict[str, Any]:
    """Return which `zmq` this is: PyZMQ has no `zmq.core`."""
    if zmq.__name__ != "zmq":
        # See peer.py.
        name, version = zmq.__name__, importlib.metadata.version(zmq.__name__)
    elif importlib.util.find_spec("zmq.core"):
        name, version = "greenzmq", zmq.greenzmq_version()
    else:
        name, version = "pyzmq", zmq.pyzmq_version()
    return {
        "implementation": f"{name} {version}",
        "libzmq": zmq.zmq_version() if zmq.__name__ == "zmq" else "none",
        "python": sys.version.split()[0],
        "file": str(Path(zmq.__file__).resolve()),
        "workloads": [*WORKLOADS],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Run one workload and print the result as one line of JSON.")
    parser.add_argument("workload", nargs="?", choices=WORKLOADS, help="without one, only say which zmq this is")
    parser.add_argument("--seconds", type=float, default=1.0, help="about how long to measure (default 1)")
    parser.add_argument("--limit", type=float, default=60.0, help="give up after so many seconds (default 60)")
    parser.add_argument("--peer", action="store_true", help=argparse.SUPPRESS)  # be the second process
    arguments = parser.parse_args()
    faulthandler.dump_traceback_later(arguments.limit, exit=True)
    if not arguments.workload:
        return print(json.dumps(implementation()))

    # 2,000 sockets, a descriptor or more for each.
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    workload = WORKLOADS[arguments.workload]
    front_end = FRONT_ENDS[workload.front_end]()
    if arguments.peer:
        assert workload.peer
        return workload.peer(front_end)
    result = {"unit": "ns"} | workload.function(front_end, arguments.seconds)
    if hasattr(zmq, "statistics") and zmq.statistics()["missed"]:
        raise RuntimeError(f"a greenlet was not woken in time: {zmq.statistics()}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
