"""Whatever may wait parks the greenlet, and nothing else does: the greenness table, row by row.

While a call waits a ticker ticks, and it is the ticker that ends the wait: a call that blocks the thread would never
end. An alarm ends it then, and the row fails. The last tests see that the table is complete, and that a row can fail.
"""

from __future__ import annotations

import enum
import importlib
import json
import os
import pkgutil
import signal
import subprocess
import sys
import time
import traceback
import types
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import greenlet
import pytest

import zmq as plain
import zmq.decorators as zmq_decorators
from support import TESTS
from support.front_ends import FRONT_ENDS, IS_DEFAULT, LONG, FrontEnd
from support.greenness_table import auth, calls_that_return, calls_that_wait, devices, ssh  # noqa: F401
from support.greenness_table.row import TABLE, Row, Scene

pytestmark = pytest.mark.usefixtures("no_budget")

GREEN = [front_end for front_end in FRONT_ENDS if front_end.zmq is not plain]

#: Ticks after which the ticker ends a wait.
TICKS = 10

#: Seconds between two ticks.
TICK = 0.001

#: Seconds without a tick after which a call is taken for one that blocks the thread.
PATIENCE = 5.0


@pytest.fixture(params=GREEN, ids=lambda front_end: front_end.name)
def front_end(request: pytest.FixtureRequest) -> FrontEnd:
    return request.param


class Blocked(AssertionError):
    """The call kept the hub from running."""


class Alarm:
    """Interrupts whatever blocks the thread: whoever runs when nobody ticked for some time, but for the hub."""

    def __init__(self, patience: float) -> None:
        self.patience = patience
        self.ticks = self.seen = 0
        self.hub: object = None
        #: Whether the wait has ended.
        self.over = False

    def __enter__(self) -> Alarm:
        self.handler = signal.signal(signal.SIGALRM, self.look)
        self.timer = signal.getitimer(signal.ITIMER_REAL)
        return self

    def begin(self) -> None:
        """Called by the greenlet that is about to wait."""
        self.hub = greenlet.getcurrent().parent
        signal.setitimer(signal.ITIMER_REAL, self.patience, self.patience)

    def look(self, *_: object) -> None:
        if self.ticks == self.seen and not self.over and greenlet.getcurrent() is not self.hub:
            raise Blocked("the thread is blocked: nobody else can run")
        self.seen = self.ticks

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, *self.timer)
        signal.signal(signal.SIGALRM, self.handler)


def see_it_wait(row: Row, scene: Scene, patience: float = PATIENCE) -> None:
    """Make a call that waits, and see that others run until the wait is ended."""
    assert row.prepare is not None
    things = row.prepare(scene)

    def call() -> Any:
        try:
            alarm.begin()
            return row.call(scene, *things)
        except plain.ZMQBaseError as error:
            return type(error)
        finally:
            alarm.over = True

    def tick() -> None:
        while not alarm.over:
            alarm.ticks += 1
            if alarm.ticks == TICKS and row.end is not None:
                row.end(scene, *things)
            scene.front_end.sleep(TICK)

    with Alarm(patience) as alarm:
        calling, ticking = scene.front_end.spawn(call), scene.front_end.spawn(tick)
        ticking.get()
        result = calling.get()
    assert alarm.ticks >= (1 if row.end is None else TICKS), "nobody else ran: it blocked, or did not wait"
    assert result == row.gives
    scene.close()


def see_it_return(row: Row, scene: Scene) -> None:
    """Make a call that does not wait, and see that it makes no difference to somebody who does.

    It is made a second time between the moment when a message comes and that when the hub hears of it.
    """
    scene.a, scene.b = scene.pair(*row.kinds)
    if row.kinds[1] == plain.SUB:
        scene.b.subscribe("mine")
        assert scene.a.recv() == b"\x01mine"
    received: list[Any] = []

    def receive() -> None:
        try:
            received.append(scene.b.recv())
        except plain.ZMQError as error:
            received.append(error.errno)

    def call() -> None:
        scene.watch()
        with Alarm(PATIENCE) as alarm:
            alarm.begin()
            row.call(scene)
        assert not scene.others, "others ran meanwhile"

    receiving = scene.start(receive)
    scene.tasks.clear()
    call()
    scene.front_end.sleep(TICK)
    scene.front_end.sleep(TICK)
    assert scene.others
    if not row.closes:
        assert not received, "who waits was woken"
        scene.close()
        scene.a.send(b"mine")
        if row.again:
            call()
    receiving.get()
    assert received == [plain.ENOTSOCK if row.closes else b"mine"]
    scene.close()


@pytest.fixture
def scene(front_end: FrontEnd, zmq: ModuleType, context: Any, tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(front_end, zmq, context, tmp_path)
    yield scene
    scene.clean_up()


def rows(chosen: Iterable[Row]) -> pytest.MarkDecorator:
    """Run a test for these rows."""
    return pytest.mark.parametrize("row", list(chosen), ids=str)


@rows(row for row in TABLE if row.prepare)
def test_while_it_waits_others_run(row: Row, scene: Scene) -> None:
    see_it_wait(row, scene)


@rows(row for row in TABLE if not row.prepare and not row.alone)
def test_it_returns_at_once_and_who_waits_waits_on(row: Row, scene: Scene) -> None:
    see_it_return(row, scene)


# What is read and not called.


@pytest.mark.parametrize("name", ["Context", "Socket", "Frame", "MessageTracker", "Poller"])
def test_to_read_an_attribute_never_waits(name: str, scene: Scene) -> None:
    def read(s: Scene) -> None:
        frame = s.zmq.Frame(b"1")
        objects = {"Context": s.context, "Socket": s.b, "Frame": frame, "MessageTracker": s.zmq.MessageTracker()}
        thing = objects.get(name) or s.zmq.Poller()
        values = [attribute for attribute in dir(getattr(s.zmq, name)) if not attribute.startswith("_")]
        for attribute in values:
            # What this socket, or this libzmq, has not.
            with suppress(AttributeError, NotImplementedError, plain.ZMQError):
                getattr(thing, attribute)
        assert values

    see_it_return(Row(name, "attributes", read), scene)


# Whether the table is complete.

#: What classes have for the interpreter and for pickle, in one version of Python or another.
MACHINERY = {
    "__buffer__",
    "__class_getitem__",
    "__getattribute__",
    "__init__",
    "__new__",
    "__reduce__",
    "__reduce_cython__",
    "__release_buffer__",
    "__setstate__",
    "__setstate_cython__",
}

#: Modules of a front-end that hold no public names: the adapter, which is what waits, and a program.
INNER = {"demo", "hub", "tasks"}


def needs_row(value: Any) -> bool:
    """Tell whether it is something of ours to call: not an exception, a constant, a type alias or a record."""
    if isinstance(value, types.GenericAlias) or not callable(value):
        return False
    if isinstance(value, type) and issubclass(value, (BaseException, enum.Enum, tuple)):
        return False
    return getattr(value, "__module__", "").startswith("zmq")


def named(name: str, value: Any) -> set[str]:
    """Return the name of a callable, with those of its methods."""
    if not needs_row(value):
        return set()
    names = {name}
    for cls in value.__mro__ if isinstance(value, type) else ():
        if cls.__module__.startswith("zmq"):
            for method in vars(cls).keys() - MACHINERY:
                special = method.startswith("__") and method.endswith("__")
                if (special or not method.startswith("_")) and callable(getattr(value, method)):
                    names.add(f"{name}.{method}")
    return names


def submodules(package: ModuleType, inner: Iterable[str] = ()) -> Iterator[ModuleType]:
    for info in pkgutil.iter_modules(package.__path__):
        if info.name not in inner:
            module = importlib.import_module(f"{package.__name__}.{info.name}")
            yield module
            if info.ispkg:
                yield from submodules(module)


def public_callables(zmq: Any) -> set[str]:
    """Return the names of all that a front-end has to call."""
    found: set[str] = set()
    values = {name: getattr(zmq, name) for name in dir(zmq) if not name.startswith("_")}
    assert {name for name in zmq.__all__ if not name.startswith("_")} <= set(dir(zmq))
    for name, value in values.items():
        # Another name for a class that is there.
        if not (isinstance(value, type) and values.get(value.__name__) is value and value.__name__ != name):
            found |= named(name, value)
    # What its modules define is either exported, or public in the module.
    for module in submodules(zmq, INNER):
        for name, value in vars(module).items():
            inner = name.startswith("_") or getattr(value, "__module__", "") != module.__name__
            if not inner and values.get(name) is not value:
                found |= named(f"{module.__name__.removeprefix(zmq.__name__ + '.')}.{name}", value)
    # These are methods of an object.
    tunnels = importlib.import_module(f"{zmq.__name__}.ssh")
    for name in tunnels.__all__:
        found |= named(f"ssh.{name}", getattr(tunnels, name))
    # The modules below `zmq` that it shares with the others.
    modules = [value for value in values.values() if isinstance(value, ModuleType)]
    shared = [module for module in modules if module.__name__.startswith("zmq.") and module.__name__.count(".") == 1]
    below = [module for package in shared if hasattr(package, "__path__") for module in submodules(package)]
    for module in [*shared, *below, zmq_decorators]:
        for name in module.__all__:
            value = getattr(module, name)
            # But for old import paths of what `zmq` has.
            if not name.startswith("_") and getattr(plain, name, None) is not value:
                found |= named(f"{module.__name__.removeprefix('zmq.')}.{name}", value)
    return found


def test_every_public_callable_has_a_row(zmq: ModuleType) -> None:
    assert {row.name for row in TABLE if row.only in ("", zmq.__name__)} == public_callables(zmq)


def test_no_row_is_there_twice() -> None:
    names = [str(row) + " closes" * row.closes for row in TABLE]
    assert sorted(set(names)) == sorted(names)


# What happens in a process of its own: rows that change it, and rows that have to fail.


def report(front_end_name: str, folder: str, fail: bool) -> None:
    """Run rows, those that wait on plain sockets to see them fail, and print for each how that ended."""
    warnings.simplefilter("ignore")
    front_end = next(front_end for front_end in GREEN if front_end.name == front_end_name)
    zmq = plain if fail else front_end.zmq
    context = zmq.Context()
    context.linger = 0
    scenes = []  # what a failure leaves behind stays as it is
    for row in TABLE:
        wanted = row.prepare if fail else row.alone
        if not wanted or row.only not in ("", front_end.zmq.__name__):
            continue
        scenes.append(Scene(front_end, zmq, context, Path(folder)))
        try:
            if fail:
                see_it_wait(row, scenes[-1], patience=0.01)
            else:
                see_it_return(row, scenes[-1])
            outcome = "passed"
        except Blocked:
            outcome = "blocked"
        except BaseException:
            outcome = traceback.format_exc()
        print(json.dumps([str(row), outcome]), flush=True)
    os._exit(0)


def outcomes(front_end: FrontEnd, folder: Path, fail: bool) -> dict[str, str]:
    program = f"import test_greenness; test_greenness.report({front_end.name!r}, {str(folder)!r}, {fail})"
    paths = [str(Path(__file__).parent), str(TESTS), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", program],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(line) for line in done.stdout.splitlines())


def test_what_changes_the_process_returns_at_once(front_end: FrontEnd, tmp_path: Path) -> None:
    alone = [str(row) for row in TABLE if row.alone and row.only in ("", front_end.zmq.__name__)]
    assert outcomes(front_end, tmp_path, fail=False) == dict.fromkeys(alone, "passed")


def what_is_wrong(scene: Scene, call: Callable[..., Any], patience: float = PATIENCE, **options: Any) -> str:
    """Run a row that has to fail; return what is said of it."""
    row = Row("wrong", "", call, **options)
    with pytest.raises(AssertionError) as caught:
        see_it_wait(row, scene, patience) if row.prepare else see_it_return(row, scene)
    return str(caught.value)


def test_what_is_wrong_is_seen(scene: Scene) -> None:
    def spin(s: Scene) -> None:
        while True:
            pass

    def prepare(s: Scene) -> tuple[()]:
        return ()

    assert "who waits was woken" in what_is_wrong(scene, lambda s: s.a.send(b"wrong"))
    assert "others ran" in what_is_wrong(scene, lambda s: s.front_end.sleep(0))
    assert "is blocked" in what_is_wrong(scene, lambda s: time.sleep(0.1), 0.01, prepare=prepare)
    assert "is blocked" in what_is_wrong(scene, spin, 0.01, prepare=prepare)
    assert "nobody else ran" in what_is_wrong(scene, lambda s: None, prepare=prepare, end=lambda s: None)
    assert "wanted" in what_is_wrong(scene, lambda s: s.front_end.sleep(0.02), prepare=prepare, gives="wanted")


@pytest.mark.skipif(not (LONG or IS_DEFAULT), reason="a hub does not decide whether plain sockets block it")
def test_plain_sockets_fail_in_every_row_that_waits(front_end: FrontEnd, tmp_path: Path) -> None:
    waits = [str(row) for row in TABLE if row.prepare]
    found = outcomes(front_end, tmp_path, fail=True)
    for name, outcome in found.items():
        # Nor does asyncio let a plain loop run where the hub is one already.
        if name.startswith("eventloop.") and "another loop is running" in outcome:
            found[name] = "blocked"
    assert found == dict.fromkeys(waits, "blocked")
