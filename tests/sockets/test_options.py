"""Options of sockets and contexts in every spelling, and the defaults that a context gives its sockets."""

from __future__ import annotations

import enum
import errno
import os
import socket as native_socket
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from support.front_ends import LIMIT
from zmq.core.sockets.option_attributes import MixedCase
from zmq.utils import z85
from zmq.utils.monitor import recv_monitor_message

Pair = Callable[..., tuple[Any, Any]]


def test_every_option_reads_the_same_in_every_spelling(context: Any, zmq: ModuleType) -> None:
    socket = context.socket(zmq.DEALER)

    def read(get: Callable[[], Any]) -> Any:
        try:
            return get()
        except (zmq.ZMQError, AttributeError):
            return "refused"

    values = {option.name: read(lambda option=option: socket.get(option)) for option in zmq.SocketOption}
    for option in zmq.SocketOption:
        value = values[option.name]
        assert read(lambda option=option: socket.getsockopt(option)) == value
        assert read(lambda option=option: socket.get(int(option))) == value
        if option != zmq.HWM:  # an option of old that libzmq no longer has
            assert read(lambda option=option: getattr(socket, option.name)) == value
            assert read(lambda option=option: getattr(socket, option.name.title())) == value
            assert read(lambda option=option: getattr(socket, option.name.capitalize())) == value
            if not option.name.endswith("SUBSCRIBE"):  # in lower case they are methods
                assert read(lambda option=option: getattr(socket, option.name.lower())) == value
        kind = bytes if option._opt_type is zmq.constants._OptType.bytes else int
        assert value == "refused" or type(value) is kind
    assert values["LINGER"] == 0 and values["LAST_ENDPOINT"] == b"" and values["MAXMSGSIZE"] == -1
    assert values["SUBSCRIBE"] == "refused"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("linger", 5), ("sndhwm", 7), ("rcvhwm", 0), ("rcvtimeo", 100), ("sndtimeo", -1), ("routing_id", b"\x01name"),
        ("maxmsgsize", 1 << 40), ("immediate", 1), ("affinity", 3), ("tcp_keepalive", 1), ("ipv6", True),
        ("plain_username", b"user"), ("backlog", 50), ("reconnect_ivl", 10), ("conflate", True),
    ],
)  # fmt: skip
def test_set_and_get(context: Any, zmq: ModuleType, name: str, value: Any) -> None:
    option = zmq.SocketOption[name.upper()]
    ways: list[Callable[[Any], None]] = [
        lambda socket: socket.set(option, value),
        lambda socket: socket.setsockopt(int(option), value),
        lambda socket: setattr(socket, name, value),
        lambda socket: setattr(socket, name.upper(), value),
    ]
    for way in ways:
        socket = context.socket(zmq.DEALER)
        way(socket)
        assert socket.get(option) == value


@pytest.mark.parametrize(
    "name", ["Linger", "rcvHWM", "SndHwm", "RcvTimeo", "sndTIMEO", "Rcvtimeo", "MaxMsgSize", "Tcp_Keepalive", "Ipv6"]
)
def test_mixed_case_that_programs_use(context: Any, zmq: ModuleType, name: str) -> None:
    socket = context.socket(zmq.DEALER)
    assert getattr(socket, name) == getattr(socket, name.lower())
    setattr(socket, name, 1)
    assert getattr(socket, name) == getattr(socket, name.upper()) == socket.get(zmq.SocketOption[name.upper()]) == 1
    setattr(context, name, 1)
    assert getattr(context, name) == 1


def test_any_mix_of_cases_can_be_read_once_it_was_written(context: Any, zmq: ModuleType) -> None:
    socket, other = context.socket(zmq.DEALER), context.socket(zmq.DEALER)
    for number, name in enumerate(("LiNgEr", "rCVtIMEO", "hEARTBEAT_tIMEOUT"), 1):
        with pytest.raises(AttributeError):
            getattr(socket, name)
        setattr(socket, name, number)
        assert getattr(socket, name) == getattr(socket, name.lower()) == number
        setattr(other, name, number + 1)
        assert (getattr(socket, name), getattr(other, name)) == (number, number + 1)
        delattr(MixedCase, name)


class Name(str, enum.Enum):
    """Names as programs and the readers of their settings have them."""

    LINGER = "linger"
    SNDHWM = "SndHwm"
    IO_THREADS = "io_threads"
    PRIVATE = "_private"
    NOTHING = "nothing"


def test_names_that_are_more_than_text(context: Any, zmq: ModuleType) -> None:
    socket = context.socket(zmq.PUSH)
    for owner in (socket, context):
        for number, name in enumerate((Name.LINGER, Name.SNDHWM, Name.PRIVATE), 3):
            setattr(owner, name, number)
            assert getattr(owner, name) == number
        delattr(owner, Name.PRIVATE)
        assert not hasattr(owner, Name.PRIVATE) and not hasattr(owner, Name.NOTHING)
        with pytest.raises(AttributeError):
            setattr(owner, Name.NOTHING, 1)
        with pytest.raises(AttributeError):
            delattr(owner, Name.NOTHING)
    assert (socket.linger, socket.sndhwm, context.linger) == (3, 4, 3)
    assert getattr(context, Name.IO_THREADS) == 1
    delattr(context, Name.LINGER)
    assert not hasattr(context, "linger")


@pytest.mark.parametrize(
    ("name", "opposite"),
    [
        ("subscribe", "unsubscribe"),
        ("SUBSCRIBE", "UNSUBSCRIBE"),
        ("Subscribe", "Unsubscribe"),
        ("suBscribe", "unsuBscribe"),
    ],
)
def test_topics_are_text_in_every_case(pair: Pair, zmq: ModuleType, name: str, opposite: str) -> None:
    pub, sub = pair(zmq.XPUB, zmq.SUB, rcvtimeo=int(1000 * LIMIT))
    try:
        setattr(sub, name, "tópic")
        setattr(sub, opposite, "tópic")
        setattr(sub, name, b"bytes")
        assert [pub.recv() for _ in range(3)] == [b"\x01t\xc3\xb3pic", b"\x00t\xc3\xb3pic", b"\x01bytes"]
    finally:
        if "uB" in name:
            delattr(MixedCase, name)
            delattr(MixedCase, opposite)


@pytest.mark.parametrize(
    ("name", "said"), [("linger", "int : the socket option LINGER,"), ("IDENTITY", "bytes : the socket option ")]
)
def test_attributes_say_which_option_they_are(zmq: ModuleType, name: str, said: str) -> None:
    assert getattr(zmq.Socket, name).__doc__.startswith(said)


def test_looking_up_methods_costs_no_more_than_that_of_any_class(zmq: ModuleType) -> None:
    """The interpreter's short cuts are for classes that have neither of these."""
    assert not hasattr(zmq.Socket, "__getattr__")
    assert zmq.Socket.__getattribute__ is object.__getattribute__


def test_strings(context: Any, zmq: ModuleType) -> None:
    socket = context.socket(zmq.DEALER)
    socket.set_string(zmq.ROUTING_ID, "grün")
    assert socket.get(zmq.IDENTITY) == "grün".encode()
    assert socket.get_string(zmq.ROUTING_ID) == socket.getsockopt_unicode(zmq.ROUTING_ID) == "grün"
    socket.setsockopt_string(zmq.ROUTING_ID, "ü", encoding="latin-1")
    assert socket.identity == b"\xfc"
    assert socket.getsockopt_string(zmq.ROUTING_ID, "latin-1") == "ü"
    with pytest.raises(TypeError):
        socket.get_string(zmq.LINGER)
    with pytest.raises(TypeError):
        socket.set_string(zmq.ROUTING_ID, b"bytes")


def test_keys_of_curve(context: Any, zmq: ModuleType) -> None:
    """However they were set they are read as text."""
    if not zmq.has("curve"):
        pytest.skip("libzmq has no CURVE")
    socket = context.socket(zmq.REQ)
    for key, text in zip((zmq.CURVE_PUBLICKEY, zmq.CURVE_SECRETKEY), zmq.curve_keypair(), strict=True):
        socket.set(key, text)
        assert socket.get(key) == text
        socket.set(key, z85.decode(text))
        assert socket.get(key) == text
    socket.curve_serverkey = text
    assert socket.curve_serverkey == text


def test_high_water_marks_together(context: Any, zmq: ModuleType) -> None:
    socket = context.socket(zmq.DEALER)
    socket.hwm = 12
    assert (socket.sndhwm, socket.rcvhwm, socket.hwm, socket.get_hwm()) == (12, 12, 12, 12)
    socket.set_hwm(13)
    assert (socket.sndhwm, socket.rcvhwm) == (13, 13)
    socket.set(zmq.HWM, 14)
    assert (socket.sndhwm, socket.rcvhwm) == (14, 14)


def test_what_the_socket_says_of_itself(context: Any, zmq: ModuleType) -> None:
    socket = context.socket(zmq.ROUTER)
    assert socket.socket_type is zmq.SocketType.ROUTER and socket.type == zmq.ROUTER
    port = socket.bind_to_random_port("tcp://127.0.0.1")
    assert socket.last_endpoint == b"tcp://127.0.0.1:%d" % port
    assert socket.fileno() == socket.FD == socket.fd and type(socket.fd) is int
    assert socket.events == socket.EVENTS == zmq.POLLOUT
    assert socket.mechanism == zmq.NULL
    assert "ROUTER" in repr(socket)
    socket.close()
    assert "closed" in repr(socket)


def test_attributes_that_are_no_options(context: Any, zmq: ModuleType) -> None:
    socket = context.socket(zmq.DEALER)
    with pytest.raises(AttributeError, match="NO_SUCH_OPTION"):
        socket.no_such_option = 5
    with pytest.raises(AttributeError):
        socket.no_such_option  # noqa: B018
    with pytest.raises(AttributeError):
        del socket.no_such_option
    with pytest.raises(AttributeError, match="LINGER"):
        del socket.linger

    class Named(zmq.Socket):
        name: str

    named = context.socket(zmq.DEALER, socket_class=Named)
    named.name = "mine"
    named._private = 5
    assert (named.name, named._private) == ("mine", 5)


def test_one_place_for_subclasses(context: Any, zmq: ModuleType) -> None:
    """All spellings end in `getsockopt` and `setsockopt`."""
    seen: list[Any] = []

    class Watched(zmq.Socket):
        def getsockopt(self, option: int) -> Any:
            seen.append(option)
            return super().getsockopt(option)

        def setsockopt(self, option: int, value: Any) -> None:
            seen.append((option, value))
            super().setsockopt(option, value)

    socket = context.socket(zmq.SUB, socket_class=Watched)
    seen.clear()
    socket.linger = 1
    socket.LINGER = 2
    socket.set(zmq.LINGER, 3)
    socket.subscribe("a")
    socket.subscribe = b"b"
    socket.set_string(zmq.SUBSCRIBE, "c")
    assert seen == [(zmq.LINGER, n) for n in (1, 2, 3)] + [(zmq.SUBSCRIBE, t) for t in (b"a", b"b", b"c")]
    seen.clear()
    assert socket.linger == socket.LINGER == socket.get(zmq.LINGER) == 3
    assert socket.get_string(zmq.LAST_ENDPOINT) == ""
    assert seen == [zmq.LINGER] * 3 + [zmq.LAST_ENDPOINT]


@pytest.mark.parametrize("name", ["setsockopt", "set"])
def test_wrong_values(context: Any, zmq: ModuleType, name: str) -> None:
    socket = context.socket(zmq.DEALER)
    set_option = getattr(socket, name)
    for option, value in ((zmq.LINGER, "5"), (zmq.LINGER, b"5"), (zmq.LINGER, 1.5), (zmq.ROUTING_ID, 5)):
        with pytest.raises(TypeError):
            set_option(option, value)
    with pytest.raises(TypeError, match="set_string"):
        set_option(zmq.ROUTING_ID, "text")
    with pytest.raises(OverflowError):
        set_option(zmq.LINGER, 1 << 40)
    with pytest.raises(zmq.ZMQError, match="ROUTING_ID") as caught:
        set_option(zmq.ROUTING_ID, b"x" * 300)
    assert caught.value.errno == zmq.EINVAL
    with pytest.raises(zmq.ZMQError, match="99999") as caught:
        set_option(99999, 1)
    assert caught.value.errno == zmq.EINVAL
    with pytest.raises(zmq.ZMQError):
        socket.get(99999)
    with pytest.raises(TypeError):
        socket.get("linger")
    assert socket.linger == 0


def test_context_options(context: Any, zmq: ModuleType) -> None:
    assert context.get(zmq.IO_THREADS) == context.io_threads == context.IO_THREADS == 1
    context.max_sockets = 5
    assert context.get(zmq.MAX_SOCKETS) == 5
    context.set(zmq.MAX_SOCKETS, 7)
    assert context.max_sockets == 7
    with pytest.raises(zmq.ZMQError) as caught:
        context.set(zmq.MAX_SOCKETS, -5)
    assert caught.value.errno == zmq.EINVAL
    with pytest.raises(zmq.ZMQError):
        context.get(9999)
    with pytest.raises(AttributeError):
        context.no_such_option = 5
    with pytest.raises(AttributeError):
        context.no_such_option  # noqa: B018
    with zmq.Context(io_threads=3) as other:
        assert other.io_threads == 3
    with pytest.raises(zmq.ZMQError):
        zmq.Context(-1)


@pytest.mark.parametrize("value", [-(2**40), -(2**31) - 1, -(2**31), -2, 2**31 - 1, 2**31, 2**40, 10**30])
def test_context_options_that_mean_nothing(zmq: ModuleType, ledger: None, value: int) -> None:
    """Of some libzmq would end the process when it makes the first socket."""
    for option in (zmq.MAX_SOCKETS, zmq.IO_THREADS, zmq.MAX_MSGSZ, zmq.IPV6):
        if option in (zmq.MAX_MSGSZ, zmq.IPV6) and value == 2**31 - 1:
            continue
        with zmq.Context() as context:
            before = context.get(option)
            with pytest.raises(zmq.ZMQError, match="Invalid argument") as caught:
                context.set(option, value)
            assert caught.value.errno == zmq.EINVAL and context.get(option) == before
    with pytest.raises(zmq.ZMQError, match="Invalid argument"):
        zmq.Context(io_threads=value)


def test_as_many_sockets_as_libzmq_says(zmq: ModuleType, ledger: None) -> None:
    with zmq.Context() as context:
        for most in (context.get(zmq.SOCKET_LIMIT), 1_000_000):
            context.max_sockets = most
            assert context.max_sockets == most
        context.socket(zmq.PUSH).close()


@pytest.mark.parametrize(
    "options",
    [
        {"THREAD_SCHED_POLICY": 999},
        {"THREAD_SCHED_POLICY": 1},  # SCHED_FIFO, without the priority that it needs
        {"THREAD_SCHED_POLICY": 1, "THREAD_PRIORITY": 500},
        {"THREAD_AFFINITY_CPU_ADD": 1023},
        {"THREAD_AFFINITY_CPU_ADD": 10**6},
    ],
)
def test_threads_that_libzmq_could_not_start(zmq: ModuleType, ledger: None, options: dict[str, int]) -> None:
    with zmq.Context() as context:
        for name, value in options.items():
            context.set(zmq.ContextOption[name], value)
        for _ in range(2):
            with pytest.raises(zmq.ZMQError, match="THREAD_SCHED_POLICY, THREAD_PRIORITY or THREAD_AFFINITY") as caught:
                context.socket(zmq.PUSH)
            assert caught.value.errno in (zmq.EINVAL, errno.EPERM)
        if "THREAD_AFFINITY_CPU_ADD" in options:
            context.set(zmq.THREAD_AFFINITY_CPU_REMOVE, options["THREAD_AFFINITY_CPU_ADD"])
            context.socket(zmq.PUSH).close()


def test_defaults_for_sockets(context: Any, zmq: ModuleType) -> None:
    before = context.socket(zmq.PUSH)
    context.linger = 17
    context.sndhwm = 4
    context.setsockopt(zmq.RCVTIMEO, 50)
    context.subscribe = b"topic"
    assert context.linger == context.getsockopt(zmq.LINGER) == 17
    sub, push = context.socket(zmq.SUB), context.socket(zmq.PUSH)
    assert (push.linger, push.sndhwm, push.rcvtimeo, sub.linger) == (17, 4, 50, 17)
    assert before.linger == 0
    del context.linger
    with pytest.raises(AttributeError):
        context.linger  # noqa: B018
    assert context.socket(zmq.PUSH).linger != 17
    context.sockopts.clear()
    xpub = context.socket(zmq.XPUB)
    xpub.bind("inproc://defaults")
    sub.connect("inproc://defaults")
    assert xpub.recv() == b"\x01topic"


def listen_queue(zmq: ModuleType, socket: Any) -> int:
    """Bind, and return how many the system has wait to be accepted (`tcpi_sacked` of a socket that listens)."""
    monitor = socket.get_monitor_socket(zmq.EVENT_LISTENING)
    socket.bind("tcp://127.0.0.1:*")
    listener = recv_monitor_message(monitor)["value"]
    with native_socket.socket(fileno=os.dup(listener)) as listening:
        info = listening.getsockopt(native_socket.IPPROTO_TCP, native_socket.TCP_INFO, 32)
    return int.from_bytes(info[28:], sys.byteorder)


def test_as_many_may_connect_at_once_as_the_system_lets(context: Any, zmq: ModuleType) -> None:
    longest = int(Path("/proc/sys/net/core/somaxconn").read_text())
    assert listen_queue(zmq, context.socket(zmq.ROUTER)) == min(longest, 65535)
    socket = context.socket(zmq.ROUTER)
    socket.backlog = 7
    assert listen_queue(zmq, socket) == socket.backlog == 7
    context.backlog = 8
    assert listen_queue(zmq, context.socket(zmq.STREAM)) == 8


def test_constants_are_enums(zmq: ModuleType) -> None:
    for kind, name in (
        (zmq.SocketType, "PUSH"), (zmq.SocketOption, "LINGER"), (zmq.ContextOption, "IO_THREADS"),
        (zmq.PollEvent, "POLLIN"), (zmq.Event, "CONNECTED"), (zmq.Flag, "NOBLOCK"), (zmq.Errno, "EAGAIN"),
        (zmq.DeviceType, "QUEUE"), (zmq.MessageOption, "MORE"), (zmq.SecurityMechanism, "CURVE"),
    ):  # fmt: skip
        assert issubclass(kind, enum.IntEnum) or issubclass(kind, enum.IntFlag)
        exported = getattr(zmq, f"EVENT_{name}" if kind is zmq.Event else name)
        assert exported is kind[name]
    assert zmq.XREQ == zmq.DEALER and zmq.XREP == zmq.ROUTER
    assert zmq.DONTWAIT == zmq.NOBLOCK == 1
    assert zmq.POLLIN | zmq.POLLOUT == 3


def test_versions(zmq: ModuleType) -> None:
    assert zmq.zmq_version_info() >= (4, 2)
    assert zmq.zmq_version() == ".".join(map(str, zmq.zmq_version_info()))
    assert zmq.pyzmq_version() == zmq.__version__ == "27.3.0"
    assert zmq.pyzmq_version_info() == (27, 3, 0)
    assert zmq.greenzmq_version().count(".") == 2
    assert zmq.strerror(zmq.EAGAIN) and zmq.strerror(zmq.ETERM)
    assert zmq.has("no such thing") is False
