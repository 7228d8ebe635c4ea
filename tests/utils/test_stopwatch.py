"""`Stopwatch`."""

from __future__ import annotations

import time
from types import ModuleType

import pytest

from zmq.core.stopwatch import Stopwatch


@pytest.fixture
def watch() -> Stopwatch:
    with pytest.warns(DeprecationWarning, match="perf_counter") as caught:
        watch = Stopwatch()
    assert caught[0].filename == __file__
    return watch


def test_the_same_class_everywhere(zmq: ModuleType) -> None:
    assert issubclass(zmq.Stopwatch, Stopwatch)


def test_it_measures_microseconds(watch: Stopwatch) -> None:
    for _ in range(2):  # the second time from 0 again
        before = time.monotonic_ns()
        watch.start()
        began = time.monotonic_ns()
        time.sleep(0.01)
        ended = time.monotonic_ns()
        elapsed = watch.stop()
        after = time.monotonic_ns()
        assert isinstance(elapsed, int)
        assert (ended - began) // 1000 <= elapsed <= (after - before) // 1000
    assert began + 10_000_000 <= ended


def test_it_runs_on(watch: Stopwatch) -> None:
    watch.start()
    first = watch.stop()
    time.sleep(0.001)
    assert watch.stop() >= first + 1000


def test_it_must_be_started(watch: Stopwatch) -> None:
    with pytest.raises(RuntimeError, match="never started"):
        watch.stop()
