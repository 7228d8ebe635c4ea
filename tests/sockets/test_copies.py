"""What programs copy and pickle: exceptions, constants, and configurations that hold sockets."""

from __future__ import annotations

import copy
import inspect
import pickle
import pkgutil
from collections.abc import Callable, Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest

import zmq as plain
import zmq.auth
import zmq.error
import zmq.ssh
from zmq.core import constants

Pair = Callable[..., tuple[Any, Any]]

WAYS: dict[str, Callable[[Any], Any]] = {
    **{f"pickle {n}": lambda x, n=n: pickle.loads(pickle.dumps(x, n)) for n in range(pickle.HIGHEST_PROTOCOL + 1)},
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}

ERRORS: list[BaseException] = [
    plain.ZMQError(),
    plain.ZMQError(plain.EINVAL),
    plain.ZMQError(plain.EFSM, "text"),
    plain.ZMQError(errno=plain.EFSM, msg="text"),
    plain.ZMQError(99999),
    plain.Again(),
    plain.Again(msg="later"),
    plain.ContextTerminated(),
    plain.ContextTerminated(msg="gone"),
    zmq.error.InterruptedSystemCall(),
    zmq.error.InterruptedSystemCall(msg="by a signal"),
    plain.ZMQBindError("no port"),
    plain.NotDone(),
    zmq.error.ZMQBaseError("text"),
    plain.ZMQVersionError("9.9"),
    plain.ZMQVersionError("9.9", "thing"),
    plain.ZMQVersionError(min_version="9.9", msg="thing"),
    zmq.error.DraftFDWarning(),
    zmq.error.DraftFDWarning("text"),
    zmq.ssh.SSHException("text"),
    zmq.ssh.MaxRetryExceeded("text"),
]


def exceptions() -> Iterator[type[BaseException]]:
    """Find every class of exception that a module of the package defines."""
    for found in pkgutil.walk_packages(plain.__path__, "zmq."):
        if found.name.rpartition(".")[2] in ("__main__", "win32", "program") or ".demo" in found.name:
            continue
        for value in vars(import_module(found.name)).values():
            if inspect.isclass(value) and issubclass(value, BaseException) and value.__module__.startswith("zmq."):
                yield value


def like(error: BaseException) -> tuple[Any, ...]:
    return type(error), str(error), repr(error), error.args, vars(error), getattr(error, "errno", None)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_errors(error: BaseException, way: str) -> None:
    error.sent = 5  # type: ignore[attr-defined]
    other = WAYS[way](error)
    assert other is not error and like(other) == like(error)


def test_every_class_of_error() -> None:
    """Those that nobody listed are made of texts."""
    for cls in {*exceptions()} - {type(error) for error in ERRORS}:
        code = getattr(cls.__init__, "__code__", None)
        required = code.co_argcount - 1 - len(cls.__init__.__defaults__ or ()) if code else 1
        error = cls(*["text", "more", "again"][:required])
        for way in WAYS.values():
            assert like(way(error)) == like(error)


def test_the_text_of_a_version_error_is_that_of_where_it_was_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    error = plain.ZMQVersionError("9.9", "thing")
    text = str(error)
    pickled = pickle.dumps(error)
    monkeypatch.setattr("zmq.core.version.zmq_version", lambda: "1.2.3")
    assert str(pickle.loads(pickled)) == text
    assert (error.min_version, error.msg, error.version) == ("9.9", "thing", plain.zmq_version())


def test_errors_that_were_raised(context: Any, zmq: ModuleType) -> None:
    socket = context.socket(zmq.PULL)
    for call in (
        lambda: socket.recv(zmq.NOBLOCK),
        lambda: socket.send(b"1", zmq.NOBLOCK),
        lambda: socket.set(zmq.LINGER, -5),
        lambda: socket.connect("no://where"),
        lambda: context.socket(-5),
    ):
        with pytest.raises(zmq.ZMQError) as caught:
            call()
        for way in WAYS.values():
            assert like(way(caught.value)) == like(caught.value)


@pytest.mark.parametrize("way", WAYS)
def test_constants(way: str, zmq: ModuleType) -> None:
    for cls in vars(constants).values():
        if inspect.isclass(cls) and issubclass(cls, int) and hasattr(cls, "__members__"):
            for member in cls:
                assert WAYS[way](member) is member
    assert WAYS[way](zmq.ZMQError(zmq.EFSM)).errno is zmq.Errno.EFSM


@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy])
def test_configurations_with_sockets(
    way: Callable[[Any], Any], pair: Pair, zmq: ModuleType, context: Any, ledger: None
) -> None:
    a, b = pair()
    poller = zmq.Poller()
    poller.register(b, zmq.POLLIN)
    tracker = zmq.Frame(b"x", track=True).tracker
    config = {"context": zmq.Context.shadow(context), "sockets": [a, {"b": b}], "poller": poller, "tracker": tracker}
    other = way(config)
    assert (other["sockets"][0] is a) == (way is copy.copy)
    other["sockets"][0].send(b"1")
    assert [events for _, events in other["poller"].poll(1000)] == [zmq.POLLIN]
    assert other["sockets"][1]["b"].recv() == b"1"
    assert other["tracker"].done
    del other
    assert not (a.closed or b.closed or context.closed)
    b.send(b"2")
    assert a.recv() == b"2"


@pytest.mark.parametrize("way", [way for way in WAYS if way.startswith("pickle")])
def test_what_cannot_be_pickled(way: str, context: Any, zmq: ModuleType) -> None:
    """Whoever unpickled it would have the address of something in another process."""

    class Derived(zmq.Socket):
        pass

    for item in (
        context.socket(zmq.PULL),
        context.socket(zmq.PULL, socket_class=Derived),
        zmq.Context.shadow(context.underlying),
        zmq.Frame(b"x"),
        zmq.Frame(bytearray(100_000), copy=False, track=True).tracker,
    ):
        with pytest.raises((TypeError, pickle.PicklingError, AttributeError)):
            WAYS[way](item)


def test_deep_copies_of_frames(zmq: ModuleType, pair: Pair) -> None:
    a, b = pair()
    data = bytearray(b"x" * 100_000)
    lent = zmq.Frame(data, copy=False, track=True)
    other = copy.deepcopy({"frame": lent})["frame"]
    assert type(other) is type(lent)
    data[:1] = b"y"
    assert (bytes(lent)[:2], bytes(other)[:2]) == (b"yx", b"xx")
    assert other.tracker.done and not lent.tracker.done
    assert not copy.deepcopy(lent.tracker).done
    a.send_multipart([b"1" * 100, b"2"])
    received = b.recv_multipart(copy=False)
    copied = copy.deepcopy(received)
    assert [frame.bytes for frame in copied] == [b"1" * 100, b"2"]
    assert copied[0].more and not copied[1].more
