"""A program that leaves sockets and whatever uses them behind ends without a word, wherever it kept them."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from support import PRELOAD
from support.front_ends import FRONT_ENDS, LIMIT, FrontEnd, Threads
from support.programs import before_libzmq, run

# What outlives the contents of most modules, and what does not.
PLACES = {"main": "", "another module": "import json as place", "builtins": "import builtins as place"}

LEAVE = """
    import gc, logging, os
    from types import SimpleNamespace
    from zmq.log.handlers import PUBHandler

    gc.disable()
    kept = SimpleNamespace()
    kept.me = kept
    kept.context = zmq.Context()
    kept.pull = kept.context.socket(zmq.PULL)
    kept.pull.bind("tcp://127.0.0.1:*")
    kept.shadow = zmq.Socket.shadow(kept.pull)
    kept.push = zmq.Context().socket(zmq.PUSH)
    kept.push.connect("tcp://127.0.0.1:9")
    kept.monitor = kept.push.get_monitor_socket()
    kept.empty = zmq.Context()
    kept.poller = zmq.Poller()
    for _ in range(6):
        kept.poller.register(kept.context.socket(zmq.PULL), zmq.POLLIN)
    for _ in range(3):
        kept.poller.poll(1)
    kept.frame = zmq.Frame(bytearray(100_000), copy=False, track=True)
    kept.push.send(kept.frame, copy=False)
    logging.getLogger().addHandler(PUBHandler("tcp://127.0.0.1:*"))
    logging.getLogger("one").addHandler(PUBHandler(kept.context.socket(zmq.PUB)))
    logging.warning("a record")
    if front_end.shares_sockets:
        kept.receiver = front_end.spawn(kept.pull.recv)
        kept.watcher = front_end.spawn(kept.poller.poll)
        front_end.sleep(0.01)
"""

LOOPS = """
    import asyncio, gc, os
    from types import SimpleNamespace
    import zmq.asyncio
    from zmq.eventloop.zmqstream import ZMQStream

    gc.disable()
    kept = SimpleNamespace()
    kept.me = kept
    kept.context = zmq.asyncio.Context()
    kept.pull = kept.context.socket(zmq.PULL)
    kept.pull.bind("tcp://127.0.0.1:*")
    kept.pipe = os.pipe()

    async def main():
        kept.received = kept.pull.recv()
        kept.poller = zmq.asyncio.Poller()
        kept.poller.register(kept.pull, zmq.POLLIN)
        kept.poller.register(kept.pipe[0], zmq.POLLIN)
        kept.polled = kept.poller.poll()
        kept.stream = ZMQStream(zmq.Context().socket(zmq.PULL))
        kept.stream.on_recv(print)
        await asyncio.sleep(0.01)

    kept.loop = asyncio.new_event_loop()
    kept.loop.run_until_complete(main())
    kept.loop.close()
"""

DEVICES = """
    from types import SimpleNamespace
    from zmq.auth.thread import ThreadAuthenticator
    from zmq.devices import ThreadDevice

    kept = SimpleNamespace()
    kept.me = kept
    kept.device = ThreadDevice(zmq.QUEUE, zmq.PULL, zmq.PUSH)
    kept.device.bind_in_to_random_port("tcp://127.0.0.1")
    kept.device.bind_out_to_random_port("tcp://127.0.0.1")
    kept.device.start()
    kept.idle = ThreadDevice(zmq.QUEUE, zmq.PULL, zmq.PUSH)
    kept.authenticator = ThreadAuthenticator(zmq.Context())
    kept.authenticator.start()
"""


@pytest.fixture(autouse=True)
def development(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the interpreter show what it otherwise keeps to itself."""
    monkeypatch.setenv("PYTHONDEVMODE", "1")


def keep(place: str) -> str:
    """Return the end of a program, which keeps what there is in a place."""
    return f"\n    {PLACES[place]}\n    place.kept = kept\n    del kept\n" if PLACES[place] else ""


@pytest.mark.parametrize("place", PLACES)
def test_sockets_and_what_waits_for_them(front_end: FrontEnd, place: str) -> None:
    run(front_end, LEAVE + keep(place))


def test_devices_and_authenticators(front_end: FrontEnd) -> None:
    run(front_end, DEVICES + keep("another module"))


@pytest.mark.parametrize("place", PLACES)
def test_event_loops(place: str) -> None:
    run(FRONT_ENDS[0], LOOPS + keep(place))


def test_what_fails_at_the_end_is_not_tried_again() -> None:
    program = """
        import os
        from zmq.core.waiting.hub import Hub

        class Last:
            hub = Hub(current=None, park=None, call_soon=None, watcher=None)
            tries = 0

            def __del__(self, write=os.write):
                self.write = write
                self.hub.surely(self.fail)

            def fail(self):
                if self.tries:
                    self.write(1, b"again")
                self.tries += 1
                raise KeyboardInterrupt

        last = Last()
    """
    run(FRONT_ENDS[0], program)


@pytest.fixture
def outlived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the process outlive its interpreter for a moment: `hold` says what is done then."""
    monkeypatch.setenv("LD_PRELOAD", before_libzmq(PRELOAD / "outlived.c", tmp_path))


# Native threads that ask for the GIL, and when: each crashes, or says what is not so, where the interpreter is gone.
LATE = {
    "a native thread that is just started": """
        from zmq.core.native_threads import NativeThread

        library.hold(1, 0)
        NativeThread(int).start()
        library.hold(0, 0)
    """,
    "memory that is lent after everything else": """
        class Last:
            def __del__(self, send=push.send, make=bytearray, size=100_000):
                frame = Frame(make(size), copy=False)
                send(frame, copy=False)

        from zmq import Frame
        sys.last = Last()
    """,
    "memory that is lent by what is called last at exit": """
        atexit._run_exitfuncs()
        push.send(bytearray(100_000), copy=False)
        pull.recv()
    """,
    "a message that is made again in the midst of a send": """
        import threading

        def answer(message):
            with context.socket(zmq.REP) as rep:
                rep.bind("inproc://answers")
                while True:
                    rep.recv()
                    library.hold(0, 2)
                    rep.send_multipart(message, copy=False)

        def wait():
            with context.socket(zmq.PULL) as idle:
                idle.recv()

        frames = [zmq.Frame(b"frame" * 1000, copy=False) for _ in range(2)]
        for target, *arguments in ((wait,), (wait,), (answer, frames)):
            threading.Thread(target=target, args=arguments, daemon=True).start()
        req = context.socket(zmq.REQ)
        req.connect("inproc://answers")
        req.send(b"question")
        while not library.is_held():
            time.sleep(0.001)
    """,
    "a dump that nobody can write": """
        import io, os, signal
        from zmq.core.inspection import dump_signal

        dump_signal._set_patience(100)
        dump_signal.catch(signal.SIGUSR1, 1, print)

        class Last:
            def __del__(self, kill=os.kill, pid=os.getpid(), number=signal.SIGUSR1):
                kill(pid, number)

        sys.last = Last()
    """,
}


@pytest.mark.usefixtures("outlived")
@pytest.mark.parametrize("late", LATE)
def test_native_threads_ask_nothing_of_an_interpreter_that_is_gone(late: str) -> None:
    program = """
        import atexit, ctypes, time

        library = ctypes.CDLL(None)
        context = zmq.Context()
        pull, push = context.socket(zmq.PULL), context.socket(zmq.PUSH)
        pull.bind("inproc://messages")
        push.connect("inproc://messages")
    """
    run(Threads(), textwrap.dedent(program) + textwrap.dedent(LATE[late]))


def test_no_native_thread_is_started_when_the_interpreter_ends() -> None:
    program = """
        import os
        from zmq.core.native_threads import NativeThread

        class Last:
            def __del__(self, make=NativeThread, write=os.write, refusal=RuntimeError):
                try:
                    make(write).start()
                except refusal:
                    return
                write(1, b"it was started")

        sys.last = Last()
    """
    run(FRONT_ENDS[0], program)


def test_a_finalizer_makes_the_first_socket() -> None:
    """At the end of the interpreter, where nothing can be imported any more."""
    program = """
import zmq

class Client:
    def __init__(self):
        self.context, self.kind, self.tell = zmq.Context(), zmq.PUSH, print

    def __del__(self):
        socket = self.context.socket(self.kind)
        socket.connect("inproc://server")
        socket.send(b"bye")
        socket.close(linger=0)
        self.context.term()
        self.tell("said goodbye", flush=True)

client = Client()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=LIMIT)
    assert (done.returncode, done.stdout, done.stderr) == (0, "said goodbye\n", "")
