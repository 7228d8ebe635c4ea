"""Signals whose handler raises, and deadlines under a storm of signals: nothing is lost, nobody is early or late."""

from __future__ import annotations

import textwrap

import pytest

from support.front_ends import FrontEnd
from support.programs import run

COMMON = """
    import os, signal, subprocess, sys, threading, time, _thread
    from collections import deque
    from itertools import islice
    from greenlet import getcurrent
    import zmq as plain

    main = getcurrent()  # what a handler raises while a hub runs is the hub's business

    class Interrupt(Exception):
        pass

    hits = 0
    armed = False

    def handler(*args):
        global hits, armed
        hits += 1
        if armed and getcurrent() is main:
            armed = False
            raise Interrupt

    signal.signal(signal.SIGUSR1, handler)

    class Storm:
        # Another process sends the signals, so that they come at any moment of the program's work.
        def __init__(self, pause):
            program = (
                "import os, time\\nend = time.monotonic() + 30\\nwhile time.monotonic() < end:\\n"
                f"    try: os.kill({os.getpid()}, {int(signal.SIGUSR1)})\\n"
                f"    except OSError: break\\n    time.sleep({pause})"
            )
            self.process = subprocess.Popen([sys.executable, "-c", program])
            while not hits:
                time.sleep(0.001)

        def end(self):
            self.process.kill()
            self.process.wait()
            signal.signal(signal.SIGUSR1, signal.SIG_IGN)

    context = zmq.Context()
    pull = context.socket(zmq.PULL)
    pull.bind("inproc://x")
    pull.poll(1)  # a framework's loop is made here, and not where a handler raises
    push = plain.Context.shadow(context.underlying).socket(zmq.PUSH)
    push.connect("inproc://x")
"""
END = """
    push.close()
    pull.close()
    context.term()
"""


def run_with_signals(front_end: FrontEnd, program: str) -> None:
    # What a handler raises in the middle of a framework's own work the framework may report.
    run(front_end, "".join(textwrap.dedent(part) for part in (COMMON, program, END)), quiet=False)


@pytest.fixture
def steady(front_end: FrontEnd) -> FrontEnd:
    """One that is not broken by a handler that raises in the midst of its own work."""
    if not front_end.stands_handlers:
        pytest.skip("the framework would break")
    return front_end


@pytest.mark.parametrize("form", ["recv", "recv_multipart"])
def test_a_signal_that_comes_with_the_message_destroys_nothing(steady: FrontEnd, form: str) -> None:
    """What is received goes straight into a list, so that no bytecode stands between a call's return and the list."""
    run_with_signals(
        steady,
        f"""
        ROUNDS = 100
        go = threading.Event()

        def feed():
            for number in range(ROUNDS):
                go.wait()
                go.clear()
                time.sleep(0.001)
                _thread.interrupt_main(signal.SIGUSR1)
                push.send_multipart([b"%d" % number, b"tail"] if {form!r} == "recv_multipart" else [b"%d" % number])

        feeder = threading.Thread(target=feed)
        feeder.start()
        got = deque()
        raised = 0
        for number in range(ROUNDS):
            before = hits
            try:
                go.set()
                armed = True
                got.extend(islice(iter(pull.{form}, None), 1))
                while hits == before:
                    pass
            except Interrupt:
                raised += 1
            armed = False
        feeder.join()
        while pull.poll(0):
            got.append(pull.{form}())
        assert hits == ROUNDS
        numbers = [int(message[0] if {form!r} == "recv_multipart" else message) for message in got]
        assert numbers == list(range(ROUNDS)), (len(numbers), raised)
        """,
    )


@pytest.mark.parametrize("timed", [False, True], ids=["without RCVTIMEO", "with RCVTIMEO"])
def test_nothing_is_lost_in_a_storm(steady: FrontEnd, timed: bool) -> None:
    run_with_signals(
        steady,
        f"""
        TOTAL = 3000
        pull.rcvtimeo = 20_000 if {timed} else -1
        storm = Storm(0.0003)

        def feed():
            for number in range(TOTAL):
                push.send_multipart([b"%d" % number, b"x", b"y"])
                if number % 10 == 0:
                    time.sleep(0.0005)

        feeder = threading.Thread(target=feed)
        feeder.start()
        got = deque()
        raised = 0
        while len(got) < TOTAL:
            try:
                armed = True
                got.extend(islice(iter(pull.recv_multipart, None), TOTAL - len(got)))
            except Interrupt:
                raised += 1
        armed = False
        storm.end()
        feeder.join()
        assert list(got) == [[b"%d" % number, b"x", b"y"] for number in range(TOTAL)]
        """,
    )


def test_deadlines_are_kept_in_a_storm(front_end: FrontEnd) -> None:
    """Never early; and late by no more than 5 %, on the best of some tries, for the machine has other work to do."""
    run_with_signals(
        front_end,
        """
        few, many = zmq.Poller(), zmq.Poller()
        others = [context.socket(zmq.PULL) for _ in range(8)]
        for socket in (pull, *others):
            many.register(socket, zmq.POLLIN)
        few.register(pull, zmq.POLLIN)
        pull.rcvtimeo = 250
        full = context.socket(zmq.PUSH)
        full.sndtimeo = 250
        storm = Storm(0.002)

        def refused(call, *args):
            try:
                call(*args)
            except zmq.Again:
                return
            raise AssertionError("not refused")

        for wait in (
            lambda: pull.poll(250),
            lambda: few.poll(250),
            lambda: many.poll(250),
            lambda: refused(pull.recv),
            lambda: refused(full.send, b"1"),
        ):
            for _ in range(5):
                before, start = hits, time.monotonic()
                wait()
                elapsed = time.monotonic() - start
                # libzmq counts whole milliseconds.
                assert elapsed > 0.2485, elapsed
                # Neither where the machine stood still meanwhile.
                if hits > before + 5 and elapsed < 0.2625:
                    break
            else:
                raise AssertionError(elapsed)
        storm.end()
        for socket in (full, *others):
            socket.close()
        """,
    )
