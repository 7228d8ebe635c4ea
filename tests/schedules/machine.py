"""What the state machines share: the package set so that no example depends on a clock, and what must hold at the end.

A machine is a class of hypothesis's: rules are what may happen next, and its model is what was sent, what must arrive
and who waits. Each example is an instance, which hypothesis feeds with rules and `teardown` ends.
"""

from __future__ import annotations

import asyncio
import itertools
import queue
import threading
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine

import zmq
from support.fake_hub import spawn
from support.front_ends import LIMIT
from zmq.core.waiting import sweep_alarm, trampoline, who_waits
from zmq.core.waiting.budget import get_budget, set_budget
from zmq.core.waiting.trampoline import _set_trusted_after

sides = st.integers(0, 1)
picks = st.integers(0, 20)
#: For what leaves little to happen afterwards.
rarely = st.sampled_from([*[False] * 15, True])


class Machine(RuleBasedStateMachine):
    """One whose examples begin and end in the same way."""

    #: How many were begun in this process.
    begun: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        Machine.begun += 1
        self.serial = itertools.count()
        self.budget = get_budget()
        # Yields would depend on the clock.
        set_budget(0)
        # Two who talk to each other soon do so without their bells.
        self.trusted_after = _set_trusted_after(1)
        # The alarm looks at all, marked or not.
        self.rounds, sweep_alarm.ROUNDS = sweep_alarm.ROUNDS, 1
        self.missed = sweep_alarm.missed()

    def teardown(self) -> None:
        try:
            self.end()
            assert sweep_alarm.missed() == self.missed, "a wake-up was missed"
        finally:
            set_budget(self.budget)
            _set_trusted_after(self.trusted_after)
            sweep_alarm.ROUNDS = self.rounds
            self.clean_up()

    # What a machine has of its own.

    def end(self) -> None:
        """See that nothing was lost and nothing is left."""

    def clean_up(self) -> None:
        """Close what the example has opened, whatever became of it."""

    # What they use.

    def message(self, count: int = 1) -> list[bytes]:
        """Return a message that there was not before."""
        number = next(self.serial)
        return [b"%d.%d" % (number, i) for i in range(count)]


def who_wait(sockets: Iterable[zmq.Socket[Any]]) -> list[dict[str, Any]]:
    """Return what the package says of those who wait for one of these."""
    known = {int(socket.underlying): socket for socket in sockets if not socket.closed}
    return [entry for entry in trampoline.waiters(known) if entry["waits_for"] is not None]


def who_polls() -> list[Any]:
    """Return the greenlets and futures that wait for what is no single socket."""
    return [entry["waiter"] for entry in who_waits.parked_greenlets()]


def terminate(context: zmq.Context[Any]) -> None:
    """End a context whose sockets are closed, in a fake hub that has nothing else to do."""
    hub: Any = context._get_hub()
    ending = spawn(context.term)
    hub.settle_until(lambda: ending.done)


def turn(loop: asyncio.AbstractEventLoop) -> None:
    """Let an event loop run what it has to run, and look at its descriptors, once."""
    loop.call_soon(loop.stop)
    loop.run_forever()


def settle(loop: Any, limit: int = 200) -> None:
    """Turn an event loop until it has nothing to do, which two turns without anything to run tell."""
    idle = 0
    for _ in range(limit):
        turn(loop)
        idle = 0 if loop._ready else idle + 1
        if idle == 2:
            return
    raise AssertionError("the loop never comes to rest: something spins")


class Puppet:
    """A native thread that does what it is told to, one thing after the other, and nothing by itself.

    What it does may call `run`, and is then in the midst of that until it is told to `leave`.
    """

    def __init__(self) -> None:
        self.orders: queue.SimpleQueue[tuple[Callable[[], Any], queue.SimpleQueue[Any]] | None] = queue.SimpleQueue()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self) -> None:
        while True:
            order = self.orders.get()
            if order is None:
                return
            function, answers = order
            del order
            try:
                found = function(), None
            except BaseException as error:
                found = None, error
            answers.put(found)
            # It holds nothing while it waits.
            del function, answers, found

    def begin(self, function: Callable[..., Any], *args: Any) -> Callable[[], Any]:
        """Have it do something; return what waits until that is done, and returns or raises what it did."""
        answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.orders.put((lambda: function(*args), answers))

        def result() -> Any:
            found, error = answers.get(timeout=LIMIT)
            if error is not None:
                raise error
            return found

        return result

    def do(self, function: Callable[..., Any], *args: Any) -> Any:
        """Have it do something, and wait until that is done."""
        return self.begin(function, *args)()

    def leave(self) -> None:
        """Have it return from `run`."""
        self.orders.put(None)

    def end(self) -> None:
        """Let the thread end, and wait until it has."""
        self.leave()
        self.thread.join(LIMIT)
        assert not self.thread.is_alive(), "a thread does not end"
