"""`NativeThread` and its neighbours: what the library's own threads are made of."""

from __future__ import annotations

import math
import os
import resource

import pytest

from support.front_ends import LIMIT
from zmq.core.native_threads import NativeLock, NativeSignal, NativeThread, poll_natively


def test_the_life_of_a_thread() -> None:
    begun, go_on = NativeSignal(), NativeSignal()

    def target() -> None:
        begun.set()
        go_on.wait(LIMIT)

    thread = NativeThread(target, name="worker")
    assert repr(thread) == "<NativeThread worker not started>"
    assert thread.daemon and thread.name == "worker" and thread.ident is None and thread.done_fd == -1
    with pytest.raises(RuntimeError, match="not started"):
        thread.join()
    thread.start()
    begun.wait(LIMIT)
    assert repr(thread) == "<NativeThread worker running>" and thread.ident
    with pytest.raises(RuntimeError, match="started once"):
        thread.start()
    go_on.set()
    thread.join(LIMIT)
    assert repr(thread) == "<NativeThread worker done>" and thread.error is None


@pytest.mark.parametrize("error", [ZeroDivisionError("text"), SystemExit(3)])
def test_what_a_thread_raises_is_kept(error: BaseException) -> None:
    def target() -> None:
        raise error

    thread = NativeThread(target)
    thread.start()
    thread.join(LIMIT)
    assert thread.error is error and not thread.is_alive()


def test_more_descriptors_than_are_polled_at_once() -> None:
    ends = os.pipe()
    try:
        assert poll_natively([(ends[0], 1)] * 64, 0) == {}
        with pytest.raises(ValueError, match="too many"):
            poll_natively([(ends[0], 1)] * 65, 0)
    finally:
        for end in ends:
            os.close(end)


@pytest.mark.parametrize("seconds", [math.nan, 0.0, -0.0])
def test_what_is_no_time_is_none(seconds: float) -> None:
    signal = NativeSignal()
    signal.wait(seconds)
    assert poll_natively([(signal.fd, 1)], seconds) == {}


@pytest.mark.parametrize("seconds", [math.inf, 1e300, 1e9])
def test_a_time_that_is_too_long_for_the_system_ends_at_the_event(seconds: float) -> None:
    signal, ended = NativeSignal(), NativeSignal()

    def target() -> None:
        signal.wait(seconds)
        assert poll_natively([(signal.fd, 1)], seconds) == {signal.fd: 1}
        ended.set()

    thread = NativeThread(target)
    thread.start()
    ended.wait(0.02)
    assert not ended.is_set
    signal.set()
    thread.join(LIMIT)
    assert thread.error is None and ended.is_set


def test_a_signal_needs_a_descriptor() -> None:
    """Where there is none it says so, and leaves none behind."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, before[1]))
    try:
        with pytest.raises(OSError):
            NativeSignal()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    signal = NativeSignal()
    descriptor = signal.fd
    signal.__init__()  # type: ignore[misc]
    assert signal.fd == descriptor
    signal.set()
    signal.wait(LIMIT)


def test_a_lock_is_reentrant() -> None:
    lock = NativeLock()
    with lock, lock:
        pass
    with lock:
        pass
