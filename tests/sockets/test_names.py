"""Names of sockets and contexts: how they are given, who shares them, and where they are shown."""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

import zmq as plain
import zmq.asyncio as za


def described(zmq: ModuleType, socket: Any) -> dict[str, Any]:
    (found,) = [each for each in plain.statistics(objects=True)["sockets"] if each["socket"] is socket]
    return found


def test_a_socket_is_called_what_it_was_given(zmq: ModuleType, context: Any) -> None:
    socket = context.socket(zmq.REP, name="orders")
    assert socket.name == "orders" and "'orders'" in repr(socket)
    assert described(zmq, socket)["name"] == "orders"
    socket.name = "returns"
    assert socket.name == "returns" and described(zmq, socket)["name"] == "returns"
    socket.name = None
    assert socket.name is None and "None" not in repr(socket)
    with zmq.Socket(context, zmq.REP, name="direct") as direct:
        assert direct.name == "direct"


def test_without_a_name_it_is_none(zmq: ModuleType, context: Any) -> None:
    socket = context.socket(zmq.REP)
    assert socket.name is None and context.name is None and described(zmq, socket)["name"] is None
    context.socket(zmq.REP, name=None)


def test_a_closed_socket_keeps_its_name(zmq: ModuleType, context: Any) -> None:
    socket = context.socket(zmq.REP, name="orders")
    socket.close()
    assert socket.name == "orders" and "'orders'" in repr(socket)


def test_shadows_share_the_name(zmq: ModuleType, context: Any) -> None:
    socket = context.socket(zmq.REP, name="orders")
    for shadow in (zmq.Socket(socket), zmq.Socket.shadow(socket.underlying), za.Socket(socket)):
        assert shadow.name == "orders"
        shadow.name = "returns"
        assert socket.name == "returns"
        socket.name = "orders"
    bare = context.socket(zmq.REP)
    shadow = zmq.Socket(bare)
    bare.name = "late"
    assert shadow.name == "late"
    assert zmq.Socket(shadow=bare, name="newer").name == bare.name == shadow.name == "newer"


def test_a_shadow_can_give_the_name(zmq: ModuleType, context: Any) -> None:
    """The original has it too, from then on."""
    for before in ("before", None):
        socket = context.socket(zmq.PUSH, name=before)
        shadow = zmq.Socket(shadow=socket, name="orders")
        assert socket.name == shadow.name == "orders"
    twin = zmq.Context(shadow=context, name="shop")
    assert context.name == twin.name == "shop"


def test_a_context_has_a_name_too(zmq: ModuleType) -> None:
    with zmq.Context(name="shop") as context:
        assert context.name == "shop" and "'shop'" in repr(context)
        shadow = zmq.Context.shadow(context)
        assert shadow.name == "shop"
        shadow.name = "store"
        assert context.name == "store"
        found = [each["name"] for each in plain.statistics(objects=True)["contexts"] if each["context"] is context]
        assert found == ["store"]
        context.name = None
        assert context.name is None and shadow.name is None


@pytest.mark.parametrize("value", [b"orders", 5, object()], ids=lambda value: type(value).__name__)
def test_a_name_is_text(zmq: ModuleType, context: Any, value: object) -> None:
    socket = context.socket(zmq.REP, name="orders")
    with pytest.raises(TypeError, match="a name is a str or None, not"):
        socket.name = value
    with pytest.raises(TypeError, match="a name is a str or None, not"):
        context.name = value
    with pytest.raises(TypeError, match="a name is a str or None, not"):
        context.socket(zmq.REP, name=value)
    assert socket.name == "orders"
    gc.collect()


# Classes of programs that were written before there were names.


def unaware(zmq: ModuleType) -> type:
    class Socket(zmq.Socket):  # type: ignore[name-defined, misc]
        def __init__(self, context: Any, socket_type: int) -> None:
            super().__init__(context, socket_type)

    return Socket


def unaware_below(zmq: ModuleType) -> type:
    class Socket(unaware(zmq)):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)

    return Socket


def passing_on(zmq: ModuleType) -> type:
    class Socket(zmq.Socket):  # type: ignore[name-defined, misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)

    return Socket


def replacing_setsockopt(zmq: ModuleType) -> type:
    class Socket(unaware(zmq)):  # type: ignore[misc]
        def setsockopt(self, option: int, value: Any) -> None:
            super().setsockopt(option, value)

    return Socket


def without_a_signature(zmq: ModuleType) -> type:
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        zmq.Socket.__init__(self, *args, **kwargs)

    init.__signature__ = "unknown"  # type: ignore[attr-defined]
    return type("Socket", (zmq.Socket,), {"__init__": init})


@pytest.mark.parametrize("make", [unaware, unaware_below, passing_on, replacing_setsockopt, without_a_signature])
def test_classes_need_not_know_of_names(
    zmq: ModuleType, context: Any, make: Callable[[ModuleType], type], monkeypatch: pytest.MonkeyPatch
) -> None:
    cls = make(zmq)
    assert context.socket(zmq.REP, cls, name="orders").name == "orders"
    monkeypatch.setattr(type(context), "_socket_class", cls)
    socket = context.socket(zmq.REP, name="orders")
    assert type(socket) is cls and socket.name == "orders"


def test_functions_that_make_sockets_need_not_know_of_names(zmq: ModuleType, context: Any) -> None:
    def make(context: Any, socket_type: int) -> Any:
        return zmq.Socket(context, socket_type)

    assert context.socket(zmq.REP, make, name="orders").name == "orders"
    assert context.socket(zmq.REP, functools.partial(zmq.Socket), name="orders").name == "orders"


def test_a_class_with_a_parameter_of_this_name_gets_it(zmq: ModuleType, context: Any) -> None:
    class Socket(zmq.Socket):  # type: ignore[name-defined, misc]
        def __init__(self, *args: Any, name: Any = None) -> None:
            self._told = name
            super().__init__(*args)

    class Greedy(zmq.Socket):  # type: ignore[name-defined, misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self._told = kwargs.pop("name", None)
            super().__init__(*args, **kwargs)

    for cls in (Socket, Greedy):
        socket = context.socket(zmq.REP, cls, name="orders")
        assert socket._told == "orders" and described(zmq, socket)["name"] == "orders"


def test_a_class_has_a_name_of_its_own(zmq: ModuleType, context: Any) -> None:
    class Constant(zmq.Socket):  # type: ignore[name-defined, misc]
        name = b"a constant"

    class Computed(zmq.Socket):  # type: ignore[name-defined, misc]
        @property
        def name(self) -> int:
            return 7

    class Annotated(zmq.Socket):  # type: ignore[name-defined, misc]
        name: bytes

    constant = context.socket(zmq.REP, Constant)
    assert constant.name == b"a constant"
    constant.name = b"another one"
    assert constant.name == b"another one" and described(zmq, constant)["name"] is None
    computed = context.socket(zmq.REP, Computed, name="orders")
    assert computed.name == 7 and described(zmq, computed)["name"] == "orders" and "'orders'" in repr(computed)
    annotated = context.socket(zmq.REP, Annotated)
    annotated.name = b"bytes"
    assert annotated.name == b"bytes" and described(zmq, annotated)["name"] is None


def test_a_name_can_be_given_before_the_socket_is_made(zmq: ModuleType, context: Any) -> None:
    class Socket(zmq.Socket):  # type: ignore[name-defined, misc]
        def __init__(self, *args: Any) -> None:
            self.name = "early"
            super().__init__(*args)

    socket = context.socket(zmq.REP, Socket)
    assert socket.name == "early"
    shadow = Socket(socket)
    assert shadow.name == "early"


def test_warnings_name_the_socket(zmq: ModuleType) -> None:
    context = zmq.Context(name="shop")
    socket = context.socket(zmq.REP, name="orders")
    with pytest.warns(ResourceWarning, match=r"'shop'.*'orders'"), context:
        pass
    assert socket.closed
    context = zmq.Context()
    socket = context.socket(zmq.REP, name="orders")
    with pytest.warns(ResourceWarning, match=r"Unclosed socket .*'orders'"):
        del socket
        gc.collect()
    context.term()


def test_where_a_socket_is_bound_and_connected(zmq: ModuleType, context: Any) -> None:
    socket, other = context.socket(zmq.DEALER), context.socket(zmq.DEALER)
    assert described(zmq, socket)["bound"] == described(zmq, socket)["connected"] == []
    port = socket.bind_to_random_port("tcp://127.0.0.1")
    bound = f"tcp://127.0.0.1:{port}"
    socket.bind("inproc://here")
    assert described(zmq, socket)["bound"] == [bound, "inproc://here"]
    shadow = zmq.Socket(socket)
    with other.connect(bound), other.connect(b"inproc://here"):
        assert described(zmq, other)["connected"] == [bound, "inproc://here"]
        shadow.unbind(bound)
        assert described(zmq, socket)["bound"] == ["inproc://here"] and described(zmq, socket)["shadows"] == 1
    assert described(zmq, other)["connected"] == []
    with pytest.raises(zmq.ZMQError):
        other.disconnect("tcp://127.0.0.1:1")
    with pytest.raises(zmq.ZMQError):
        other.connect("nonsense://")
    assert described(zmq, other)["connected"] == []


def test_an_endpoint_is_known_by_what_was_asked_for_too(zmq: ModuleType, context: Any) -> None:
    socket = context.socket(zmq.DEALER)
    with socket.bind("tcp://127.0.0.1:*"):
        (found,) = described(zmq, socket)["bound"]
        assert found == socket.last_endpoint.decode().rstrip("\0") and not found.endswith("*")
    assert described(zmq, socket)["bound"] == []


def test_no_password_is_shown(zmq: ModuleType, context: Any) -> None:
    socket = context.socket(zmq.DEALER)
    # libzmq refuses it, but some transports of others may not.
    with pytest.raises(zmq.ZMQError):
        socket.connect("tcp://somebody:secret@127.0.0.1:1")
    assert "secret" not in repr(plain.statistics())


def test_a_closed_socket_is_not_listed(zmq: ModuleType, context: Any) -> None:
    socket = context.socket(zmq.REP, name="orders")
    socket.close()
    assert all(each["socket"] is not socket for each in plain.statistics(objects=True)["sockets"])


# A REQ out of step.


def test_a_req_whose_receive_timed_out_says_what_to_do(zmq: ModuleType, pair: Any) -> None:
    router, req = pair(zmq.ROUTER, zmq.REQ, rcvtimeo=5)
    req.send(b"question")
    with pytest.raises(zmq.Again):
        req.recv()
    for send in (lambda: req.send(b"again"), lambda: req.send_multipart([b"a", b"b"]), lambda: req.send_string("x")):
        with pytest.raises(zmq.ZMQError, match=r"REQ_RELAXED and REQ_CORRELATE.*new socket") as caught:
            send()
        assert caught.value.errno == zmq.EFSM and str(caught.value).startswith(zmq.strerror(zmq.EFSM))
    assert len(router.recv_multipart()) == 3


def test_each_of_the_other_turns_is_told(zmq: ModuleType, pair: Any) -> None:
    rep, req = pair(zmq.REP, zmq.REQ)
    for call, text in (
        (req.recv, "this REQ has no request out"),
        (lambda: rep.send(b"x"), "this REP has no request to answer"),
    ):
        with pytest.raises(zmq.ZMQError, match=text) as caught:
            call()
        assert caught.value.errno == zmq.EFSM
    req.send(b"question")
    assert rep.recv() == b"question"
    with pytest.raises(zmq.ZMQError, match="this REP has a request to answer first"):
        rep.recv()
