"""Authenticators that are interrupted anywhere: the door stays shut, and they can be started again."""

from __future__ import annotations

import asyncio
import gc
import importlib
import logging
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from greenlet import getcurrent

import zmq as plain
from support.front_ends import FRONT_ENDS, LIMIT, LONG, FrontEnd, wait_until
from support.interruptions import Interrupt, Tracer, interrupt
from zmq.auth import Authenticator, _door
from zmq.auth._green import GreenTurn
from zmq.auth.asyncio import AsyncioAuthenticator, LoopTurn
from zmq.auth.thread import ThreadAuthenticator
from zmq.utils import z85

# Of one that was interrupted right after it was made.
pytestmark = pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")

MODULES = ("zmq.auth.", "zmq.green.auth.", "zmq.eventlet.auth.")
KNOWN, UNKNOWN = bytes(range(32)), bytes(32)
DECIDED, UNDECIDED = b"400", b"300"
#: The last two where the interruption came while the request was answered, or right after it was received.
REFUSED = (DECIDED, UNDECIDED, b"500", b"301")


#: How many bytecodes lie between two that are interrupted. In the short form every front-end and kind of authenticator
#: begins at another one, so that together they come to nearly all in what they share.
STRIDE = 1 if LONG else 7

#: Who keeps records keeps the frames of what was interrupted.
QUIET = logging.Logger("zmq.auth.test", logging.CRITICAL)
QUIET.addHandler(logging.NullHandler())


class Provider:
    def callback(self, domain: str, key: bytes) -> bool:
        return z85.decode(key) == KNOWN


class Scene:
    """A context with an authenticator that knows one key, and somebody who asks."""

    def __init__(self, zmq: ModuleType, auth_class: type, front_end: FrontEnd) -> None:
        self.front_end = front_end
        self.context = zmq.Context()
        self.auth = auth_class(self.context, log=QUIET)
        self.auth.configure_curve_callback(credentials_provider=Provider())
        self.asker = self.context.socket(plain.DEALER)
        self.asker.linger = 0
        self.asker.rcvtimeo = int(1000 * LIMIT)
        self.asker.connect(_door.ENDPOINT)

    def ask(self, key: bytes) -> bytes:
        """Return the status that a key gets: libzmq lets in with 200, and where it finds nobody to ask."""
        self.asker.send_multipart([b"", b"1.0", b"1", b"", b"192.0.2.1", b"", b"CURVE", key])
        status: bytes = self.asker.recv_multipart()[3]
        with plain.Context.shadow(self.context.underlying).socket(plain.REP) as other:
            with pytest.raises(plain.ZMQError) as caught:
                other.bind(_door.ENDPOINT)
            assert caught.value.errno == plain.EADDRINUSE
        return status

    def check(self) -> None:
        """See that nobody comes in whom nobody knows, and that it can be stopped and started."""
        assert self.ask(UNKNOWN) in REFUSED
        if not self.auth.is_alive():
            # Then it does not decide either.
            assert self.ask(KNOWN) == UNDECIDED
        self.auth.stop()
        assert not self.auth.is_alive() and self.auth.zap_socket is None
        assert self.ask(KNOWN) == UNDECIDED
        self.auth.start()
        assert self.auth.is_alive()
        assert (self.ask(KNOWN), self.ask(UNKNOWN)) == (b"200", DECIDED)

    def end(self) -> None:
        self.auth.stop()
        self.asker.close()
        # Waits for whoever still has the door.
        self.context.term()
        # A framework holds on to what it has yet to run.
        self.front_end.sleep(0.001)


def green_class(zmq: ModuleType) -> Any:
    return importlib.import_module(f"{zmq.__name__}.auth").GreenAuthenticator


@pytest.fixture(params=["own", "thread"])
def auth_class(request: pytest.FixtureRequest, zmq: ModuleType) -> Any:
    if request.param == "thread":
        return ThreadAuthenticator
    if zmq is plain:
        pytest.skip("it is the same")
    return green_class(zmq)


def first_of(front_end: FrontEnd, auth_class: type) -> int:
    """Return the number of the first bytecode to interrupt at."""
    return (2 * FRONT_ENDS.index(front_end) + (auth_class is ThreadAuthenticator)) % STRIDE


def everywhere(
    scene_of: Callable[[], Scene], act: Callable[[Scene], Callable[[], object]], first: int, least: int
) -> None:
    """Interrupt an act before every bytecode, but in the short form, each time in another scene."""
    number, reached = first, True
    while reached:
        scene = scene_of()
        # What is collected in the midst would be interrupted instead.
        gc.disable()
        try:
            reached = interrupt(number, act(scene), MODULES)
        finally:
            gc.enable()
        scene.check()
        scene.end()
        number += STRIDE
    # Or nothing was interrupted at all.
    assert number > least


def test_a_start_that_is_interrupted_anywhere(
    zmq: ModuleType, auth_class: type, front_end: FrontEnd, ledger: None
) -> None:
    first = first_of(front_end, auth_class)
    everywhere(lambda: Scene(zmq, auth_class, front_end), lambda scene: scene.auth.start, first, 80)


def test_a_restart_that_is_interrupted_anywhere(
    zmq: ModuleType, auth_class: type, front_end: FrontEnd, ledger: None
) -> None:
    def started() -> Scene:
        scene = Scene(zmq, auth_class, front_end)
        scene.auth.start()
        return scene

    def restart(scene: Scene) -> None:
        scene.auth.stop()
        scene.auth.start()

    everywhere(started, lambda scene: lambda: restart(scene), first_of(front_end, auth_class), 150)


def test_a_configuration_that_is_interrupted_anywhere(
    zmq: ModuleType, auth_class: type, front_end: FrontEnd, tmp_path: Path, ledger: None
) -> None:
    """Before the start and afterwards: the old policy holds or the new one."""

    def act(scene: Scene) -> Callable[[], object]:
        return lambda: scene.auth.configure_curve("other", tmp_path)

    def started() -> Scene:
        scene = Scene(zmq, auth_class, front_end)
        scene.auth.start()
        return scene

    first = first_of(front_end, auth_class)
    everywhere(lambda: Scene(zmq, auth_class, front_end), act, first, 30)
    everywhere(started, act, first, 30)


@pytest.mark.parametrize("ends", [False, True], ids=["runs", "ends"])
def test_a_greenlet_that_is_interrupted_anywhere(
    zmq: ModuleType, front_end: FrontEnd, ends: bool, ledger: None
) -> None:
    if zmq is plain:
        pytest.skip("it has no greenlets")
    numbers: list[int] = []
    tracers: list[Tracer] = []

    class TracedTurn(GreenTurn):
        def run(self, *args: Any) -> None:
            if not numbers:
                return super().run(*args)
            greenlet = getcurrent()
            tracers.append(Tracer(numbers.pop(), MODULES, lambda: getcurrent() is greenlet))
            sys.settrace(tracers[-1])
            try:
                super().run(*args)
            except Interrupt:
                pass  # the framework would print it
            finally:
                sys.settrace(None)

    class Traced(green_class(zmq)):  # type: ignore[misc]
        _turn_class = TracedTurn

    # The other of the two ends goes through the same code until it is told.
    number, reached = (first_of(front_end, Traced) + ends) % STRIDE, True
    while reached:
        scene = Scene(zmq, Traced, front_end)
        numbers.append(number)
        # What is collected in the midst would be interrupted instead.
        gc.disable()
        try:
            scene.auth.start()
            front_end.sleep(0)
            assert scene.ask(KNOWN) in (b"200", *REFUSED)
            if ends:
                scene.auth.stop()
            scene.check()
            scene.end()
        finally:
            gc.enable()
        reached = tracers.pop().has_raised
        number += STRIDE
    assert number > 80


def loop_scene(auth_class: type) -> Scene:
    import zmq.asyncio

    return Scene(zmq.asyncio, auth_class, None)  # type: ignore[arg-type]


async def ask(scene: Scene, key: bytes) -> bytes:
    await scene.asker.send_multipart([b"", b"1.0", b"1", b"", b"192.0.2.1", b"", b"CURVE", key])
    status: bytes = (await scene.asker.recv_multipart())[3]
    return status


async def check_in_loop(scene: Scene) -> None:
    assert await ask(scene, UNKNOWN) in REFUSED
    scene.auth.stop()
    assert await ask(scene, KNOWN) == UNDECIDED
    scene.auth.start()
    assert await ask(scene, KNOWN) == b"200" and await ask(scene, UNKNOWN) == DECIDED
    scene.auth.stop()
    assert await ask(scene, KNOWN) == UNDECIDED
    scene.asker.close()
    await asyncio.sleep(0)
    scene.context.term()


@pytest.mark.parametrize("what", ["start", "stop", "task"])
def test_in_an_event_loop_interrupted_anywhere(what: str, ledger: None) -> None:
    numbers: list[int] = []
    tracers: list[Tracer] = []

    class TracedTurn(LoopTurn):
        async def run(self) -> None:
            if not numbers:
                return await super().run()
            task = asyncio.current_task()
            tracers.append(Tracer(numbers.pop(), MODULES, lambda: asyncio.current_task() is task))
            sys.settrace(tracers[-1])
            try:
                await super().run()
            except Interrupt:
                pass  # nobody would ask the task for it
            finally:
                sys.settrace(None)

    class Traced(AsyncioAuthenticator):
        _turn_class = TracedTurn

    async def at(number: int) -> bool:
        scene = loop_scene(Traced)
        if what == "start":
            reached = interrupt(number, scene.auth.start, MODULES)
        elif what == "stop":
            scene.auth.start()
            await ask(scene, KNOWN)
            reached = interrupt(number, scene.auth.stop, MODULES)
        else:
            numbers.append(number)
            scene.auth.start()
            assert await ask(scene, KNOWN) in (b"200", *REFUSED)
            await asyncio.sleep(0)
        await check_in_loop(scene)
        return tracers.pop().has_raised if what == "task" else reached

    async def everywhere() -> None:
        number = 0
        while await at(number):
            number += STRIDE if what == "task" else 1
        assert number > 30

    asyncio.run(asyncio.wait_for(everywhere(), 10 * LIMIT))


@pytest.mark.parametrize("late", [False, True], ids=["the step is not taken yet", "the step is taken"])
def test_a_wait_that_is_interrupted(
    zmq: ModuleType, auth_class: type, front_end: FrontEnd, late: bool, monkeypatch: pytest.MonkeyPatch, ledger: None
) -> None:
    """What the thread then does to the door must not come after what is done because of the interruption."""
    scene = Scene(zmq, auth_class, front_end)
    held, over = threading.Event(), threading.Event()

    def hold() -> None:
        with _door.lock:
            held.set()
            over.wait(LIMIT)

    waits: list[int] = []
    wait_readable = _door.wait_readable

    def wait(fd: int, timeout: float | None = None) -> None:
        if threading.current_thread() is not threading.main_thread():
            return wait_readable(fd, timeout)
        waits.append(fd)
        if len(waits) == 1:
            if late:
                over.set()
                wait_readable(fd)
            raise Interrupt
        over.set()
        wait_readable(fd, timeout)

    holder = plain.core.native_threads.NativeThread(hold)
    holder.start()
    assert held.wait(LIMIT)
    monkeypatch.setattr(_door, "wait_readable", wait)
    with pytest.raises(Interrupt):
        scene.auth.start()
    monkeypatch.undo()
    holder.join()
    assert len(waits) == 2 and not scene.auth.is_alive()
    assert scene.ask(KNOWN) == UNDECIDED
    scene.check()
    scene.end()


def test_one_whose_end_was_interrupted_too(
    zmq: ModuleType, auth_class: type, front_end: FrontEnd, monkeypatch: pytest.MonkeyPatch, ledger: None
) -> None:
    """Three times: nothing was told to end it, but it is known."""
    scene = Scene(zmq, auth_class, front_end)

    def fail(*args: object) -> None:
        raise Interrupt

    monkeypatch.setattr(auth_class, "_begin", fail)
    monkeypatch.setattr(_door, "end", fail)
    with pytest.raises(Interrupt):
        scene.auth.start()
    monkeypatch.undo()
    assert scene.auth._turn is not None
    scene.auth.start()
    assert scene.ask(KNOWN) == b"200"
    scene.check()
    scene.end()


# Configured and not started; dropped and not stopped.


@pytest.mark.parametrize(
    "configure",
    [
        lambda auth, folder: auth.configure_plain("*", {}),
        lambda auth, folder: auth.configure_curve("*", folder),
        lambda auth, folder: auth.configure_gssapi(),
        lambda auth, folder: auth.allow("127.0.0.1"),
        lambda auth, folder: auth.deny("127.0.0.1"),
    ],
    ids=["plain", "curve", "gssapi", "allow", "deny"],
)
def test_one_that_is_configured_refuses_until_it_is_started(
    context: Any, configure: Callable[[Any, Path], None], tmp_path: Path
) -> None:
    auth = Authenticator(context)
    other = plain.Context.shadow(context.underlying).socket(plain.REP)
    configure(auth, tmp_path)
    with pytest.raises(plain.ZMQError):
        other.bind(_door.ENDPOINT)
    # Unless the program says that it has a handler of its own.
    auth.stop(release=True)
    other.bind(_door.ENDPOINT)
    configure(auth, tmp_path)
    with pytest.raises(plain.ZMQError):
        auth.start()
    other.close()


def test_one_that_is_dropped_while_it_runs_ends(
    zmq: ModuleType, auth_class: type, front_end: FrontEnd, ledger: None
) -> None:
    scene = Scene(zmq, auth_class, front_end)
    for _ in range(2):
        scene.auth.start()
        front_end.sleep(0)
        assert scene.ask(KNOWN) == b"200"
        turn = scene.auth._turn
        scene.auth = None
        gc.collect()
        wait_until(front_end, lambda: turn.over)  # noqa: B023
        assert scene.ask(KNOWN) == UNDECIDED
        scene.auth = auth_class(scene.context)
        scene.auth.configure_curve_callback(credentials_provider=Provider())
    scene.check()
    scene.end()


def test_one_that_is_dropped_in_an_event_loop_ends(ledger: None) -> None:
    async def main() -> None:
        scene = loop_scene(AsyncioAuthenticator)
        scene.auth.start()
        assert await ask(scene, KNOWN) == b"200"
        task = scene.auth._task
        scene.auth = None
        gc.collect()
        await asyncio.wait([task])
        assert await ask(scene, KNOWN) == UNDECIDED
        scene.auth = AsyncioAuthenticator(scene.context)
        scene.auth.configure_curve_callback(credentials_provider=Provider())
        await check_in_loop(scene)

    asyncio.run(asyncio.wait_for(main(), LIMIT))


def test_one_whose_loop_never_runs_does_not_hold_up_the_context(ledger: None) -> None:
    """Nor is anybody let in meanwhile; who came waits, and is refused when it is stopped."""
    loop = asyncio.new_event_loop()
    context = plain.Context()
    auth = AsyncioAuthenticator(context, loop=loop)
    auth.start()
    with context.socket(plain.DEALER) as asker:
        asker.linger = 0
        asker.connect(_door.ENDPOINT)
        asker.send_multipart([b"", b"1.0", b"1", b"", b"192.0.2.1", b"", b"CURVE", KNOWN])
        assert not asker.poll(20)
        auth.stop()
        assert asker.poll(1000 * LIMIT) and asker.recv_multipart()[3] == UNDECIDED
    auth = AsyncioAuthenticator(context, loop=loop)
    auth.start()
    thread = threading.Thread(target=context.term)
    thread.start()
    thread.join(LIMIT)
    assert not thread.is_alive()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
