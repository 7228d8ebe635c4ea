"""A stream goes on where a signal's handler raised in its midst, foreign code took its news, or its peer was full."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("tornado")

import zmq
from support.awaiting import turns, until
from support.every_loop import every_loop
from support.fake_hub import FakeHub, green, spawn
from support.foreign_code import read_events
from support.interruptions import Interrupt, interrupt
from support.streams import run, sockets
from zmq.core.futures import Listener
from zmq.core.waiting import sweep_alarm
from zmq.eventloop.zmqstream import FIRST_LOOK, LAST_LOOK, ZMQStream


def fill(socket: Any, *address: bytes) -> int:
    """Send until there is no room; return how many messages."""
    count = 0
    try:
        while True:
            socket.send_multipart([*address, b"fill"], zmq.NOBLOCK)
            count += 1
    except zmq.Again:
        return count


async def until_there(things: list[Any], number: int) -> None:
    await until(lambda: len(things) >= number)


# The handler of a signal.


@every_loop
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("does", ["receives", "sends"])
def test_a_handler_that_raises_while_a_stream_asks_for_its_turn(
    context: Any, new_loop: Callable[[], Any], does: str, when: str
) -> None:
    """Before the loop has noted that, or after; the handler's exception goes to the loop's handler of exceptions."""

    async def main() -> None:
        loop: Any = asyncio.get_running_loop()
        a, b = sockets(context, zmq.PAIR, zmq.PAIR, hwm=1)
        stream = ZMQStream(a)
        got: list[Any] = []
        if does == "receives":
            stream.on_recv(got.append)
        else:
            fill(a)
            stream.on_send(lambda message, status: got.append(message))
            stream.send(b"1")
            stream.send(b"2")
        await turns()
        raised: list[int] = []
        call_soon = loop.call_soon

        def interrupted(callback: Any, *args: Any, **kwargs: Any) -> Any:
            if getattr(callback, "__name__", "") != "_handle_events" or raised:
                return call_soon(callback, *args, **kwargs)
            raised.append(1)
            if when == "after":
                call_soon(callback)
            raise Interrupt

        loop.call_soon = interrupted
        for number in (1, 2):
            if does == "receives":
                b.send(b"%d" % number)
            else:
                b.recv()
            await until_there(got, number)
            assert raised
        del loop.call_soon
        assert got == [[b"1"], [b"2"]]
        stream.close()

    assert [type(error) for error in run(main, new_loop())] == [Interrupt]


def test_a_handler_that_raises_before_any_bytecode_of_what_a_stream_is_told(context: Any) -> None:
    raised: list[bool] = []

    async def main() -> None:
        a, b = sockets(context, zmq.PAIR, zmq.PAIR)
        stream = ZMQStream(a)
        got: list[Any] = []
        stream.on_recv(got.append)
        await turns()
        while not raised or raised[-1]:
            b.send(b"x")
            # The stream hears of that by a call on its socket.
            raised.append(interrupt(len(raised), lambda: a.get(zmq.EVENTS), ("zmq.eventloop.",)))
            await until(lambda: len(got) == len(raised))
        stream.close()

    reported = run(main)
    assert len(raised) > 20 and {type(error) for error in reported} == {Interrupt}


def test_a_handler_that_raises_before_any_bytecode_of_a_send(context: Any) -> None:
    """That message may go later, or never; the next one goes, in its turn."""

    async def main() -> None:
        a, b = sockets(context, zmq.PAIR, zmq.PAIR)
        stream = ZMQStream(a)
        number, raised = 0, True
        while raised:
            raised = interrupt(number, lambda: stream.send(b"interrupted"), ("zmq.eventloop.",))
            stream.send(b"%d" % number)
            await until(lambda: b.poll(0))
            got = b.recv()
            if got == b"interrupted":
                await until(lambda: b.poll(0))
                got = b.recv()
            assert got == b"%d" % number and not b.poll(0)
            number += 1
        assert number > 20
        stream.close()

    assert {type(error) for error in run(main)} <= {Interrupt}


# Foreign code.


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> FakeHub:
    # How much is looked at at a time is not for the clock to say.
    monkeypatch.setattr(sweep_alarm, "SLICE_SECONDS", 1000.0)
    # Each round looks at every socket, also at those that nothing has marked.
    monkeypatch.setattr(sweep_alarm, "ROUNDS", 1)
    return FakeHub()


class Heard:
    """A listener of a socket that can neither receive nor send, and what it was told."""

    def __init__(self, hub: FakeHub, kinds: tuple[int, int] = (zmq.PAIR, zmq.PAIR)) -> None:
        Context, _, _ = green(hub)
        self.hub = hub
        self.context = Context()
        self.one, self.other = (self.context.socket(kind) for kind in kinds)
        for socket in (self.one, self.other):
            socket.linger, socket.hwm = 0, 1
        self.one.bind("inproc://listened")
        self.other.connect("inproc://listened")
        self.told = 0
        self.listener = Listener(self.one, lambda: hub, self.changed, lambda: None)

    def changed(self) -> None:
        self.told += 1

    def try_in_vain(self) -> None:
        """Look as a stream does after attempts in vain."""
        with pytest.raises(zmq.Again):
            self.one.recv(zmq.NOBLOCK)
        assert not self.listener.look() & zmq.POLLIN

    def miss(self) -> None:
        """A message comes, and foreign code swallows the news."""
        self.other.send(b"x")
        assert read_events(self.one) & zmq.POLLIN

    def sweep(self) -> int:
        """Let the alarm look; return how many wake-ups it found that were missed."""
        before = sweep_alarm.missed()
        told = self.told
        self.hub.ring_alarm()
        assert self.told > told
        found = sweep_alarm.missed() - before
        sweep_alarm._reset_missed(before)
        return found

    def close(self) -> None:
        self.listener.close()
        ending = spawn(self.context.destroy, linger=0)
        self.hub.settle_until(lambda: ending.done)
        assert ending.error is None


@pytest.fixture
def heard(hub: FakeHub, ledger: None) -> Iterator[Heard]:
    heard = Heard(hub)
    yield heard
    heard.close()


def test_what_a_stream_has_missed_is_counted(heard: Heard) -> None:
    heard.listener.arm(zmq.POLLIN)
    for _ in range(3):
        heard.try_in_vain()
        heard.miss()
        with pytest.warns(RuntimeWarning, match=r"1 wake-up"):
            assert heard.sweep() == 1
        # Now it was told: it is not counted twice.
        assert heard.sweep() == 0
        assert heard.one.recv() == b"x"


def test_room_that_a_stream_has_missed_is_counted(heard: Heard) -> None:
    fill(heard.one)
    heard.listener.arm(zmq.POLLOUT)
    assert not heard.listener.look()
    while read_events(heard.other) & zmq.POLLIN:
        heard.other.recv(zmq.NOBLOCK)
    assert read_events(heard.one) & zmq.POLLOUT
    with pytest.warns(RuntimeWarning, match=r"1 wake-up"):
        assert heard.sweep() == 1


def test_what_a_stream_was_told_of_is_not_counted(heard: Heard) -> None:
    """It has only not looked yet, as its turn in the loop has not come."""
    heard.listener.arm(zmq.POLLIN)
    heard.try_in_vain()
    heard.other.send(b"x")
    told = heard.told
    assert int(heard.one.get(zmq.EVENTS)) & zmq.POLLIN and heard.told > told
    assert heard.sweep() == 0
    # It looks, and the attempt after that takes its time.
    assert heard.listener.look() & zmq.POLLIN
    assert heard.sweep() == 0


def test_what_a_stream_does_not_want_is_not_counted(heard: Heard) -> None:
    fill(heard.one)
    heard.listener.arm(zmq.POLLOUT)
    assert not heard.listener.look()
    heard.miss()
    assert heard.sweep() == 0
    # Nor is what it waits for no more, while somebody else does.
    heard.listener.arm(zmq.POLLIN)
    assert heard.listener.look() & zmq.POLLIN
    heard.one.recv()
    heard.try_in_vain()
    heard.listener.disarm()
    waiting = spawn(heard.one.poll, None, zmq.POLLOUT)
    heard.miss()
    assert heard.sweep() == 0 and not waiting.done
    waiting.throw()


def test_room_for_anybody_is_not_counted_where_a_message_is_for_one(hub: FakeHub, ledger: None) -> None:
    """POLLOUT of a ROUTER says nothing of the peer that the message is for."""
    heard = Heard(hub, (zmq.ROUTER, zmq.DEALER))
    assert heard.listener.is_routed
    heard.listener.arm(zmq.POLLIN | zmq.POLLOUT)
    heard.try_in_vain()
    assert not heard.listener.look() and read_events(heard.one) == zmq.POLLOUT
    assert heard.sweep() == 0
    heard.try_in_vain()
    heard.miss()
    with pytest.warns(RuntimeWarning, match=r"1 wake-up"):
        assert heard.sweep() == 1
    heard.close()


@every_loop
@pytest.mark.parametrize("does", ["receives", "sends"])
def test_a_stream_gets_what_it_has_missed(
    context: Any, new_loop: Callable[[], Any], monkeypatch: pytest.MonkeyPatch, does: str
) -> None:
    monkeypatch.setattr(sweep_alarm, "SWEEP_SECONDS", 0.02)
    before = sweep_alarm.missed()

    async def main() -> None:
        a, b = sockets(context, zmq.PAIR, zmq.PAIR, hwm=1)
        stream = ZMQStream(a)
        got: list[Any] = []
        if does == "receives":
            stream.on_recv(got.append)
        else:
            fill(a)
            stream.on_send(lambda message, status: got.append(message))
            stream.send(b"x")
        await turns()
        if does == "receives":
            b.send(b"x")
        else:
            while b.poll(0):
                b.recv()
        read_events(a)
        await until(lambda: got)
        assert got == [[b"x"]]
        stream.close()

    with pytest.warns(RuntimeWarning, match="1 wake-up"):
        assert run(main, new_loop()) == []
    assert sweep_alarm.missed() == before + 1
    sweep_alarm._reset_missed(before)


# A peer that is full.


class Looks:
    """The looks that a stream has its loop make later, which come when the test says so."""

    def __init__(self, loop: Any, stream: Any) -> None:
        self.delays: list[float] = []
        self.timers: list[Any] = []
        self.callbacks: list[Callable[[], object]] = []
        self.call_later = loop.call_later
        self.stream = stream
        loop.call_later = self.note

    def note(self, delay: float, callback: Any, *args: Any, **kwargs: Any) -> Any:
        if getattr(callback, "__self__", None) is not self.stream:
            return self.call_later(delay, callback, *args, **kwargs)
        self.delays.append(delay)
        self.callbacks.append(callback)
        self.timers.append(self.call_later(1000, callback, *args, **kwargs))
        return self.timers[-1]

    def come(self) -> None:
        """The time of the last one has come."""
        assert not self.timers[-1].cancelled()
        self.timers[-1].cancel()
        self.callbacks[-1]()


def full_peer(context: Any) -> tuple[Any, Any]:
    """Return a ROUTER that refuses what there is no room for, and a DEALER named "full", which is that."""
    router, dealer = context.socket(zmq.ROUTER), context.socket(zmq.DEALER)
    for socket in (router, dealer):
        socket.linger, socket.hwm = 0, 1
    router.router_mandatory, dealer.routing_id = True, b"full"
    router.bind("inproc://full")
    dealer.connect("inproc://full")
    dealer.send(b"hello")
    assert router.recv_multipart() == [b"full", b"hello"]
    assert fill(router, b"full") > 0
    return router, dealer


@every_loop
@pytest.mark.parametrize("receives", [False, True], ids=["sends", "receives too"])
def test_a_message_for_a_peer_that_is_full_is_tried_again(
    context: Any, new_loop: Callable[[], Any], receives: bool
) -> None:
    """By itself, less and less often: POLLOUT says nothing, and foreign code may have heard that there is room."""

    async def main() -> None:
        router, dealer = full_peer(context)
        stream = ZMQStream(router)
        looks = Looks(asyncio.get_running_loop(), stream)
        sent: list[Any] = []
        got: list[Any] = []
        if receives:
            stream.on_recv(got.append)
        stream.on_send(lambda message, status: sent.append(message))
        stream.send_multipart([b"full", b"1"])
        for number in range(15):
            await until_there(looks.timers, number + 1)
            looks.come()
        await until_there(looks.timers, 16)
        assert looks.delays == [min(FIRST_LOOK * 2**number, LAST_LOOK) for number in range(16)]
        assert looks.delays[-1] == LAST_LOOK and not sent
        # Something happens, and they are frequent anew.
        dealer.send(b"news")
        await until_there(looks.timers, 17)
        assert looks.delays[-1] == FIRST_LOOK and looks.timers[15].cancelled()
        assert not sent and got == [[b"full", b"news"]] * receives
        # There is room, and nobody tells the stream.
        while read_events(dealer) & zmq.POLLIN:
            dealer.recv(zmq.NOBLOCK)
        read_events(router)
        await turns()
        assert not sent
        looks.come()
        await until(lambda: sent)
        assert sent == [[b"full", b"1"]] and dealer.recv() == b"1"
        await turns()
        assert len(looks.timers) == 17
        stream.close()

    assert run(main, new_loop()) == []


@every_loop
@pytest.mark.parametrize("end", ["close", "close with linger", "flush", "later callback"])
def test_a_stream_that_ends_looks_no_more(context: Any, new_loop: Callable[[], Any], end: str) -> None:
    """No timer is left, whether the stream waits for one or its turn is due."""

    async def main() -> None:
        router, dealer = full_peer(context)
        stream = ZMQStream(router)
        looks = Looks(asyncio.get_running_loop(), stream)
        stream.send_multipart([b"full", b"1"])
        await until(lambda: looks.timers)
        # Each time that something happens the timer is another one.
        for number in range(3):
            router.get(zmq.EVENTS)
            await until_there(looks.timers, number + 2)
            assert [timer.cancelled() for timer in looks.timers] == [True] * (number + 1) + [False]
        if end == "flush":
            while dealer.poll(0):
                dealer.recv()
            assert stream.flush() == 1
            await turns()
        elif end == "later callback":
            router.get(zmq.EVENTS)
            asyncio.get_running_loop().call_soon(stream.close)
            await turns()
        stream.close(linger=0 if end == "close with linger" else None)
        assert all(timer.cancelled() for timer in looks.timers) and stream._look_timer is None
        number = len(looks.timers)
        await turns()
        assert len(looks.timers) == number

    assert run(main, new_loop()) == []


@pytest.mark.parametrize("kind", [zmq.PUSH, zmq.DEALER, zmq.PAIR])
def test_where_the_bell_tells_of_room_no_timer_is_set(context: Any, kind: int) -> None:
    async def main() -> None:
        socket = context.socket(kind)
        stream = ZMQStream(socket)
        looks = Looks(asyncio.get_running_loop(), stream)
        stream.send(b"nobody is there")
        await asyncio.sleep(0.01)
        assert stream.sending() and not looks.timers
        stream.close(linger=0)

    assert run(main) == []
