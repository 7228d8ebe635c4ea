"""The command line of ``python -m zmq.top``.

Lives here: which process, which view, and what is said where there is no answer. Called by `zmq.top.__main__`.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import json
import os
import shutil
import sys
import time
from collections.abc import Sequence
from typing import Any

from zmq.inspect import Inspection, NoAnswer
from zmq.log._escapes import printable, printable_lines
from zmq.top.causes import PATIENCE
from zmq.top.tables import SORTS, Looks
from zmq.top.text import text

EPILOG = """\
The process has to be asked to answer, by ZMQ_INSPECT=PATH in its environment or zmq.inspect.serve(PATH); %p in PATH is
its number. It answers also while its hub is blocked. Exit status: 0, 1 there was no answer, 2 the command was wrong,
3 with --check there is a cause that is certain.
"""


def positive(text: str) -> float:
    number = float(text)
    if not 0 < number <= 30:
        # The process ends a connection that is quiet for a minute.
        raise argparse.ArgumentTypeError("it must be more than 0 seconds, and 30 at most")
    return number


def port(text: str) -> int:
    number = int(text)
    if not 0 <= number < 65536:
        raise argparse.ArgumentTypeError("a port is 0 to 65535")
    return number


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(
        prog="python -m zmq.top",
        description="Show a running process: why it may hang, who waits for what, its sockets and hubs.",
        epilog=EPILOG,
    )
    found.add_argument("where", metavar="PATH-or-PID", help="the socket file, or the number of the process (Linux)")
    how = found.add_mutually_exclusive_group()
    how.add_argument("--text", action="store_true", help="show it once, as text; so it does where there is no terminal")
    how.add_argument("--json", action="store_true", help="the same for programs, with the causes as sentences")
    how.add_argument("--dump", action="store_true", help="what zmq.dump writes there: all stacks")
    how.add_argument("--web", nargs="?", const=0, type=port, metavar="PORT", help="on a page on loopback, with charts")
    found.add_argument("--check", action="store_true", help="with --text and --json: status 3 where something hangs")
    found.add_argument("--sort", choices=list(SORTS), default="wait", help="order of the sockets (%(default)s)")
    found.add_argument("--interval", type=positive, default=1.0, metavar="SECONDS", help="between looks (%(default)s)")
    found.add_argument("--timeout", type=positive, default=3.0, metavar="SECONDS", help="for an answer (%(default)s)")
    return found


def place_of(where: str) -> str | int:
    return int(where) if where.isascii() and where.isdigit() and not os.path.exists(where) else where


def once(inspection: Inspection, interval: float) -> Looks:
    """Look; twice where that tells rates, or for how long a hub does not run."""
    looks = Looks()
    looks.add(inspection.ask())
    late = [hub["seconds"] for hub in looks.hubs() if hub["answers"] is False and hub["runs"]]
    if looks.counts() or late:
        time.sleep(max([interval if looks.counts() else 0, *(PATIENCE - seconds for seconds in late)]))
        looks.add(inspection.ask())
    return looks


def main(arguments: Sequence[str] | None = None) -> int:
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Whatever can't be shown here is shown as a number.
        sys.stdout.reconfigure(errors="backslashreplace")
    chosen = parser().parse_args(arguments)
    try:
        with Inspection(place_of(chosen.where), chosen.timeout) as inspection:
            return show(inspection, chosen)
    except NoAnswer as error:
        print(f"python -m zmq.top: {printable(str(error))}", file=sys.stderr)
        return 1


def show(inspection: Inspection, chosen: Any) -> int:
    if chosen.dump:
        print(printable_lines(inspection.ask("dump")["dump"]), end="")
        return 0
    if chosen.web is not None:
        from zmq.top.web import serve

        return serve(inspection, chosen.web, chosen.interval)
    if chosen.text or chosen.json or chosen.check or not (sys.stdin.isatty() and sys.stdout.isatty()):
        looks = once(inspection, chosen.interval)
        causes = looks.causes()
        if chosen.json:
            print(json.dumps({**looks.state, "causes": causes, "sockets": looks.sockets(chosen.sort)}, indent=2))
        else:
            print(text(looks, chosen.sort, max(60, shutil.get_terminal_size((100, 24)).columns)), end="")
        return 3 if chosen.check and any(each["certain"] for each in causes) else 0
    if importlib.util.find_spec("textual") is None:
        print(
            "python -m zmq.top: the terminal view needs textual: pip install 'greenzmq[top]'. "
            "Without it there are --text, --json, --dump and --web.",
            file=sys.stderr,
        )
        return 2
    from zmq.top.terminal import Top

    return Top(inspection, chosen.interval, chosen.sort).run() or 0
