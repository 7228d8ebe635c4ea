"""Run one of the workloads with the `zmq` of this interpreter and print the result as one line of JSON.

`bench.py` starts it, a fresh process for every run; `workloads.py` has what it does.
"""

from __future__ import annotations

import argparse
import faulthandler
import importlib.metadata
import importlib.util
import json
import resource
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from workloads import FRAMEWORKS, GREEN, PLAIN, Result, send_batches

import zmq


def implementation() -> dict[str, str]:
    """Return which `zmq` this is: PyZMQ has no `zmq.core`."""
    name = "greenzmq" if importlib.util.find_spec("zmq.core") else "pyzmq"
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        version = "not installed"
    return {
        "implementation": f"{name} {version}",
        "libzmq": zmq.zmq_version(),
        "python": sys.version.split()[0],
        "file": str(Path(zmq.__file__).resolve()),
    }


def main() -> None:
    names = [*PLAIN, *(f"{framework}-{name}" for framework in FRAMEWORKS for name in GREEN)]
    parser = argparse.ArgumentParser(description="Run one workload and print the result as one line of JSON.")
    parser.add_argument("workload", nargs="?", choices=names, help="without one, only say which zmq this is")
    parser.add_argument("--seconds", type=float, default=1.0, help="about how long to measure (default 1)")
    parser.add_argument("--limit", type=float, default=60.0, help="give up after so many seconds (default 60)")
    parser.add_argument("--send-to", metavar="ENDPOINT", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    faulthandler.dump_traceback_later(arguments.limit, exit=True)
    if not arguments.workload:
        return print(json.dumps(implementation()))

    if arguments.workload in PLAIN:
        run: Callable[[float], Result] = PLAIN[arguments.workload]
    else:
        prefix, _, name = arguments.workload.partition("-")
        framework = FRAMEWORKS[prefix]()
        if arguments.send_to:
            return send_batches(framework, arguments.send_to)
        run = partial(GREEN[name], framework)

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < 4096:  # 800 sockets, a descriptor or more for each
        wanted = 4096 if hard == resource.RLIM_INFINITY else min(4096, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))

    result = run(arguments.seconds)
    ns_per_op = result["seconds"] / result["operations"] * 1e9
    line = {"workload": arguments.workload, **result, "ns_per_op": round(ns_per_op, 1), **implementation()}
    print(json.dumps(line))


if __name__ == "__main__":
    main()
