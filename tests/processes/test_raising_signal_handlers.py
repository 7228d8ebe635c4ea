"""Signals: handlers run while a call waits, and one that raises destroys no message."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable

import pytest

from support.front_ends import FrontEnd
from zmq.core.waiting.hub import Hub

# Another process sends the signals, so that they come at any moment of the program's work.
STORM = """
    import os, signal, subprocess, sys, time
    from contextlib import contextmanager
    from greenlet import getcurrent
    main = getcurrent()  # what a handler raises while a hub runs is the hub's business
    class Interrupt(Exception): pass
    @contextmanager
    def new_context():
        context = zmq.Context()
        try: yield context
        finally: context.destroy()
    hits = 0
    def storm(pause):
        program = (
            "import os, time\\nend = time.monotonic() + 30\\nwhile time.monotonic() < end:\\n"
            f"    try: os.kill({os.getpid()}, {int(signal.SIGUSR1)})\\n"
            f"    except OSError: break\\n    time.sleep({pause})"
        )
        return subprocess.Popen([sys.executable, "-c", program])
"""


def run(front_end: FrontEnd, program: str, quiet: bool = True) -> None:
    """Run a program that must end well; a framework may report what a handler raised while its loop ran."""
    module = front_end.zmq.__name__
    lines = [f"import {module} as zmq", textwrap.dedent(STORM), textwrap.dedent(program)]
    command = [sys.executable, "-X", "faulthandler", "-W", "error", "-c", "\n".join(lines)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stderr
    assert not (quiet and done.stderr), done.stderr
    assert "TypeError" not in done.stderr, done.stderr


def test_a_handler_runs_while_a_call_waits(front_end: FrontEnd) -> None:
    run(
        front_end,
        """
        def handler(*args):
            global hits
            hits += 1
            if hits == 3:
                a.send(b"sent by the handler")
        signal.signal(signal.SIGUSR1, handler)
        with new_context() as context:
            a, b = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
            a.bind("inproc://x")
            b.connect("inproc://x")
            source = storm(0.01)
            assert b.recv() == b"sent by the handler"
            source.kill()
            source.wait()
            signal.signal(signal.SIGUSR1, signal.SIG_IGN)
            assert hits >= 3
        """,
    )


def test_polls_and_time_outs_are_kept_under_a_storm(front_end: FrontEnd) -> None:
    run(
        front_end,
        """
        def handler(*args):
            global hits
            hits += 1
        signal.signal(signal.SIGUSR1, handler)
        with new_context() as context:
            a, b = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
            a.bind("inproc://x")
            b.connect("inproc://x")
            b.rcvtimeo = 300
            poller = zmq.Poller()
            poller.register(b, zmq.POLLIN)
            source = storm(0.002)
            while not hits:
                time.sleep(0.001)
            def receive():
                try: b.recv()
                except zmq.Again: return
                raise AssertionError
            for wait in (lambda: b.poll(300), lambda: poller.poll(300), receive, lambda: zmq.select([b], [], [], 0.3)):
                disturbed = False
                while not disturbed:
                    start, here = time.monotonic(), hits
                    wait()
                    elapsed = time.monotonic() - start
                    # One that began anew with every signal would never end.
                    assert 0.2985 < elapsed < 5, elapsed
                    # Not where the machine stood still meanwhile.
                    disturbed = hits > here + 5
            source.kill()
            source.wait()
            signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        """,
    )


@pytest.mark.parametrize("form", ["recv", "recv_multipart"])
def test_a_handler_that_raises_loses_no_message(front_end: FrontEnd, form: str) -> None:
    """Whole messages, in order, each exactly once, whatever the handler interrupts."""
    run(
        front_end,
        f"""
        def handler(*args):
            global hits, armed
            hits += 1
            if armed and getcurrent() is main:
                armed = False
                raise Interrupt
        armed = False
        signal.signal(signal.SIGUSR1, handler)
        with new_context() as context:
            push, pull = context.socket(zmq.PUSH), context.socket(zmq.PULL)
            push.bind("inproc://x")
            pull.connect("inproc://x")
            pull.poll(1)  # a framework's loop is made here, and not where a handler raises
            got, interrupts, number = [], 0, 0
            source = storm(0.0005)
            end = time.monotonic() + 1
            # Longer where the machine stands still.
            while time.monotonic() < end or interrupts <= 20:
                for _ in range(20):
                    push.send_multipart([b"%d" % number, b"x" * 10, b"y" * 10])
                    number += 1
                try:
                    while pull.poll(0):
                        armed = True
                        if {form!r} == "recv":
                            message = None
                            message = [pull.recv(), pull.recv(), pull.recv()]
                        else:
                            message = pull.recv_multipart()
                        armed = False
                        got.append(message)
                except Interrupt:
                    interrupts += 1
                    armed = False
                    if {form!r} == "recv":
                        # What the calls before had returned is gone with the list; the rest is still there.
                        while pull.get(zmq.RCVMORE):
                            pull.recv()
            source.kill()
            source.wait()
            signal.signal(signal.SIGUSR1, signal.SIG_IGN)
            while pull.poll(0):
                got.append(pull.recv_multipart())
            assert interrupts > 20, interrupts
            numbers = [int(message[0]) for message in got]
            assert all(message[1:] == [b"x" * 10, b"y" * 10] for message in got)
            assert numbers == sorted(set(numbers))
            # The interpreter may run a handler between a call's return and the assignment of its result.
            assert len(numbers) >= number - interrupts, (len(numbers), number, interrupts)
        """,
    )


def test_a_handler_that_raises_tears_no_message_that_is_sent(front_end: FrontEnd) -> None:
    if not front_end.stands_handlers:
        pytest.skip("the framework would break")
    run(
        front_end,
        """
        def handler(*args):
            global hits
            hits += 1
            if armed and getcurrent() is main:
                raise Interrupt
        armed = False
        signal.signal(signal.SIGUSR1, handler)
        with new_context() as context:
            push, pull = context.socket(zmq.PUSH), context.socket(zmq.PULL)
            push.bind("inproc://x")
            pull.connect("inproc://x")
            pull.poll(1)  # a framework's loop is made here, and not where a handler raises
            interrupts = number = 0
            numbers = []
            source = storm(0.0005)
            end = time.monotonic() + 1
            # Longer where the machine stands still.
            while time.monotonic() < end or interrupts <= 20:
                for _ in range(20):
                    try:
                        armed = True
                        push.send_multipart([b"%d" % number, b"x", b"y", b"z", b"end"])
                        armed = False
                    except Interrupt:
                        armed = False
                        interrupts += 1
                    number += 1
                while pull.poll(0):
                    first, *rest = pull.recv_multipart()
                    assert rest == [b"x", b"y", b"z", b"end"], rest
                    numbers.append(int(first))
            source.kill()
            source.wait()
            signal.signal(signal.SIGUSR1, signal.SIG_IGN)
            assert interrupts > 20, interrupts
            assert numbers == sorted(set(numbers))
            assert len(numbers) >= number - interrupts
        """,
    )


def test_control_c_ends_a_call_that_waits(front_end: FrontEnd) -> None:
    if not front_end.outlives_interrupts:
        pytest.skip("the hub cannot run again after Ctrl-C")
    run(
        front_end,
        """
        with new_context() as context:
            socket = context.socket(zmq.PULL)
            socket.poll(1)  # a framework's loop is made here, and not where a handler raises
            # A job in the background inherits that it is ignored.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            for wait in (socket.recv, socket.poll, lambda: zmq.select([socket], [], [])):
                send = f"import os, time; time.sleep(0.1); os.kill({os.getpid()}, {int(signal.SIGINT)})"
                source = subprocess.Popen([sys.executable, "-c", send])
                try:
                    wait()
                except KeyboardInterrupt:
                    pass
                else:
                    raise AssertionError
                source.wait()
            assert not socket.poll(0)
        """,
        quiet=False,
    )


def test_what_two_handlers_raise_is_raised_one_after_the_other() -> None:
    """Where a hub runs and nothing else may raise."""
    calls: list[Callable[[], None]] = []
    hub = Hub(current=lambda: None, park=None, call_soon=calls.append, watcher=None)
    hub.interrupt(KeyError("first"))
    hub.interrupt(KeyError("second"))
    raised = []
    while calls:
        try:
            calls.pop(0)()
        except KeyError as error:
            raised.append(error.args[0])
    assert raised == ["first", "second"]
