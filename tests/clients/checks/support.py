"""What the checks have in common: programs that are started, watched and ended, and waiting for a condition."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

HERE = Path(__file__).resolve().parent
Found = TypeVar("Found")


def free_ports(count: int = 1) -> list[int]:
    """Return ports of the loopback that nobody listens on, all different."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def until(condition: Callable[[], Found], what: str, limit: float = 30) -> Found:
    """Wait until a condition holds, and return what it returned; `what` says in the error what was waited for."""
    end = time.monotonic() + limit
    while not (found := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {limit} s")
        time.sleep(0.05)
    return found


class Program:
    """A process whose output is read all the time."""

    def __init__(self, *command: object, **variables: str) -> None:
        words = [str(word) for word in command]
        if words[0].endswith(".py"):
            words = [sys.executable, str(HERE / words[0]), *words[1:]]
        elif "/" not in words[0]:
            words[0] = str(Path(sys.executable).parent / words[0])
        self.process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **variables},
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip())

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def wait_for(self, text: str, limit: float = 30) -> str:
        """Return the first line that contains a text, as soon as it is there."""

        def found() -> str:
            line = next((line for line in list(self.lines) if text in line), "")
            if not line and self.process.poll() is not None and not self._reader.is_alive():
                raise AssertionError(f"ended with {self.process.returncode} before {text!r}:\n{self.output[-3000:]}")
            return line

        try:
            return until(found, repr(text), limit)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.output[-3000:]}") from None

    def wait(self, limit: float = 30) -> int:
        """Wait for the process to end by itself, and return its exit status."""
        try:
            status = self.process.wait(limit)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"did not end within {limit} s:\n{self.output[-3000:]}") from None
        self._reader.join(5)
        return status

    def stop(self, number: int = signal.SIGTERM, limit: float = 30) -> int:
        """Ask the process to end, and return its exit status."""
        self.process.send_signal(number)
        return self.wait(limit)

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


@contextmanager
def program(*command: object, **variables: str) -> Iterator[Program]:
    """Start a program, which is killed at the end if it still runs."""
    started = Program(*command, **variables)
    try:
        yield started
    finally:
        started.kill()
