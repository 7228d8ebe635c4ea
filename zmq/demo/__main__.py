"""The command line of the demonstration."""

from __future__ import annotations

import argparse
import resource
import signal
import sys
import warnings
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

from zmq.demo import program
from zmq.error import ZMQError

HUBS = ["gevent", "eventlet", "threads"]
SPARE_DESCRIPTORS = 100  # for Python, for the hub and for libzmq's threads


class Parser(argparse.ArgumentParser):
    """Says in one line what is wrong."""

    def error(self, message: str) -> NoReturn:
        self.fail(message, 2)

    def fail(self, message: str, status: int) -> NoReturn:
        self.exit(status, f"{self.prog}: error: {' '.join(message.split())}\n")


def positive(text: str) -> int:
    with suppress(ValueError):
        if int(text) > 0:
            return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a positive whole number")


def parse(parser: Parser, arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line, and make room for the descriptors that it asks for."""
    parser.add_argument("--hub", choices=HUBS, default="gevent", help="what everybody runs on (%(default)s)")
    parser.add_argument(
        "--legacy", action="store_true", help="run the program for threads, monkeypatched to run on the hub"
    )
    parser.add_argument("--clients", type=positive, default=1000, help="so many ask (%(default)s)")
    parser.add_argument("--workers", type=positive, default=8, help="so many answer (%(default)s)")
    parser.add_argument("--requests", type=positive, default=20_000, help="shared out to the clients (%(default)s)")
    parser.add_argument("--transport", choices=["tcp", "ipc", "inproc"], default="tcp", help="(%(default)s)")
    options = parser.parse_args(arguments)
    if options.legacy and options.hub == "threads":
        parser.error("--legacy needs a hub to patch the threads for: --hub gevent or --hub eventlet")
    # Each socket has a descriptor of its own, and each connection has two: both its ends are in this process.
    connections = options.clients + options.workers
    needed = connections * (1 if options.transport == "inproc" else 3) + SPARE_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < needed:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
        except (OSError, OverflowError, ValueError):
            parser.error(
                f"--clients {options.clients} and --workers {options.workers} need {needed} descriptors, "
                "more than the system allows (ulimit -Hn)"
            )
    return options


def load(hub: str, legacy: bool) -> program.Tools:
    """Import the framework, and with `legacy` patch everything for it and give the tools of threads."""
    if hub == "gevent":
        from zmq.demo import on_gevent

        if not legacy:
            return on_gevent
        on_gevent.patch_all()
    elif hub == "eventlet":
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"\s*Eventlet is deprecated")
            from zmq.demo import on_eventlet
        if not legacy:
            return on_eventlet
        on_eventlet.patch_all()
    from zmq.demo import on_threads

    return on_threads


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demonstration and print what came of it.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the command line when left out.

    Returns
    -------
    int
        The exit status: 0 when all requests were answered rightly, 130 after Ctrl-C, else 1.

    Raises
    ------
    SystemExit
        The arguments are wrong, the framework is not there, or the system has not enough of something.
    """
    parser = Parser("demo", description=program.__doc__, allow_abbrev=False)
    options = parse(parser, arguments)
    try:
        tools = load(options.hub, options.legacy)
    except ModuleNotFoundError as error:
        parser.error(f"--hub {options.hub} needs {options.hub}, which cannot be imported: {error}")
    tally = program.Tally(tools, options.clients, options.requests)

    def interrupt(*_: object) -> None:
        tally.interrupted = True

    # KeyboardInterrupt would be raised in whichever greenlet runs then.
    before = signal.signal(signal.SIGINT, interrupt)
    try:
        program.run(tools, tally, options.workers, options.transport)
    except (RuntimeError, ZMQError) as error:  # no more threads, no such address
        parser.fail(str(error), 1)
    finally:
        signal.signal(signal.SIGINT, before)
    print(tally.table(f"{options.hub} (legacy)" if options.legacy else options.hub), flush=True)
    if tally.interrupted:
        return 130
    return 0 if tally.done == tally.total and not tally.wrong else 1


if __name__ == "__main__":
    sys.exit(main())
