"""`zmq.COPY_THRESHOLD`: programs set it at run time, and tests for a while; what is sent later goes by it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any
from unittest import mock

import pytest

import zmq as plain
from zmq import asyncio as awaited
from zmq import eventlet, green

Pair = Callable[..., tuple[Any, Any]]

MODULES = [plain, green, eventlet]
SENDS: dict[str, Callable[[Any, bytes], Any]] = {
    "send": lambda socket, data: socket.send(data, copy=False, track=True),
    "a bytearray": lambda socket, data: socket.send(bytearray(data), copy=False, track=True),
    "send_multipart": lambda socket, data: socket.send_multipart([data], copy=False, track=True),
    "send_serialized": lambda socket, data: socket.send_serialized(data, lambda each: [each], copy=False, track=True),
    "send_string": lambda socket, data: socket.send_string(data.decode(), copy=False, track=True),
}


def lends(send: Callable[[Any, bytes], Any], socket: Any, size: int) -> bool:
    """Tell whether so many bytes are lent, and not copied; nobody receives them."""
    return not send(socket, bytes(size)).done


@pytest.mark.parametrize("send", SENDS.values(), ids=SENDS)
def test_later_sends_go_by_it(
    context: Any, zmq: ModuleType, pair: Pair, send: Callable[[Any, bytes], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    before, _ = pair(zmq.PUSH, zmq.PULL)
    assert (lends(send, before, 65535), lends(send, before, 65536)) == (False, True)
    for module in (plain, zmq):
        for threshold in (1, 1000, 1e5):
            monkeypatch.setattr(module, "COPY_THRESHOLD", threshold)
            after, _ = pair(zmq.PUSH, zmq.PULL)
            for socket in (before, after):
                assert socket.copy_threshold == threshold
                size = int(threshold)
                assert (lends(send, socket, size - 1), lends(send, socket, size)) == (False, True)
        monkeypatch.undo()
        assert before.copy_threshold == after.copy_threshold == 65536


def test_it_may_be_a_float(context: Any, zmq: ModuleType) -> None:
    with zmq.Socket(context, zmq.PUSH, copy_threshold=1e5) as socket:
        assert socket.copy_threshold == 100_000
        socket.copy_threshold = 1e6
        assert socket.copy_threshold == 1_000_000
        for wrong, error in ((float("nan"), ValueError), ("1", TypeError)):
            with pytest.raises(error):
                socket.copy_threshold = wrong
        assert socket.copy_threshold == 1_000_000


def test_what_was_read_and_is_set_back_says_nothing(
    pair: Pair, zmq: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is changed at `zmq` later counts again, as before."""
    zmq.COPY_THRESHOLD = zmq.COPY_THRESHOLD
    a, _ = pair(zmq.PUSH, zmq.PULL)
    assert a.copy_threshold == 65536
    assert zmq is plain or "COPY_THRESHOLD" not in vars(zmq)
    monkeypatch.setattr(plain, "COPY_THRESHOLD", 9)
    assert a.copy_threshold == zmq.COPY_THRESHOLD == 9


def test_later_frames_go_by_it(zmq: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (plain, zmq):
        monkeypatch.setattr(module, "COPY_THRESHOLD", 10)
        assert zmq.Frame(bytes(9), track=True).tracker.done
        assert not zmq.Frame(bytes(10), track=True).tracker.done
        assert zmq.Frame(bytes(10), track=True, copy_threshold=11).tracker.done
        monkeypatch.undo()
        assert zmq.Frame(bytes(65535), track=True).tracker.done


def test_a_socket_of_its_own_mind(pair: Pair, zmq: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    a, _ = pair(zmq.PUSH, zmq.PULL, copy_threshold=7)
    monkeypatch.setattr(plain, "COPY_THRESHOLD", 3)
    assert a.copy_threshold == 7 and not lends(SENDS["send"], a, 6) and lends(SENDS["send"], a, 7)
    a.copy_threshold = 0
    assert a.copy_threshold == 0 and lends(SENDS["send"], a, 1)
    a.copy_threshold = None
    assert a.copy_threshold == 3
    for wrong in ("1", [1]):
        with pytest.raises(TypeError):
            a.copy_threshold = wrong
    monkeypatch.setattr(plain, "COPY_THRESHOLD", "many")
    with pytest.raises(TypeError):
        a.send(b"1", copy=False)
    assert a.send(b"1") is None


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_what_sets_it_and_sets_it_back(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """However it is set, it is read as it is, and afterwards all is as before."""

    def thresholds() -> list[int]:
        found = []
        for each in MODULES:
            with each.Context() as context, context.socket(plain.PUSH) as socket:
                assert socket.copy_threshold == each.COPY_THRESHOLD
                found.append(socket.copy_threshold)
        return found

    here = MODULES.index(module)
    assert thresholds() == [65536] * 3
    with mock.patch.object(module, "COPY_THRESHOLD", 5):
        assert thresholds()[here] == 5
    assert thresholds() == [65536] * 3
    with mock.patch(f"{module.__name__}.COPY_THRESHOLD", 6):
        assert thresholds()[here] == 6
    assert thresholds() == [65536] * 3
    monkeypatch.setattr(module, "COPY_THRESHOLD", 8)
    assert thresholds()[here] == 8
    monkeypatch.undo()
    with mock.patch.object(plain, "COPY_THRESHOLD", 9):
        # No green name keeps a value of its own.
        assert thresholds() == [9] * 3
    assert thresholds() == [65536] * 3


def test_both_set_in_one_test(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in MODULES:
        monkeypatch.setattr(module, "COPY_THRESHOLD", 1)
    monkeypatch.undo()
    assert [module.Frame(bytes(1000), track=True).tracker.done for module in MODULES] == [True] * 3
    assert [module.COPY_THRESHOLD for module in MODULES] == [65536] * 3


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_the_name_is_there(module: ModuleType) -> None:
    assert "COPY_THRESHOLD" in dir(module) and "COPY_THRESHOLD" in module.__all__
    names: dict[str, Any] = {}
    exec(f"from {module.__name__} import *", names)
    assert names["COPY_THRESHOLD"] == 65536
    with pytest.raises(AttributeError, match="has no attribute 'COPY_TRESHOLD'"):
        module.COPY_TRESHOLD  # noqa: B018


def test_asyncio(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with awaited.Context() as context, context.socket(plain.PUSH) as a, context.socket(plain.PULL) as b:
            a.linger = 0
            a.bind("inproc://1")
            b.connect("inproc://1")
            monkeypatch.setattr(plain, "COPY_THRESHOLD", 2)
            assert (await a.send(b"1", copy=False, track=True)).done
            assert not (await a.send(b"12", copy=False, track=True)).done

    asyncio.run(main())


def test_a_program_that_sets_it() -> None:
    program = """if True:
        import zmq.green as zmq
        zmq.COPY_THRESHOLD = 4
        assert zmq.COPY_THRESHOLD == 4 and zmq.Context().socket(zmq.PUSH).copy_threshold == 4
        del zmq.COPY_THRESHOLD
        assert zmq.COPY_THRESHOLD == 65536 and zmq.Context().socket(zmq.PUSH).copy_threshold == 65536
        import zmq
        zmq.COPY_THRESHOLD = 5
        from zmq.green import COPY_THRESHOLD
        assert COPY_THRESHOLD == 5
    """
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)
