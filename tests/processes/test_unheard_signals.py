"""Signals that interrupt no system call of the main thread, which waits: their handlers run all the same, and soon.

They come after Python's last look for signals and before the wait, or to another thread. The main thread is plain
here; what a hub does is in `tests/green/monkey/test_ctrl_c_asleep.py`.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from textwrap import dedent, indent

import pytest

from support import PRELOAD
from support.front_ends import FRONT_ENDS, FrontEnd
from support.programs import before_libzmq, run

pytestmark = [
    pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler"),
    pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs LD_PRELOAD"),
    pytest.mark.parametrize("plain", FRONT_ENDS[:1], ids=lambda front_end: front_end.name),
]

BEGIN = """
import ctypes, fcntl, os, resource, signal, threading, time
library = ctypes.CDLL(None)
MAIN, OTHER, ASLEEP = range(3)

class Interrupt(Exception):
    pass

def arm(where=OTHER, nth=1):
    library.arm(signal.SIGUSR1, where, nth)

def raising(*_):
    raise Interrupt

def on_signal(handler):
    signal.signal(signal.SIGUSR1, handler)

def is_interrupted(wait):
    try:
        wait()
    except Interrupt:
        assert library.left() == 0
        return True
    return False

def pipeline():
    pull, push = context.socket(zmq.PULL), context.socket(zmq.PUSH)
    push.connect(f"tcp://127.0.0.1:{pull.bind_to_random_port('tcp://127.0.0.1')}")
    # A connection that is made interrupts a wait too: what sleeps for the second time would do so in a wait of its own.
    push.send(b"")
    pull.recv()
    pull.poll(1)
    return pull, push

def pending(context):
    # Nobody is there who would take what it sends.
    socket = context.socket(zmq.PUSH)
    socket.connect("ipc:///nowhere/at/all")
    return socket
"""

#: What waits; each text defines `wait`, and `answer`, which ends the wait and may be called once before it.
WAITS = {
    "recv": """
        pull, push = pipeline()
        wait, answer = pull.recv, lambda: push.send(b"x")
    """,
    "recv with a time-out": """
        pull, push = pipeline()
        pull.rcvtimeo = 30_000
        wait, answer = pull.recv, lambda: push.send(b"x")
    """,
    "recv_multipart": """
        pull, push = pipeline()
        wait, answer = pull.recv_multipart, lambda: push.send_multipart([b"x", b"y"])
    """,
    "send": """
        pull, push = context.socket(zmq.PULL), context.socket(zmq.PUSH)
        push.bind("inproc://lonely")
        wait, answer = lambda: push.send(b"x"), lambda: pull.connect("inproc://lonely")
    """,
    "poll of a socket": """
        pull, push = pipeline()
        wait, answer = lambda: pull.poll() == zmq.POLLIN or None, lambda: push.send(b"x")
    """,
    "a poller": """
        pull, push = pipeline()
        poller = zmq.Poller()
        poller.register(pull, zmq.POLLIN)
        wait, answer = poller.poll, lambda: push.send(b"x")
    """,
    "a poller to which the handler adds": """
        pull, push = pipeline()
        push.send(b"x")
        other, _ = pipeline()
        poller = zmq.Poller()
        poller.register(other, zmq.POLLIN)
        wait, answer = poller.poll, lambda: poller.register(pull, zmq.POLLIN)
    """,
    "a poller of many": """
        pull, push = pipeline()
        more = [context.socket(zmq.PULL) for _ in range(40)]
        poller = zmq.Poller()
        for socket in (pull, *more):
            poller.register(socket, zmq.POLLIN)
        for _ in range(3):
            assert poller.poll(0) == []
        wait, answer = poller.poll, lambda: push.send(b"x")
    """,
    "zmq_poll": """
        pull, push = pipeline()
        wait, answer = lambda: zmq.zmq_poll([(pull, zmq.POLLIN)], 30_000), lambda: push.send(b"x")
    """,
    "select": """
        pull, push = pipeline()
        wait, answer = lambda: zmq.select([pull], [], []), lambda: push.send(b"x")
    """,
    "a tracker": """
        push = pending(context)
        tracker = push.send(bytes(100_000), copy=False, track=True)
        wait, answer = lambda: tracker.wait(30), lambda: push.close(linger=0)
    """,
    "a proxy": """
        pull, push, control, steer = (context.socket(kind) for kind in (zmq.PULL, zmq.PUSH, zmq.PAIR, zmq.PAIR))
        control.bind("inproc://control")
        steer.connect("inproc://control")
        wait, answer = lambda: zmq.proxy_steerable(pull, push, None, control), lambda: steer.send(b"TERMINATE")
    """,
    "term": """
        other = zmq.Context()
        socket = other.socket(zmq.PULL)
        def wait():
            other.term()
            assert other.closed
        answer = socket.close
    """,
    "destroy": """
        other = zmq.Context()
        push = pending(other)
        push.send(b"x")
        third = zmq.Context.shadow(other.underlying).socket(zmq.PULL)
        wait, answer = other.destroy, lambda: (third.close(), push.close(0))
        push.linger = 0
    """,
    "join": """
        from zmq.core.native_threads import NativeThread
        over = threading.Event()
        thread = NativeThread(over.wait)
        thread.start()
        wait, answer = thread.join, over.set
    """,
}


@pytest.fixture(autouse=True)
def preloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_PRELOAD", before_libzmq(PRELOAD / "unheard.c", tmp_path))


def run_plain(plain: FrontEnd, program: str) -> None:
    run(plain, f"{BEGIN}\n{dedent(program)}\nassert signal.set_wakeup_fd(-1) == -1")


def each_way(what: str, nth: int, handler: str, then: str) -> str:
    """Return a program that waits where a signal comes at the n-th sleep of the main thread, in each way."""
    # The loop of a proxy hears signals from the beginning, and sleeps once.
    nth = 1 if what == "a proxy" else nth
    parts = ["context = zmq.Context()", dedent(WAITS[what]), f"arm(where, {nth})", then, "context.destroy(linger=0)"]
    return f"on_signal({handler})\nfor where in MAIN, OTHER, ASLEEP:\n{indent(chr(10).join(parts), '    ')}"


@pytest.mark.parametrize("what", WAITS)
@pytest.mark.parametrize("nth", [1, 2], ids=["at once", "later"])
def test_a_handler_runs_that_raises(plain: FrontEnd, what: str, nth: int) -> None:
    """Nothing is lost: what was waited for can be waited for again."""
    run_plain(plain, each_way(what, nth, "raising", "assert is_interrupted(wait), where; answer(); wait()"))


@pytest.mark.parametrize("what", WAITS)
@pytest.mark.parametrize("nth", [1, 2], ids=["at once", "later"])
def test_a_handler_runs_that_returns(plain: FrontEnd, what: str, nth: int) -> None:
    """The wait goes on, and hears of what the handler did."""
    run_plain(plain, each_way(what, nth, "lambda *_: answer()", "wait(); assert library.left() == 0, where"))


#: What else programs do; nothing may keep `wait` from being interrupted.
PROGRAMS = {
    "has a descriptor of its own": """
        got, written = os.pipe2(os.O_NONBLOCK)
        signal.set_wakeup_fd(written)
        for nth in 1, 2:
            arm(OTHER, nth)
            assert is_interrupted(wait)
            assert os.read(got, 9) == bytes([signal.SIGUSR1])
        assert signal.set_wakeup_fd(-1) == written
    """,
    "has one that was closed": """
        # Its number nobody else will have.
        got, written = os.pipe2(os.O_NONBLOCK)
        written = fcntl.fcntl(written, fcntl.F_DUPFD, 900)
        signal.set_wakeup_fd(written)
        os.close(written)
        arm(OTHER, 2)
        assert is_interrupted(wait)
    """,
    "chooses one in a handler": """
        got, written = os.pipe2(os.O_NONBLOCK)
        def choose(*_):
            signal.set_wakeup_fd(written)
            on_signal(raising)
            arm(OTHER, 2)
        for nth in 1, 2:
            on_signal(choose)
            arm(OTHER, nth)
            assert is_interrupted(wait)
            assert os.read(got, 9) == bytes([signal.SIGUSR1])
            assert signal.set_wakeup_fd(-1) == written
    """,
    "puts back what a handler found": """
        got, written = os.pipe2(os.O_NONBLOCK)
        found = []
        on_signal(lambda *_: found.append(signal.set_wakeup_fd(written)) or push.send(b"x"))
        for nth in 1, 2:
            arm(OTHER, nth)
            wait()
            signal.set_wakeup_fd(found.pop())
        on_signal(raising)
        arm(OTHER, 2)
        assert is_interrupted(wait)
    """,
    "has handlers that wait": """
        inner, inner_push = pipeline()
        def handler(*_):
            on_signal(raising)
            arm(OTHER, nth)
            assert is_interrupted(inner.recv)
            inner_push.send(b"x")
            assert inner.recv() == b"x"
            # For the wait that was interrupted.
            arm(OTHER, 2)
        for nth in 1, 2:
            for outer in 1, 2:
                on_signal(handler)
                arm(OTHER, outer)
                assert is_interrupted(wait)
    """,
    "forks": """
        pull.poll(150)
        child = os.fork()
        if child == 0:
            context = zmq.Context()
            pull, push = pipeline()
            for nth in 1, 2:
                arm(OTHER, nth)
                assert is_interrupted(pull.recv)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        arm(OTHER, 2)
        assert is_interrupted(wait)
    """,
    "forks in another thread": """
        pull.poll(150)
        def fork():
            child = os.fork()
            if child == 0:
                context = zmq.Context()
                pull = context.socket(zmq.PULL)
                for nth in 1, 2:
                    arm(OTHER, nth)
                    assert is_interrupted(pull.recv)
                os._exit(0)
            statuses.append(os.waitpid(child, 0)[1])
        statuses = []
        thread = threading.Thread(target=fork)
        thread.start()
        thread.join()
        assert statuses == [0]
    """,
    "closes all descriptors": """
        pull.poll(150)
        child = os.fork()
        if child == 0:
            os.closerange(3, 4096)
            context = zmq.Context()
            pull = context.socket(zmq.PULL)
            for nth in 1, 2:
                arm(OTHER, nth)
                assert is_interrupted(pull.recv)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    """,
    "has no descriptors left": """
        push.send(b"x")
        wait()
        resource.setrlimit(resource.RLIMIT_NOFILE, (100, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        try:
            while True:
                os.dup(1)
        except OSError:
            pass
        for nth in 1, 2, 3:
            arm(OTHER, nth)
            assert is_interrupted(wait)
    """,
    "is told of a time-out": """
        on_signal(lambda *_: None)
        pull.rcvtimeo = 250
        earlier = pull.counters()["receive_waits"]
        for nth in 1, 2:
            arm(OTHER, nth)
            before = time.monotonic()
            try:
                wait()
            except zmq.Again:
                assert time.monotonic() - before >= 0.25
            else:
                raise AssertionError
            assert library.left() == 0
        assert pull.counters()["receive_waits"] == earlier + 2
    """,
}


@pytest.mark.parametrize("what", PROGRAMS)
def test_whatever_else_a_program_does(plain: FrontEnd, what: str) -> None:
    parts = ["context = zmq.Context(); on_signal(raising)", WAITS["recv"], PROGRAMS[what], "context.destroy(linger=0)"]
    run_plain(plain, "\n".join(map(dedent, parts)))
