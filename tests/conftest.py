"""Fixtures of the behaviour suite, and the ledger that every test is checked against."""

from __future__ import annotations

import contextlib
import gc
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import zmq as plain
import zmq.green
from support.front_ends import FRONT_ENDS, FrontEnd, settle, who_waits
from zmq.core.waiting import wakeable_threads

numbers = count()


def pytest_addoption(parser: pytest.Parser) -> None:
    names = ["core", *(front_end.name for front_end in FRONT_ENDS)]
    parser.addoption("--front-end", choices=names, help="only the tests of this one; core: those that need none")


def pytest_configure(config: pytest.Config) -> None:
    """Have the programs of the tests hear of Ctrl-C: what runs in the background inherits that it is ignored."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests of the front-end that was asked for, which is named by the test's parameters or its file.

    Where none was, that of the toy is left out, but for what every framework has to supply.
    """
    wanted = config.getoption("--front-end")
    names = {front_end.name for front_end in FRONT_ENDS}
    kept, left = [], []
    for item in items:
        file = item.path.stem.removeprefix("test_")
        found = {*re.split(r"[-\[\]]", item.name), file} & names or {"core"}
        keep = wanted in found if wanted else file == "hub_contract" or "toy" not in found
        (kept if keep else left).append(item)
    config.hook.pytest_deselected(items=left)
    items[:] = kept


@pytest.fixture(params=FRONT_ENDS, ids=lambda front_end: front_end.name)
def front_end(request: pytest.FixtureRequest) -> FrontEnd:
    return request.param


@pytest.fixture
def zmq(front_end: FrontEnd) -> ModuleType:
    return front_end.zmq


@pytest.fixture(params=["tcp", "ipc", "inproc"])
def transport(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="session")
def warm() -> None:
    """Make what is made once in a process, so that it does not look like a leak of the first test."""
    # A sanitizer opens the file of its reports when an allocation fails first.
    with contextlib.suppress(MemoryError):
        bytearray(sys.maxsize // 2)
    # Its threads stay.
    plain.install_dump(signal.SIGUSR1, 2)
    plain.uninstall_dump(signal.SIGUSR1)
    for front_end in FRONT_ENDS:
        with front_end.zmq.Context() as context, context.socket(plain.PAIR) as a, context.socket(plain.PAIR) as b:
            a.bind("inproc://warm")
            b.connect("inproc://warm")
            a.send(bytes(100_000), copy=False, track=True)
            b.recv()
            # For as long as makes the pipe of signals.
            b.poll(150)


def descriptors() -> list[str]:
    """Return what is open in this process, but for what is kept for later and the framework opens as it likes."""
    found = []
    wakeable_threads.release_idle()
    folder = Path("/proc/self/fd")
    for entry in os.listdir(folder) if folder.is_dir() else ():
        try:
            found.append(os.readlink(folder / entry))
        except OSError:
            continue  # the descriptor of the listing itself
    return sorted(found)


@pytest.fixture
def ledger(warm: None) -> Iterator[None]:
    """See that a test left nothing open, nobody waiting and no wake-up missed."""
    settle()
    before, waited, missed = descriptors(), who_waits(), plain.green.statistics()["missed"]
    yield
    gc.collect()
    assert not who_waits(waited), plain.green.statistics()["waiting"]
    assert plain.green.statistics()["missed"] == missed, "a wake-up was missed"
    end = time.monotonic() + 5
    # A moment later what belonged to a socket is closed by the reaper, and what a thread held that just ended is free.
    while len(descriptors()) > len(before) and time.monotonic() < end:
        time.sleep(0.005)
        gc.collect()
    left = descriptors()
    assert len(left) <= len(before), f"left open: {[name for name in left if name not in before]}"


@pytest.fixture
def context(zmq: ModuleType, ledger: None) -> Iterator[Any]:
    """A context that holds on to its sockets, and destroys itself and them after the test."""

    class KeepingContext(zmq.Context):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            self._kept: list[Any] = []

        def socket(self, *args: Any, **kwargs: Any) -> Any:
            self._kept.append(super().socket(*args, **kwargs))
            return self._kept[-1]

    context = KeepingContext()
    context.linger = 0
    yield context
    context.destroy(linger=0)


@pytest.fixture
def endpoint(transport: str, tmp_path: Path) -> Callable[[], str]:
    """Return new addresses to bind to; a socket's LAST_ENDPOINT says where to connect."""

    def new() -> str:
        number = next(numbers)
        return {
            "tcp": "tcp://127.0.0.1:*",
            "ipc": f"ipc://{tmp_path}/{number}",
            "inproc": f"inproc://test-{number}",
        }[transport]

    return new


@pytest.fixture
def connected(context: Any, zmq: ModuleType, endpoint: Callable[[], str]) -> Callable[..., tuple[Any, Any]]:
    """Make a socket that binds and one that connects to it, over the transport of the test."""

    def make(one: int = zmq.PAIR, other: int = zmq.PAIR, **options: Any) -> tuple[Any, Any]:
        return connect(context, endpoint(), one, other, **options)

    return make


@pytest.fixture
def pair(context: Any, zmq: ModuleType) -> Callable[..., tuple[Any, Any]]:
    """Make a socket that binds and one that connects to it, over inproc."""

    def make(one: int = zmq.PAIR, other: int = zmq.PAIR, **options: Any) -> tuple[Any, Any]:
        return connect(context, f"inproc://test-{next(numbers)}", one, other, **options)

    return make


def connect(context: Any, address: str, one: int, other: int, **options: Any) -> tuple[Any, Any]:
    a, b = context.socket(one), context.socket(other)
    for socket in (a, b):
        for name, value in options.items():
            setattr(socket, name, value)
    a.bind(address)
    b.connect(a.get_string(plain.LAST_ENDPOINT))
    return a, b
