"""Errors and constants as programs take them apart, and as they come from and go to other processes."""

from __future__ import annotations

import copy
import enum
import errno
import pickle
from types import ModuleType
from typing import Any

import pytest

import zmq as plain
from zmq.core import constants, error

ERRORS = [getattr(error, name) for name in error.__all__]
ENUMS = [each for each in vars(constants).values() if isinstance(each, enum.EnumMeta) and each.__name__[0] != "_"]


@pytest.mark.parametrize("raised", ["again", "address", "text"])
def test_the_number_is_the_only_argument(context: Any, zmq: ModuleType, raised: str) -> None:
    """Whatever else is said; so ``number, = error.args`` works as in PyZMQ."""
    socket = context.socket(zmq.PULL)
    with pytest.raises(zmq.ZMQError) as caught:
        if raised == "again":
            socket.recv(zmq.NOBLOCK)
        elif raised == "address":
            socket.bind("nothing://there")
        else:
            socket.set(zmq.RCVHWM, -7)
    number = {"again": errno.EAGAIN, "address": errno.EPROTONOSUPPORT, "text": errno.EINVAL}[raised]
    found = caught.value
    assert found.args == (number,) and found.args[0] == found.errno
    for again in (copy.copy(found), pickle.loads(pickle.dumps(found))):
        assert (type(again), str(again), again.errno, again.args) == (type(found), str(found), number, (number,))
    socket.close()


@pytest.mark.parametrize("cls", [*ERRORS, *ENUMS], ids=lambda cls: cls.__name__)
def test_classes_are_where_programs_look_for_them(cls: type) -> None:
    """So that what is pickled here can be read by PyZMQ, and tracebacks say the same."""
    module = "zmq.constants" if isinstance(cls, enum.EnumMeta) else "zmq.error"
    assert cls.__module__ == module
    assert pickle.loads(pickle.dumps(cls)) is cls
    assert getattr(__import__(module, fromlist=["*"]), cls.__name__) is cls


def test_again_has_its_number_however_it_is_made() -> None:
    for made in (plain.Again(), plain.Again(errno.EAGAIN), plain.Again(msg="late")):
        assert made.args == (errno.EAGAIN,)


def test_old_private_names_of_asynchronous_sockets() -> None:
    import zmq._future
    import zmq.asyncio

    assert (zmq._future._AsyncSocket, zmq._future._AsyncPoller) == (zmq.asyncio.Socket, zmq.asyncio.Poller)
