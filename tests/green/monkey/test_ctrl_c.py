"""Ctrl-C under ``python -m zmq.green.monkey program``: it ends the main greenlet, as it ends the main thread."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from contextlib import ExitStack
from pathlib import Path

import pytest

from support import TESTS
from support.load import computing
from support.monkey.monkeyed import FRAMEWORKS, LIMIT, Framework, show

#: How the programs begin. Others can run from here on.
BEGIN = f"""
import os, signal, sys, threading, time
sys.path.insert(0, {str(TESTS)!r})
from support.watchdog import limit
limit(15)
import zmq
context = zmq.Context()

def start(function, *args):
    thread = threading.Thread(target=function, args=args, daemon=True)
    thread.start()
    return thread

def ready():
    # Not by sys.stdout: what comes in the midst of that can't print, and at the end it can't be flushed.
    os.write(1, b"ready\\n")
"""

SERVER = """
def serve(number):
    with context.socket(zmq.REP) as socket:
        socket.bind(f"inproc://{number}")
        while True:
            socket.send(socket.recv())

def ask(number):
    with context.socket(zmq.REQ) as socket:
        socket.connect(f"inproc://{number}")
        while True:
            socket.send(b"")
            socket.recv()

for number in range(10):
    start(serve, number)
    start(ask, number)
"""

#: Programs that Ctrl-C ends, by what runs when it comes.
PROGRAMS = {
    "joins a thread that sleeps": "thread = start(time.sleep, 100); ready(); thread.join()",
    "joins one that waits for a socket": "thread = start(context.socket(zmq.PULL).recv); ready(); thread.join()",
    "receives": "ready(); context.socket(zmq.PULL).recv()",
    "receives with a time-out": "socket = context.socket(zmq.PULL); socket.rcvtimeo = 100_000; ready(); socket.recv()",
    "polls one": "ready(); context.socket(zmq.PULL).poll()",
    "polls many": """
        poller = zmq.Poller()
        for _ in range(9):
            poller.register(context.socket(zmq.PULL), zmq.POLLIN)
        ready()
        poller.poll()
    """,
    "sleeps": "ready(); time.sleep(100)",
    "computes": """
        ready()
        while True: pass
    """,
    "another computes": """
        def compute():
            ready()
            while True: pass
        start(compute)
        time.sleep(100)
    """,
    "another sends and never waits": """
        def send():
            socket = context.socket(zmq.PUB)
            ready()
            while True: socket.send(b"", zmq.NOBLOCK)
        start(send)
        time.sleep(100)
    """,
    "a server": f"{SERVER}\nready()\ntime.sleep(100)",
    "a server that one waits for": f"{SERVER}\nready()\ncontext.socket(zmq.PULL).recv()",
    "threads that sleep now and then": """
        def work():
            while True: time.sleep(0.0001)
        threads = [start(work) for _ in range(10)]
        ready()
        threads[0].join()
    """,
    "waits for a queue": "import queue; start(time.sleep, 100); ready(); queue.Queue().get()",
    "waits for an event": "start(time.sleep, 100); ready(); threading.Event().wait()",
    "waits for a process": """
        import subprocess
        child = subprocess.Popen(["sleep", "100"])
        try:
            ready()
            child.wait()
        finally:
            child.kill()
    """,
    "puts Python's own handler there": """
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        start(time.sleep, 100)
        ready()
        time.sleep(100)
    """,
    "forked": """
        def fork():
            child = os.fork()
            if child:
                _, status = os.waitpid(child, 0)
                os._exit(-os.waitstatus_to_exitcode(status))
            # In the child this greenlet is the main one.
            try:
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(10)
            except KeyboardInterrupt:
                signal.signal(signal.SIGINT, signal.SIG_DFL)
                os.kill(os.getpid(), signal.SIGINT)
        start(fork).join()
    """,
}

#: How often each of them is run: a few, or all of them many times where `matrix.py` asks for it.
LONG = 20
RUNS = LONG if os.environ.get("ZMQ_TESTS_LONG") else 3
REPEATED = (
    [what for what in PROGRAMS if what != "forked"] if RUNS == LONG else ["a server", "sleeps", "waits for a queue"]
)


@pytest.fixture(params=FRAMEWORKS, ids=lambda framework: framework.name)
def framework(request: pytest.FixtureRequest) -> Framework:
    return request.param


def run(
    framework: Framework, folder: Path, *program: str, number: int = signal.SIGINT
) -> subprocess.CompletedProcess[str]:
    """Run a program, given in parts; once it says that it is ready, send it a signal."""
    (folder / "program.py").write_text(BEGIN + "".join(map(textwrap.dedent, program)))
    # What this process sets for its own tests.
    environment = {name: value for name, value in os.environ.items() if name != "EVENTLET_TESTS"}
    command = [sys.executable, "-m", framework.monkey_module, "program.py"]
    # A job in the background inherits that it is ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        # Without a buffer: what that held after the first line would be lost to `communicate`.
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0, cwd=folder, env=environment
        )
    finally:
        signal.signal(signal.SIGINT, before)
    with process:
        assert process.stdout is not None
        said = process.stdout.readline()
        if said == b"ready\n":
            process.send_signal(number)
        try:
            out, err = process.communicate(timeout=LIMIT)
        finally:
            process.kill()
    return subprocess.CompletedProcess(command, process.returncode, (said + out).decode(), err.decode())


@pytest.mark.parametrize("what", PROGRAMS)
def test_control_c_ends_the_program(framework: Framework, what: str, tmp_path: Path) -> None:
    """With the status and the one traceback that Python itself would give it."""
    done = run(framework, tmp_path, PROGRAMS[what])
    if what == "forked":
        assert (done.returncode, done.stdout) == (signal.SIGINT, ""), show(done)
        return
    assert (done.returncode, done.stdout) == (-signal.SIGINT, "ready\n"), show(done)
    lines = done.stderr.splitlines()
    assert lines[0] == "Traceback (most recent call last):" and lines[-1].startswith("KeyboardInterrupt"), show(done)
    # It may come while something is imported, whose source is shown, or while another exception is handled, which is
    # shown above it.
    assert done.stderr.count("\nKeyboardInterrupt") == 1 and "program.py" in done.stderr, show(done)


@pytest.mark.timeout(12 * RUNS + 24)
@pytest.mark.parametrize("what", REPEATED)
def test_control_c_ends_it_every_time(framework: Framework, what: str, tmp_path: Path) -> None:
    """The signal comes at another moment each time, the first ones beside processes that compute."""
    with ExitStack() as stack:
        for number in range(RUNS):
            if RUNS == LONG and number == 0:
                stack.enter_context(computing(2))
            if number == RUNS // 2:
                stack.close()
            done = run(framework, tmp_path, PROGRAMS[what])
            # As above.
            assert done.returncode == -signal.SIGINT and done.stderr.count("\nKeyboardInterrupt") == 1, show(done)


@pytest.mark.parametrize(
    ("handler", "number"),
    [("print('mine', flush=True); os._exit(3)", "SIGINT"), ("print('mine', flush=True); os._exit(3)", "SIGTERM")],
    ids=["SIGINT", "SIGTERM"],
)
def test_a_handler_of_the_program_is_the_one(framework: Framework, handler: str, number: str, tmp_path: Path) -> None:
    program = f"""
        def handle(number, frame):
            {handler}
        signal.signal(signal.{number}, handle)
        assert signal.getsignal(signal.{number}) is handle
        start(time.sleep, 100)
        ready()
        time.sleep(100)
    """
    done = run(framework, tmp_path, program, number=getattr(signal, number))
    assert (done.returncode, done.stdout, done.stderr) == (3, "ready\nmine\n", ""), show(done)


def test_a_program_may_ignore_it(framework: Framework, tmp_path: Path) -> None:
    program = """
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        ready()
        time.sleep(0.1)
        print("the end")
    """
    done = run(framework, tmp_path, program)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ready\nthe end\n", ""), show(done)


def test_other_signals_are_left_alone(framework: Framework, tmp_path: Path) -> None:
    done = run(framework, tmp_path, "ready(); time.sleep(100)", number=signal.SIGTERM)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGTERM, "ready\n", ""), show(done)


def test_a_program_finds_python_s_handler_by_its_name(framework: Framework, tmp_path: Path) -> None:
    """As asyncio does before it takes Ctrl-C over."""
    done = run(framework, tmp_path, "print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)")
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", ""), show(done)


def test_a_greenlet_that_was_interrupted_for_the_main_one_goes_on_where_it_was(
    framework: Framework, tmp_path: Path
) -> None:
    program = """
        reached = False
        def compute():
            ready()
            while not reached: pass
            print("went on", flush=True)
        try:
            thread = threading.Thread(target=compute)
            thread.start()
            thread.join()
        except KeyboardInterrupt:
            reached = True
            thread.join()
            print("the end")
    """
    done = run(framework, tmp_path, program)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ready\nwent on\nthe end\n", ""), show(done)


def test_a_storm_stops_nobody_but_the_main_greenlet(framework: Framework, tmp_path: Path) -> None:
    """The main greenlet goes on each time; all others are as if nothing was, and no wake-up is late."""
    program = """
        import subprocess
        counts = [0] * 9
        errors = []
        stop = False

        def run(function, number):
            try:
                while not stop:
                    function()
                    counts[number] += 1
            except BaseException as error:
                errors.append(error)

        def serve(socket):
            if socket.poll(50):
                socket.send(socket.recv())

        def ask(socket, pause):
            socket.send(b"")
            socket.recv()
            if pause:
                time.sleep(0.001)

        def expire(socket):
            try:
                socket.recv()
            except zmq.Again:
                pass

        def receive(poller):
            poller.poll(5)

        threads = []
        for number in range(3):
            rep, req = context.socket(zmq.REP), context.socket(zmq.REQ)
            rep.bind(f"inproc://{number}")
            req.connect(f"inproc://{number}")
            req.rcvtimeo = 10_000
            threads.append(start(run, lambda rep=rep: serve(rep), number))
            threads.append(start(run, lambda req=req, pause=number % 2: ask(req, pause), 3 + number))
        pull = context.socket(zmq.PULL)
        pull.rcvtimeo = 5
        threads.append(start(run, lambda: expire(pull), 6))
        poller = zmq.Poller()
        for _ in range(6):
            poller.register(context.socket(zmq.PULL), zmq.POLLIN)
        threads.append(start(run, lambda: receive(poller), 7))
        busy = context.socket(zmq.PUB)
        threads.append(start(run, lambda: busy.send(b""), 8))

        hits = 0
        socket = context.socket(zmq.PULL)
        send = (
            "import os, time\\n"
            "for number, _ in enumerate(iter(lambda: os.read(0, 1), b'')):\\n"
            "    time.sleep(number * 7 % 20 * 0.0001)\\n"
            f"    os.kill({os.getpid()}, {int(signal.SIGINT)})"
        )
        command = [sys.executable, "-S", "-c", send]
        source = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
        for number in range(200):
            try:
                os.write(source.stdin.fileno(), b"x")
                while True:
                    time.sleep(0.01) if number % 2 else socket.poll(10)
            except KeyboardInterrupt:
                hits += 1
        source.stdin.close()
        # From here on no signal comes.
        before = list(counts)
        end = time.monotonic() + 10
        while not all(now > then for now, then in zip(counts, before)) and time.monotonic() < end:
            time.sleep(0.01)
        assert all(now > then for now, then in zip(counts, before)), (before, counts)
        stop = True
        for thread in threads:
            thread.join(5)
            assert not thread.is_alive()
        assert not errors, errors
        assert hits == 200, hits
        assert zmq.statistics()["missed"] == 0
        print("the end", flush=True)
        os._exit(0)
    """
    done = run(framework, tmp_path, program)
    assert (done.returncode, done.stdout) == (0, "the end\n"), show(done)
