"""Two greenlets that talk to each other switch past the hub, in the end without an attempt and without a bell.

Who parks so may have a message there that no bell tells of: it has to be found before the hub sleeps, whatever the
partner does instead of answering.
"""

from __future__ import annotations

import random
import select
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from test_trampoline import World, waiting, world

import zmq as plain
from support.fake_hub import FakeHub, FakeLoop, Killed, Task, Watcher, green, spawn
from support.front_ends import LIMIT, GreenFrontEnd, ThreadTask
from zmq.core.statistics import statistics
from zmq.core.waiting import sweep_alarm
from zmq.core.waiting.trampoline import _set_trusted_after

KINDS = {
    "PAIR": (plain.PAIR, plain.PAIR),
    "DEALER": (plain.DEALER, plain.DEALER),
    "REQ": (plain.REQ, plain.REP),
    "ROUTER": (plain.DEALER, plain.ROUTER),
}
__all__ = ["world"]

pytestmark = pytest.mark.usefixtures("no_budget")


def rings(socket: plain.Socket) -> bool:
    poll = select.poll()
    poll.register(socket.fileno(), select.POLLIN)
    return bool(poll.poll(0))


class Rally:
    """A client and a server that have talked to each other for long."""

    def __init__(self, world: World, kinds: tuple[int, int] = KINDS["DEALER"]) -> None:
        self.world = world
        self.server, self.client = world.pair(*reversed(kinds))
        # Where the server goes to instead of answering.
        self.away, self.recall = world.pair()
        self.serve: Callable[[list[bytes]], None] = self.server.send_multipart
        self.serving = spawn(self.run)
        rally = spawn(self.ask_often, 50)
        world.hub.settle()
        assert rally.done and rally.error is None
        assert waiting(self.serving)

    def run(self) -> None:
        while True:
            message = self.server.recv_multipart()
            self.routing_id = message[0]
            self.serve(message)

    def ask(self) -> bytes:
        self.client.send(b"question")
        return self.client.recv()

    def ask_often(self, count: int) -> None:
        for _ in range(count):
            assert self.ask() == b"question"

    def go_away(self, message: list[bytes]) -> None:
        self.away.recv()

    def answer_and_go_away(self, message: list[bytes]) -> None:
        self.server.send_multipart(message)
        self.away.recv()

    def looks(self) -> int:
        """Return how often the hub will look at a socket whose bell says nothing."""
        return sum(callback.__name__ == "on_unheard" for callback in self.world.hub.callbacks)

    def watched(self) -> set[int]:
        return {watcher.fd for watcher in self.world.hub.armed}

    def park(self, serve: Callable[[list[bytes]], None]) -> Task:
        """Have the client ask, and so park before it has made an attempt."""
        assert self.looks() == 0
        self.serve = serve
        task = spawn(self.ask)
        assert waiting(task) and self.looks() == 1
        return task


@pytest.fixture(params=KINDS)
def rally(request: pytest.FixtureRequest, world: World) -> Iterator[Rally]:
    rally = Rally(world, KINDS[request.param])
    yield rally
    if not rally.serving.done:
        rally.serving.throw(Killed)


@pytest.mark.parametrize("by_bells", [True, False])
def test_partners_switch_to_each_other_and_let_the_hub_run(world: World, by_bells: bool) -> None:
    a, b = world.pair()
    before = _set_trusted_after(1_000_000 if by_bells else 8)

    def play(socket: plain.Socket, rounds: int) -> None:
        for _ in range(rounds):
            socket.send(socket.recv())

    players = [spawn(play, a, 8000), spawn(play, b, 8000)]
    a.send(b"ball")
    b.send(b"ball")
    fired = 0
    while not all(player.done for player in players):
        assert world.hub.run_callback() or world.hub.fire()
        fired += 1
        assert fired < 10_000
    _set_trusted_after(before)
    # The hub ran once in 256 handovers, and both parked in it then. As long as they look at the bells both messages may
    # be there at one of them, which needs no handover.
    assert (30 if by_bells else 2 * 16000 / 288) < world.hub.switches < (45 if by_bells else 2 * 16000 / 248)
    assert fired < 1000


def test_the_hub_runs_once_in_256_handovers(rally: Rally) -> None:
    before, switches = statistics()["parked"], rally.world.hub.switches
    task = spawn(rally.ask_often, 8000)
    fired = 0
    while not task.done:
        assert rally.world.hub.run_callback() or rally.world.hub.fire()
        fired += 1
    parked = statistics()["parked"] - before
    assert parked > 15_200
    # Both park in the hub then.
    assert 2 * parked / 280 < rally.world.hub.switches - switches < 2 * parked / 248
    assert fired < parked / 8


def test_no_bell_rings_in_a_rally(world: World) -> None:
    """Otherwise the tests below would show nothing. A REQ looks for late answers when it asks, and so hears a bell."""
    rally = Rally(world)
    task = rally.park(rally.answer_and_go_away)
    assert not rings(rally.client) and not rings(rally.server)
    world.hub.settle()
    assert task.result == b"question"
    rally.serving.throw(Killed)


def test_a_message_that_is_there_is_found_before_the_hub_sleeps(rally: Rally) -> None:
    task = rally.park(rally.answer_and_go_away)
    assert rally.world.hub.run_callback()
    assert task.result == b"question"


def test_a_message_that_comes_before_the_hub_looks(world: World) -> None:
    rally = Rally(world)
    task = rally.park(rally.go_away)
    rally.server.send(b"by somebody else")
    assert not rings(rally.client)
    world.hub.settle()
    assert task.result == b"by somebody else"
    rally.serving.throw(Killed)


def test_a_message_that_comes_after_the_hub_looked(world: World) -> None:
    rally = Rally(world)
    task = rally.park(rally.go_away)
    world.hub.settle()
    assert waiting(task)
    rally.server.send(b"late")
    assert rings(rally.client)
    world.hub.settle()
    assert task.result == b"late"
    rally.serving.throw(Killed)


def test_who_does_not_answer_loses_trust(rally: Rally) -> None:
    task = rally.park(rally.go_away)
    rally.world.hub.settle()
    task.throw(Killed)
    rally.recall.send(b"back")
    rally.world.hub.settle()
    if rally.client.socket_type == plain.REQ:
        return
    rally.serve = rally.go_away
    again = spawn(rally.ask)
    assert waiting(again) and rally.looks() == 0
    again.throw(Killed)


@pytest.mark.parametrize("how", ["killed", "out of time"])
def test_a_message_is_not_lost_when_the_wait_ends_first(rally: Rally, how: str) -> None:
    rally.client.rcvtimeo = 1000
    task = rally.park(rally.answer_and_go_away)
    if how == "killed":
        task.throw(Killed)
        assert isinstance(task.error, Killed)
        assert rally.client.recv(plain.NOBLOCK) == b"question"
    else:
        # There is always time for one attempt.
        [timer] = [timer for timer in rally.world.hub.timers if timer.keep]
        rally.world.hub.expire(timer)
        assert task.result == b"question"


def test_time_runs_out_where_nothing_came(rally: Rally) -> None:
    rally.client.rcvtimeo = 1000
    task = rally.park(rally.go_away)
    [timer] = [timer for timer in rally.world.hub.timers if timer.keep]
    rally.world.hub.expire(timer)
    assert isinstance(task.error, plain.Again)


def test_close_and_term(rally: Rally) -> None:
    task = rally.park(rally.answer_and_go_away)
    rally.client.close()
    rally.world.hub.settle()
    assert isinstance(task.error, plain.ZMQError) and task.error.errno == plain.ENOTSOCK


def test_the_end_of_the_context(rally: Rally) -> None:
    task = rally.park(rally.go_away)
    term = spawn(rally.world.context.term)
    rally.world.hub.settle_until(lambda: task.done)
    assert isinstance(task.error, plain.ContextTerminated), task.result
    for socket in rally.world.kept:
        socket.close(0)
    rally.world.hub.settle_until(lambda: term.done)


def test_a_second_receiver_comes_second(world: World) -> None:
    rally = Rally(world)
    first = rally.park(rally.answer_and_go_away)
    second = spawn(rally.client.recv)
    rally.server.send(b"second")
    world.hub.settle()
    assert first.result == b"question" and second.result == b"second"
    rally.serving.throw(Killed)


@pytest.mark.parametrize("how", ["poll", "look", "EVENTS", "send", "recv", "poller"])
def test_others_use_the_socket_meanwhile(world: World, how: str) -> None:
    rally = Rally(world)
    task = rally.park(rally.answer_and_go_away)
    poller = world.Poller()
    poller.register(rally.client, plain.POLLIN)
    others: dict[str, Callable[[], Any]] = {
        "poll": rally.client.poll,
        "look": lambda: rally.client.poll(0),
        "EVENTS": lambda: rally.client.get(plain.EVENTS),
        "send": lambda: rally.client.send(b"x"),
        "recv": lambda: rally.client.recv(plain.NOBLOCK),
        "poller": poller.poll,
    }
    other = spawn(others[how])
    if how == "recv":
        # It did not have to wait for its turn.
        assert other.result == b"question"
        rally.server.send(b"question")
    world.hub.settle()
    assert task.result == b"question"
    if not other.done:
        # It came after the receive.
        rally.server.send(b"x")
        world.hub.settle()
    assert other.done and other.error is None
    rally.serving.throw(Killed)


def test_a_partner_for_whom_there_is_nothing_waits_on(world: World) -> None:
    rally = Rally(world)
    # Every second question goes to somebody else now.
    other = world.socket(plain.DEALER)
    other.bind("inproc://other")
    rally.client.connect("inproc://other")
    before = statistics()["vain"]
    tasks = []
    for _ in range(2):
        rally.client.poll(0)
        tasks.append(spawn(rally.ask))
        world.hub.settle()
    assert [task.done for task in tasks].count(True) == 1
    assert statistics()["vain"] == before + 1
    assert other.recv(plain.NOBLOCK) == b"question"
    other.send(b"answer")
    world.hub.settle()
    assert sorted(task.result for task in tasks) == [b"answer", b"question"]
    assert waiting(rally.serving)
    rally.serving.throw(Killed)


def test_the_alarm_does_not_mistake_it_for_a_missed_wake_up(rally: Rally) -> None:
    before = sweep_alarm.missed()
    task = rally.park(rally.answer_and_go_away)
    rally.world.hub.ring_alarm()
    assert sweep_alarm.missed() == before
    rally.world.hub.settle()
    assert task.result == b"question"


@pytest.mark.parametrize("how", ["NOBLOCK", "RCVTIMEO"])
def test_who_may_not_wait_makes_the_attempt(rally: Rally, how: str) -> None:
    switches = rally.world.hub.switches
    flags = 0
    if how == "RCVTIMEO":
        rally.client.rcvtimeo = 0
    else:
        flags = plain.NOBLOCK
    rally.client.send(b"question")
    with pytest.raises(plain.Again):
        rally.client.recv(flags)
    rally.world.hub.settle()
    assert rally.client.recv(flags) == b"question"
    assert rally.world.hub.switches == switches + 1  # that of the server


def test_who_may_not_wait_finds_what_is_there(world: World) -> None:
    rally = Rally(world)
    rally.client.rcvtimeo = 0
    rally.server.send(b"unasked")
    rally.client.send(b"question")
    assert rally.client.recv() == b"unasked"
    rally.serving.throw(Killed)


def test_the_descriptor_is_watched_from_the_hubs_first_look_on(rally: Rally) -> None:
    """As long as greenlets switch past the hub nothing is armed or disarmed for them."""
    task = rally.park(rally.go_away)
    assert rally.client.fileno() not in rally.watched()
    rally.world.hub.settle()
    assert waiting(task) and rally.client.fileno() in rally.watched()
    task.throw(Killed)
    assert rally.client.fileno() not in rally.watched()


def test_a_rally_arms_nothing_between_two_turns_of_the_hub(world: World) -> None:
    rally = Rally(world)
    starts = 0
    start = Watcher.start

    def count(self: Watcher, callback: Callable[[], object]) -> None:
        nonlocal starts
        starts += 1
        start(self, callback)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Watcher, "start", count)
        task = spawn(rally.ask_often, 2000)
        while not task.done:
            assert world.hub.run_callback() or world.hub.fire()
    assert 0 < starts < 50
    rally.serving.throw(Killed)


def test_it_is_watched_also_where_somebody_has_read_the_news(rally: Rally) -> None:
    """What clears the way for the look must not have it left out."""
    task = rally.park(rally.go_away)
    rally.world.hub.ring_alarm()
    rally.world.hub.settle()
    assert waiting(task) and rally.client.fileno() in rally.watched()
    task.throw(Killed)


@pytest.mark.parametrize("how", ["recv", "poll", "poller"])
def test_it_is_watched_at_once_for_others_who_come(world: World, how: str) -> None:
    rally = Rally(world)
    task = rally.park(rally.go_away)
    poller = world.Poller()
    poller.register(rally.client, plain.POLLIN)
    others: dict[str, Callable[[], Any]] = {"recv": rally.client.recv, "poll": rally.client.poll, "poller": poller.poll}
    other = spawn(others[how])
    assert waiting(other) and rally.client.fileno() in rally.watched()
    for each in (other, task, rally.serving):
        each.throw(Killed)
    assert world.hub.armed == []


def test_who_cannot_be_watched_for_is_told(rally: Rally) -> None:
    """The hub could not arm, nor can the call itself when it has made its attempt."""

    def fail(self: Watcher, callback: Callable[[], object]) -> None:
        raise OSError("no more watchers")

    task = rally.park(rally.go_away)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Watcher, "start", fail)
        with pytest.raises(OSError, match="no more watchers"):
            rally.world.hub.run_callback()
        assert waiting(task)
        rally.world.hub.settle()
    assert isinstance(task.error, OSError)
    assert rally.client.fileno() not in rally.watched()


def test_an_answer_is_there_though_it_cannot_be_watched_for(rally: Rally) -> None:
    interrupted = False

    def fail(self: Watcher, callback: Callable[[], object]) -> None:
        nonlocal interrupted
        interrupted = True
        raise KeyboardInterrupt

    task = rally.park(rally.go_away)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Watcher, "start", fail)
        with pytest.raises(KeyboardInterrupt):
            rally.world.hub.run_callback()
    if rally.server.socket_type == plain.ROUTER:
        rally.server.send_multipart([rally.routing_id, b"late"])
    else:
        rally.server.send(b"late")
    rally.world.hub.settle()
    assert interrupted and task.result == b"late"


class Movable(World):
    """A world whose sockets wait in whatever hub it has at the time."""

    def classes(self) -> tuple[type[plain.Context], type[plain.Socket], type[plain.Poller]]:
        found = green(self.hub)
        for cls in found:
            cls._get_hub = staticmethod(lambda: self.hub)
        return found


@pytest.fixture
def movable() -> Iterator[Movable]:
    world = Movable()
    yield world
    for socket in world.kept:
        socket.close(0)
    term = spawn(world.context.term)
    world.hub.settle_until(lambda: term.done)


def test_it_is_closed_by_another_thread_before_it_is_watched(movable: Movable) -> None:
    """That leaves the close to the hub, as when it is watched: nothing else may wake greenlets."""
    loop = movable.hub = FakeLoop()
    rally = Rally(movable)
    task = rally.park(rally.go_away)
    closing = threading.Thread(target=rally.client.close)
    closing.start()
    closing.join(LIMIT)
    assert not closing.is_alive() and rally.client.closed and not task.done
    assert "close_here" in [callback.__name__ for callback in loop.callbacks]
    loop.settle()
    assert isinstance(task.error, plain.ZMQError) and task.error.errno == plain.ENOTSOCK
    rally.serving.throw(Killed)


def test_a_hub_that_can_not_be_asked_to_close_is_told_of(
    movable: Movable, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The socket is closed all the same, and who waits for it goes home."""

    def fail_once(callback: Callable[[], object]) -> None:
        monkeypatch.undo()
        monkeypatch.setattr(sys, "unraisablehook", sys.__unraisablehook__)
        raise LookupError("no more callbacks")

    loop = movable.hub = FakeLoop()
    receiver, _ = movable.pair()
    task = spawn(receiver.recv)
    monkeypatch.setattr(loop, "call_soon_threadsafe", fail_once)
    closing = threading.Thread(target=receiver.close)
    closing.start()
    closing.join(LIMIT)
    assert not closing.is_alive() and receiver.closed
    assert "LookupError: no more callbacks" in capsys.readouterr().err
    loop.settle()
    assert isinstance(task.error, plain.ZMQError) and task.error.errno == plain.ENOTSOCK


def test_an_error_of_the_hub_is_raised_and_loses_nothing(rally: Rally) -> None:
    def fail(callback: Callable[[], object]) -> None:
        raise OSError("no more callbacks")

    call_soon = rally.world.hub.call_soon
    rally.world.hub.call_soon = fail
    task = spawn(rally.ask)
    rally.world.hub.call_soon = call_soon
    assert isinstance(task.error, OSError)
    rally.world.hub.settle()
    assert rally.client.recv(plain.NOBLOCK) == b"question"


@pytest.mark.parametrize("looks", [0, 1])
def test_a_look_that_is_due_in_one_hub_is_none_in_another(movable: Movable, looks: int) -> None:
    """Whether that one is to look itself or not, as it does where the socket has waited before."""
    first = movable.hub
    rally = Rally(movable)
    rally.park(rally.answer_and_go_away).throw(Killed)
    rally.serving.throw(Killed)
    assert rally.client.recv(plain.NOBLOCK) == b"question"
    parked, go_on = threading.Event(), threading.Event()
    done: list[Any] = []

    def elsewhere() -> None:
        movable.hub = FakeHub()
        serving = spawn(rally.run)
        if looks:
            rally.serve = rally.server.send_multipart
            spawn(rally.ask)
            movable.hub.settle()
        rally.serve = rally.answer_and_go_away
        task = spawn(rally.ask)
        done.append(rally.looks())
        parked.set()
        go_on.wait(LIMIT)
        done.append(task.done)
        movable.hub.settle()
        done.append(task.result)
        serving.throw(Killed)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    assert parked.wait(LIMIT)
    # The first hub must leave alone what waits in another thread now.
    assert first.callbacks[0].__name__ == "on_unheard"
    while first.callbacks:
        first.callbacks.popleft()()
    go_on.set()
    thread.join(LIMIT)
    assert done == [looks, False, b"question"]
    movable.hub = first


def test_messages_of_another_thread_in_a_rally(front_end: GreenFrontEnd) -> None:
    """They go into a pipe that nobody finds empty, while the client switches to its partner without looking."""
    rounds, unasked = 3000, 3000
    before = sweep_alarm.missed()
    endpoint = "inproc://client"

    def send_unasked(context: plain.Context) -> None:
        with context.socket(plain.DEALER) as dealer:
            dealer.connect(endpoint)
            for i in range(unasked):
                dealer.send(b"%d" % i)
                if i % 10 == 0:
                    time.sleep(random.random() / 10_000)

    def serve(server: Any) -> None:
        while (message := server.recv()) != b"end":
            server.send(message)

    with front_end.zmq.Context() as context:
        server, client = context.socket(plain.DEALER), context.socket(plain.ROUTER)
        server.routing_id = b"server"
        client.bind(endpoint)
        server.connect(endpoint)
        serving = front_end.spawn(serve, server)
        front_end.sleep(0)
        sending = ThreadTask(send_unasked, (plain.Context.shadow(context),), {})
        found = 0
        for i in range(rounds):
            client.send_multipart([b"server", b"%d" % i])
            while True:
                sender, message = client.recv_multipart()
                if sender == b"server":
                    break
                assert message == b"%d" % found
                found += 1
            assert message == b"%d" % i
        while found < unasked:
            assert client.recv_multipart()[1] == b"%d" % found
            found += 1
        client.send_multipart([b"server", b"end"])
        serving.get()
        sending.get()
        server.close()
        client.close()
    assert sweep_alarm.missed() == before
