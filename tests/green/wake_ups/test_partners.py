"""Pairs that talk at once hand over within each pair, as two sockets that share an address of inproc are partners.

That holds while nobody else is there, and the sockets are nowhere else. Whether they are partners is told by where
greenlets go that park: to the partner, past the hub, or into the hub.
"""

from __future__ import annotations

import gc
import select
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from test_trampoline import World, poller_of, world

import zmq as plain
from support.fake_hub import Killed, spawn
from support.front_ends import LIMIT, GreenFrontEnd
from zmq.core.waiting.trampoline import _ends

__all__ = ["world"]

#: So many that it is not learned of whom who wakes.
PAIRS = 10


def serve(socket: plain.Socket) -> None:
    while True:
        socket.send(socket.recv())


def ask(socket: plain.Socket, count: int) -> None:
    for i in range(count):
        socket.send(b"%d" % i)
        assert socket.recv() == b"%d" % i


def turn(world: World) -> None:
    """Have the hub do all that is due, as one with an event loop does: pairs do not take turns with one another."""
    while world.hub.run_callback():
        pass
    for watcher in world.hub.readable():
        if watcher.callback is not None:
            watcher.callback()


def rest(world: World, pairs: list[list[plain.Socket]], rounds: int) -> int:
    """Have all pairs talk at once; return how often somebody parked in the hub."""
    serving = [spawn(serve, server) for server, _ in pairs]
    switches = world.hub.switches
    asking = [spawn(ask, client, rounds) for _, client in pairs]
    while not all(each.done for each in asking):
        turn(world)
    assert all(each.error is None for each in asking)
    for each in serving:
        each.throw(Killed)
    return world.hub.switches - switches


def partners(world: World, *pairs: list[plain.Socket]) -> bool:
    """Tell whether those of each pair switch to each other when all talk at once."""
    assert len(pairs) == PAIRS
    return rest(world, list(pairs), 500) < 12 * PAIRS


def leaves(end: Callable[[], object], server: plain.Socket) -> None:
    """End a connection, and wait until a server knows: a thread of libzmq's tells it. It would answer who is gone."""
    end()
    assert select.select([server], [], [], LIMIT)[0]
    assert not server.poll(0)


@pytest.mark.parametrize("kinds", [(plain.REP, plain.REQ), (plain.PAIR, plain.PAIR), (plain.DEALER, plain.DEALER)])
@pytest.mark.parametrize("count", [1, 2, PAIRS])
def test_pairs_that_talk_at_once_pass_the_hub(world: World, kinds: tuple[int, int], count: int) -> None:
    pairs = [world.pair(*kinds) for _ in range(count)]
    # Until each has found its partner, and once in 256 handovers.
    assert rest(world, pairs, 500) < 12 * count


def test_they_do_on_every_front_end(front_end: GreenFrontEnd) -> None:
    before = _ends()
    with front_end.zmq.Context() as context:
        sockets = []
        tasks = []
        for i in range(20):
            server, client = context.socket(plain.REP), context.socket(plain.REQ)
            server.bind(f"inproc://{i}")
            client.connect(f"inproc://{i}")
            sockets += [server, client]

            def serve_some(server: Any = server) -> None:
                for _ in range(200):
                    server.send(server.recv())

            tasks += [front_end.spawn(serve_some), front_end.spawn(ask, client, 200)]
        for task in tasks:
            task.get()
        assert _ends() == before + 20
        for socket in sockets:
            socket.close()
    assert _ends() == before


def test_who_connects_first_is_a_partner_too(world: World) -> None:
    pairs = [[world.socket(plain.PAIR), world.socket(plain.PAIR)] for _ in range(PAIRS)]
    for i, (server, client) in enumerate(pairs):
        client.connect(f"inproc://late-{i}")
        server.bind(f"inproc://late-{i}")
    assert partners(world, *pairs)


def test_two_that_talk_alone_are_found_out(world: World) -> None:
    """By who is woken after whom, where the addresses do not tell."""
    server, client = world.socket(plain.DEALER), world.socket(plain.DEALER)
    server.bind("inproc://one")
    server.bind("inproc://other")
    client.connect("inproc://one")
    assert rest(world, [[server, client]], 500) < 20


def replace_clients(world: World, pairs: list[list[plain.Socket]], how: str) -> None:
    """Have the clients leave, and others come."""
    for i, pair in enumerate(pairs):
        address = f"inproc://{i + 1}"
        leaves(pair[1].close if how == "close" else partial(pair[1].disconnect, address), pair[0])
        pair[1] = world.socket(plain.DEALER)
        pair[1].connect(address)


CHANGES: dict[str, Callable[[World, plain.Socket, plain.Socket, str], object]] = {
    "a third": lambda world, server, client, address: world.socket(plain.DEALER).connect(address),
    "another address": lambda world, server, client, address: server.bind(address + "-"),
    "another transport": lambda world, server, client, address: client.bind("tcp://127.0.0.1:*"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_who_may_have_others_is_no_partner(world: World, change: str) -> None:
    pairs = [world.pair(plain.DEALER, plain.DEALER) for _ in range(PAIRS)]
    for i, (server, client) in enumerate(pairs):
        CHANGES[change](world, server, client, f"inproc://{i + 1}")
    if change == "a third":
        # The server would deal its answers out.
        for (server, _), third in zip(pairs, world.kept[-PAIRS:], strict=True):
            server.poll(0)
            leaves(third.close, server)
    assert not partners(world, *pairs)


def test_the_same_address_of_another_context_is_another(world: World) -> None:
    pairs = [world.pair(plain.PAIR, plain.PAIR)]
    others = [world.Context() for _ in range(PAIRS - 1)]
    for other in others:
        theirs = [other.socket(plain.PAIR), other.socket(plain.PAIR)]
        theirs[0].bind("inproc://1")
        theirs[1].connect("inproc://1")
        pairs.append(theirs)
    assert partners(world, *pairs)
    for socket in [socket for pair in pairs[1:] for socket in pair]:
        socket.close(0)
    terms = [spawn(other.term) for other in others]
    world.hub.settle_until(lambda: all(term.done for term in terms))


@pytest.mark.parametrize("how", ["close", "disconnect"])
def test_a_new_partner_takes_the_place_of_one_that_is_gone(world: World, how: str) -> None:
    pairs = [world.pair(plain.DEALER, plain.DEALER) for _ in range(PAIRS)]
    assert partners(world, *pairs)
    replace_clients(world, pairs, how)
    assert partners(world, *pairs)


def test_who_is_polled_too_is_woken_by_the_hub(world: World) -> None:
    """Of a socket that is registered with a poller the hub tells everybody."""
    pairs = [world.pair(plain.DEALER, plain.DEALER) for _ in range(PAIRS)]
    pollers = [poller_of(world, server) for server, _ in pairs]
    assert [poller.poll(0) for poller in pollers] == [[]] * PAIRS
    assert not partners(world, *pairs)
    for poller, (server, _) in zip(pollers, pairs, strict=True):
        poller.unregister(server)
    assert partners(world, *pairs)


def test_of_a_peer_with_senders_that_are_stalled_the_hub_tells(world: World) -> None:
    """Its bell says too little of them: all of them try when it rings."""
    router, stalled, client = world.socket(plain.ROUTER), world.socket(plain.DEALER), world.socket(plain.DEALER)
    router.router_mandatory, router.hwm, stalled.hwm = 1, 1, 1
    stalled.identity = b"stalled"
    router.bind("inproc://router")
    for socket in (stalled, client):
        socket.connect("inproc://router")
    with pytest.raises(plain.Again):
        while True:
            router.send_multipart([b"stalled", b"fill"], plain.NOBLOCK)

    def serve_one_of_many() -> None:
        while True:
            router.send_multipart(router.recv_multipart())

    def parks() -> int:
        serving = spawn(serve_one_of_many)
        switches = world.hub.switches
        asking = spawn(ask, client, 500)
        while not asking.done:
            turn(world)
        serving.throw(Killed)
        assert asking.error is None
        return world.hub.switches - switches

    assert parks() < 20
    sender = spawn(router.send_multipart, [b"stalled", b"1"])
    assert parks() >= 500
    sender.throw(Killed)


def test_a_new_partner_is_met_without_prejudice(world: World) -> None:
    """At the bell of whoever did not answer nobody looks for a while, and that while ends with it."""
    pairs = [world.pair(plain.DEALER, plain.DEALER) for _ in range(PAIRS)]
    assert partners(world, *pairs)
    talks = {}
    for who in ("the same", "others"):
        for server, client in pairs:
            waiting = []
            for socket in (client, server):
                waiting.append(spawn(socket.recv))
                turn(world)
            for each in waiting:
                each.throw(Killed)
        if who == "others":
            replace_clients(world, pairs, "close")
        talks[who] = rest(world, pairs, 10)
    assert talks["others"] <= 3 * PAIRS < 7 * PAIRS <= talks["the same"]


def test_nothing_is_kept_of_sockets_that_are_gone(world: World) -> None:
    gc.collect()
    before = _ends()
    for i in range(100):
        with world.context.socket(plain.PAIR) as one, world.context.socket(plain.PAIR) as other:
            one.bind(f"inproc://gone-{i}")
            other.connect(f"inproc://gone-{i}")
            assert _ends() == before + 1
    assert _ends() == before
