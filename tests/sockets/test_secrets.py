"""No error shows the value of an option, a key or a password, nor keeps it: their types and lengths will do."""

from __future__ import annotations

import gc
import subprocess
import sys
import traceback
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

import zmq as plain
import zmq.ssh
from zmq import curve_keygen
from zmq.core import _text
from zmq.core.constants import _OptType
from zmq.utils import interop, monitor, strtypes, z85

SECRET = "HUNTER2secretHUNTER2"
BYTES = SECRET.encode()

OPTIONS = [option.name for option in plain.SocketOption if option._opt_type is _OptType.bytes]

VALUES: dict[str, Any] = {
    "short": BYTES,
    "long": BYTES * 30,
    "of one key": BYTES * 2,
    "with a zero": BYTES + b"\0",
    "str": SECRET,
    "str that can't be encoded": SECRET + "\ud800",
    "long str": SECRET * 30,
    "bytearray": bytearray(BYTES),
    "memoryview": memoryview(BYTES),
    "list": [SECRET],
    "tuple": (BYTES,),
    "dict": {"password": SECRET},
    "object": type("Shows", (), {"__repr__": lambda self: SECRET})(),
}


def has(thing: object, seen: set[int]) -> bool:
    """Tell whether the secret can be found in what an error keeps; its traceback is the caller's own business."""
    if id(thing) in seen:
        return False
    seen.add(id(thing))
    if isinstance(thing, str):
        return SECRET in thing
    if isinstance(thing, (bytes, bytearray, memoryview)):
        return BYTES in bytes(thing)
    if isinstance(thing, (list, tuple, set)):
        return any(has(each, seen) for each in thing)
    if isinstance(thing, dict):
        return any(has(each, seen) for each in [*thing, *thing.values()])
    if isinstance(thing, BaseException):
        kept = [thing.args, vars(thing), thing.__context__, thing.__cause__, str(thing), repr(thing)]
        kept += [getattr(thing, name, None) for name in ("object", "doc", "reason", "obj", "strerror", "filename")]
        return has(kept, seen) or has("".join(traceback.format_exception(thing)), seen)
    return False


def error_of(call: Callable[[], Any]) -> BaseException | None:
    """Return what a call raises, if it raises."""
    try:
        call()
    except Exception as error:
        return error
    return None


def check(*calls: Callable[[], Any]) -> None:
    """See that what is raised has nothing of the secret. Values that are taken are none of its business."""
    for call in calls:
        error = error_of(call)
        if error is not None:
            # Where it was raised stands in this file.
            error.__traceback__ = None
            assert not has(error, set()), repr(error)


def refused(*calls: Callable[[], Any]) -> None:
    for call in calls:
        assert error_of(call) is not None
    check(*calls)


def test_what_the_tests_look_for() -> None:
    for error in (
        ValueError(SECRET),
        error_of(lambda: f"{SECRET}\ud800".encode()),
        error_of(lambda: (BYTES + b"\xff").decode()),
    ):
        assert error is not None and has(error, set())
    try:
        try:
            raise ValueError(SECRET)
        except ValueError:
            raise TypeError from None
    except TypeError as caught:
        assert has(caught, set())


@pytest.mark.parametrize("name", OPTIONS)
def test_options_of_sockets(context: Any, zmq: ModuleType, name: str) -> None:
    option = zmq.SocketOption[name]
    socket = context.socket(zmq.SUB if name.endswith("SUBSCRIBE") else zmq.DEALER)
    for value in VALUES.values():
        check(
            lambda value=value: socket.set(option, value),
            lambda value=value: socket.setsockopt(int(option), value),
            lambda value=value: setattr(socket, name, value),
            lambda value=value: setattr(socket, name.lower(), value),
            lambda value=value: setattr(socket, name.title(), value),
            lambda value=value: socket.set_string(option, value),
            lambda value=value: socket.setsockopt_string(option, value, "ascii"),
            lambda value=value: socket.setsockopt_unicode(option, value, encoding="idna"),
            lambda value=value: socket.get_string(option),
        )
    refused(lambda: socket.set(option, [SECRET]), lambda: socket.set_string(option, BYTES))


@pytest.mark.parametrize("name", OPTIONS)
def test_defaults_of_contexts(context: Any, zmq: ModuleType, name: str) -> None:
    option = zmq.SocketOption[name]
    with warnings.catch_warnings():
        # Of sockets that could not be made.
        warnings.simplefilter("ignore", ResourceWarning)
        for value in VALUES.values():
            for set_default in (
                lambda value=value: setattr(context, name, value),
                lambda value=value: setattr(context, name.lower(), value),
                lambda value=value: context.setsockopt(option, value),
            ):
                check(set_default, lambda: context.socket(zmq.DEALER), lambda: context.socket(zmq.SUB))
                context.sockopts.clear()
        gc.collect()


def test_values_in_the_wrong_place(context: Any, zmq: ModuleType) -> None:
    socket = context.socket(zmq.DEALER)
    for value in (SECRET, BYTES, [SECRET]):
        refused(
            lambda value=value: socket.set(value, zmq.PLAIN_PASSWORD),
            lambda value=value: socket.get(value),
            lambda value=value: socket.set(zmq.LINGER, value),
            lambda value=value: setattr(socket, "plain_server", value),
            lambda value=value: socket.set_hwm(value),
            lambda value=value: context.set(zmq.MAX_SOCKETS, value),
            lambda value=value: context.set(value, 1),
            lambda value=value: setattr(context, "io_threads", value),
            lambda value=value: context.setsockopt(value, zmq.PLAIN_PASSWORD),
            lambda value=value: context.getsockopt(value),
            lambda value=value: zmq.Context(value),
            lambda value=value: socket.close(value),
        )


def test_a_closed_socket(context: Any, zmq: ModuleType) -> None:
    socket = context.socket(zmq.DEALER)
    socket.close()
    refused(
        lambda: socket.set(zmq.PLAIN_PASSWORD, BYTES),
        lambda: setattr(socket, "plain_password", SECRET),
        lambda: socket.set_string(zmq.PLAIN_PASSWORD, SECRET),
    )


def test_what_is_no_text_when_it_is_read(context: Any, zmq: ModuleType) -> None:
    socket = context.socket(zmq.DEALER)
    socket.plain_password = BYTES + b"\xff"
    with pytest.raises(UnicodeDecodeError) as caught:
        socket.get_string(zmq.PLAIN_PASSWORD)
    assert caught.value.start == len(SECRET) and caught.value.object == bytes(len(SECRET) + 1)
    refused(lambda: socket.get_string(zmq.PLAIN_PASSWORD), lambda: socket.getsockopt_unicode(zmq.PLAIN_PASSWORD))


def test_messages_and_addresses(context: Any, zmq: ModuleType) -> None:
    socket = context.socket(zmq.DEALER)
    address = f"tcp://user:{SECRET}@127.0.0.1:1"
    refused(
        lambda: socket.send(SECRET),
        lambda: socket.send_multipart([SECRET]),
        lambda: socket.send_multipart([{"password": SECRET}]),
        lambda: socket.send_string(BYTES),
        lambda: zmq.Frame(SECRET),
        lambda: zmq.Frame([SECRET]),
        lambda: zmq.Frame(BYTES)[SECRET],
        lambda: zmq.MessageTracker(SECRET),
        lambda: socket.connect([SECRET]),
        lambda: socket.connect(SECRET + "\ud800"),
        *(
            lambda use=use, where=where: use(where)
            for use in (socket.connect, socket.bind, socket.disconnect, socket.unbind)
            for where in (address, address.encode(), address + "\0", f"tcp://{SECRET}@host:1", f"tcp://u:{SECRET}/@h")
        ),
    )
    with pytest.raises(zmq.ZMQError, match=r"tcp://\.\.\.@127\.0\.0\.1:1"):
        socket.connect(address)
    with pytest.raises(zmq.ZMQError, match=r"\(addr='ipc:///no/where@all'\)"):
        socket.bind("ipc:///no/where@all")


def test_keys() -> None:
    for key in (SECRET, BYTES, SECRET + "é" * 20, SECRET * 2 + "\ud800", [SECRET], SECRET + " " * 20, bytearray(BYTES)):
        refused(lambda key=key: plain.curve_public(key))
    for text in (SECRET + " ", SECRET + "\0" * 5, SECRET + "é" * 5, "%nSc0" + SECRET, [SECRET], "%nSc0####" + SECRET):
        check(lambda text=text: z85.decode(text), lambda text=text: z85.encode(text))
    with pytest.raises(ValueError, match="position 5") as caught:
        z85.decode("aaaaa%nSc1")
    assert "nSc" not in str(caught.value)
    refused(lambda: z85.encode(BYTES + b"x"), lambda: interop.cast_int_addr(SECRET))
    refused(lambda: monitor.parse_monitor_message([SECRET]))
    with pytest.warns(DeprecationWarning):
        refused(
            lambda: strtypes.cast_bytes([SECRET]),
            lambda: strtypes.cast_bytes(SECRET + "é", "ascii"),
            lambda: strtypes.cast_unicode([SECRET]),
            lambda: strtypes.cast_unicode(BYTES + b"\xff"),
        )


@pytest.mark.parametrize(
    "arguments", [[SECRET], ["--json", SECRET], [f"--json={SECRET}"], ["--secret", "k", SECRET], [f"--{SECRET}"]]
)
def test_the_command_that_makes_keys(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        curve_keygen.main(arguments)
    printed = capsys.readouterr()
    assert caught.value.code == 2 and "usage:" in printed.err
    assert SECRET not in printed.out + printed.err


def test_passwords_of_ssh() -> None:
    address = "tcp://127.0.0.1:1"
    for password in (f"{SECRET}\n", f"{SECRET}\ud800", BYTES, [SECRET], SECRET * 60):
        for call in (
            lambda password=password: zmq.ssh.open_tunnel(address, "host", password=password),
            lambda password=password: zmq.ssh.openssh_tunnel(1, 1, "host", password=password),
            lambda password=password: zmq.ssh.paramiko_tunnel(1, 1, "host", password=password),
        ):
            refused(call)
    for server in (f"user:{SECRET}@host", f"user:{SECRET}@@host", f"user:{SECRET}@host:22"):
        refused(
            lambda server=server: zmq.ssh.open_tunnel(address, server),
            lambda server=server: zmq.ssh.try_passwordless_ssh(server),
            lambda server=server: zmq.ssh.open_tunnel(f"tcp://{server}", "host"),
        )


def test_secrets_are_not_kept_by_errors(zmq: ModuleType, context: Any) -> None:
    """Not even out of sight, as in what was handled when the error was raised."""
    socket = context.socket(zmq.DEALER)
    value = SECRET + "\ud800"
    before = sys.getrefcount(value)
    errors = [
        error_of(lambda: socket.set_string(zmq.PLAIN_PASSWORD, value)),
        error_of(lambda: plain.curve_public(value)),
        error_of(lambda: socket.set(zmq.PLAIN_PASSWORD, value)),
    ]
    for error in errors:
        assert error is not None
        error.__traceback__ = None
    assert sys.getrefcount(value) == before


def test_what_is_said_instead() -> None:
    assert _text.describe(BYTES) == "bytes of length 20" and _text.describe([1]) == "list of length 1"
    assert _text.describe(5) == "int" and _text.describe(memoryview(b"1")) == "memoryview"

    class Hostile(str):
        def __len__(self) -> int:
            raise AssertionError

    assert _text.describe(Hostile("abc")) == "Hostile of length 3"
    with pytest.raises(UnicodeEncodeError) as caught:
        _text.encode("aé", "ascii")
    assert (caught.value.start, caught.value.end, caught.value.encoding) == (1, 2, "ascii")
    with pytest.raises(LookupError):
        _text.encode("a", "no such encoding")


def test_other_values_are_still_shown(context: Any, zmq: ModuleType) -> None:
    socket = context.socket(zmq.DEALER)
    for option, value in ((zmq.LINGER, -5), (zmq.RCVHWM, -77)):
        with pytest.raises(zmq.ZMQError, match=str(value)):
            socket.set(option, value)


def test_of_a_whole_program() -> None:
    """What is printed for an error that nobody catches, with what Python adds to it."""
    program = f"import zmq; zmq.Context().socket(zmq.REQ).set_string(zmq.CURVE_SECRETKEY, input().strip() + {'é'!r})"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, input=SECRET, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1 and "CURVE_SECRETKEY" in done.stderr and SECRET not in done.stderr
