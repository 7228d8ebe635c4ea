"""The life of contexts and sockets: how they begin, how they end, who else may end them."""

from __future__ import annotations

import errno
import gc
import sys
import warnings
import weakref
from collections.abc import Callable
from itertools import product
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import zmq as plain
from support.front_ends import FrontEnd, wait_until

Pair = Callable[..., tuple[Any, Any]]


def test_with(zmq: ModuleType, ledger: None) -> None:
    with zmq.Context() as context:
        with context.socket(zmq.PUSH) as socket:
            assert not socket.closed and not context.closed
        assert socket.closed
    assert context.closed


def test_with_closes_what_was_left_open_and_says_so(zmq: ModuleType, ledger: None) -> None:
    context = zmq.Context()
    with pytest.warns(ResourceWarning, match="unclosed.*PUSH"), context:
        socket = context.socket(zmq.PUSH)
    assert socket.closed and context.closed
    context = zmq.Context()
    with pytest.raises(ResourceWarning), context:
        socket = context.socket(zmq.PUSH)
    assert socket.closed and context.closed


def test_closing_twice_does_no_harm(zmq: ModuleType, ledger: None) -> None:
    context = zmq.Context()
    socket = context.socket(zmq.PUSH)
    for _ in range(2):
        socket.close()
        assert socket.closed
    for _ in range(2):
        context.term()
        context.destroy()
        assert context.closed


@pytest.mark.parametrize(
    "use",
    [
        lambda socket, zmq: socket.recv(),
        lambda socket, zmq: socket.recv(zmq.NOBLOCK),
        lambda socket, zmq: socket.recv_multipart(),
        lambda socket, zmq: socket.recv_into(bytearray(5)),
        lambda socket, zmq: socket.send(b"1"),
        lambda socket, zmq: socket.send(b"1", zmq.NOBLOCK),
        lambda socket, zmq: socket.send_multipart([b"1"]),
        lambda socket, zmq: socket.send_string("1"),
        lambda socket, zmq: socket.poll(),
        lambda socket, zmq: socket.poll(0),
        lambda socket, zmq: socket.get(zmq.LINGER),
        lambda socket, zmq: socket.linger,
        lambda socket, zmq: socket.set(zmq.LINGER, 5),
        lambda socket, zmq: socket.bind("inproc://closed"),
        lambda socket, zmq: socket.connect("inproc://closed"),
        lambda socket, zmq: socket.unbind("inproc://closed"),
        lambda socket, zmq: socket.disconnect("inproc://closed"),
        lambda socket, zmq: socket.bind_to_random_port("tcp://127.0.0.1"),
        lambda socket, zmq: socket.subscribe("x"),
        lambda socket, zmq: socket.monitor("inproc://monitor"),
        lambda socket, zmq: socket.get_monitor_socket(),
        lambda socket, zmq: socket.fileno(),
    ],
)
def test_a_closed_socket_refuses_everything_at_once(
    pair: Pair, zmq: ModuleType, use: Callable[[Any, ModuleType], Any]
) -> None:
    a, _ = pair()
    a.close()
    with pytest.raises(zmq.ZMQError) as caught:
        use(a, zmq)
    assert caught.value.errno == zmq.ENOTSOCK


def test_term_ends_those_who_wait(zmq: ModuleType, front_end: FrontEnd, ledger: None) -> None:
    context = zmq.Context()
    waits: dict[str, Callable[[Any], Any]] = {
        "recv": lambda socket: socket.recv(),
        "recv_multipart": lambda socket: socket.recv_multipart(),
        "poll": lambda socket: socket.poll(),
        "send": lambda socket: socket.send(b"1"),
    }

    started: list[str] = []

    def wait(name: str) -> bool:
        with context.socket(zmq.DEALER) as socket:
            started.append(name)
            with pytest.raises(zmq.ContextTerminated) as caught:
                waits[name](socket)
            assert caught.value.errno == zmq.ETERM
        return True

    tasks = [front_end.spawn(wait, name) for name in waits]
    wait_until(front_end, lambda: len(started) == len(waits))
    front_end.sleep(0.01)
    context.term()
    assert all(task.get() for task in tasks)


def test_destroy_sends_what_linger_allows(context: Any, zmq: ModuleType) -> None:
    pull = context.socket(zmq.PULL)
    port = pull.bind_to_random_port("tcp://127.0.0.1")
    sender = zmq.Context()
    push = sender.socket(zmq.PUSH)
    push.connect(f"tcp://127.0.0.1:{port}")
    for i in range(1000):
        push.send(b"%d" % i)
    sender.destroy()
    assert push.closed and sender.closed
    assert [int(pull.recv()) for _ in range(1000)] == list(range(1000))


@pytest.mark.parametrize("linger", [-1, -1000, -1.5])
@pytest.mark.parametrize("how", ["close", "destroy"])
def test_a_linger_that_is_none_changes_nothing(context: Any, zmq: ModuleType, linger: float, how: str) -> None:
    """As a program says it whose times are seconds, and -1 where there is none."""
    pull = context.socket(zmq.PULL)
    port = pull.bind_to_random_port("tcp://127.0.0.1")
    with zmq.Context() as sender:
        push = sender.socket(zmq.PUSH)
        push.connect(f"tcp://127.0.0.1:{port}")
        for i in range(100):
            push.send(b"%d" % i)
        if how == "close":
            push.close(linger=linger)
        else:
            sender.destroy(linger=linger)
        assert push.closed
        assert [int(pull.recv()) for _ in range(100)] == list(range(100))


def test_numbers_of_threads(zmq: ModuleType, ledger: None) -> None:
    """Half of the processors is a float."""
    with zmq.Context(5 / 2) as context, zmq.Context(io_threads=1.0) as other:
        assert (context.get(zmq.IO_THREADS), other.get(zmq.IO_THREADS)) == (2, 1)
    for wrong, error in ((-1.0, zmq.ZMQError), (float("nan"), ValueError), ("1", TypeError), (None, TypeError)):
        with pytest.raises(error):
            zmq.Context(wrong)


def test_destroy_without_linger_does_not_wait(zmq: ModuleType, ledger: None) -> None:
    context = zmq.Context()
    push = context.socket(zmq.PUSH)
    push.connect("tcp://127.0.0.1:1")
    push.send(b"nobody will ever have it")
    context.destroy(linger=0)
    assert context.closed


def test_several_may_terminate_it_at_once(zmq: ModuleType, front_end: FrontEnd, ledger: None) -> None:
    """Each returns when it is done."""
    for _ in range(20):
        context = zmq.Context()
        socket = context.socket(zmq.PUSH)
        ending = [front_end.spawn(context.term) for _ in range(4)]
        wait_until(front_end, lambda socket=socket: ended(socket))
        socket.close()
        for task in ending:
            task.get()
        assert context.closed
        context.term()


def ended(socket: Any) -> bool:
    """Tell whether the socket's context is being terminated."""
    try:
        socket.poll(0)
    except plain.ContextTerminated:
        return True
    return False


def test_a_terminated_context_makes_no_sockets(zmq: ModuleType, ledger: None) -> None:
    context = zmq.Context()
    context.term()
    with pytest.raises(zmq.ZMQError):
        context.socket(zmq.PUSH)
    with pytest.raises(RuntimeError):
        context.get(zmq.IO_THREADS)
    with pytest.raises(zmq.ZMQError):
        zmq.Socket(context, zmq.PUSH)


def test_types_that_do_not_exist(context: Any, zmq: ModuleType) -> None:
    for number in (-1, 99, 1 << 20):
        with pytest.raises(zmq.ZMQError, match=str(number)) as caught:
            context.socket(number)
        assert caught.value.errno == zmq.EINVAL
    with pytest.raises(TypeError):
        context.socket("PUSH")
    with pytest.raises(TypeError):
        zmq.Socket("context", zmq.PUSH)


def test_a_socket_of_a_context_by_its_class(zmq: ModuleType, ledger: None) -> None:
    """It is the context's as if the context had made it."""

    class Mine(zmq.Socket):  # type: ignore[name-defined, misc]
        pass

    context = zmq.Context()
    context.linger = 7
    context.subscribe = b"topic"
    sockets = [zmq.Socket(context, zmq.PUSH, copy_threshold=5), Mine(context, zmq.SUB), zmq.Socket(context, zmq.PULL)]
    assert [socket.linger for socket in sockets] == [7, 7, 7]
    assert [socket.copy_threshold for socket in sockets] == [5, plain.COPY_THRESHOLD, plain.COPY_THRESHOLD]
    shadow = zmq.Socket.shadow(sockets[0])
    assert set(context._sockets) == set(sockets)
    pub = context.socket(zmq.XPUB)
    pub.bind("inproc://topics")
    sockets[1].connect("inproc://topics")
    assert pub.recv() == b"\x01topic" and not pub.poll(0)
    context.destroy()
    assert all(socket.closed for socket in [*sockets, shadow]) and context.closed


def test_a_class_that_sets_options_in_its_own_way(zmq: ModuleType, ledger: None) -> None:
    class Mine(zmq.Socket):  # type: ignore[name-defined, misc]
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            self._seen: list[int] = []

        def setsockopt(self, option: int, value: Any) -> None:
            self._seen.append(option)
            super().setsockopt(option, value)

    def make(*args: Any) -> Any:
        return Mine(*args)

    context = zmq.Context()
    context.linger = 7
    context.subscribe = b"topic"
    pub = context.socket(zmq.XPUB)
    for number, (made, seen) in enumerate(
        (
            (context.socket(zmq.SUB, Mine), [zmq.LINGER, zmq.SUBSCRIBE]),
            (Mine(context, zmq.SUB), []),
            (context.socket(zmq.SUB, make), []),
        )
    ):
        assert made.linger == 7 and made._seen == seen
        pub.bind(f"inproc://{number}")
        made.connect(f"inproc://{number}")
        assert pub.recv() == b"\x01topic"
        # It subscribed once.
        made.unsubscribe(b"topic")
        assert pub.recv() == b"\x00topic"
        made.close()
    context.destroy()


def test_a_class_that_makes_another_socket_of_its_own(zmq: ModuleType, ledger: None) -> None:
    """Each has the defaults once, set in the way that fits how it was made."""

    seen = []
    inner = []

    class Mine(zmq.Socket):  # type: ignore[name-defined, misc]
        def __init__(self, *args: Any, outer: bool = True) -> None:
            if outer:
                inner.append(Mine(*args, outer=False))
            super().__init__(*args)

        def setsockopt(self, option: int, value: Any) -> None:
            seen.append((self, option))
            super().setsockopt(option, value)

    context = zmq.Context()
    context.linger = 7
    made = context.socket(zmq.PUSH, Mine)
    assert [socket.linger for socket in (made, *inner)] == [7, 7]
    assert seen == [(made, zmq.LINGER)]
    context.destroy()


def test_a_class_that_makes_something_else(zmq: ModuleType, ledger: None) -> None:
    class Mine(zmq.Socket):  # type: ignore[name-defined, misc]
        def __new__(cls, context: Any, number: int, **kwargs: Any) -> Any:
            return zmq.Socket(context, number, **kwargs)

        def setsockopt(self, option: int, value: Any) -> None:
            raise AssertionError("it is not one of ours")

    context = zmq.Context()
    context.linger = 7
    made = context.socket(zmq.PUSH, Mine, copy_threshold=5)
    assert type(made) is zmq.Socket and made.linger == 7 and made.copy_threshold == 5
    context.destroy()


def test_defaults_that_no_socket_takes(zmq: ModuleType, ledger: None) -> None:
    """The socket is not left behind."""
    context = zmq.Context()
    context.linger = "long"
    for make in (context.socket, lambda number: zmq.Socket(context, number)):
        with pytest.raises(TypeError):
            make(zmq.PUSH)
        assert all(socket.closed for socket in context._sockets)
    context.term()


def test_too_many_sockets(zmq: ModuleType, ledger: None) -> None:
    with zmq.Context() as context:
        context.max_sockets = 3
        sockets = [context.socket(zmq.PUSH) for _ in range(3)]
        with pytest.raises(zmq.ZMQError) as caught:
            context.socket(zmq.PUSH)
        assert caught.value.errno == errno.EMFILE
        for socket in sockets:
            socket.close()


def test_instance_is_shared(zmq: ModuleType, ledger: None) -> None:
    first = zmq.Context.instance()
    try:
        assert zmq.Context.instance() is first and type(first) is zmq.Context

        class Mine(zmq.Context):  # type: ignore[name-defined, misc]
            pass

        class Own(zmq.Context):  # type: ignore[name-defined, misc]
            _instance = None

        assert Mine.instance() is first
        own = Own.instance()
        assert type(own) is Own and own is Own.instance()
        own.term()
    finally:
        first.term()
    mine = Mine.instance()
    assert type(mine) is Mine and not mine.closed
    mine.term()
    second = zmq.Context.instance()
    assert second is not first and not second.closed
    second.term()


def test_another_call_of_instance_is_faster(zmq: ModuleType, ledger: None) -> None:
    """All get the same, and the one that is too many is terminated."""
    made = []

    class Mine(zmq.Context):  # type: ignore[name-defined, misc]
        _instance = None

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            made.append(self)
            if len(made) == 1:
                assert Mine.instance() is made[1]

    assert Mine.instance() is made[1]
    assert [each.closed for each in made] == [True, False]
    made[1].term()


def test_a_shadow_of_a_context_that_was_terminated(zmq: ModuleType, ledger: None) -> None:
    context = zmq.Context()
    shadows = [zmq.Context(context), zmq.Context.shadow(context.underlying)]
    context.socket(zmq.PUSH).close()
    context.term()
    for each, why in ((context, plain.ENOTSUP), *((shadow, plain.EFAULT) for shadow in shadows)):
        with pytest.raises(plain.ZMQError) as caught:
            each.socket(zmq.PUSH)
        assert each.closed and caught.value.errno == why


def test_shadows(context: Any, zmq: ModuleType) -> None:
    shadow = zmq.Context.shadow(context.underlying)
    assert shadow.underlying == context.underlying
    a = shadow.socket(zmq.PAIR)
    b = context.socket(zmq.PAIR)
    a.bind("inproc://shadow")
    b.connect("inproc://shadow")
    twin = zmq.Socket.shadow(b.underlying)
    twin.send(b"1")
    assert a.recv() == b"1"
    a.close()
    shadow.term()
    assert shadow.closed and not context.closed
    del twin
    gc.collect()
    assert not b.closed
    assert zmq.Context(context).underlying == context.underlying


def test_a_shadow_knows_that_it_is_one(context: Any, zmq: ModuleType) -> None:
    """Under the names that PyZMQ has for that."""
    socket = context.socket(zmq.PAIR)
    for original, make in ((context, zmq.Context), (socket, zmq.Socket)):
        assert (original._shadow, original._shadow_obj) == (False, None)
        of_object, of_address = make(shadow=original), make(shadow=original.underlying)
        assert (of_object._shadow, of_address._shadow) == (True, True)
        assert of_object._shadow_obj is original and of_address._shadow_obj is None


def test_a_shadow_of_pyczmq_s(context: Any, zmq: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    pyczmq = SimpleNamespace(zctx=SimpleNamespace(underlying=lambda zctx: float(zctx)))
    monkeypatch.setitem(sys.modules, "pyczmq", pyczmq)
    assert zmq.Context.shadow_pyczmq(context.underlying).underlying == context.underlying


def test_nothing_is_made_twice(context: Any, zmq: ModuleType) -> None:
    """A second `__init__` is refused, and changes nothing."""
    socket, frame = context.socket(zmq.PAIR), zmq.Frame(b"first")
    handles = context.underlying, socket.underlying
    for each, arguments in ((context, ()), (socket, (context, zmq.PAIR)), (frame, (b"second",))):
        with pytest.raises(RuntimeError, match="made once"):
            each.__init__(*arguments)
    assert (context.underlying, socket.underlying, frame.bytes) == (*handles, b"first")


def test_defaults_that_mean_nothing_to_a_type(context: Any, zmq: ModuleType) -> None:
    class Mine(zmq.Socket):  # type: ignore[name-defined, misc]
        def setsockopt(self, option: int, value: Any) -> None:
            super().setsockopt(option, value)

    context.setsockopt(zmq.XPUB_VERBOSE, 1)
    context.setsockopt(zmq.SNDHWM, 7)
    for make in (zmq.Socket, Mine):
        assert [context.socket(kind, make).sndhwm for kind in (zmq.XPUB, zmq.PUSH)] == [7, 7]


def test_what_is_dropped_is_collected(zmq: ModuleType, ledger: None, front_end: FrontEnd) -> None:
    context = zmq.Context()
    socket = context.socket(zmq.PAIR)
    socket.poll(1)
    socket.rcvtimeo = 1
    with pytest.raises(zmq.Again):
        socket.recv()
    gone = weakref.ref(socket)
    with pytest.warns(ResourceWarning, match="PAIR"):
        del socket
        gc.collect()
    assert gone() is None
    context.term()


class User:
    """Uses others in its finalizer."""

    def __init__(self, use: Callable[..., Any], found: list[Any]) -> None:
        self.use, self.found = use, found
        self.others: tuple[Any, ...] = ()
        self.users: list[User] = []

    def __del__(self) -> None:
        try:
            self.found.append(self.use(*self.others))
        except BaseException as error:
            self.found.append(error)


def collect_with_users(make: Callable[[], tuple[Any, ...]], use: Callable[..., Any]) -> list[Any]:
    """Have objects collected in one go with two users of them, and return what these found.

    Whichever way the collector goes through what it found, the objects' finalizers run between those of the users.
    """
    found: list[Any] = []
    gc.collect()
    gc.disable()
    try:
        users = [User(use, found)]
        others = make()
        users.append(User(use, found))
        for user in users:
            user.others, user.users = others, users
        del user, users, others
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            gc.collect()
    finally:
        gc.enable()
    return found


@pytest.mark.parametrize("end", ["term", "destroy"])
def test_a_context_is_ended_by_who_is_collected_with_it(end: str, zmq: ModuleType, ledger: None) -> None:
    """Its own finalizer may have run before."""
    found = collect_with_users(lambda: (zmq.Context(),), lambda context: (getattr(context, end)(), context.closed))
    assert found == [(None, True)] * 2


@pytest.mark.parametrize("shadowed", [False, True], ids=["its own", "a shadow's"])
@pytest.mark.parametrize("end", ["term", "destroy"])
@pytest.mark.parametrize("held", [False, True], ids=["collected", "kept"])
def test_a_context_is_ended_by_who_is_collected_with_its_sockets(
    held: bool, end: str, shadowed: bool, zmq: ModuleType, ledger: None
) -> None:
    """They are closed, as nobody else can do that any more."""
    kept: list[Any] = []

    def make() -> tuple[Any, ...]:
        context = zmq.Context()
        socket = (zmq.Context.shadow(context) if shadowed else context).socket(zmq.PUSH)
        socket.linger = 0
        socket.connect("tcp://127.0.0.1:1")
        kept.append(context if held else None)
        return context, socket

    found = collect_with_users(make, lambda context, socket: (getattr(context, end)(), socket.closed))
    assert found == [(None, True)] * 2
    kept.clear()


def test_whom_a_finalizer_ends_keeps_the_sockets_of_others(zmq: ModuleType, ledger: None) -> None:
    other = zmq.Context()

    def make() -> tuple[Any, ...]:
        return zmq.Context(), other.socket(zmq.PUSH), zmq.Context.shadow(other).socket(zmq.PUSH)

    def use(context: Any, *sockets: Any) -> tuple[bool, ...]:
        was = tuple(socket.closed for socket in sockets)
        context.destroy()
        return was

    first, _ = collect_with_users(make, use)
    assert first == (False, False)
    other.term()


def test_destroy_in_a_finalizer_has_a_linger(zmq: ModuleType, ledger: None) -> None:
    def make() -> tuple[Any, ...]:
        context = zmq.Context()
        socket = context.socket(zmq.PUSH)
        socket.connect("tcp://127.0.0.1:1")
        socket.send(b"nobody will ever have it")
        return context, socket

    assert collect_with_users(make, lambda context, socket: context.destroy(0)) == [None, None]


@pytest.mark.parametrize("linger", [None, 0])
def test_destroy_in_a_finalizer_calls_a_close_that_knows_no_linger(zmq: ModuleType, ledger: None, linger: Any) -> None:
    class Mine(zmq.Socket):  # type: ignore[name-defined, misc]
        def close(self) -> None:
            super().close()

    def make() -> tuple[Any, ...]:
        context = zmq.Context()
        return context, context.socket(zmq.PUSH, socket_class=Mine)

    found = collect_with_users(make, lambda context, socket: (context.destroy(linger), socket.closed))
    assert found == [(None, True)] * 2


@pytest.mark.parametrize("kind", ["context", "socket"])
def test_shadows_that_are_collected_with_the_original(kind: str, zmq: ModuleType, ledger: None) -> None:
    """They are closed by its finalizer: something else may have its address by then."""

    def make() -> tuple[Any, ...]:
        context = zmq.Context()
        original = context if kind == "context" else context.socket(zmq.PUSH)
        return context, original, type(original).shadow(original.underlying)

    addresses, nothing = collect_with_users(make, lambda context, *both: [each.underlying for each in both])
    assert addresses[0] == addresses[1] != 0
    assert nothing == [0, 0]


def test_a_context_that_is_dropped_does_not_hold_up_the_collector(zmq: ModuleType, ledger: None) -> None:
    context = zmq.Context()
    push = context.socket(zmq.PUSH)
    push.connect("tcp://127.0.0.1:1")
    push.send(b"nobody will ever have it")
    push.linger = 50
    gone = weakref.ref(context)
    with warnings.catch_warnings():
        # Recorded warnings would keep them alive.
        warnings.simplefilter("ignore")
        del push, context
        gc.collect()
    assert gone() is None


def test_binding_and_connecting_in_blocks(context: Any, zmq: ModuleType) -> None:
    a, b = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
    with a.bind("tcp://127.0.0.1:*") as bound:
        assert bound is a
        address = a.get_string(zmq.LAST_ENDPOINT)
        with b.connect(address) as connected:
            assert connected is b
            b.send(b"1")
            assert a.recv() == b"1"
        with pytest.raises(zmq.ZMQError) as caught:
            b.disconnect(address)
        assert caught.value.errno == errno.ENOENT
    with pytest.raises(zmq.ZMQError):
        a.unbind(address)


@pytest.mark.parametrize("how", ["bind", "connect"])
def test_a_block_may_close_its_socket(context: Any, zmq: ModuleType, how: str) -> None:
    """Then there is nothing left to undo."""
    socket = context.socket(zmq.PAIR)
    with getattr(socket, how)("inproc://block") as same:
        assert same is socket
        socket.close()
    assert socket.closed


def test_random_ports(context: Any, zmq: ModuleType) -> None:
    socket = context.socket(zmq.PULL)
    port = socket.bind_to_random_port("tcp://127.0.0.1")
    assert 0 < port < 65536
    other = context.socket(zmq.PULL)
    with pytest.raises(zmq.ZMQBindError, match=str(port)):
        other.bind_to_random_port("tcp://127.0.0.1", min_port=port, max_port=port + 1, max_tries=3)
    assert 20000 <= other.bind_to_random_port("tcp://127.0.0.1", min_port=20000, max_port=30000) < 30000
    with pytest.raises(zmq.ZMQError) as caught:
        other.bind_to_random_port("nonsense://127.0.0.1")
    assert caught.value.errno == zmq.EPROTONOSUPPORT


@pytest.mark.parametrize(
    ("how", "address"),
    [
        *product(["bind", "connect"], ["tcp://127.0.0.1", "tcp://", "nonsense://x", "no address", ""]),
        ("bind", "tcp://no_such_if0:*"),
    ],
)
def test_a_refused_address_is_in_the_text(context: Any, zmq: ModuleType, how: str, address: str) -> None:
    socket = context.socket(zmq.PAIR)
    with pytest.raises(zmq.ZMQError) as caught:
        getattr(socket, how)(address)
    assert repr(address) in str(caught.value)
    assert caught.value.errno in (zmq.EINVAL, zmq.EPROTONOSUPPORT, errno.ENODEV)
    socket.bind("inproc://still-usable")
    other = context.socket(zmq.PAIR)
    other.connect("inproc://still-usable")
    other.send(b"1")
    assert socket.recv() == b"1"


@pytest.mark.parametrize("how", ["bind", "connect", "unbind", "disconnect"])
def test_what_is_no_address(context: Any, zmq: ModuleType, how: str) -> None:
    socket = context.socket(zmq.PAIR)
    for nothing in (None, 5, ["tcp://127.0.0.1:5"], object()):
        with pytest.raises(TypeError, match="addr"):
            getattr(socket, how)(nothing)
    with pytest.raises(ValueError, match="zero"):
        getattr(socket, how)("inproc://a\0b")


def test_repr(context: Any, zmq: ModuleType) -> None:
    assert "0x" in repr(context)
    context.socket(zmq.PUSH)
    assert "1 socket" in repr(context)


def test_a_context_is_not_closed_while_it_waits_for_its_sockets(front_end: FrontEnd) -> None:
    zmq = front_end.zmq
    context = zmq.Context()
    held = context.socket(zmq.PAIR)
    held.linger = 0
    ending = front_end.spawn(context.term)

    def begun() -> bool:
        try:
            context.socket(zmq.PAIR).close()
        except zmq.ContextTerminated:
            return True
        return False

    wait_until(front_end, begun)
    assert not context.closed
    held.close()
    ending.get()
    assert context.closed
    with pytest.raises(zmq.ZMQError):
        context.socket(zmq.PAIR)


def test_every_option_can_be_read(context: Any, zmq: ModuleType) -> None:
    """Also one whose value is -1, as where no policy of scheduling was set."""
    for option in zmq.ContextOption:
        try:
            value = context.get(option)
        except zmq.ZMQError as error:
            # This libzmq has no such option, or it can only be set.
            assert error.errno == zmq.EINVAL
        else:
            assert getattr(context, option.name.lower()) == value
    assert context.thread_sched_policy == context.get(zmq.THREAD_SCHED_POLICY) == -1


def test_a_warning_names_the_place_where_it_was_let_go(zmq: ModuleType) -> None:
    lines: list[int] = []

    def here() -> int:
        return sys._getframe(1).f_lineno

    context = zmq.Context()
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always", ResourceWarning)
        socket = context.socket(zmq.PUSH)
        lines.append(here() + 1)
        del socket
        with zmq.Context() as other:
            lines.append(here() - 1)
            kept = other.socket(zmq.PUSH)
        # What was warned of is kept with the warning, and its context too.
        fresh = zmq.Context()
        lines.append(here() + 1)
        del fresh
    assert [(each.filename, each.lineno) for each in found if each.category is ResourceWarning] == [
        (__file__, line) for line in lines
    ]
    assert kept.closed
    found.clear()
    context.term()
