"""How a wait ends that nothing arrives for: given up, killed, closed, terminated, destroyed or collected."""

from __future__ import annotations

import gc
import warnings
import weakref
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import zmq as plain
from support.front_ends import GreenFrontEnd, Task, wait_until
from support.programs import run
from support.waits import POLLS, RECEIVES, SENDS, TIMED, WAITS, Ticker, fill, serve, start

Pair = Callable[..., tuple[Any, Any]]


def stuck(context: Any, zmq: ModuleType) -> tuple[Any, Any, int]:
    """Return a socket that has neither messages nor room, its peer, and how many messages that one has."""
    socket, peer = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
    socket.hwm = peer.hwm = 2
    socket.bind(f"inproc://{id(socket)}")
    peer.connect(f"inproc://{id(socket)}")
    return socket, peer, fill(socket)


def errors_of(tasks: list[Task]) -> list[int]:
    errors = []
    for task in tasks:
        with pytest.raises((plain.ZMQError, plain.ContextTerminated)) as caught:
            task.get()
        errors.append(caught.value.errno)
    return errors


def is_over(task: Any) -> bool:
    return bool(task.greenlet.dead)


# The framework ends it.


@pytest.mark.parametrize("wait", WAITS)
def test_a_time_out_is_raised_as_itself_and_leaves_the_socket_usable(
    green: GreenFrontEnd, context: Any, zmq: ModuleType, wait: str
) -> None:
    socket, peer, filled = stuck(context, zmq)
    call = WAITS[wait](socket, zmq)
    for _ in range(3):
        timeout = green.Timeout(0.005)
        with pytest.raises(green.Timeout) as caught, timeout:
            call()
        assert caught.value is timeout
    task = start(green, call)
    serve(peer, filled)
    task.get()


@pytest.mark.parametrize("wait", WAITS)
def test_kill_ends_it_and_leaves_the_socket_usable(
    green: GreenFrontEnd, context: Any, zmq: ModuleType, wait: str
) -> None:
    socket, peer, filled = stuck(context, zmq)
    call = WAITS[wait](socket, zmq)
    tasks = [start(green, call) for _ in range(3)]
    for i in (1, 0, 2):
        green.kill(tasks[i])
        assert is_over(tasks[i])
    task = start(green, call)
    serve(peer, filled)
    task.get()
    if wait in RECEIVES:
        # Nobody who is gone took anything.
        assert not socket.poll(0)


@pytest.mark.parametrize("wait", ["recv", "recv_multipart", "send", "send_multipart"])
def test_whoever_was_chosen_and_is_killed_hands_on(
    green: GreenFrontEnd, context: Any, zmq: ModuleType, wait: str
) -> None:
    socket, peer, filled = stuck(context, zmq)
    call = WAITS[wait](socket, zmq)
    done: list[str] = []
    first = start(green, lambda: (call(), done.append("first")))
    second = start(green, lambda: (call(), done.append("second")))
    green.doom(first)
    serve(peer, filled)
    # The news are heard here: the first is chosen, but will be killed before it runs.
    socket.poll(0)
    second.get()
    assert done == ["second"] and is_over(first)
    if wait in SENDS:
        peer.recv_multipart(), socket.recv()
    assert not socket.poll(0) and not peer.poll(0)


def test_rcvtimeo_inside_an_outer_time_out(green: GreenFrontEnd, pair: Pair, zmq: ModuleType) -> None:
    a, b = pair(rcvtimeo=20)
    with green.Timeout(10), pytest.raises(zmq.Again):
        b.recv()
    # However late the machine is.
    b.rcvtimeo = 10_000
    with pytest.raises(green.Timeout), green.Timeout(0.005):
        b.recv()
    a.send(b"1")
    assert b.recv() == b"1"


# The socket is closed.


@pytest.mark.parametrize("wait", WAITS)
def test_close_ends_it(green: GreenFrontEnd, context: Any, zmq: ModuleType, wait: str) -> None:
    socket, _, _ = stuck(context, zmq)
    tasks = [start(green, WAITS[wait](socket, zmq)) for _ in range(3)]
    socket.close()
    assert errors_of(tasks) == [zmq.ENOTSOCK] * 3


@pytest.mark.parametrize("wait", [*RECEIVES, *SENDS])
def test_close_ends_it_also_when_there_is_news_already(
    green: GreenFrontEnd, context: Any, zmq: ModuleType, wait: str
) -> None:
    socket, peer, filled = stuck(context, zmq)
    tasks = [start(green, WAITS[wait](socket, zmq)) for _ in range(3)]
    serve(peer, filled)
    socket.poll(0)
    socket.close()
    assert errors_of(tasks) == [zmq.ENOTSOCK] * 3


def test_whoever_is_woken_may_close_the_socket(green: GreenFrontEnd, context: Any, zmq: ModuleType) -> None:
    socket, peer, _ = stuck(context, zmq)

    def receive() -> None:
        socket.recv()
        socket.close()

    first = start(green, receive)
    others = [start(green, WAITS[wait](socket, zmq)) for wait in ("recv", "send", "Poller.poll to send")]
    peer.send(b"1")
    first.get()
    assert errors_of(others) == [zmq.ENOTSOCK] * 3


# The context is terminated.


@pytest.mark.parametrize("wait", WAITS)
def test_term_ends_it_and_waits_for_the_sockets(green: GreenFrontEnd, context: Any, zmq: ModuleType, wait: str) -> None:
    socket, _, _ = stuck(context, zmq)
    tasks = [start(green, WAITS[wait](socket, zmq)) for _ in range(3)]
    term = green.spawn(context.term)
    assert errors_of(tasks) == [zmq.ETERM] * 3
    with Ticker(green) as ticker:
        ticker.wait(3)
        assert not is_over(term)
        for each in context._kept:
            each.close()
        term.get()
    assert context.closed


def test_everybody_who_waits_for_the_end_of_a_context_hears_of_it(
    green: GreenFrontEnd, context: Any, zmq: ModuleType
) -> None:
    socket, peer, _ = stuck(context, zmq)
    terms = [start(green, context.term) for _ in range(3)]
    green.kill(terms.pop(1))
    with pytest.raises(green.Timeout), green.Timeout(0.005):
        context.term()
    with Ticker(green) as ticker:
        ticker.wait(2)
        assert not any(is_over(term) for term in terms)
        socket.close()
        peer.close()
        for term in terms:
            term.get()
    assert context.closed
    with green.Timeout(10):
        context.term()


@pytest.mark.parametrize("wait", WAITS)
def test_destroy_ends_it(green: GreenFrontEnd, context: Any, zmq: ModuleType, wait: str) -> None:
    socket, peer, _ = stuck(context, zmq)
    tasks = [start(green, WAITS[wait](socket, zmq)) for _ in range(3)]
    with green.Timeout(10):
        context.destroy(linger=0)
    assert errors_of(tasks) == [zmq.ENOTSOCK] * 3
    assert socket.closed and peer.closed and context.closed


# A proxy, whose thread has the sockets until then.

PROXIES: dict[str, Callable[[Any, Any, ModuleType], Callable[[], Any]]] = {
    "proxy": lambda front, back, zmq: partial(zmq.proxy, front, back),
    "proxy_steerable": lambda front, back, zmq: partial(zmq.proxy_steerable, front, back),
    "device": lambda front, back, zmq: partial(zmq.device, zmq.QUEUE, front, back),
}


def relay_for_a_time(green: GreenFrontEnd, how: str, call: Callable[[], Any]) -> None:
    if how == "kill":
        task = start(green, call)
        green.sleep(0.01)
        green.kill(task)
        assert is_over(task)
    else:
        with pytest.raises(green.Timeout), green.Timeout(0.01):
            call()


@pytest.mark.parametrize("how", ["kill", "Timeout"])
@pytest.mark.parametrize("form", PROXIES)
def test_a_proxy_that_is_ended_gives_its_sockets_back(
    green: GreenFrontEnd, pair: Pair, zmq: ModuleType, form: str, how: str
) -> None:
    front, a = pair()
    back, b = pair()
    for _ in range(3):
        a.send(b"1")
        while not b.poll(0):
            relay_for_a_time(green, how, PROXIES[form](front, back, zmq))
        assert b.recv() == b"1"
        # Nobody else takes what comes now.
        a.send(b"2")
        green.sleep(0.002)
        assert front.recv(zmq.NOBLOCK) == b"2"
        back.send(b"3")
        assert b.recv() == b"3"


def test_the_hub_is_free_while_a_proxy_has_much_to_do(green: GreenFrontEnd, pair: Pair, zmq: ModuleType) -> None:
    front, a = pair()
    back, b = pair()
    proxy = green.spawn(zmq.proxy, front, back)

    def flood() -> None:
        while True:
            a.send_multipart([b"x", b"y"])

    flooding = green.spawn(flood)
    count = 0
    with Ticker(green) as ticker:
        while ticker.ticks < 10 or count < 2000:
            assert b.recv_multipart() == [b"x", b"y"]
            count += 1
        assert not is_over(proxy)
        green.kill(proxy)
    assert is_over(proxy)
    green.kill(flooding)


@pytest.mark.parametrize("how", ["kill", "Timeout"])
@pytest.mark.parametrize("form", PROXIES)
def test_a_proxy_that_is_ended_while_one_side_is_full_loses_nothing(
    green: GreenFrontEnd, pair: Pair, zmq: ModuleType, form: str, how: str
) -> None:
    front, a = pair(hwm=5)
    back, b = pair(hwm=2)
    sent = 0
    got: list[int] = []

    def send_what_fits() -> None:
        nonlocal sent
        with pytest.raises(zmq.Again):
            while True:
                a.send(b"%d" % sent, zmq.NOBLOCK)
                sent += 1

    for _ in range(3):
        # It has more than the other side takes.
        send_what_fits()
        while not b.poll(0):
            relay_for_a_time(green, how, PROXIES[form](front, back, zmq))
        # It finds no room at all.
        send_what_fits()
        relay_for_a_time(green, how, PROXIES[form](front, back, zmq))
        # What did not get through is still on the other side.
        for socket in (b, front):
            while socket.poll(0):
                got.append(int(socket.recv()))
        assert got == list(range(sent))


# Nobody remembers it.


@pytest.mark.parametrize("how", ["serve", "kill"])
@pytest.mark.parametrize("wait", ["recv", "send", *POLLS, *TIMED])
def test_what_somebody_waits_for_is_not_collected_before_the_wait_is_over(
    green: GreenFrontEnd, zmq: ModuleType, ledger: None, wait: str, how: str
) -> None:
    context = zmq.Context()
    context.linger = 0
    done: list[Any] = []

    def begin() -> tuple[Any, ...]:
        socket, peer, filled = stuck(context, zmq)
        call = WAITS[wait](socket, zmq)
        task = start(green, lambda: (call(), done.append(True)))
        return weakref.ref(socket), peer, filled, task

    with warnings.catch_warnings():
        # Recorded warnings would keep it alive.
        warnings.simplefilter("ignore", ResourceWarning)
        gone, peer, filled, task = begin()
        if how == "serve":
            # Nobody but the hub knows of the greenlet.
            del task
            gc.collect()
            assert gone() is not None and not done
            serve(peer, filled)
            wait_until(green, lambda: done)
        else:
            # Not collected before: what was once looked at by the collector, gevent on Python 3.10 never frees when it
            # is killed.
            assert gone() is not None and not done
            green.kill(task)
            del task
        green.sleep(0)
        gc.collect()
        assert gone() is None
        peer.close()
        context.destroy()


def test_a_socket_that_was_waited_for_is_collected(green: GreenFrontEnd, zmq: ModuleType, ledger: None) -> None:
    """Neither hub nor poller holds on to it once nobody waits."""
    context = zmq.Context()
    a, b = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
    a.bind("inproc://dropped")
    b.connect("inproc://dropped")
    with pytest.raises(green.Timeout), green.Timeout(0.005):
        b.recv()
    for count in (1, 9):
        poller = zmq.Poller()
        others = [context.socket(zmq.PAIR) for _ in range(count - 1)]
        for each in (b, *others):
            poller.register(each, zmq.POLLIN)
        assert poller.poll(1) == []
        for each in others:
            each.close()
    gone = weakref.ref(b)
    with pytest.warns(ResourceWarning, match="PAIR"):
        del b, poller, each, others
        gc.collect()
    assert gone() is None
    a.close()
    with green.Timeout(10):
        context.term()


def test_messages_of_a_function_that_returns_arrive(
    green: GreenFrontEnd, zmq: ModuleType, ledger: None, tmp_path: Path
) -> None:
    address = f"ipc://{tmp_path}/pull"
    with zmq.Context() as context, context.socket(zmq.PULL) as pull:
        pull.bind(address)

        def send() -> None:
            own = zmq.Context()
            push = own.socket(zmq.PUSH)
            push.connect(address)
            for i in range(200):
                push.send(b"%d" % i)

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            send()
            gc.collect()
        with green.Timeout(20):
            assert [int(pull.recv()) for _ in range(200)] == list(range(200))


# The program is over.


@pytest.mark.parametrize("how", ["return", "exit", "error"])
def test_a_program_ends_though_greenlets_wait(green: GreenFrontEnd, how: str) -> None:
    output = run(
        green,
        """
        import os, sys, warnings
        from support.waits import WAITS, fill, start
        warnings.simplefilter("ignore", ResourceWarning)
        context = zmq.Context()
        over = []
        for wait in WAITS:
            socket, peer = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
            socket.hwm = peer.hwm = 2
            socket.bind("inproc://" + wait)
            peer.connect("inproc://" + wait)
            fill(socket)
            call = WAITS[wait](socket, zmq)
            start(front_end, lambda: (call(), over.append(wait)))
            front_end.sleep(0)
            assert not over
        import atexit
        if sys.argv[1] == "exit":
            atexit.register(os.write, 1, b"the end\\n")
            sys.exit()
        if sys.argv[1] == "error":
            sys.excepthook = lambda *args: os.write(1, b"the end\\n")
            atexit.register(os._exit, 0)
            raise ValueError
        """,
        how,
    )
    assert output == ""
