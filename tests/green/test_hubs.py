"""Which hub somebody waits in: that of the thread, and of the process, that makes the call; and how it is shared."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

import pytest

import zmq.eventlet.hub
from support.front_ends import LIMIT, GreenFrontEnd, Threads, wait_until
from support.interruptions import interrupt
from support.on_eventlet import Eventlet
from support.programs import run
from support.waits import WAITS, Ticker, fill, serve, start

Pair = Callable[..., tuple[Any, Any]]

THREADS = Threads()
EVENTLET = Eventlet()


def empty(*sockets: Any) -> None:
    for socket in sockets:
        while socket.poll(0):
            socket.recv_multipart()


# Threads.


@pytest.mark.parametrize("wait", WAITS)
def test_a_socket_waits_in_the_hub_of_the_thread_that_uses_it(
    green: GreenFrontEnd, pair: Pair, zmq: ModuleType, wait: str
) -> None:
    """Also while the hub in which it waited before stands still."""
    socket, peer = pair(hwm=2)

    def use() -> None:
        filled = fill(socket)
        waiting = start(green, WAITS[wait](socket, zmq))
        serve(peer, filled)
        waiting.get()
        empty(socket, peer)

    def use_there() -> None:
        try:
            use()
        finally:
            green.end_hub()

    for _ in range(2):
        use()
        THREADS.spawn(use_there).get()
    use()


def test_what_another_thread_posts_while_a_hub_is_made_is_heard(
    green: GreenFrontEnd, zmq: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was heard when the sweep alarm looked, which is not set where nobody waits for a socket."""
    heard: list[bool] = []
    hear = zmq.hub.Hub.hear

    def post_and_hear(hub: Any) -> None:
        hub.call_soon_threadsafe(partial(heard.append, True))
        hear(hub)

    monkeypatch.setattr(zmq.hub.Hub, "hear", post_and_hear)

    def begin() -> None:
        zmq.hub.get_hub()
        wait_until(green, lambda: heard)

    green.thread(begin).get()


def test_threads_with_a_hub_each_talk_with_one_another(
    green: GreenFrontEnd, context: Any, zmq: ModuleType, endpoint: Callable[[], str]
) -> None:
    router = context.socket(zmq.ROUTER)
    router.bind(endpoint())
    address = router.get_string(zmq.LAST_ENDPOINT)

    def serve_all() -> None:
        while True:
            router.send_multipart(router.recv_multipart())

    def ask(name: int) -> list[list[bytes]]:
        with context.socket(zmq.DEALER) as dealer:
            dealer.connect(address)
            asking = green.spawn(lambda: [dealer.send_multipart([b"%d" % name, b"%d" % i]) for i in range(50)])
            heard = [dealer.recv_multipart() for _ in range(50)]
            asking.get()
            return heard

    server = green.spawn(serve_all)
    threads = [green.thread(ask, name) for name in range(4)]
    for name, thread in enumerate(threads):
        assert thread.get() == [[b"%d" % name, b"%d" % i] for i in range(50)]
    green.kill(server)


@pytest.mark.parametrize("first", ["lives", "ends"])
def test_a_socket_waits_in_the_hub_that_its_thread_has_now(green: GreenFrontEnd, first: str) -> None:
    """Also one that waited in another hub of that thread before, whether that one is still there or not."""
    run(
        green,
        """
        import sys

        def renew():
            if front_end.name == "eventlet":
                from eventlet import hubs
                hub = hubs.get_hub()
                hubs.use_hub("selects")
                if sys.argv[1] == "ends":
                    hub.abort()
            else:
                from gevent.hub import Hub, get_hub, set_hub
                if sys.argv[1] == "ends":
                    get_hub().destroy(destroy_loop=True)
                else:
                    set_hub(Hub(default=False))

        def ask():
            def answer():
                front_end.sleep(0.001)
                peer.send(peer.recv())

            answering = front_end.spawn(answer)
            socket.send(b"question")
            assert socket.recv() == b"question"
            answering.get()

        with zmq.Context() as context, context.socket(zmq.PAIR) as socket, context.socket(zmq.PAIR) as peer:
            socket.bind("inproc://pair")
            peer.connect("inproc://pair")
            for _ in range(12):
                ask()
            renew()
            for _ in range(12):
                ask()
        """,
        first,
    )


# Processes.


@pytest.mark.parametrize("how", ["leave", "kill"])
def test_a_forked_child_waits_in_its_copy_of_the_hub(green: GreenFrontEnd, how: str) -> None:
    """For sockets of its own; whoever waits in its parent, and there for good in the child, loses nothing by it."""
    run(
        green,
        """
        import os, signal, sys, warnings
        warnings.simplefilter("ignore", ResourceWarning)
        from support.waits import WAITS, among_many, fill, serve, start

        def pair(context, name):
            a, b = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
            a.hwm = b.hwm = 2
            a.bind("inproc://" + name)
            b.connect("inproc://" + name)
            return a, b

        context = zmq.Context()
        context.linger = 0
        pairs = [pair(context, str(i)) for i in range(3)]
        (a, b), (c, d), (e, f) = pairs
        many = among_many(f, zmq, zmq.POLLIN)
        tasks = [start(front_end, b.recv), start(front_end, d.poll), start(front_end, many.poll)]
        front_end.sleep(0.001)
        reader, writer = os.pipe()
        if front_end.fork() == 0:
            try:
                signal.alarm(30)
                if sys.argv[1] == "kill":
                    for task in tasks:
                        front_end.kill(task)
                else:
                    b.close()
                own = zmq.Context()
                own.linger = 0
                used = []
                for wait in WAITS:
                    socket, peer = pair(own, wait)
                    filled = fill(socket)
                    waiting = start(front_end, WAITS[wait](socket, zmq))
                    front_end.sleep(0.001)
                    serve(peer, filled)
                    waiting.get()
                    used += [socket, peer]
                for socket in used:
                    socket.close()
                os.write(writer, b"waited")
            except BaseException:
                sys.excepthook(*sys.exc_info())
            finally:
                os._exit(0)
        os.close(writer)
        # Only when the child has done with its hub, that of the parent runs again.
        said = os.read(reader, 99)
        assert said == b"waited", said
        for one, _ in pairs:
            one.send(b"1")
        assert [task.get() for task in tasks] == [b"1", zmq.POLLIN, [(f, zmq.POLLIN)]]
        del many
        assert d.recv() == f.recv() == b"1"
        context.destroy()
        """,
        how,
    )


# One hub, and who shares it.


def test_those_who_feed_one_another_let_others_run(green: GreenFrontEnd, pair: Pair, zmq: ModuleType) -> None:
    """Though one of them always has something to do."""
    push, pull = pair(zmq.PUSH, zmq.PULL)
    ball, bat = pair()
    calls: list[Callable[[], Any]] = [
        lambda: push.send(b"x"),
        pull.recv,
        lambda: (ball.send(b"x"), bat.recv()),
    ]
    rounds = [0] * len(calls)
    alone: list[int] = []
    end = time.monotonic() + LIMIT

    def play(who: int) -> None:
        while time.monotonic() < end:
            calls[who]()
            rounds[who] += 1
        alone.append(who)

    players = [green.spawn(play, who) for who in range(len(calls))]
    with Ticker(green) as ticker:
        ticker.wait(25)
    for player in players:
        green.kill(player)
    assert not alone, "nobody else had a turn"
    # Nor does one of them work at the cost of another.
    assert min(rounds) > 25


@pytest.mark.parametrize("wait", WAITS)
def test_who_would_have_to_wait_in_the_hub_itself_gets_the_error_of_the_framework(
    green: GreenFrontEnd, pair: Pair, zmq: ModuleType, wait: str
) -> None:
    """A callback of the hub can let nobody run. The socket is not the worse for it."""
    socket, peer = pair(hwm=2)
    filled = fill(socket)
    call = WAITS[wait](socket, zmq)
    ends: list[BaseException | None] = []

    def callback() -> None:
        try:
            call()
            ends.append(None)
        except BaseException as error:
            ends.append(error)

    get_hub = green.zmq.hub.get_hub  # type: ignore[attr-defined]
    get_hub().call_soon(callback)
    wait_until(green, lambda: ends)
    assert isinstance(ends[0], AssertionError), ends
    assert zmq.statistics()["waiting"] == []
    task = start(green, call)
    serve(peer, filled)
    task.get()


@pytest.mark.parametrize("how", ["term", "destroy"])
def test_a_context_ends_in_the_hub_itself_when_its_sockets_are_closed(
    green: GreenFrontEnd, zmq: ModuleType, how: str
) -> None:
    """Where others wait that could only be woken by the hub, it is refused as any other wait."""
    ended: list[Any] = []
    context = zmq.Context()
    sockets = [context.socket(zmq.PAIR) for _ in range(2)]
    sockets[0].bind("inproc://ends")
    sockets[1].connect("inproc://ends")
    receiving = start(green, sockets[0].recv)

    def end() -> None:
        try:
            context.term()
        except BaseException as error:
            ended.append(type(error))
        if how == "term":
            for socket in sockets:
                socket.close()
        getattr(context, how)()
        ended.append(context.closed)

    green.zmq.hub.get_hub().call_soon(end)  # type: ignore[attr-defined]
    wait_until(green, lambda: len(ended) == 2)
    assert issubclass(ended[0], AssertionError) and ended[1] is True
    with pytest.raises(zmq.ZMQError):
        receiving.get()


def binds(socket: Any, address: str) -> bool:
    """Bind a socket, and tell whether libzmq has let go of the address."""
    try:
        socket.bind(address)
    except zmq.ZMQError as error:
        assert error.errno == zmq.EADDRINUSE
        return False
    return True


def test_a_context_that_lingers_is_not_waited_for_in_the_hub(green: GreenFrontEnd, zmq: ModuleType) -> None:
    """Who reads what is left runs in the same hub."""
    context, other = zmq.Context(), zmq.Context()
    pull, push = other.socket(zmq.PULL), context.socket(zmq.PUSH)
    push.linger = -1
    push.reconnect_ivl = 5
    address = f"tcp://127.0.0.1:{pull.bind_to_random_port('tcp://127.0.0.1')}"
    pull.unbind(address)
    push.connect(address)
    push.send(b"late")
    ended: list[Any] = []

    def end() -> None:
        push.close()
        try:
            context.term()
        except BaseException as error:
            ended.append(type(error))

    green.zmq.hub.get_hub().call_soon(end)  # type: ignore[attr-defined]
    wait_until(green, lambda: ended)
    assert issubclass(ended[0], AssertionError)
    wait_until(green, lambda: binds(pull, address))
    assert pull.recv() == b"late"
    context.term()
    assert context.closed
    pull.close()
    other.term()


def test_the_handler_of_a_signal_ends_the_program(green: GreenFrontEnd) -> None:
    """While the main greenlet waits: gevent calls it in the hub. The signal comes from another process."""
    run(
        green,
        """
        import os, signal, subprocess, sys

        context = zmq.Context()
        socket = context.socket(zmq.PULL)
        socket.bind("inproc://service")
        steps = []

        def handle(*_):
            socket.close(linger=0)
            context.term()
            steps.append("handled")

        signal.signal(signal.SIGTERM, handle)
        sender = subprocess.Popen(
            [sys.executable, "-c", f"import os, time; time.sleep(0.2); os.kill({os.getpid()}, 15)"]
        )
        try:
            socket.recv()
        except zmq.ZMQError as error:
            steps.append(error.errno)
        assert steps[-1] in (zmq.ENOTSOCK, zmq.ETERM), steps
        while "handled" not in steps:
            front_end.sleep(0.001)
        assert context.closed
        sender.wait()
        """,
    )


# Signals.


@pytest.mark.parametrize("taken", [False, True], ids=["free", "taken"])
def test_a_watcher_of_eventlet_that_was_interrupted_anywhere_watches_when_it_is_started_again(taken: bool) -> None:
    """Interrupted once, and again when it was started for the second time; and it leaves nothing in the hub."""
    front_end = EVENTLET
    hub = zmq.eventlet.hub.get_hub()
    reader, writer = os.pipe()
    calls: list[None] = []

    def callback() -> None:
        calls.append(None)

    def check(first: int, again: int) -> bool:
        watcher = hub.watcher(reader, zmq.POLLIN)
        reached = interrupt(first, lambda: watcher.start(callback))
        if reached:
            interrupt(again, lambda: watcher.start(callback))
        watcher.start(callback)
        calls.clear()
        os.write(writer, b"x")
        wait_until(front_end, lambda: calls)
        os.read(reader, 1)
        watcher.stop()
        hub.forget(watcher)
        front_end.sleep(0)
        return reached

    front_end.sleep(0)
    other = hub.watcher(reader, zmq.POLLIN)
    if taken:
        other.start(lambda: None)
    # What tests before have left in the hub may end meanwhile.
    before = front_end.armed()
    for again in (0, 7, 40, 10_000):
        first = 0
        while check(first, again):
            first += 1
            assert front_end.armed() <= before
        assert first > 20
    other.stop()
    hub.forget(other)
    os.close(reader)
    os.close(writer)
