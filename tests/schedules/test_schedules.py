"""A short form of ``make schedules``, and whether what a machine finds is shown, and is found again."""

from __future__ import annotations

import subprocess
import sys
from collections import deque
from pathlib import Path
from typing import Any

import pytest

SCHEDULES = Path(__file__).resolve().parent
sys.path.insert(0, str(SCHEDULES))

import schedules  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from hypothesis.stateful import rule, run_state_machine_as_test  # noqa: E402
from machine import Machine, Puppet, settle  # noqa: E402

from support.front_ends import LONG  # noqa: E402


# A failure is shown only after hypothesis has made it small, which takes longer than the search.
@pytest.mark.timeout(400 if schedules.SHRINKS else 60)
@pytest.mark.parametrize("name", schedules.MACHINES)
def test_nothing_is_lost_doubled_or_waited_for_in_vain(name: str) -> None:
    if name == "streams":
        pytest.importorskip("tornado")
    run_state_machine_as_test(schedules.machine_of(name), settings=schedules.settings_of(300 if LONG else 50))


class Forgetful(Machine):
    """A queue that loses what is taken out when there are three."""

    def __init__(self) -> None:
        super().__init__()
        self.queue: deque[int] = deque()
        self.model: deque[int] = deque()

    @rule(number=st.integers(0, 9))
    def put(self, number: int) -> None:
        self.queue.append(number)
        self.model.append(number)

    @rule()
    def take(self) -> None:
        if self.model:
            if len(self.queue) == 3:
                self.queue.rotate()
            assert self.queue.popleft() == self.model.popleft(), "lost"


@pytest.mark.skipif(not schedules.SHRINKS, reason="nothing is made small")
def test_what_is_found_is_shown_small_and_found_again() -> None:
    def steps() -> list[str]:
        found = schedules.search(Forgetful, 50, 1)
        assert "AssertionError: lost" in found
        return [line for line in found.splitlines() if line.startswith("state.")]

    first = steps()
    assert len([step for step in first if step.startswith("state.put")]) == 3
    assert first[-2:] == ["state.take()", "state.teardown()"] and len(first) == 5
    assert steps() == first


def test_a_missed_wake_up_fails() -> None:
    class Missing(Machine):
        @rule()
        def miss(self) -> None:
            self.missed = -1

    assert "a wake-up was missed" in schedules.search(Missing, 5, 1)


def test_the_program_ends_with_a_table() -> None:
    command = [sys.executable, str(SCHEDULES / "schedules.py"), "--examples", "5", "--seed", "3", "--only", "loops"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "seed 3" in done.stdout and "loops" in done.stdout.splitlines()[-2]


def test_who_is_not_done_in_time_has_failed(capsys: pytest.CaptureFixture[str]) -> None:
    found = schedules.run_apart(schedules.Piece("loops", 100_000, 1), 0.0)
    assert found.failure.startswith("seed 1, 100000 examples: it ended with -9")


def test_the_pieces_make_up_what_was_asked_for() -> None:
    found = schedules.pieces(["loops", "relays"], 2500, 7)
    assert found == [(name, *rest) for name in ("loops", "relays") for rest in ((1000, 7), (1000, 8), (500, 9))]
    done = [schedules.Found(piece.name, piece.examples, 1.5, "") for piece in found]
    assert schedules.in_all("relays", done) == ("relays", 2500, 4.5, "")
    done[1] = done[1]._replace(examples=300, failure="seed 8: too bad")
    assert schedules.in_all("loops", done) == ("loops", 1800, 4.5, "seed 8: too bad")


def test_a_puppet_does_what_it_is_told_and_says_what_came_of_it() -> None:
    puppet = Puppet()
    assert puppet.do(int, "7") == 7
    with pytest.raises(ValueError):
        puppet.do(int, "x")
    inside = puppet.begin(puppet.run)
    assert puppet.do(int, "8") == 8
    puppet.leave()
    assert inside() is None
    puppet.end()


def test_a_loop_that_spins_never_comes_to_rest() -> None:
    import asyncio

    loop = asyncio.new_event_loop()

    def spin() -> Any:
        return loop.call_soon(spin)

    settle(loop)
    spin()
    with pytest.raises(AssertionError, match="spins"):
        settle(loop)
    loop.close()
