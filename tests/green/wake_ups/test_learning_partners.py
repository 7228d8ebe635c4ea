"""When partners are found, when they trust each other, and when one tries again whose partner had nothing to say.

To the round: what a greenlet does when it parks is counted in each round trip of two sockets, on a fake hub.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from test_partners import serve
from test_trampoline import World, waiting, world

import zmq as plain
from support.fake_hub import Killed, Task, Watcher, spawn
from zmq.core.statistics import statistics
from zmq.core.waiting.trampoline import _set_trusted_after

__all__ = ["world"]

#: How often the hub has to find a partner before its bell is looked at that was silent.
PENALTY = 16


class Rally:
    """A client that asks a server, and what each round trip takes."""

    def __init__(self, world: World, known: bool) -> None:
        self.world = world
        if known:
            self.server, self.client = world.pair(plain.DEALER, plain.DEALER)
        else:
            # With a second address it has not one to itself.
            self.server, self.client = world.socket(plain.DEALER), world.socket(plain.DEALER)
            self.server.bind("inproc://one")
            self.server.bind("inproc://other")
            self.client.connect("inproc://one")
        self.serving = spawn(serve, self.server)
        self.starts = 0

    def rounds(self, count: int, counted: Callable[[], int]) -> list[int]:
        """Make round trips; return what was counted in each of them."""
        found = []

        def ask() -> None:
            for _ in range(count):
                before = counted()
                self.client.send(b"question")
                assert self.client.recv() == b"question"
                found.append(counted() - before)

        task = spawn(ask)
        self.world.hub.settle()
        assert task.done and task.error is None
        return found

    def parked(self, count: int) -> list[int]:
        """Return for each of so many round trips how often somebody parked in the hub."""
        return self.rounds(count, lambda: self.world.hub.switches)

    def watched(self, count: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
        """Return for each of so many round trips how often a descriptor was watched."""
        start = Watcher.start

        def counted(watcher: Watcher, callback: Callable[[], object]) -> None:
            self.starts += 1
            start(watcher, callback)

        monkeypatch.setattr(Watcher, "start", counted)
        return self.rounds(count, lambda: self.starts)


def test_who_was_woken_twice_in_a_row_is_the_partner(world: World) -> None:
    rally = Rally(world, known=False)
    assert rally.parked(5) == [2, 2, 0, 0, 0]
    rally.serving.throw(Killed)


def test_who_has_an_address_in_common_is_known_after_one_round(world: World) -> None:
    rally = Rally(world, known=True)
    assert rally.parked(5) == [2, 0, 0, 0, 0]
    rally.serving.throw(Killed)


@pytest.mark.parametrize("known", [False, True], ids=["learned", "known"])
@pytest.mark.parametrize("often", [3, 8])
def test_partners_are_trusted_after_so_many_handovers(
    world: World, monkeypatch: pytest.MonkeyPatch, known: bool, often: int
) -> None:
    """From then on nothing is watched for them while they talk."""
    before = _set_trusted_after(often)
    try:
        rally = Rally(world, known)
        rounds = often if known else often + 1
        assert rally.watched(rounds + 4, monkeypatch) == [2] * rounds + [0] * 4
    finally:
        _set_trusted_after(before)
    rally.serving.throw(Killed)


def test_a_bell_that_was_silent_is_looked_at_again_after_the_hub_was_right_so_often(world: World) -> None:
    rally = Rally(world, known=True)
    rally.parked(3)
    # It waits, while its partner waits too.
    task = spawn(rally.client.recv)
    world.hub.settle()
    assert waiting(task, rally.serving)
    rally.server.send(b"by somebody else")
    world.hub.settle()
    assert task.result == b"by somebody else"
    # The server is waited for in the hub, and answers past it.
    assert rally.parked(PENALTY + 4) == [1] * (PENALTY + 1) + [0] * 3
    rally.serving.throw(Killed)


@pytest.mark.parametrize("rounds", [0, 50], ids=["strangers", "partners"])
def test_who_finds_a_message_does_not_park(world: World, rounds: int) -> None:
    """Also a client that would hand over, had it anybody to hand over to."""
    rally = Rally(world, known=True)
    rally.parked(rounds)
    rally.serving.throw(Killed)
    before = statistics()["parked"]
    rally.server.send(b"unasked")

    def ask() -> bytes:
        rally.client.send(b"question")
        return rally.client.recv()

    task: Task = spawn(ask)
    assert task.done and task.result == b"unasked"
    assert statistics()["parked"] == before
