"""Pollers of `zmq.asyncio`: few and many sockets, native descriptors, and what they leave in the loop."""

from __future__ import annotations

import asyncio
import socket as native
from typing import Any

import pytest

import zmq
import zmq.asyncio as za
import zmq.green
from support.awaiting import connect, run, turns, until
from support.front_ends import LIMIT, Threads
from support.native_states import MASKS, STATES, changed, state, told_by_poll
from zmq.core.polling import bell_set


@pytest.mark.parametrize("poller_first", [True, False])
@pytest.mark.parametrize("many", [False, True], ids=["Socket.poll", "Poller.poll"])
@pytest.mark.parametrize("receive", ["recv", "recv_multipart", "recv_json"])
def test_who_polls_hears_of_what_a_receiver_takes(context: Any, many: bool, receive: str, poller_first: bool) -> None:
    """Each message is taken at once by another task, which waits for it as well."""

    async def main() -> None:
        a, b = connect(context)
        poller = za.Poller()
        poller.register(b, zmq.POLLIN)
        for _ in range(5):
            waits = [poller.poll if many else b.poll, getattr(b, receive)]
            calls = [asyncio.ensure_future(wait()) for wait in (waits if poller_first else waits[::-1])]
            await turns()
            await a.send(b"1")
            found = await asyncio.wait_for(asyncio.gather(*calls), LIMIT)
            assert found[not poller_first] and found[poller_first] in (b"1", [b"1"], 1)

    run(main())


def test_a_poller_of_few_and_of_many_sockets(context: Any) -> None:
    async def main(number: int) -> None:
        pairs = [connect(context) for _ in range(number)]
        poller = za.Poller()
        for a, _ in pairs:
            poller.register(a, zmq.POLLIN)
        assert await poller.poll(0) == []
        assert await poller.poll(10) == []
        for a, b in pairs:
            polled, again = poller.poll(), poller.poll(LIMIT * 1000)
            await turns()
            assert not polled.done()
            await b.send(b"x")
            assert await polled == await again == [(a, zmq.POLLIN)]
            await a.recv()
        cancelled, other = poller.poll(), poller.poll()
        await turns()
        cancelled.cancel()
        await turns()
        await pairs[0][1].send(b"x")
        assert await other == [(pairs[0][0], zmq.POLLIN)]
        for a, _ in pairs:
            poller.unregister(a)

    for number in (1, 4, 5, 12):
        run(main(number))


def test_where_there_is_nothing_to_wait_for(pair: Any) -> None:
    async def main() -> None:
        a, b = pair
        poller, emptied = za.Poller(), za.Poller()
        emptied.register(a, zmq.POLLIN)
        assert await emptied.poll(0) == []
        emptied.unregister(a)
        for each in (poller, emptied):
            assert await each.poll() == await each.poll(None) == await each.poll(-1) == []
            timed = each.poll(5)
            assert not timed.done() and await timed == []
        assert await a.poll(flags=0) == await a.poll(-1, 0) == 0
        timed = a.poll(5, 0)
        assert not timed.done() and await timed == 0
        emptied.register(b, zmq.POLLOUT)
        assert await emptied.poll() == [(b, zmq.POLLOUT)]

    run(main())


@pytest.mark.parametrize("number", [1, 20])
def test_a_poller_goes_with_its_loop_to_another_thread(context: Any, number: int) -> None:
    pairs = [connect(context) for _ in range(number)]
    poller = za.Poller()
    for a, _ in pairs:
        poller.register(a, zmq.POLLIN)
    loop = asyncio.new_event_loop()

    async def begin() -> list[Any]:
        polled = [poller.poll()]
        await turns()
        return polled

    (before,) = loop.run_until_complete(begin())

    async def go_on() -> list[Any]:
        now = poller.poll()
        await turns()
        await pairs[-1][1].send(b"x")
        return [await before, await now]

    there = Threads().spawn(lambda: loop.run_until_complete(asyncio.wait_for(go_on(), LIMIT)))
    assert there.get() == 2 * [[(pairs[-1][0], zmq.POLLIN)]]
    loop.close()


def test_two_pollers_of_one_socket(pair: Any) -> None:
    async def main() -> None:
        a, b = pair
        pollers = [za.Poller(), za.Poller()]
        for poller in pollers:
            poller.register(a, zmq.POLLIN)
        polled = [poller.poll() for poller in pollers]
        await turns()
        await b.send(b"x")
        assert await asyncio.gather(*polled) == [[(a, zmq.POLLIN)]] * 2
        assert await a.recv() == b"x"

    run(main())


@pytest.mark.parametrize("number", [1, 6], ids=["few", "many"])
def test_a_socket_that_is_closed_ends_the_poll(context: Any, number: int) -> None:
    async def main() -> None:
        sockets = [connect(context)[0] for _ in range(number)]
        poller = za.Poller()
        for socket in sockets:
            poller.register(socket, zmq.POLLIN)
        polled = poller.poll()
        await turns()
        sockets[0].close()
        with pytest.raises(zmq.ZMQError) as caught:
            await polled
        assert caught.value.errno == zmq.ENOTSOCK
        poller.unregister(sockets[0])
        assert await poller.poll(0) == []

    run(main())


def test_a_poller_of_native_descriptors(pair: Any) -> None:
    async def main() -> None:
        a, b = pair
        one, other = native.socketpair()
        with one, other:
            poller = za.Poller()
            poller.register(one, zmq.POLLIN)
            poller.register(a, zmq.POLLIN)
            assert await poller.poll(10) == []
            polled = poller.poll()
            await turns()
            other.send(b"x")
            assert await polled == [(one.fileno(), zmq.POLLIN)]
            one.recv(1)
            polled = poller.poll()
            await turns()
            await b.send(b"x")
            assert await polled == [(a, zmq.POLLIN)]
            poller.modify(one, zmq.POLLOUT)
            assert (one.fileno(), zmq.POLLOUT) in await poller.poll()

    run(main())


@pytest.mark.parametrize("number", [0, 2, 6])
@pytest.mark.parametrize("sets", [True, False], ids=["sets", "no sets"])
@pytest.mark.parametrize("name", STATES)
def test_a_poller_says_of_native_descriptors_what_poll_says(context: Any, name: str, sets: bool, number: int) -> None:
    async def main() -> None:
        poller = za.Poller()
        for _ in range(number):
            poller.register(context.socket(zmq.PULL), zmq.POLLIN)
        for mask in MASKS:
            with state(name) as (fd, change):
                told = told_by_poll(fd, mask)
                poller.register(fd, mask)
                polled = poller.poll(-1 if told else 1000 * LIMIT)
                await turns()
                assert polled.done() == bool(told)
                told = told or changed(fd, change, mask)
                if told:
                    assert await polled == [(fd, told)]
                polled.cancel()
                poller.unregister(fd)

    before = bell_set._set_sets(sets)
    try:
        run(main())
    finally:
        bell_set._set_sets(before)


@pytest.mark.parametrize("mask", [zmq.POLLERR, zmq.POLLPRI])
def test_what_nobody_asked_for_does_not_turn_the_loop(mask: int) -> None:
    """There is something to read all the time."""

    async def main() -> None:
        with state("readable_pair") as (fd, _):
            poller = za.Poller()
            poller.register(fd, mask)
            polled = poller.poll()
            await turns(10)
            loop = asyncio.get_running_loop()
            assert not loop._ready and not loop._selector.select(0)  # type: ignore[attr-defined]
            polled.cancel()

    run(main())


@pytest.mark.parametrize("number", [1, 6])
def test_a_poller_of_a_socket_and_its_shadow(context: Any, number: int) -> None:
    async def main() -> None:
        pairs = [connect(context) for _ in range(number)]
        one, other = pairs[0]
        shadow = za.Socket.shadow(other)
        poller = za.Poller()
        for socket in [*(b for _, b in pairs), shadow]:
            poller.register(socket, zmq.POLLIN)
        for masks in ((zmq.POLLIN, zmq.POLLIN), (zmq.POLLPRI, zmq.POLLIN), (zmq.POLLIN, zmq.POLLPRI)):
            poller.register(other, masks[0])
            poller.register(shadow, masks[1])
            for _ in range(3):
                assert await poller.poll(1) == []
                polled = poller.poll()
                await turns()
                await one.send(b"1")
                expected = {other: masks[0], shadow: masks[1]}
                assert dict(await polled) == {socket: 1 for socket, mask in expected.items() if mask == zmq.POLLIN}
                assert await other.recv() == b"1"

    run(main())


def test_two_pollers_of_one_native_descriptor() -> None:
    async def main() -> None:
        one, other = native.socketpair()
        with one, other:
            pollers = [za.Poller(), za.Poller()]
            for poller in pollers:
                poller.register(one, zmq.POLLIN)
            polled = [poller.poll() for poller in pollers]
            await turns()
            other.send(b"x")
            assert await asyncio.gather(*polled) == [[(one.fileno(), zmq.POLLIN)]] * 2
            one.recv(1)
            # One that is done, or waits for room, takes nothing away from another.
            pollers[1].register(one, zmq.POLLIN | zmq.POLLOUT)
            polled = [poller.poll() for poller in pollers]
            assert await polled[1] == [(one.fileno(), zmq.POLLOUT)]
            await turns()
            other.send(b"x")
            assert await polled[0] == [(one.fileno(), zmq.POLLIN)]

    run(main())


def test_a_poller_leaves_the_reader_of_a_program_alone() -> None:
    async def main() -> None:
        one, other = native.socketpair()
        with one, other:
            loop = asyncio.get_running_loop()
            heard: list[bytes] = []
            loop.add_reader(one, lambda: heard.append(one.recv(1)))
            watched = len(loop._selector.get_map())  # type: ignore[attr-defined]
            poller = za.Poller()
            poller.register(one, zmq.POLLIN)
            assert await poller.poll(10) == []
            polled = poller.poll(LIMIT * 1000)
            await turns()
            other.send(b"x")
            await until(lambda: heard)
            polled.cancel()
            # What was watched for it is not any more.
            await until(lambda: len(loop._selector.get_map()) == watched)  # type: ignore[attr-defined]
            other.send(b"y")
            await until(lambda: len(heard) == 2)
            assert heard == [b"x", b"y"]
            loop.remove_reader(one)

    run(main())
