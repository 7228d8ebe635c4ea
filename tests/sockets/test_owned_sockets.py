"""Sockets between which messages are relayed: nobody else can use them meanwhile, and everybody afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from errno import EBUSY, ENOTSOCK
from types import ModuleType
from typing import Any

import pytest

from support import TESTS
from support.front_ends import FrontEnd, Task

Pair = Callable[..., tuple[Any, Any]]


@pytest.fixture
def ends(pair: Pair, zmq: ModuleType, front_end: FrontEnd) -> Iterator[Any]:
    """A proxy that runs: its sockets front, back, capture and control, and for each the other end."""
    names = ("front", "back", "capture", "control")
    ends = dict(zip(names, (pair() for _ in names), strict=True))
    task = front_end.spawn(zmq.proxy_steerable, *(own for own, _ in ends.values()))
    ends["front"][1].send(b"it runs")
    assert ends["back"][1].recv() == b"it runs"
    assert ends["capture"][1].recv() == b"it runs"
    yield {**ends, "task": task}
    ends["control"][1].close()
    ends["control"][0].close()
    with pytest.raises(zmq.ZMQError):
        task.get()


@pytest.fixture(params=["front", "back", "capture", "control"])
def owned(request: pytest.FixtureRequest, ends: Any) -> Any:
    return ends[request.param][0]


def poll_with(poller: Any, socket: Any) -> None:
    poller.register(socket)
    poller.poll(5)


def calls(zmq: ModuleType, socket: Any) -> dict[str, Callable[[], Any]]:
    """Return what may wait, and what changes the socket or looks for messages."""
    return {
        "send": lambda: socket.send(b"1"),
        "send NOBLOCK": lambda: socket.send(b"1", zmq.NOBLOCK),
        "send by reference": lambda: socket.send(bytes(100_000), copy=False),
        "send_multipart": lambda: socket.send_multipart([b"1", b"2"]),
        "send_string": lambda: socket.send_string("1"),
        "recv": socket.recv,
        "recv NOBLOCK": lambda: socket.recv(zmq.NOBLOCK),
        "recv by reference": lambda: socket.recv(copy=False),
        "recv_multipart": socket.recv_multipart,
        "recv_into": lambda: socket.recv_into(bytearray(5)),
        "recv_json": socket.recv_json,
        "poll": lambda: socket.poll(5),
        "poll to send": lambda: socket.poll(0, zmq.POLLOUT),
        "Poller": lambda: poll_with(zmq.Poller(), socket),
        "zmq_poll": lambda: zmq.zmq_poll([(socket, zmq.POLLIN)], 5),
        "select": lambda: zmq.select([socket], [], [], 0.005),
        "bind": lambda: socket.bind("inproc://another"),
        "unbind": lambda: socket.unbind("inproc://another"),
        "bind_to_random_port": lambda: socket.bind_to_random_port("tcp://127.0.0.1"),
        "connect": lambda: socket.connect("inproc://another"),
        "disconnect": lambda: socket.disconnect("inproc://another"),
        "monitor": lambda: socket.monitor("inproc://monitor"),
        "get_monitor_socket": socket.get_monitor_socket,
        "EVENTS": lambda: socket.EVENTS,
        "get EVENTS": lambda: socket.get(zmq.EVENTS),
        "set": lambda: socket.set(zmq.RCVTIMEO, 5),
        "setsockopt": lambda: socket.setsockopt(zmq.RCVTIMEO, 5),
        "set_hwm": lambda: socket.set_hwm(5),
        "an attribute": lambda: setattr(socket, "sndtimeo", 5),
        "proxy": lambda: zmq.proxy(socket, socket),
        "device": lambda: zmq.device(zmq.QUEUE, socket),
    }


def test_any_other_call_is_refused(ends: Any, owned: Any, zmq: ModuleType) -> None:
    for name, call in calls(zmq, owned).items():
        with pytest.raises(zmq.ZMQError) as caught:
            call()
        assert caught.value.errno == EBUSY, name
    # All that was for nothing.
    ends["front"][1].send(b"it runs on")
    assert ends["back"][1].recv() == b"it runs on"
    assert not ends["front"][1].poll(0)


def test_a_second_proxy_takes_nothing_when_it_cannot_have_all(
    ends: Any, owned: Any, pair: Pair, zmq: ModuleType
) -> None:
    free, peer = pair()
    for sockets in ((free, owned), (owned, free), (free, free, owned), (free, free, None, owned)):
        with pytest.raises(zmq.ZMQError) as caught:
            zmq.proxy_steerable(*sockets)
        assert caught.value.errno == EBUSY
        free.send(b"mine")
        assert peer.recv() == b"mine"


def test_a_shadow_is_refused_too(ends: Any, owned: Any, zmq: ModuleType) -> None:
    for shadow in (zmq.Socket.shadow(owned), zmq.Socket.shadow(owned.underlying)):
        with pytest.raises(zmq.ZMQError) as caught:
            shadow.poll(0)
        assert caught.value.errno == EBUSY


def test_shadows_are_given_back_too(pair: Pair, zmq: ModuleType, front_end: FrontEnd) -> None:
    """Those from before, those made meanwhile, those of shadows; and the original where a proxy has a shadow."""
    front, client = pair()
    back, worker = pair()
    control, steer = pair()
    before = zmq.Socket.shadow(front)
    for mine in (front, before):
        task: Task = front_end.spawn(zmq.proxy_steerable, mine, back, None, control)
        client.send(b"1")
        assert worker.recv() == b"1"
        during = zmq.Socket.shadow(front.underlying)
        everybody = [front, before, during, zmq.Socket.shadow(before)]
        for socket in everybody:
            for call in (lambda socket=socket: socket.recv(zmq.NOBLOCK), lambda socket=socket: zmq.proxy(socket, back)):
                with pytest.raises(zmq.ZMQError) as caught:
                    call()
                assert caught.value.errno == EBUSY
        steer.send(b"TERMINATE")
        task.get()
        for i, socket in enumerate(everybody):
            client.send(b"%d" % i)
            assert socket.recv() == b"%d" % i
            socket.send(b"back")
            assert client.recv() == b"back"
        # A shadow that a proxy had, and that is gone, keeps nobody from anything.
        del during, everybody, socket, call


def test_options_can_be_read_and_linger_be_set(ends: Any, owned: Any, zmq: ModuleType) -> None:
    assert owned.TYPE == zmq.PAIR
    assert owned.get(zmq.RCVTIMEO) == owned.getsockopt(zmq.RCVTIMEO) == owned.rcvtimeo == -1
    assert owned.getsockopt_string(zmq.LAST_ENDPOINT).startswith("inproc://")
    assert owned.FD >= 0
    owned.linger = 7
    assert owned.linger == 7
    assert not owned.closed
    assert repr(owned)


def test_whoever_closes_one_ends_the_proxy_and_leaves_the_others(ends: Any, owned: Any, zmq: ModuleType) -> None:
    owned.close()
    assert owned.closed
    with pytest.raises(zmq.ZMQError) as caught:
        ends["task"].get()
    assert caught.value.errno == ENOTSOCK
    for name in ("front", "back", "capture"):
        own, other = ends[name]
        if own is not owned:
            own.send(b"free again")
            assert other.recv() == b"free again"
            other.send(b"indeed")
            assert own.recv() == b"indeed"


def test_a_native_thread_closes_one(ends: Any, owned: Any, zmq: ModuleType) -> None:
    thread = threading.Thread(target=owned.close)
    thread.start()
    with pytest.raises(zmq.ZMQError) as caught:
        ends["task"].get()
    thread.join()
    assert caught.value.errno == ENOTSOCK


def test_several_threads_close_all_at_once(pair: Pair, zmq: ModuleType, front_end: FrontEnd) -> None:
    """Who stops the proxy, who is told that it has ended, and who closes it, all at the same time."""
    for _ in range(50):
        front, client = pair()
        back, worker = pair()
        task: Task = front_end.spawn(zmq.proxy, front, back)
        client.send(b"1")
        assert worker.recv() == b"1"
        go = threading.Barrier(4)

        def close(socket: Any, go: threading.Barrier = go) -> None:
            go.wait()
            socket.close()

        threads = [threading.Thread(target=close, args=(socket,)) for socket in (front, back, front, back)]
        for thread in threads:
            thread.start()
        with pytest.raises(zmq.ZMQError) as caught:
            task.get()
        assert caught.value.errno == ENOTSOCK
        for thread in threads:
            thread.join()
        assert front.closed and back.closed


def test_one_that_is_closed_while_a_proxy_begins_is_not_used(
    context: Any, zmq: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another thread can run wherever the beginning calls something that lets go of the interpreter."""
    front, back = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
    for name in ("pipe", "pipe2"):

        def interrupted(*args: Any, real: Any = getattr(os, name)) -> Any:  # noqa: B008
            front.close()
            return real(*args)

        monkeypatch.setattr(os, name, interrupted)
    with pytest.raises(zmq.ZMQError) as caught:
        zmq.proxy(front, back)
    assert caught.value.errno == ENOTSOCK


def test_a_poller_that_hears_of_one_too_early_can_use_it_later(
    pair: Pair, zmq: ModuleType, front_end: FrontEnd
) -> None:
    front, client = pair()
    back, worker = pair()
    control, steer = pair()
    task: Task = front_end.spawn(zmq.proxy_steerable, front, back, None, control)
    client.send(b"1")
    assert worker.recv() == b"1"
    early = zmq.Poller()
    early.register(front, zmq.POLLIN)
    with pytest.raises(zmq.ZMQError):
        early.poll(0)
    steer.send(b"TERMINATE")
    task.get()
    assert early.poll(0) == []
    polling = front_end.spawn(early.poll)
    client.send(b"2")
    assert polling.get() == [(front, zmq.POLLIN)]


def test_a_poller_that_knew_one_before_can_use_it_later(pair: Pair, zmq: ModuleType, front_end: FrontEnd) -> None:
    """As one of few, and as one of many."""
    for count in (1, 10):
        front, client = pair()
        back, worker = pair()
        control, steer = pair()
        poller = zmq.Poller()
        poller.register(front, zmq.POLLIN)
        for _ in range(count - 1):
            poller.register(pair()[0], zmq.POLLIN)
        assert poller.poll(5) == []
        task: Task = front_end.spawn(zmq.proxy_steerable, front, back, None, control)
        client.send(b"1")
        assert worker.recv() == b"1"
        with pytest.raises(zmq.ZMQError) as caught:
            poller.poll(0)
        assert caught.value.errno == EBUSY
        steer.send(b"TERMINATE")
        task.get()
        polling = front_end.spawn(poller.poll)
        client.send(b"2")
        assert polling.get() == [(front, zmq.POLLIN)]


# Forks.

FORKING = """
    import gc, os, signal, sys, time
    sys.path.insert(0, sys.argv[2])
    from support.front_ends import LIMIT, named, wait_until
    front_end = named(sys.argv[1])
    zmq = front_end.zmq
    context = zmq.Context()
    def pair():
        a, b = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
        a.bind(f"inproc://{id(a)}")
        b.connect(f"inproc://{id(a)}")
        return a, b
    (front, client), (back, worker) = pair(), pair()
    def proxy():
        try:
            zmq.proxy(front, back)
        except zmq.ZMQError as error:
            return error.errno
    task = front_end.spawn(proxy)
    def works():
        client.send(b"ask")
        assert worker.recv() == b"ask"
        worker.send(b"answer")
        assert client.recv() == b"answer"
    works()
    child = os.fork()
    if child == 0:
        signal.alarm(20)
"""


def fork(front_end: FrontEnd, program: str) -> None:
    """Run a program that forks while a proxy runs."""
    if not front_end.forks_quietly:
        pytest.skip("the framework prints an error")
    text = textwrap.dedent(FORKING) + textwrap.dedent(program)
    command = [sys.executable, "-X", "faulthandler", "-W", "error", "-W", "ignore:Using fork", "-c", text]
    arguments = [front_end.name, str(TESTS)]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=50)
    assert done.returncode == 0 and not done.stderr, done.stderr


def test_a_forked_child_cannot_stop_its_parents_proxy(front_end: FrontEnd) -> None:
    """Nor use the sockets, nor be held up by them."""
    fork(
        front_end,
        """
        # in the child
            status = 1
            try:
                for use in (lambda: front.poll(0), lambda: front.send(b"x"), lambda: zmq.proxy(front, back)):
                    try:
                        use()
                    except zmq.ZMQError as error:
                        assert "fork" in str(error), error
                    else:
                        raise AssertionError("allowed in the child")
                front.close()
                context.destroy()
                del front, back, client, worker, context, task
                gc.collect()
                status = 0
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        works()
        front.close()
        assert task.get() == zmq.ENOTSOCK
        context.destroy(linger=0)
        """,
    )


def test_a_forked_child_that_lives_on_does_not_keep_its_parents_proxy_from_ending(front_end: FrontEnd) -> None:
    fork(
        front_end,
        """
            time.sleep(20)
        works()
        front.close()
        assert task.get() == zmq.ENOTSOCK
        assert os.waitpid(child, os.WNOHANG) == (0, 0), "it was waited for"
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        context.destroy(linger=0)
        """,
    )


def test_a_forked_child_that_lives_on_does_not_keep_its_parents_device_from_ending(front_end: FrontEnd) -> None:
    fork(
        front_end,
        """
            os._exit(0)
        os.waitpid(child, 0)
        import importlib
        devices = importlib.import_module(zmq.__name__ + ".devices")
        for prefix in ("Thread", "Green"):
            make = getattr(devices, prefix + "Device", None)
            if make is None:
                continue
            device = make(zmq.QUEUE, zmq.DEALER, zmq.DEALER)
            device.context_factory = lambda: context
            device.start()
            child = os.fork()
            if child == 0:
                signal.alarm(20)
                time.sleep(20)
            device.stop()
            device.join(LIMIT)
            assert device.done
            assert os.waitpid(child, os.WNOHANG) == (0, 0), "it was waited for"
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        context.destroy(linger=0)
        """,
    )
