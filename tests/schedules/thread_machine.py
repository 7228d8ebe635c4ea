"""Waiting in hubs of different native threads, searched by hypothesis: the trampoline's machine, each hub in a thread.

The threads are real. They do one thing at a time and nothing by themselves: a rule hands over to one and waits until it
has done its part, so which of them acts next is decided by hypothesis, and an example runs as it did before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis.stateful import rule
from machine import Puppet
from trampoline_machine import Waiting

import zmq
from support.fake_hub import FakeLoop
from support.front_ends import LIMIT
from zmq.core.waiting import who_waits


class InThreads(Waiting):
    """As `Waiting`, and beside it a thread without a hub that blocks."""

    refusal = "another thread"
    apart = True

    def __init__(self) -> None:
        self.puppets: dict[FakeLoop, Puppet] = {}
        self.blocking = Puppet()
        self.blocked: Callable[[], Any] | None = None
        self.expected: list[bytes] = []
        super().__init__()
        self.plain_context = zmq.Context()
        self.plain = self.plain_context.socket(zmq.PAIR), self.plain_context.socket(zmq.PAIR)
        self.plain[0].bind("inproc://blocks")
        self.plain[1].connect("inproc://blocks")

    def make_hub(self) -> FakeLoop:
        puppet = Puppet()
        hub: FakeLoop = puppet.do(FakeLoop)
        self.puppets[hub] = puppet
        return hub

    def at(self, hub: FakeLoop, function: Callable[..., Any], *args: Any) -> Any:
        puppet = self.puppets.get(hub)
        return function(*args) if puppet is None else puppet.do(function, *args)

    # The thread that blocks.

    @rule()
    def block(self) -> None:
        """Wait for a message, if there is none, in a thread that has no hub."""
        if self.blocked is None:
            self.blocked = self.blocking.begin(self.plain[0].recv)
            if not self.expected:
                self.await_block()
            else:
                assert self.blocked() == self.expected.pop(0)
                self.blocked = None

    def await_block(self) -> None:
        for _ in range(int(1000 * LIMIT)):
            if any(entry["waits_for"] is self.plain[0] for entry in who_waits.blocked_threads()):
                return
            self.blocking.thread.join(0.001)
        raise AssertionError("a thread does not block")

    @rule()
    def wake_who_blocks(self) -> None:
        message = self.message()[0]
        self.plain[1].send(message)
        self.expected.append(message)
        if self.blocked is not None:
            assert self.blocked() == self.expected.pop(0), "a message is lost, doubled or out of order"
            self.blocked = None

    def end(self) -> None:
        super().end()
        self.plain[0].close()
        if self.blocked is not None:
            try:
                self.blocked()
            except zmq.ZMQError as error:
                assert error.errno == zmq.ENOTSOCK
            else:
                raise AssertionError("a receive of a closed socket returned")

    def clean_up(self) -> None:
        super().clean_up()
        for socket in self.plain:
            socket.close(0)
        self.plain_context.term()
        for puppet in (*self.puppets.values(), self.blocking):
            puppet.end()
