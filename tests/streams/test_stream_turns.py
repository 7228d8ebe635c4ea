"""`ZMQStream` on a REQ and a REP, which send and receive by turns: whatever gives the turn, the stream goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("tornado")


import zmq
import zmq.asyncio
from support.awaiting import until
from support.every_loop import every_loop
from support.streams import run, sockets
from zmq.eventloop.zmqstream import ZMQStream


class Watched:
    """What a stream out of turn must not do: log, call `on_err`, keep its loop busy."""

    def __init__(self, stream: Any, caplog: pytest.LogCaptureFixture) -> None:
        self.stream, self.caplog = stream, caplog
        self.errors: list[int] = []
        stream.on_err(lambda: self.errors.append(1))
        self.looks = 0
        handle = stream._handle_events

        def counted() -> None:
            self.looks += 1
            handle()

        stream._handle_events = counted

    async def rest(self) -> None:
        """Wait until nothing is left to do but to wait: then the stream does not look again and again."""
        for _ in range(10):
            await asyncio.sleep(0)
        looks = self.looks
        await asyncio.sleep(0.05)
        assert self.looks <= looks + 2 and self.stream.sending()

    def check(self) -> None:
        assert not self.errors and not [record for record in self.caplog.records if record.name.startswith("tornado")]


@every_loop
@pytest.mark.parametrize("copy", [True, False])
def test_answers_wait_for_their_requests(
    context: Any, caplog: pytest.LogCaptureFixture, new_loop: Callable[[], Any], copy: bool
) -> None:
    async def main() -> None:
        req, rep = sockets(context, zmq.REQ, zmq.REP)
        stream = ZMQStream(rep)
        watched = Watched(stream, caplog)
        got: list[Any] = []
        sent: list[Any] = []
        stream.on_recv(got.append)
        stream.on_send(lambda message, status: sent.append((message, status)))
        for number in range(3):
            stream.send(b"answer %d" % number, copy=copy)
        for number in range(3):
            await watched.rest()
            assert len(sent) == number
            req.send(b"request")
            await until(lambda number=number: len(sent) == number + 1)
            assert req.recv() == b"answer %d" % number
        assert got == [[b"request"]] * 3 and [message for message, _ in sent] == [[b"answer %d" % n] for n in range(3)]
        assert all((status is None) is copy for _, status in sent)
        watched.check()
        stream.close()

    assert run(main, new_loop()) == []


@every_loop
def test_requests_wait_for_the_answers_before_them(
    context: Any, caplog: pytest.LogCaptureFixture, new_loop: Callable[[], Any]
) -> None:
    async def main() -> None:
        req, rep = sockets(context, zmq.REQ, zmq.REP)
        stream = ZMQStream(req)
        watched = Watched(stream, caplog)
        got: list[Any] = []
        stream.on_recv(got.append)
        await asyncio.sleep(0.01)
        for number in range(3):
            stream.send(b"%d" % number)
        for number in range(3):
            await until(lambda: rep.poll(0))
            if number < 2:
                await watched.rest()
            assert len(got) == number
            rep.send(rep.recv())
        await until(lambda: len(got) == 3)
        assert got == [[b"0"], [b"1"], [b"2"]] and not stream.sending()
        watched.check()
        stream.close()

    assert run(main, new_loop()) == []


def shadowed(socket: Any) -> bytes:
    shadow = zmq.Socket.shadow(socket)
    return shadow.recv()  # type: ignore[no-any-return]


OTHER_MEANS: dict[str, Callable[[Any], Any]] = {
    "recv": lambda socket: socket.recv(),
    "frames": lambda socket: socket.recv(copy=False),
    "multipart": lambda socket: socket.recv_multipart(),
    "into": lambda socket: socket.recv_into(bytearray(10)),
    "many": lambda socket: socket.recv_many(1),
    "shadow": shadowed,
}


@pytest.mark.parametrize("means", OTHER_MEANS)
@pytest.mark.parametrize("kind", ["REQ", "REP"])
def test_the_turn_comes_also_by_other_means(
    context: Any, caplog: pytest.LogCaptureFixture, means: str, kind: str
) -> None:
    """A message was received on the socket, and not by the stream, which has no callback for any."""

    async def main() -> None:
        req, rep = sockets(context, zmq.REQ, zmq.REP)
        stream = ZMQStream(req if kind == "REQ" else rep)
        watched = Watched(stream, caplog)
        sent: list[Any] = []
        stream.on_send(lambda message, status: sent.append(message))
        if kind == "REQ":
            stream.send(b"first")
            await until(lambda: sent)
            stream.send(b"second")
            rep.send(rep.recv())
        else:
            stream.send(b"answer")
            req.send(b"request")
        await until(lambda: stream.socket.poll(0))
        await watched.rest()
        OTHER_MEANS[means](stream.socket)
        await until(lambda: not stream.sending())
        peer = rep if kind == "REQ" else req
        assert peer.recv() == (b"second" if kind == "REQ" else b"answer")
        watched.check()
        stream.close()

    assert run(main) == []


def test_the_turn_comes_with_the_last_frame(context: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        req, rep = sockets(context, zmq.REQ, zmq.REP)
        stream = ZMQStream(rep)
        watched = Watched(stream, caplog)
        stream.send(b"answer")
        req.send_multipart([b"1", b"2", b"3"])
        await until(lambda: rep.poll(0))
        for _ in range(3):
            await watched.rest()
            rep.recv()
        await until(lambda: not stream.sending())
        assert req.recv() == b"answer"
        watched.check()
        stream.close()

    assert run(main) == []


def test_the_turn_comes_with_a_receive_that_a_task_awaits(context: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        req, rep = sockets(context, zmq.REQ, zmq.REP)
        stream = ZMQStream(rep)
        watched = Watched(stream, caplog)
        stream.send(b"answer")
        received = zmq.asyncio.Socket.shadow(rep).recv()
        await watched.rest()
        req.send(b"request")
        assert await received == b"request"
        await until(lambda: not stream.sending())
        assert req.recv() == b"answer"
        watched.check()
        stream.close()

    assert run(main) == []


def test_flush_sends_what_is_due_and_keeps_what_is_not(context: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        req, rep = sockets(context, zmq.REQ, zmq.REP)
        stream = ZMQStream(rep)
        watched = Watched(stream, caplog)
        stream.send(b"1")
        stream.send(b"2")
        assert stream.flush() == 0 == stream.flush(zmq.POLLOUT) and stream.sending()
        req.send(b"request")
        assert stream.flush() == 2 and req.recv() == b"1" and stream.sending()
        watched.check()
        stream.close(linger=0)

    assert run(main) == []
