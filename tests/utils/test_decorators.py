"""`zmq.decorators`: contexts and sockets that live as long as a call."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

import zmq as plain
from support.front_ends import FrontEnd
from zmq import decorators
from zmq.decorators import context as with_context
from zmq.decorators import socket as with_socket


@pytest.fixture(autouse=True)
def instance(zmq: ModuleType, ledger: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The context that the program shares. The decorators of a test are those of the front-end."""
    module = importlib.import_module(f"{zmq.__name__}.decorators")
    for name in module.__all__:
        monkeypatch.setitem(globals(), f"with_{name}", getattr(module, name))
    instance = zmq.Context.instance()
    yield instance
    instance.destroy(linger=0)


def test_a_context(zmq: ModuleType) -> None:
    seen = []

    @with_context()
    def work(first: int, context: Any, second: int = 0) -> str:
        assert type(context) is zmq.Context and not context.closed
        assert (first, second) == (1, 2)
        seen.append(context)
        return "done"

    assert work(1, second=2) == "done"
    assert work(1, second=2) == "done"
    assert seen[0] is not seen[1] and all(context.closed for context in seen)


@pytest.mark.parametrize(("args", "kwargs"), [(("context",), {}), ((), {"name": "context"})])
def test_a_context_by_name(args: Any, kwargs: Any, zmq: ModuleType) -> None:
    @with_context(*args, 3, **kwargs)
    def positional(*, context: Any) -> int:
        return context.io_threads

    @with_context(*args, io_threads=4, **kwargs)
    def keyword(first: int, context: Any = None) -> int:
        assert first == 1
        return context.io_threads

    assert positional() == 3
    assert keyword(1) == 4


def test_those_of_zmq_make_what_its_context_is_then(zmq: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    @decorators.context()
    @decorators.socket(plain.PUSH)
    def work(context: Any, socket: Any) -> None:
        assert type(context) is zmq.Context and type(socket) is zmq.Socket

    @decorators.socket(plain.PUSH)
    def share(socket: Any) -> None:
        assert socket.context is zmq.Context.instance()

    monkeypatch.setattr(plain, "Context", zmq.Context)
    work()
    share()


def test_the_function_stays_recognizable() -> None:
    def work(context: Any) -> None:
        """Work."""

    for decorated in (with_context()(work), with_socket(plain.PUSH)(work)):
        assert (decorated.__name__, decorated.__doc__) == ("work", "Work.")
        assert decorated.__wrapped__ is work


def test_a_socket(zmq: ModuleType, instance: Any) -> None:
    seen = []

    @with_socket(zmq.PUSH)
    def work(first: int, socket: Any, second: int = 0) -> str:
        assert type(socket) is zmq.Socket and socket.socket_type == zmq.PUSH and not socket.closed
        assert socket.context is instance
        assert (first, second) == (1, 2)
        seen.append(socket)
        return "done"

    assert work(1, second=2) == "done"
    assert work(1, second=2) == "done"
    assert seen[0] is not seen[1] and all(socket.closed for socket in seen)
    assert not instance.closed


@pytest.mark.parametrize(("args", "kwargs"), [(("socket",), {}), ((), {"name": "socket"})])
def test_a_socket_by_name(args: Any, kwargs: Any, zmq: ModuleType, instance: Any) -> None:
    @with_socket(*args, zmq.SUB, **kwargs)
    def positional(*, socket: Any) -> int:
        return socket.socket_type

    @with_socket(*args, socket_type=zmq.PUB, copy_threshold=7, **kwargs)
    def keyword(first: int, socket: Any = None) -> int:
        assert socket.copy_threshold == 7
        return socket.socket_type

    assert positional() == zmq.SUB
    assert keyword(1) == zmq.PUB


def test_a_socket_of_the_context_of_the_call(zmq: ModuleType, instance: Any, context: Any) -> None:
    @with_context()
    @with_context()
    @with_socket(zmq.PUSH)
    @with_socket(zmq.PULL)
    def positional(first: Any, second: Any, push: Any, pull: Any) -> None:
        assert push.context is pull.context is first is not second
        assert (push.socket_type, pull.socket_type) == (zmq.PUSH, zmq.PULL)

    @with_context("mine")
    @with_context("context")
    @with_socket("one", zmq.PUSH)
    @with_socket("other", zmq.PUSH, context_name="mine")
    @with_socket("last", zmq.PUSH, context_name="nobody")
    def keyword(mine: Any, context: Any, one: Any, other: Any, last: Any) -> None:
        assert one.context is context and other.context is mine and last.context is instance

    @with_socket(zmq.PUSH)
    def given(context: Any, socket: Any) -> None:
        assert socket.context is context

    @with_socket("socket", zmq.PUSH)
    def given_by_name(other: Any, context: Any, socket: Any) -> None:
        assert socket.context is context

    positional()
    keyword()
    given(context)
    given_by_name(instance, context=context)


def test_a_context_argument_that_is_none_of_ours(zmq: ModuleType, instance: Any) -> None:
    @with_socket("socket", zmq.PUSH)
    def work(socket: Any, context: str) -> None:
        assert socket.context is instance and context == "of the sentence"

    work(context="of the sentence")


def test_methods(zmq: ModuleType) -> None:
    class Worker:
        @with_context()
        @with_socket(zmq.PUSH)
        def work(self, context: Any, socket: Any, first: int = 0) -> int:
            assert isinstance(self, Worker) and socket.context is context
            return first

    assert Worker().work(first=1) == 1


def test_the_end_comes_with_an_error_too(zmq: ModuleType) -> None:
    seen = []

    @with_context()
    @with_socket(zmq.PUSH)
    def fail(context: Any, socket: Any) -> None:
        seen.extend([context, socket])
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        fail()
    assert seen[0].closed and seen[1].closed


def test_calls_at_the_same_time(zmq: ModuleType, front_end: FrontEnd) -> None:
    seen = []
    both = front_end.Event()

    @with_context()
    @with_socket(zmq.PUSH)
    def work(context: Any, socket: Any) -> None:
        seen.append((context, socket))
        if len(seen) == 2:
            both.set()
        both.wait(10)
        assert not context.closed and not socket.closed

    for task in [front_end.spawn(work), front_end.spawn(work)]:
        task.get()
    assert len({id(thing) for things in seen for thing in things}) == 4


def test_waiting(zmq: ModuleType, front_end: FrontEnd, context: Any) -> None:
    address = "inproc://decorated"
    bound = front_end.Event()

    @with_socket(zmq.PULL)
    def receive(context: Any, socket: Any) -> bytes:
        socket.bind(address)
        bound.set()
        return socket.recv()

    @with_socket(zmq.PUSH)
    def send(context: Any, message: bytes, socket: Any) -> None:
        socket.connect(address)
        socket.send(message)

    receiving = front_end.spawn(receive, context)
    bound.wait(10)
    send(context, b"hello")
    assert receiving.get() == b"hello"


def test_arguments_of_the_call_that_are_wrong(zmq: ModuleType) -> None:
    @with_context("context")
    def by_name(context: Any) -> None:
        raise AssertionError("called")

    @with_context("context")
    def other_name(ctx: Any) -> None:
        raise AssertionError("called")

    for call in (lambda: by_name(context=1), lambda: by_name(1), lambda: other_name()):
        with pytest.raises(TypeError, match="context"):
            call()


def test_arguments_for_the_object_that_are_wrong(zmq: ModuleType) -> None:
    def work(*things: Any) -> None:
        raise AssertionError("called")

    for decorator in (with_socket(), with_socket("socket"), with_context("context", "name"), with_context(foo=1)):
        with pytest.raises(TypeError):
            decorator(work)()
    with pytest.raises(zmq.ZMQError) as caught:
        with_socket(9999)(work)()
    assert caught.value.errno == zmq.EINVAL


def test_arguments_of_the_decorators_that_are_wrong() -> None:
    def work(*things: Any) -> None:
        raise AssertionError("called")

    for decorator in (with_context, with_socket):
        with pytest.raises(TypeError, match="name must be str, not int"):
            decorator(name=5)
        with pytest.raises(TypeError, match="given twice, as 'one' and as 'two'"):
            decorator("one", name="two")
        with pytest.raises(TypeError, match=r"write @\w+\(\) with parentheses"):
            decorator(work)
        with pytest.raises(TypeError, match="must be a function, not int"):
            decorator()(5)
    with pytest.raises(TypeError, match="context_name must be str, not int"):
        with_socket(plain.PUSH, context_name=5)
