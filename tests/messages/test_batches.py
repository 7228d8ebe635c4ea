"""`send_many` and `recv_many`: what they take and return, and that they count exactly, whatever ends them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

import zmq as plain
import zmq.asyncio as za
from support.front_ends import GREEN_FRONT_ENDS, FrontEnd, GreenFrontEnd, wait_until

Pair = Callable[..., tuple[Any, Any]]

MESSAGES = [b"%d" % number for number in range(50)]


def take(socket: Any, count: int, **options: Any) -> list[Any]:
    """Receive so many messages, in batches."""
    messages: list[Any] = []
    while len(messages) < count:
        batch = socket.recv_many(count - len(messages), 5000, **options)
        assert batch, "the messages don't come"
        messages += batch
    return messages


# What is sent is received.


def test_a_batch_keeps_its_order(connected: Pair) -> None:
    a, b = connected()
    assert a.send_many(MESSAGES) == 50
    assert take(b, 50) == MESSAGES


def test_messages_of_many_frames_stay_whole(connected: Pair) -> None:
    a, b = connected()
    messages = [[b"%d %d" % (number, frame) for frame in range(1 + number % 9)] for number in range(50)]
    assert a.send_many(messages, multipart=True) == 50
    assert take(b, 50, multipart=True) == messages


@pytest.mark.parametrize("make", [bytes, bytearray, memoryview, plain.Frame])
@pytest.mark.parametrize("size", [0, 32, 100_000])
@pytest.mark.parametrize("copy", [True, False])
def test_all_that_can_be_sent(pair: Pair, make: Callable[[bytes], Any], size: int, copy: bool) -> None:
    a, b = pair()
    data = b"x" * size
    assert a.send_many(make(data) for _ in range(3)) == 3
    assert a.send_many([(make(data), data)], copy=copy, multipart=True) == 1
    assert [bytes(message) for message in take(b, 3, copy=copy)] == [data] * 3
    received = take(b, 1, copy=copy, multipart=True)
    assert [bytes(frame) for frame in received[0]] == [data, data]
    assert isinstance(received[0][0], bytes if copy else plain.Frame)


def test_no_messages_at_all(pair: Pair) -> None:
    a, b = pair()
    assert a.send_many([]) == 0
    assert b.recv_many(flags=plain.NOBLOCK) == []


@pytest.mark.parametrize("most", [1, 7, 50, 51])
def test_no_more_than_asked_for_are_received(pair: Pair, most: int) -> None:
    a, b = pair()
    a.send_many(MESSAGES)
    batch = b.recv_many(most, flags=plain.NOBLOCK)
    assert batch == MESSAGES[:most]
    assert b.poll(0) == (plain.POLLIN if most < 50 else 0)
    assert batch + b.recv_many(flags=plain.NOBLOCK) == MESSAGES


def test_types_that_take_turns_send_and_receive_one(pair: Pair) -> None:
    ask, answer = pair(plain.REQ, plain.REP)
    with pytest.raises(plain.ZMQError) as caught:
        ask.send_many([b"1", b"2"])
    assert (caught.value.errno, caught.value.sent) == (plain.EFSM, 1)  # type: ignore[attr-defined]
    assert answer.recv_many() == [b"1"]
    answer.send(b"3")
    assert ask.recv_many() == [b"3"]


def test_routers_send_each_message_to_its_peer(context: Any, zmq: ModuleType, endpoint: Callable[[], str]) -> None:
    router = context.socket(zmq.ROUTER)
    router.bind(endpoint())
    dealers = []
    for name in (b"a", b"b", b"c"):
        dealer = context.socket(zmq.DEALER)
        dealer.routing_id = name
        dealer.connect(router.get_string(zmq.LAST_ENDPOINT))
        dealer.send_many([b"1", b"2"])
        dealers.append(dealer)
    asked = take(router, 6, multipart=True)
    assert sorted(asked) == [[name, number] for name in (b"a", b"b", b"c") for number in (b"1", b"2")]
    assert router.send_many(asked, multipart=True) == 6
    assert [take(dealer, 2) for dealer in dealers] == [[b"1", b"2"]] * 3


def test_methods_of_a_subclass_are_used(front_end: FrontEnd, context: Any, zmq: ModuleType) -> None:
    class Loud(zmq.Socket):  # type: ignore[name-defined, misc]
        def send(self, data: Any, *args: Any, **kwargs: Any) -> Any:
            return super().send(bytes(data).upper(), *args, **kwargs)

        def recv(self, *args: Any, **kwargs: Any) -> Any:
            return super().recv(*args, **kwargs) + b"!"

    with Loud(context, zmq.PAIR) as a, Loud(context, zmq.PAIR) as b:
        a.bind("inproc://loud")
        b.connect("inproc://loud")
        assert a.send_many([b"a", b"b"]) == 2 and a.send_many([[b"c", b"d"]], multipart=True) == 1
        assert b.recv_many(2, 5000) == [b"A!", b"B!"]
        assert b.recv_many(multipart=True) == [[b"C!", b"D!"]]
        assert b.recv_many(timeout=1) == []


# Waiting.


@pytest.mark.parametrize("timeout", [None, -1, 5000])
def test_a_receive_waits_for_the_first_message_only(
    front_end: FrontEnd, connected: Pair, timeout: float | None
) -> None:
    a, b = connected()
    waiting = front_end.spawn(b.recv_many, 10, timeout)
    front_end.sleep(0.01)
    a.send(b"1")
    assert waiting.get() == [b"1"]


def test_a_send_waits_for_room_as_often_as_it_has_to(front_end: FrontEnd, connected: Pair) -> None:
    a, b = connected(hwm=2, sndbuf=4096, rcvbuf=4096)
    messages = [b"%06d" % number + bytes(10_000) for number in range(300)]
    sending = front_end.spawn(a.send_many, messages)
    assert take(b, 300) == messages
    assert sending.get() == 300


@pytest.mark.parametrize(("own", "set_to"), [(20, -1), (20, 60_000), (None, 20), (0, 60_000)])
def test_a_receive_gives_up_in_time(pair: Pair, own: float | None, set_to: int) -> None:
    """Its own time-out is stronger than the socket's."""
    a, b = pair()
    b.rcvtimeo = set_to
    assert b.recv_many(timeout=own) == []
    a.send(b"1")
    assert b.recv_many(timeout=own) == [b"1"]


def test_a_receive_waits_longer_than_the_socket_would(front_end: FrontEnd, pair: Pair) -> None:
    a, b = pair()
    b.rcvtimeo = 1
    waiting = front_end.spawn(b.recv_many, timeout=-1)
    front_end.sleep(0.05)
    a.send(b"1")
    assert waiting.get() == [b"1"]


@pytest.mark.parametrize("how", ["NOBLOCK", "SNDTIMEO", "SNDTIMEO of 0"])
@pytest.mark.parametrize("multipart", [False, True])
def test_what_there_was_no_room_for_is_known(pair: Pair, how: str, multipart: bool) -> None:
    a, b = pair(hwm=10)
    a.sndtimeo = {"NOBLOCK": -1, "SNDTIMEO": 5, "SNDTIMEO of 0": 0}[how]
    flags = plain.NOBLOCK if how == "NOBLOCK" else 0
    messages = [[message, b"end"] for message in MESSAGES] if multipart else MESSAGES
    sent = a.send_many(messages, flags, multipart=multipart)
    assert 10 <= sent < 50
    assert a.send_many(messages, flags, multipart=multipart) == 0
    assert b.recv_many(flags=plain.NOBLOCK, multipart=multipart) == messages[:sent]
    assert b.poll(0) == 0


# Errors.


@pytest.mark.parametrize("multipart", [False, True])
@pytest.mark.parametrize("wrong", ["text", None, 5])
def test_an_error_says_how_many_were_sent(pair: Pair, wrong: Any, multipart: bool) -> None:
    a, b = pair()
    good, bad = ([b"good"], [b"bad", wrong]) if multipart else (b"good", wrong)
    with pytest.raises(TypeError) as caught:
        a.send_many([good, good, good, bad, good], multipart=multipart)
    assert caught.value.sent == 3  # type: ignore[attr-defined]
    assert take(b, 3, multipart=multipart) == [good] * 3
    assert b.poll(0) == 0


def test_a_message_of_several_frames_is_not_taken_apart(connected: Pair) -> None:
    a, b = connected()
    a.send_many([b"1", b"2"])
    a.send_multipart([b"3"] * 7)
    a.send(b"4")
    assert take(b, 2) == [b"1", b"2"]
    for _ in range(2):
        with pytest.raises(ValueError, match="the next message has 7 frames"):
            b.recv_many(timeout=5000)
        assert b.poll(0) == plain.POLLIN
    assert b.recv_multipart() == [b"3"] * 7
    assert take(b, 1) == [b"4"]


def test_a_batch_ends_before_a_message_of_several_frames(pair: Pair) -> None:
    a, b = pair()
    a.send_many([[b"1"], [b"2", b"3"], [b"4"]], multipart=True)
    assert b.recv_many() == [b"1"]
    assert take(b, 2, multipart=True) == [[b"2", b"3"], [b"4"]]


@pytest.mark.parametrize("options", [{"max": 0}, {"max": -1}, {"timeout": float("nan")}])
def test_wrong_arguments_receive_nothing(pair: Pair, options: dict[str, Any]) -> None:
    a, b = pair()
    a.send(b"1")
    with pytest.raises(ValueError):
        b.recv_many(**options)
    assert b.recv_many() == [b"1"]


def test_only_whole_messages_are_sent(pair: Pair) -> None:
    a, _ = pair()
    with pytest.raises(ValueError, match="SNDMORE"):
        a.send_many([b"1"], plain.SNDMORE)
    with pytest.raises(IndexError, match="at least one frame") as caught:
        a.send_many([[b"1"], []], multipart=True)
    assert caught.value.sent == 1  # type: ignore[attr-defined]


def test_closed_sockets_and_ended_contexts(zmq: ModuleType, context: Any, pair: Pair) -> None:
    a, b = pair()
    a.close()
    for call in (lambda: a.send_many([]), lambda: a.send_many(MESSAGES), a.recv_many):
        with pytest.raises(plain.ZMQError) as caught:
            call()
        assert caught.value.errno == plain.ENOTSOCK
    b.close()


def test_what_was_received_before_an_error_is_not_lost(front_end: FrontEnd, pair: Pair, zmq: ModuleType) -> None:
    with zmq.Context() as context:
        a, b = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
        a.bind("inproc://x")
        b.connect("inproc://x")
        waiting = front_end.spawn(b.recv_many)
        front_end.sleep(0.01)
        ending = front_end.spawn(context.term)
        with pytest.raises(plain.ContextTerminated):
            waiting.get()
        with pytest.raises(plain.ContextTerminated) as caught:
            a.send_many(MESSAGES)
        assert caught.value.sent == 0  # type: ignore[attr-defined]
        a.close()
        b.close()
        ending.get()


# Several at once.


class TestGreen:
    """Greenlets that share a socket."""

    @pytest.fixture(params=GREEN_FRONT_ENDS, ids=lambda front_end: front_end.name)
    def front_end(self, request: pytest.FixtureRequest) -> GreenFrontEnd:
        return request.param

    def test_one_that_is_killed_while_it_waits_says_how_many_it_had_sent(
        self, front_end: GreenFrontEnd, pair: Pair
    ) -> None:
        a, b = pair(hwm=10)
        said: list[int] = []

        def send() -> None:
            try:
                a.send_many(MESSAGES)
            except BaseException as error:
                said.append(error.sent)  # type: ignore[attr-defined]
                raise

        sending = front_end.spawn(send)
        front_end.sleep(0.01)
        front_end.kill(sending)
        assert len(said) == 1 and 10 <= said[0] < 50
        assert take(b, said[0]) == MESSAGES[: said[0]]
        assert b.poll(10) == 0

    def test_one_that_is_killed_takes_no_messages_with_it(self, front_end: GreenFrontEnd, pair: Pair) -> None:
        a, b = pair()
        got: list[bytes] = []

        def receive() -> None:
            while True:
                got.extend(b.recv_many(7))

        killed, waiting = front_end.spawn(receive), front_end.spawn(receive)
        front_end.sleep(0.01)
        front_end.doom(killed)
        a.send_many(MESSAGES, plain.NOBLOCK)
        wait_until(front_end, lambda: len(got) >= 50)
        assert got == MESSAGES
        front_end.kill(waiting)

    def test_every_message_is_received_once(self, front_end: GreenFrontEnd, connected: Pair, zmq: ModuleType) -> None:
        """By receivers of one, of batches and with a poller, all on the same socket."""
        push, pull = connected(zmq.PUSH, zmq.PULL, hwm=20)
        got: list[bytes] = []
        poller = zmq.Poller()
        poller.register(pull, zmq.POLLIN)

        def single() -> None:
            while True:
                got.append(pull.recv())

        def batch(most: int) -> None:
            while True:
                got.extend(pull.recv_many(most))

        def poll() -> None:
            while True:
                poller.poll()
                got.extend(pull.recv_many(5, flags=zmq.NOBLOCK))

        receivers = [front_end.spawn(*each) for each in ((single,), (batch, 1), (batch, 7), (batch, 100), (poll,))]
        senders = [
            front_end.spawn(lambda name=name: push.send_many([b"%d %d" % (name, i) for i in range(500)]))
            for name in range(4)
        ]
        for sender in senders:
            assert sender.get() == 500
        wait_until(front_end, lambda: len(got) >= 2000)
        assert sorted(got) == sorted(b"%d %d" % (name, i) for name in range(4) for i in range(500))
        for receiver in receivers:
            front_end.kill(receiver)

    def test_what_a_batch_leaves_somebody_who_waits_gets(self, front_end: GreenFrontEnd, pair: Pair) -> None:
        a, b = pair()
        waiting = front_end.spawn(b.recv)
        polling = front_end.spawn(b.poll)
        front_end.sleep(0.01)
        a.send_many([b"1", b"2", b"3"])
        assert b.recv_many(2, flags=plain.NOBLOCK) == [b"1", b"2"]
        assert waiting.get() == b"3"
        a.send(b"4")
        assert polling.get() == plain.POLLIN
        assert b.recv_many() == [b"4"]


# asyncio.


@pytest.mark.usefixtures("ledger")
class TestAsyncio:
    def run(self, main: Callable[[Any, Any], Any], **options: int) -> None:
        async def within() -> None:
            with za.Context() as context:
                a, b = context.socket(plain.PAIR), context.socket(plain.PAIR)
                with a, b:
                    for name, value in options.items():
                        setattr(a, name, value)
                        setattr(b, name, value)
                    a.bind("inproc://x")
                    b.connect("inproc://x")
                    await asyncio.wait_for(main(a, b), 30)

        asyncio.run(within())

    def test_batches(self) -> None:
        async def main(a: Any, b: Any) -> None:
            waiting = asyncio.ensure_future(b.recv_many())
            await asyncio.sleep(0.01)
            assert await a.send_many(MESSAGES) == 50
            assert await waiting == MESSAGES
            assert await a.send_many([[b"1"], [b"2", b"3"], [b"4"]], multipart=True) == 3
            assert await b.recv_many() == [b"1"]
            with pytest.raises(ValueError, match="the next message has 2 frames"):
                await b.recv_many()
            assert await b.recv_many(2, multipart=True) == [[b"2", b"3"], [b"4"]]
            assert await b.recv_many(timeout=1) == []
            assert await b.recv_many(flags=plain.NOBLOCK) == []
            b.rcvtimeo = 1
            assert await b.recv_many() == []

        self.run(main)

    def test_a_send_waits_for_room(self) -> None:
        async def main(a: Any, b: Any) -> None:
            sending = asyncio.ensure_future(a.send_many(MESSAGES * 10))
            got: list[bytes] = []
            while len(got) < 500:
                got += await b.recv_many(7)
            assert got == MESSAGES * 10
            assert await sending == 500
            a.sndtimeo = 5
            sent = await a.send_many(MESSAGES)
            assert 2 <= sent < 50
            assert await b.recv_many() == MESSAGES[:sent]

        self.run(main, hwm=2)

    def test_one_that_is_cancelled_counts_exactly(self) -> None:
        async def main(a: Any, b: Any) -> None:
            said: list[int] = []

            async def send() -> None:
                try:
                    await a.send_many(MESSAGES)
                except asyncio.CancelledError as error:
                    said.append(error.sent)  # type: ignore[attr-defined]
                    raise

            sending = asyncio.ensure_future(send())
            await asyncio.sleep(0.01)
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            waiting = asyncio.ensure_future(b.recv_many(said[0]))
            assert await waiting == MESSAGES[: said[0]]
            waiting = asyncio.ensure_future(b.recv_many())
            await asyncio.sleep(0.01)
            await a.send(b"1")
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert await b.recv_many() == [b"1"]

        self.run(main, hwm=2)

    def test_wrong_arguments(self) -> None:
        async def main(a: Any, b: Any) -> None:
            await a.send(b"1")
            for options in ({"max": 0}, {"timeout": float("nan")}):
                with pytest.raises(ValueError):
                    await b.recv_many(**options)
            with pytest.raises(ValueError, match="SNDMORE"):
                await a.send_many([b"1"], plain.SNDMORE)
            with pytest.raises(TypeError) as caught:
                await a.send_many([b"2", "3"])
            assert caught.value.sent == 1  # type: ignore[attr-defined]
            assert await b.recv_many() == [b"1", b"2"]

        self.run(main)
