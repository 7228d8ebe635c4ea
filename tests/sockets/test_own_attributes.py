"""What is set on one socket or context alone, as when a program's test replaces a method of it."""

from __future__ import annotations

import gc
import pickle
import sys
import weakref
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any
from unittest import mock

import pytest

import zmq as plain
import zmq.asyncio
import zmq.eventloop.future
from support.front_ends import FRONT_ENDS, FrontEnd, wait_until

Pair = Callable[..., tuple[Any, Any]]

#: What the sockets of all front-ends inherit from.
SOCKET = plain.Socket


class Recorder:
    """Writes down how it is called, and calls something in its turn."""

    def __init__(self, call: Callable[..., Any] = lambda *args: None) -> None:
        self.call = call
        self.calls: list[tuple[Any, ...]] = []

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.calls.append((*args, kwargs["flags"]) if "flags" in kwargs else args)
        return self.call(*args, **kwargs)


@pytest.fixture(params=[*FRONT_ENDS, "asyncio", "tornado"], ids=lambda kind: getattr(kind, "name", kind))
def made(request: pytest.FixtureRequest, ledger: None) -> Iterator[list[Any]]:
    """A context and a socket."""
    modules: dict[Any, Any] = {"asyncio": plain.asyncio, "tornado": plain.eventloop.future}
    module = modules.get(request.param) or request.param.zmq
    with module.Context() as context, context.socket(plain.PUB) as socket:
        yield [context, socket]


METHODS = [
    *((0, name) for name in ("socket", "term", "destroy", "get", "set", "__enter__")),
    *((1, name) for name in ("send", "recv", "send_multipart", "recv_json", "poll", "bind", "close", "getsockopt")),
    *((1, name) for name in ("setsockopt", "get_monitor_socket", "fileno", "__enter__")),
]


@pytest.mark.parametrize(("which", "name"), METHODS)
def test_a_method_is_replaced_and_given_back(made: list[Any], which: int, name: str) -> None:
    owner = made[which]
    method = getattr(owner, name)
    with mock.patch.object(owner, name) as replaced:
        assert getattr(owner, name) is replaced
        assert vars(owner)[name] is replaced
    assert getattr(owner, name) == method
    assert name not in vars(owner)
    with pytest.raises(AttributeError):
        delattr(owner, name)


@pytest.mark.parametrize("which", [0, 1], ids=["context", "socket"])
def test_a_name_that_its_class_has_not_is_refused(made: list[Any], which: int) -> None:
    with pytest.raises(AttributeError, match="no such option: NOTHING"):
        made[which].nothing = 1
    with pytest.raises(AttributeError):
        del made[which].nothing


@pytest.mark.parametrize("which", [0, 1], ids=["context", "socket"])
def test_what_is_in_its_dictionary_can_be_set(made: list[Any], which: int) -> None:
    owner = made[which]
    vars(owner)["label"] = 1
    owner.label = 2
    assert vars(owner) == {"label": owner.label} == {"label": 2}
    del owner.label
    with pytest.raises(AttributeError, match="no such option: LABEL"):
        owner.label = 3


def test_a_context_has_a_class_of_sockets_of_its_own(zmq: ModuleType, ledger: None) -> None:
    class Mine(zmq.Socket):  # type: ignore[name-defined, misc]
        pass

    assert zmq.Context._socket_class is zmq.Socket
    with zmq.Context() as context:
        context._socket_class = Mine
        with context.socket(zmq.PAIR) as socket:
            assert type(socket) is Mine
        del context._socket_class
        with context.socket(zmq.PAIR) as socket:
            assert type(socket) is zmq.Socket


USES: dict[str, list[tuple[Any, ...]]] = {
    "send": [
        ("send_string", ("1",), [(b"1", 0)]),
        ("send_pyobj", (1,), None),
        ("send_json", (1,), [(b"1", 0)]),
        ("send_multipart", ([b"1", b"2"],), [(b"1", plain.SNDMORE), (b"2", 0)]),
        ("send_many", ([b"1", b"2"],), [(b"1",), (b"2",)]),
    ],
    "recv": [
        ("recv_string", (), None),
        ("recv_json", (), None),
        ("recv_pyobj", (), None),
        ("recv_multipart", (), None),
        ("recv_many", (), None),
    ],
    "getsockopt": [("get", (plain.LINGER,), [(plain.LINGER,)])],
    "setsockopt": [("set", (plain.LINGER, 5), [(plain.LINGER, 5)])],
}


@pytest.mark.parametrize(
    ("name", "use", "arguments", "expected"), [(name, *use) for name, uses in USES.items() for use in uses]
)
def test_methods_that_call_it_call_what_is_in_its_place(
    pair: Pair, zmq: ModuleType, name: str, use: str, arguments: tuple[Any, ...], expected: list[tuple[Any, ...]] | None
) -> None:
    a, b = pair()
    owner = b if name == "recv" else a
    other = pair()[1]
    if name == "recv":
        a.send(pickle.dumps(1) if use == "recv_pyobj" else b"1")
    recorder = Recorder(getattr(owner, name))
    setattr(owner, name, recorder)
    getattr(owner, use)(*arguments)
    assert recorder.calls
    if expected is not None:
        assert [
            (bytes(call[0]), *call[1:2]) if isinstance(call[0], bytes) else call for call in recorder.calls
        ] == expected
    # Its own again, and never another's.
    delattr(owner, name)
    recorder.calls.clear()
    for socket in (owner, other):
        if name != "recv":
            getattr(socket, use)(*arguments)
    if name == "recv":
        a.send(pickle.dumps(1) if use == "recv_pyobj" else b"1")
        getattr(owner, use)()
    assert not recorder.calls


@pytest.mark.parametrize("place", ["Socket", "a class of the front-end", "a subclass"])
@pytest.mark.parametrize(
    ("name", "use", "arguments"), [(name, *use[:2]) for name, uses in USES.items() for use in uses]
)
def test_methods_call_what_is_put_in_the_place_of_a_method_of_the_class(
    context: Any, zmq: ModuleType, name: str, use: str, arguments: tuple[Any, ...], place: str
) -> None:
    """As tests and instruments do, before or after a socket was made; and not any more when it is given back."""

    class Subclass(zmq.Socket):  # type: ignore[name-defined,misc]
        pass

    owner = {"Socket": SOCKET, "a class of the front-end": zmq.Socket, "a subclass": Subclass}[place]
    made = Subclass if place == "a subclass" else zmq.Socket
    calls: list[Any] = []
    original = getattr(owner, name)

    def replacement(self: Any, *args: Any, **kwargs: Any) -> Any:
        calls.append(self)
        return original(self, *args, **kwargs)

    def work() -> list[Any]:
        before = len(calls)
        for one, other in ((first, second), (second, first)):
            if name == "recv":
                one.send(pickle.dumps(1) if use == "recv_pyobj" else b"1")
            getattr(other, use)(*arguments)
            if name == "send":
                while one.poll(0):
                    one.recv()
        return calls[before:]

    first = made(context, zmq.PAIR)
    first.bind("inproc://patched")
    second = made(context, zmq.PAIR)
    second.connect("inproc://patched")
    assert work() == []
    for _ in range(2):
        with mock.patch.object(owner, name, replacement):
            assert set(work()) == {first, second}
            # Its mark on others is none.
            third = made(context, zmq.PUB)
            third.close()
        assert work() == []
    first.close()
    second.close()


def test_a_stand_in_for_a_method_of_the_class_sends_nothing(pair: Pair, zmq: ModuleType) -> None:
    a, b = pair()
    with mock.patch.object(SOCKET, "send") as send:
        a.send_multipart([b"never", b"sent"])
        a.send_many([b"never", b"sent"])
    assert send.call_count == 4 and not b.poll(0)


@pytest.mark.parametrize("crossed", [False, True])
def test_options_by_methods_that_call_each_other(context: Any, zmq: ModuleType, crossed: bool) -> None:
    """`set` and `setsockopt` are one to PyZMQ, and so are `get` and `getsockopt`."""

    class Chained(zmq.Socket):  # type: ignore[name-defined,misc]
        calls = 0

        def setsockopt(self, option: int, value: Any) -> Any:
            # Which changes the class.
            type(self).calls += 1
            return super().set(option, value) if crossed else self.set(option, value)

        def getsockopt(self, option: int) -> Any:
            type(self).calls += 1
            return super().get(option) if crossed else self.get(option)

    class Crossed(Chained):
        def set(self, option: int, value: Any) -> Any:
            return super().setsockopt(option, value)

        def get(self, option: int) -> Any:
            return super().getsockopt(option)

    class Counted(zmq.Socket):  # type: ignore[name-defined,misc]
        calls = 0

        def set(self, option: int, value: Any) -> Any:
            self.calls += 1
            return super().set(option, value)

        def setsockopt(self, option: int, value: Any) -> Any:
            self.calls += 1
            return super().setsockopt(option, value)

    socket = (Crossed if crossed else Chained)(context, zmq.PAIR)
    for number, setter in enumerate((socket.set, socket.setsockopt), 1):
        setter(zmq.LINGER, number)
        assert socket.get(zmq.LINGER) == socket.getsockopt(zmq.LINGER) == socket.linger == number
    socket.linger = 0
    assert socket.linger == 0
    socket.close()
    counted = Counted(context, zmq.PAIR)
    counted.set(zmq.LINGER, 1)
    assert counted.calls == 1
    counted.close(linger=0)


def test_who_is_in_the_midst_of_an_own_method_takes_it_from_nobody(front_end: FrontEnd, zmq: ModuleType) -> None:
    """Another greenlet or thread, which gets the option meanwhile."""

    class Own(zmq.Socket):  # type: ignore[name-defined,misc]
        def getsockopt(self, option: int) -> Any:
            entered.append(option)
            wait_until(front_end, lambda: len(entered) == 2)
            return 12345

    entered: list[int] = []
    with zmq.Context() as context:
        socket = Own(context, zmq.PAIR)
        tasks = [front_end.spawn(socket.get, zmq.LINGER) for _ in range(2)]
        assert [task.get() for task in tasks] == [12345, 12345]
        socket.close()


@pytest.mark.parametrize("which", [0, 1], ids=["context", "socket"])
def test_it_has_a_dictionary_where_methods_are_called_faster_with_one(which: int) -> None:
    with plain.Context() as context, context.socket(plain.PUB) as socket:
        owner = (context, socket)[which]
        before = gc.get_referents(owner)
        own = vars(owner)
        assert own == {}
        assert any(each is own for each in before) is (sys.version_info[:2] == (3, 11))
        assert any(each is own for each in gc.get_referents(owner))


def test_what_it_holds_is_collected_with_it(zmq: ModuleType, ledger: None) -> None:
    """Also where it refers to the socket."""

    class Held:
        socket: Any

    with zmq.Context() as context:
        socket = context.socket(zmq.PUB)
        held = socket.send = Held()
        held.socket = socket
        gone = weakref.ref(held)
        with pytest.warns(ResourceWarning, match="Unclosed socket"):
            del held, socket
            gc.collect()
        assert gone() is None
