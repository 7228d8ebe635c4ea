"""Making and closing sockets and contexts is all or nothing, whatever runs meanwhile and whoever does it."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from types import FrameType, ModuleType
from typing import Any

import pytest

import zmq as plain
from support import foreign_code
from support.front_ends import LIMIT, FrontEnd
from support.programs import run
from zmq.core.contexts.termination_threads import Termination


class Interrupt(BaseException):
    """What the handler of a signal raises."""


def interrupted(call: Callable[[], Any], count: int) -> bool:
    """Make a call that is interrupted at the `count`-th moment at which Python code runs in it; tell whether it was."""
    moments = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal moments
        moments += 1
        if moments == count:
            sys.settrace(None)
            raise Interrupt
        frame.f_trace_opcodes = True
        return trace

    before = sys.gettrace()
    # What is collected in the midst would be interrupted instead.
    gc.disable()
    sys.settrace(trace)
    try:
        call()
    except Interrupt:
        return True
    finally:
        sys.settrace(before)
        gc.enable()
    return False


# What is raised where nobody can hear it, as in the callback of a weak reference, Python only reports.
reported = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning", "ignore:Unclosed socket:ResourceWarning"
)


@reported
@pytest.mark.parametrize("shadow", [False, True], ids=["original", "shadow"])
def test_a_socket_whose_making_is_interrupted_is_none(front_end: FrontEnd, zmq: ModuleType, shadow: bool) -> None:
    class Own(zmq.Socket):  # type: ignore[name-defined, misc]
        """Its overrides have to be found out, which runs Python code."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._mine = True

    context = zmq.Context()
    original = context.socket(zmq.PAIR)
    count, hits = 0, 0
    while True:
        count += 1
        made: list[Any] = []

        def make(made: list[Any] = made) -> None:
            made.append(Own(shadow=original) if shadow else context.socket(zmq.PAIR, socket_class=Own))

        if not interrupted(make, count):
            break
        hits += 1
        made.clear()
    assert hits > 3
    del make
    made[0].close(0)
    assert original.closed == shadow
    original.close(0)
    assert len(context._sockets) == 0
    context.term()


@reported
def test_a_socket_whose_closing_is_interrupted_is_closed_or_not(front_end: FrontEnd, zmq: ModuleType) -> None:
    """A handle that libzmq has is known to the context, which can destroy it."""

    class Loud(plain.Socket):
        def close(self, linger: int | None = None) -> None:
            super().close(linger)

    context = zmq.Context()
    count = 0
    while True:
        count += 1
        socket = context.socket(zmq.PAIR, socket_class=Loud) if count % 2 else context.socket(zmq.PAIR)
        socket.rcvtimeo = 1
        with pytest.raises(zmq.Again):
            socket.recv()
        hit = interrupted(lambda socket=socket: socket.close(0), count // 2 + 1)
        try:
            # What could not be raised where it came is raised when the hub runs.
            front_end.sleep(0.001)
        except Interrupt:
            hit = True
        assert socket.closed or socket in context._sockets
        socket.close(0)
        assert socket.closed and len(context._sockets) == 0
        if not hit and count > 10:
            break
    context.term()


class Closing:
    """A number, such as a linger or an option, whose conversion closes the socket."""

    def __init__(self, socket: Any, number: int) -> None:
        self.socket, self.number = socket, int(number)

    def __index__(self) -> int:
        self.socket.close(0)
        return self.number

    __int__ = __index__

    def __hash__(self) -> int:
        return self.number

    def __eq__(self, other: object) -> bool:
        self.socket.close(0)
        return self.number == other


@pytest.mark.parametrize(
    "call",
    [
        lambda s: s.get(Closing(s, plain.LINGER)),
        lambda s: s.set(Closing(s, plain.LINGER), 0),
        lambda s: s.getsockopt(Closing(s, plain.FD)),
        lambda s: s.getsockopt(Closing(s, plain.EVENTS)),
        lambda s: s.setsockopt(Closing(s, plain.RCVTIMEO), 0),
        lambda s: s.recv(Closing(s, plain.NOBLOCK)),
        lambda s: s.send(b"x", Closing(s, plain.NOBLOCK)),
        lambda s: s.monitor("inproc://m", Closing(s, plain.EVENT_ALL)),
    ],
    ids=["get", "set", "FD", "EVENTS", "RCVTIMEO", "recv", "send", "monitor"],
)
def test_arguments_that_close_the_socket(context: Any, zmq: ModuleType, call: Callable[[Any], Any]) -> None:
    socket = context.socket(zmq.PAIR)
    with pytest.raises(zmq.ZMQError) as caught:
        call(socket)
    assert caught.value.errno == zmq.ENOTSOCK
    assert socket.closed


def test_a_linger_that_closes_the_socket(context: Any, zmq: ModuleType) -> None:
    socket = context.socket(zmq.PAIR)
    socket.close(Closing(socket, 0))
    assert socket.closed


def test_a_socket_type_that_terminates_the_context(zmq: ModuleType) -> None:
    context = zmq.Context()

    class Number:
        def __index__(self) -> int:
            context.term()
            return int(zmq.PAIR)

        __int__ = __index__

    with pytest.raises(zmq.ZMQError):
        context.socket(Number())
    assert context.closed


@pytest.mark.parametrize("argument", ["type", "shadow"])
def test_arguments_that_make_the_socket(context: Any, zmq: ModuleType, argument: str) -> None:
    """The first one is the one, and is closed with the context: nobody knew of the second."""
    other = context.socket(zmq.PUB)
    socket = zmq.Socket.__new__(zmq.Socket)
    made: list[int] = []

    class Making:
        def __index__(self) -> int:
            socket.__init__(context, zmq.PAIR)  # type: ignore[misc]
            return int(zmq.PUB)

        __int__ = __index__

        @property
        def underlying(self) -> int:
            # It is asked for twice.
            if not made:
                made.append(self.__index__())
            return int(other.underlying)

    with pytest.raises(RuntimeError, match="made once"):
        if argument == "type":
            socket.__init__(context, Making())  # type: ignore[misc]
        else:
            socket.__init__(shadow=Making())  # type: ignore[misc]
    assert socket.type == zmq.PAIR and socket.context is context and not socket._shadow
    assert socket in context._sockets
    context.destroy(0)
    assert socket.closed and context.closed


@pytest.mark.parametrize("argument", ["io_threads", "shadow"])
def test_arguments_that_make_the_context(zmq: ModuleType, argument: str) -> None:
    other = zmq.Context()
    context = zmq.Context.__new__(zmq.Context)
    made: list[int] = []

    class Making:
        def __index__(self) -> int:
            context.__init__(2)  # type: ignore[misc]
            return 3

        __int__ = __index__

        @property
        def underlying(self) -> int:
            # It is asked for twice.
            if not made:
                made.append(self.__index__())
            return int(other.underlying)

    with pytest.raises(RuntimeError, match="made once"):
        context.__init__(**{argument: Making()})  # type: ignore[misc]
    assert context.io_threads == 2 and not context._shadow
    context.socket(zmq.PAIR).close()
    context.term()
    other.term()


def test_who_is_told_last_of_the_end_of_a_context_leaves_the_next_one_alone(
    monkeypatch: pytest.MonkeyPatch, ledger: None
) -> None:
    """The main thread waits for a thread that ends it; when it wakes, another one may have made a context there."""
    made: list[plain.Context[Any]] = []

    class Slow(Termination):
        """One that ends the context, and then makes others, just before the main thread hears of the end."""

        def __init__(self) -> None:
            self.reader, self.writer = os.pipe()

        def try_begin(self, address: int) -> int:
            self.address = address
            return 0

        @property
        def fd(self) -> int:
            if not made:
                assert foreign_code.function("zmq_ctx_term")(ctypes.c_void_p(self.address)) == 0
                while len(made) < 100 and not (made and made[-1].underlying == self.address):
                    made.append(plain.Context())
                os.write(self.writer, b"x")
            return self.reader

    monkeypatch.setattr("zmq.core.context.new_termination", Slow)
    context = plain.Context()
    address = context.underlying
    context.socket(plain.PAIR).close()
    context.term()
    monkeypatch.undo()
    assert context.closed
    reused = [each for each in made if each.underlying == address or each.closed]
    closed = [each for each in made if each.closed]
    for each in made:
        each.term()
    if not reused:
        pytest.skip("the allocator gave this address to nobody else")
    assert not closed


@pytest.mark.parametrize("way", ["class", "one socket"])
@pytest.mark.parametrize("linger", [None, 0, -1])
def test_a_close_that_knows_no_linger(zmq: ModuleType, ledger: None, way: str, linger: Any) -> None:
    class Mine(zmq.Socket):  # type: ignore[name-defined, misc]
        def close(self) -> None:
            lingers.append(self.linger)
            super().close()

    lingers: list[int] = []
    context = zmq.Context()
    if way == "class":
        socket = context.socket(zmq.PUSH, socket_class=Mine)
    else:
        socket = context.socket(zmq.PUSH)
        close = socket.close
        socket.close = lambda: (lingers.append(socket.linger), close())
    socket.linger = 7
    socket.connect("tcp://127.0.0.1:1")
    context.destroy(linger)
    assert lingers == [7 if linger is None else linger]
    assert socket.closed and context.closed


@pytest.mark.parametrize("call", ["get", "set", "io_threads"])
def test_arguments_that_terminate_the_context(zmq: ModuleType, call: str) -> None:
    context = zmq.Context()

    class Number:
        def __index__(self) -> int:
            context.term()
            return 1

        __int__ = __index__

    if call == "io_threads":
        zmq.Context(Number()).term()  # type: ignore[arg-type]
        return
    with pytest.raises(RuntimeError, match="terminated"):
        context.get(Number()) if call == "get" else context.set(zmq.IO_THREADS, Number())


@pytest.mark.parametrize("by_address", [False, True], ids=["of the socket", "of its address"])
def test_shadows_are_closed_with_their_original(context: Any, zmq: ModuleType, by_address: bool) -> None:
    """Their handle is libzmq's to give to the next socket."""
    socket = context.socket(zmq.PAIR)
    shadows = [cls.shadow(socket.underlying if by_address else socket) for cls in (zmq.Socket, plain.Socket)]
    socket.close(0)
    for shadow in shadows:
        assert shadow.closed and shadow.underlying == 0
        for call in (shadow.recv, lambda shadow=shadow: shadow.get(zmq.TYPE), lambda shadow=shadow: shadow.bind("x")):
            with pytest.raises(zmq.ZMQError) as caught:
                call()
            assert caught.value.errno == zmq.ENOTSOCK
        shadow.close()


def test_a_shadow_that_is_closed_closes_all(context: Any, zmq: ModuleType) -> None:
    socket = context.socket(zmq.PAIR)
    one, other = zmq.Socket.shadow(socket), plain.Socket.shadow(socket.underlying)
    one.close()
    assert socket.closed and other.closed
    assert len(context._sockets) == 0


def test_a_shadow_that_is_collected_closes_nothing(context: Any, zmq: ModuleType) -> None:
    socket = context.socket(zmq.PAIR)
    shadow = zmq.Socket.shadow(socket)
    del shadow
    assert not socket.closed and socket in context._sockets


@pytest.mark.parametrize("end", ["term", "destroy", "collected"])
def test_shadows_of_a_context_end_with_it(zmq: ModuleType, end: str) -> None:
    context = zmq.Context()
    shadow = zmq.Context.shadow(context.underlying)
    if end == "collected":
        with pytest.warns(ResourceWarning):
            del context
    else:
        getattr(context, end)()
    assert shadow.closed
    strangers = [zmq.Context() for _ in range(5)]
    with pytest.raises(zmq.ZMQError):
        shadow.socket(zmq.PAIR)
    with pytest.raises(RuntimeError):
        shadow.get(zmq.IO_THREADS)
    for stranger in strangers:
        stranger.term()


def test_a_context_that_another_thread_terminates_is_left_alone(front_end: FrontEnd) -> None:
    """libzmq frees it before the thread that waits for that can say so."""
    context = plain.Context()
    socket = context.socket(plain.PAIR)
    shadow = plain.Context.shadow(context.underlying)
    thread = threading.Thread(target=context.term)
    thread.start()
    try:
        while True:
            try:
                context.get(plain.IO_THREADS)
            except plain.ContextTerminated:
                break
        for each in (context, shadow):
            with pytest.raises(plain.ContextTerminated):
                each.socket(plain.PAIR)
            with pytest.raises(plain.ContextTerminated):
                each.set(plain.IO_THREADS, 1)
    finally:
        socket.close(0)
        thread.join(LIMIT)
    assert context.closed and shadow.closed


def test_two_threads_close_sockets_that_were_waited_for(front_end: FrontEnd) -> None:
    """Closing runs code of the framework, which may let other threads run."""
    run(
        front_end,
        """
        import _thread, sys, time
        sys.setswitchinterval(1e-6)
        context = zmq.Context()
        shared, errors, rounds = [None], [], 0

        def close():
            last = None
            while shared is not None:
                socket = shared[0]
                if socket is not last:
                    last = socket
                    try:
                        socket.close(0)
                    except BaseException as error:
                        errors.append(error)

        shared[0] = first = context.socket(zmq.PAIR)
        _thread.start_new_thread(close, ())
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            socket = context.socket(zmq.PULL)
            socket.rcvtimeo = 1
            try:
                socket.recv()
            except zmq.Again:
                pass
            shared[0] = socket
            socket.close(0)
            rounds += 1
        first.close()
        assert not errors, errors
        assert rounds > 10
        """,
    )


def block_in_router(context: Any) -> Callable[[], Any]:
    """Return a send for which POLLOUT is always set, and that waits all the same."""
    socket, peer = context.socket(plain.ROUTER), context.socket(plain.DEALER)
    socket.router_mandatory = True
    socket.sndhwm = peer.rcvhwm = 1
    peer.routing_id = b"peer"
    socket.bind("inproc://router")
    peer.connect("inproc://router")
    peer.send(b"hello")
    socket.recv_multipart()
    with pytest.raises(plain.Again):
        while True:
            socket.send_multipart([b"peer", b"x"], plain.NOBLOCK)
    return lambda: (socket.send_multipart([b"peer", b"x"]), peer)


def blocking(context: Any, kind: int, call: Callable[[Any], Any]) -> Callable[[], Any]:
    socket = context.socket(kind)
    socket.bind("tcp://127.0.0.1:*")
    return partial(call, socket)


BLOCKED: dict[str, Callable[[Any], Callable[[], Any]]] = {
    "recv": lambda context: blocking(context, plain.PULL, lambda s: s.recv()),
    "recv_multipart": lambda context: blocking(context, plain.PULL, lambda s: s.recv_multipart()),
    "recv_into": lambda context: blocking(context, plain.PULL, lambda s: s.recv_into(bytearray(9))),
    "recv_many": lambda context: blocking(context, plain.PULL, lambda s: s.recv_many(timeout=60_000)),
    "send": lambda context: blocking(context, plain.PUSH, lambda s: s.send(b"x")),
    "send_many": lambda context: blocking(context, plain.PUSH, lambda s: s.send_many([b"x"])),
    "poll": lambda context: blocking(context, plain.PULL, lambda s: s.poll()),
    "select": lambda context: blocking(context, plain.PULL, lambda s: plain.select([s], [], [])),
    "send of a ROUTER": block_in_router,
}


@pytest.mark.parametrize("way", ["close", "a shadow's close", "destroy"])
@pytest.mark.parametrize("call", BLOCKED)
def test_a_thread_closes_what_another_one_is_blocked_by(ledger: None, call: str, way: str) -> None:
    """The blocked call ends at once; it was let out of libzmq before the socket went."""
    context = plain.Context()
    function = BLOCKED[call](context)
    errors: list[BaseException] = []

    def block() -> None:
        try:
            function()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=block, daemon=True)
    thread.start()
    end = time.monotonic() + LIMIT
    while not plain.statistics()["blocked"]:
        assert time.monotonic() < end
        time.sleep(0.001)
    if way == "destroy":
        context.destroy(0)
    else:
        for socket in context._sockets:
            (socket if way == "close" else plain.Socket.shadow(socket)).close(0)
    thread.join(LIMIT)
    assert not thread.is_alive()
    assert len(errors) == 1 and isinstance(errors[0], plain.ZMQError)
    # Who destroys a context has workers end that wait for its end; `poll` has PyZMQ's error.
    ends = way == "destroy" and call.startswith(("recv", "send"))
    assert errors[0].errno in ((plain.ETERM,) if ends else (plain.ENOTSOCK, plain.ETERM)), call
    context.destroy(0)
