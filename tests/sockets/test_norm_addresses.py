"""Addresses of NORM: libzmq ends the process where it can't open a session, so each has an error before."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

import zmq as plain
from support.front_ends import FrontEnd
from support.own_servers import free_port
from support.programs import run
from zmq.core import _norm

pytestmark = pytest.mark.skipif(not plain.has("norm"), reason="this libzmq has no NORM")

GROUP = "224.1.2.3"
#: Addresses that can't be used, and why.
WRONG = {
    "norm://x": errno.EINVAL,
    "norm://": errno.EINVAL,
    "norm://:5555": errno.EINVAL,
    "norm://*:5555": errno.EINVAL,
    "norm://[::1]:5555": errno.EINVAL,
    f"norm://{GROUP}:": errno.EINVAL,
    f"norm://{GROUP}:http": errno.EINVAL,
    f"norm://{GROUP}:65536": errno.EINVAL,
    f"norm://lo,1;{GROUP}:5555": errno.EINVAL,
    f"norm://4294967296,{GROUP}:5555": errno.EINVAL,
    f"norm://lo;lo;{GROUP}:5555": errno.EINVAL,
    "norm://5,lo;": errno.EINVAL,
    "norm://host.invalid:5555": errno.EINVAL,
    f"norm://nothing0;{GROUP}:5555": errno.ENODEV,
    f"norm://{'x' * 300};{GROUP}:5555": errno.ENODEV,
    f"norm://192.0.2.1;{GROUP}:5555": errno.ENODEV,
    "norm://nothing0;ff02::1:5555": errno.ENODEV,
    "norm://2001:db8::1;ff02::1:5555": errno.EADDRNOTAVAIL,
    "norm://127.0.0.1;ff02::1:5555": errno.EAFNOSUPPORT,
    f"norm://::1;{GROUP}:5555": errno.EAFNOSUPPORT,
    "norm://fe80::1%nothing0;ff02::1:5555": errno.ENODEV,
}


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that another program has."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("", 0))
        yield other.getsockname()[1]


def test_what_can_not_be_used_has_an_error(front_end: FrontEnd, taken: int) -> None:
    """In a process of its own, which comes to its end."""
    wrong = {**WRONG, f"norm://127.0.0.1:{taken}": errno.EADDRINUSE, f"norm://lo;{GROUP}:{taken}": errno.EADDRINUSE}
    program = f"""
        context = zmq.Context()
        for address, number in {wrong!r}.items():
            for kind in (zmq.PUB, zmq.SUB):
                for way in ("bind", "connect"):
                    for given in (address, address.encode()):
                        socket = context.socket(kind)
                        try:
                            getattr(socket, way)(given)
                        except zmq.ZMQError as error:
                            assert error.errno == number and address in str(error), (address, error)
                        else:
                            raise AssertionError(address)
                        socket.close(0)
        context.term()
    """
    run(front_end, program)


def test_messages_come(front_end: FrontEnd) -> None:
    port = free_port(socket.SOCK_DGRAM)
    program = f"""
        context = zmq.Context()
        pub, sub = context.socket(zmq.PUB), context.socket(zmq.SUB)
        sub.subscribe(b"")
        sub.rcvtimeo = 50
        sub.connect("norm://2,lo;{GROUP}:{port}")
        pub.bind("norm://1,127.0.0.1;{GROUP}:{port}")
        while True:
            pub.send(b"news")
            try:
                assert sub.recv() == b"news"
                break
            except zmq.Again:
                pass
        context.destroy(0)
    """
    run(front_end, program)


def test_a_session_that_begins_has_its_port(front_end: FrontEnd) -> None:
    """libzmq's thread opens it some time after the call, and a second one of the same host can't be."""
    port, other = free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_DGRAM)
    program = f"""
        context = zmq.Context()
        one, two, wrong = context.socket(zmq.PUB), context.socket(zmq.PUB), context.socket(zmq.PUSH)
        try:
            wrong.connect("norm://127.0.0.1:{port}")
        except zmq.ZMQError as error:
            assert error.errno == zmq.ENOCOMPATPROTO
        one.connect("norm://127.0.0.1:{port}")
        try:
            two.connect("norm://127.0.0.1:{port}")
        except zmq.ZMQError as error:
            assert error.errno == zmq.EADDRINUSE
        else:
            raise AssertionError
        for each in (one, two):
            each.connect("norm://lo;{GROUP}:{other}")
        context.destroy(0)
    """
    run(front_end, program)


def test_a_machine_without_a_network() -> None:
    if os.geteuid() or subprocess.run(["unshare", "-n", "true"], capture_output=True).returncode:
        pytest.skip("network namespaces can't be made here")
    program = f"""
import zmq
socket = zmq.Context.instance().socket(zmq.PUB)
try:
    socket.connect("norm://{GROUP}:5555")
except zmq.ZMQError as error:
    assert error.errno == {errno.ENODEV}, error
else:
    raise AssertionError
"""
    subprocess.run(["unshare", "-n", sys.executable, "-c", program], check=True, timeout=60)


@pytest.mark.parametrize(
    "address",
    [f"norm://lo;{GROUP}:0", "norm://127.0.0.1:0", "norm://7,::1:0", "norm://lo;ff02::1:0", "norm://::1;ff02::1:0"],
)
def test_any_port(address: str) -> None:
    assert _norm.check(address) == (0, ";" in address)


def test_only_sockets_of_news_have_it(zmq: ModuleType, context: Any) -> None:
    with context.socket(zmq.PUSH) as push, pytest.raises(zmq.ZMQError) as caught:
        push.connect(f"norm://127.0.0.1:{free_port(socket.SOCK_DGRAM)}")
    assert caught.value.errno == plain.ENOCOMPATPROTO
