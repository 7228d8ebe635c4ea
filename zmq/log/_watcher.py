"""What ``python -m zmq.log`` does: its options, and how published records are shown."""

from __future__ import annotations

import argparse
import io
import logging
import os
import sys
import time
from collections.abc import Sequence
from typing import TextIO

from zmq.core.constants import SocketType
from zmq.core.context import Context
from zmq.core.error import ZMQError
from zmq.log._escapes import printable

LEVELS = {
    "DEBUG": logging.DEBUG,
    "INFO": logging.INFO,
    "WARN": logging.WARNING,
    "WARNING": logging.WARNING,
    "ERROR": logging.ERROR,
    "CRITICAL": logging.CRITICAL,
}

#: What switches a terminal to the colour of a level.
COLORS = {
    logging.DEBUG: "\x1b[36m",
    logging.INFO: "\x1b[32m",
    logging.WARNING: "\x1b[33m",
    logging.ERROR: "\x1b[31m",
    logging.CRITICAL: "\x1b[1;31m",
}
RESET = "\x1b[0m"


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m zmq.log", description="Show log records that are published over 0MQ, until Ctrl-C."
    )
    parser.add_argument("zmq_pub_url", nargs="+", help="where records are published, such as tcp://127.0.0.1:5558")
    parser.add_argument(
        "-t",
        "--topic",
        action="append",
        help="show only records whose topic begins with this; may be repeated",
    )
    parser.add_argument("--level", type=str.upper, choices=LEVELS, help="show only records of this level and above")
    parser.add_argument("--bind", action="store_true", help="bind to the URLs, for publishers that connect")
    parser.add_argument("--timestamp", action="store_true", help="show when a record came, in local time")
    parser.add_argument("--dateformat", default="%Y-%m-%d %H:%M:%S", help="of the time, as strftime(3) has it")
    parser.add_argument("--separator", default=" | ", help="what to print between topic and message")
    parser.add_argument("--align", action="store_true", help="begin all messages in the same column")
    parser.add_argument("--color", action="store_true", help="show each level in a color of its own")
    parser.add_argument(
        "--raw",
        action="store_true",
        help="print records as they come, also what is otherwise shown as \\n, \\x1b or \\u2028",
    )
    return parser


class Watcher:
    """Prints records as the options say."""

    def __init__(self, options: argparse.Namespace, output: TextIO) -> None:
        self.options = options
        self.output = output
        #: Of the longest topic so far.
        self.width = 0

    def text(self, frame: bytes) -> str:
        text = frame.decode(errors="backslashreplace")
        return text if self.options.raw else printable(text)

    def show(self, frames: Sequence[bytes]) -> None:
        """Print one record: a topic and a text. A message of one frame is a text without a topic."""
        options = self.options
        topic = self.text(frames[0]).replace("\n", "\\n") if len(frames) > 1 else ""
        message = self.text(b"".join(frames[1:] or frames).rstrip(b"\n"))
        level = next((LEVELS[part] for part in topic.split(".") if part in LEVELS), None)
        if options.level and level is not None and level < LEVELS[options.level]:
            return
        if options.align:
            self.width = max(self.width, len(topic))
            topic = topic.ljust(self.width)
        line = topic + options.separator + message if topic else message
        if options.timestamp:
            line = f"{time.strftime(options.dateformat)} {line}"
        if options.color and level is not None:
            line = f"{COLORS[level]}{line}{RESET}"
        print(line, file=self.output, flush=True)


def watch(options: argparse.Namespace, output: TextIO) -> int:
    """Print records until somebody interrupts."""
    watcher = Watcher(options, output)
    with Context() as context, context.socket(SocketType.SUB) as socket:
        socket.linger = 0
        for topic in options.topic or [""]:
            socket.subscribe(os.fsencode(topic))
        for url in options.zmq_pub_url:
            try:
                socket.bind(url) if options.bind else socket.connect(url)
            except (ZMQError, UnicodeEncodeError) as error:
                print(f"python -m zmq.log: {url}: {error}", file=sys.stderr)
                return 2
        while True:
            watcher.show(socket.recv_multipart())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the command line when left out.

    Returns
    -------
    int
        The exit status: 0 after Ctrl-C, or when nobody reads the output any more.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Whatever can't be shown here is shown as a number.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        return watch(parser().parse_args(arguments), sys.stdout)
    except KeyboardInterrupt:
        return 0
    except BrokenPipeError:
        # The interpreter flushes once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
