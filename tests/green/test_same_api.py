"""`zmq.green` and `zmq.eventlet` have all that `zmq` has: names, submodules and parameters, all of which count."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

import zmq as plain
from support.front_ends import GreenFrontEnd
from support.programs import run

Pair = Callable[..., tuple[Any, Any]]


def parameters(function: Any) -> list[tuple[str, Any, Any]] | None:
    """Return the names of the parameters, with their kinds and defaults; None of what can't tell."""
    try:
        found = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    # For those who build upon it.
    return [(each.name, each.kind, each.default) for each in found if each.name != "poller_class"]


def callables(module: ModuleType) -> Iterator[tuple[str, Any]]:
    for name in module.__all__:
        value = getattr(module, name)
        if callable(value):
            yield name, value
        if isinstance(value, type) and name in ("Context", "Socket", "Poller", "Frame", "MessageTracker"):
            for method in dir(value):
                if callable(getattr(value, method)) and not method.startswith("__"):
                    yield f"{name}.{method}", getattr(value, method)


def test_the_same_parameters(zmq: ModuleType) -> None:
    ours = dict(callables(zmq))
    names = []
    for name, value in callables(plain):
        # The parameters of this one have other names in the API that is implemented.
        if name != "device":
            assert parameters(ours[name]) == parameters(value), name
            names.append(name)
    assert len(names) > 100
    assert {"Socket.send_string", "Socket.send_pyobj", "Context.socket", "Socket.shadow", "select"} <= {*names}


def test_every_argument_is_heard(context: Any, zmq: ModuleType) -> None:
    class Own(zmq.Socket):  # type: ignore[name-defined, misc]
        pass

    a, b = context.socket(zmq.PAIR, socket_class=Own), context.socket(socket_type=zmq.PAIR)
    assert type(a) is Own and type(b) is zmq.Socket
    a.bind("inproc://same")
    b.connect("inproc://same")
    assert a.send_string("1" * 100_000, copy=False, track=True).done is False
    assert a.send_pyobj("1" * 100_000, copy=False, track=True).done is False
    assert a.send_multipart([bytes(100_000)], copy=False, track=True).done is False
    assert a.send_serialized(1, lambda _: [bytes(100_000)], copy=False, track=True).done is False
    assert b.recv_string() == "1" * 100_000 and b.recv_pyobj() == "1" * 100_000
    assert isinstance(b.recv_multipart(copy=False, track=True)[0], zmq.Frame)
    assert b.recv_serialized(len, copy=False) == 1
    for twin in (copy.copy(b), copy.deepcopy(b), zmq.Socket.shadow(b.underlying), zmq.Socket(shadow=b)):
        assert type(twin) is zmq.Socket and twin.underlying == b.underlying and not twin.closed
        a.send(b"2")
        assert twin.recv() == b"2"
    first = zmq.Context.shadow(context.underlying)
    for shadow in (first, copy.copy(first), copy.deepcopy(first), zmq.Context(context)):
        assert type(shadow) is zmq.Context and shadow.underlying == context.underlying
        with shadow.socket(zmq.PAIR) as socket:
            assert type(socket) is zmq.Socket


SENDS: dict[str, Callable[..., Any]] = {
    "send": lambda s, **kwargs: s.send(b"1", **kwargs),
    "send a frame": lambda s, **kwargs: s.send(plain.Frame(b"1"), copy=False, **kwargs),
    "send_multipart": lambda s, **kwargs: s.send_multipart([b"1"], **kwargs),
    "send_string": lambda s, **kwargs: s.send_string("1", **kwargs),
    "send_unicode": lambda s, **kwargs: s.send_unicode("1", **kwargs),
    "send_json": lambda s, **kwargs: s.send_json(1, **kwargs),
    "send_pyobj": lambda s, **kwargs: s.send_pyobj(1, **kwargs),
    "send_serialized": lambda s, **kwargs: s.send_serialized(1, lambda _: [b"1"], **kwargs),
}


@pytest.mark.parametrize("name", SENDS)
@pytest.mark.parametrize("more", [{"group": "news"}, {"routing_id": 7}], ids=["group", "routing_id"])
def test_what_the_socket_cannot_do_with_an_argument_it_says(
    pair: Pair, zmq: ModuleType, name: str, more: dict[str, Any]
) -> None:
    """That it needs libzmq's draft API; or with that, that it is for sockets of another type."""
    socket, peer = pair()
    if plain.DRAFT_API:
        pytest.skip("what other sockets do with it is libzmq's business")
    for flags in ({}, {"flags": zmq.NOBLOCK}):
        with pytest.raises(zmq.ZMQVersionError, match=next(iter(more))):
            SENDS[name](socket, **more, **flags)
    assert not peer.poll(0)


def test_every_public_name_and_submodule_is_there_at_once(green: GreenFrontEnd) -> None:
    """In an interpreter that has imported nothing else, as programs do that say ``import zmq.green as zmq``."""
    run(
        green,
        """
        import subprocess, sys, types

        ask = '''if True:
            import sys, types, {module} as zmq
            names = [name for name in dir(zmq) if not name.startswith("_")]
            modules = [name for name in names if isinstance(getattr(zmq, name), types.ModuleType)]
            inner = [f"{{name}}.{{part}}" for name in modules for part in vars(getattr(zmq, name))
                     if not part.startswith("_") and name in ("utils", "error", "constants", "sugar", "backend")]
            print(*names, *inner)
            try:
                zmq.Context().socket(zmq.PULL).recv(zmq.NOBLOCK)
            except zmq.error.Again:
                pass
        '''

        def names(module):
            command = [sys.executable, "-c", ask.format(module=module)]
            return {*subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()}

        wanted, have = names("zmq"), names(zmq.__name__)
        # The binding itself, of which the front-end has a module of the same name.
        assert {"core", "error.Again", "utils", "constants", "sugar", "Context"} <= wanted
        missing = {name for name in wanted - have if not name.startswith("core")}
        assert not missing, missing
        """,
    )


@pytest.mark.parametrize("first", ["plain", "green"])
def test_each_has_an_instance_of_its_own(green: GreenFrontEnd, first: str) -> None:
    """Whoever asks first."""
    run(
        green,
        f"""
        import zmq as plain
        asked = {{}}
        for name in ("plain", "green") if {first!r} == "plain" else ("green", "plain"):
            asked[name] = (zmq if name == "green" else plain).Context.instance()
        assert type(asked["green"]) is zmq.Context and type(asked["plain"]) is plain.Context

        class Derived(zmq.Context):
            pass

        assert Derived.instance() is asked["green"] is zmq.Context.instance()
        a, b = (asked["green"].socket(zmq.PAIR) for _ in range(2))
        assert type(a) is zmq.Socket
        a.bind("inproc://instance")
        b.connect("inproc://instance")
        receiving = front_end.spawn(b.recv)
        front_end.sleep(0.001)
        a.send(b"1")
        assert receiving.get() == b"1"
        a.close(); b.close()
        for context in asked.values():
            context.term()
        """,
    )
