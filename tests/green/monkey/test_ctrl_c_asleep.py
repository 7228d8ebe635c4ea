"""Ctrl-C under ``python -m zmq.green.monkey program`` at the worst moment, and where Python would forget it."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest
from test_ctrl_c import LONG, RUNS, run

from support import PRELOAD
from support.monkey.monkeyed import EVENTLET, FRAMEWORKS, GEVENT, Framework, show
from support.programs import behind_others

#: A framework, and the loop or hub that the programs use.
LOOPS = [
    *((GEVENT, "GEVENT_LOOP", loop) for loop in ("libev-cext", "libev-cffi", "libuv-cffi")),
    *((EVENTLET, "EVENTLET_HUB", hub) for hub in ("epolls", "poll", "selects", "asyncio")),
]

#: How the programs begin whose main thread gets SIGINT when it goes to sleep.
BEGIN = """
import ctypes
arm = ctypes.CDLL(os.environ["LD_PRELOAD"].split()[-1]).arm
limit(5)
"""

#: Python has looked for signals, and the hub goes to sleep, when it comes.
PROGRAMS = {
    "sleeps": "arm(); time.sleep(100)",
    "receives": "socket = context.socket(zmq.PULL); arm(); socket.recv()",
    "joins": "thread = start(time.sleep, 100); arm(); thread.join()",
    "forked": """
        child = os.fork()
        if child == 0:
            try:
                arm()
                time.sleep(100)
            except KeyboardInterrupt:
                os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        arm()
        time.sleep(100)
    """,
    "forked in a greenlet": """
        def fork():
            child = os.fork()
            if child == 0:
                try:
                    arm()
                    time.sleep(100)
                except KeyboardInterrupt:
                    os._exit(7)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        start(fork).join()
        arm()
        time.sleep(100)
    """,
    "has woken by a descriptor of its own": """
        got, written = os.pipe()
        os.set_blocking(written, False)
        signal.signal(signal.SIGUSR1, lambda number, frame: None)
        assert signal.set_wakeup_fd(written) == -1
        os.kill(os.getpid(), signal.SIGUSR1)
        assert os.read(got, 9) == bytes([signal.SIGUSR1])
        assert signal.set_wakeup_fd(-1) == written
        arm()
        time.sleep(100)
    """,
    "is interrupted again": """
        for _ in range(3):
            try:
                arm()
                time.sleep(100)
            except KeyboardInterrupt:
                pass
        arm()
        time.sleep(100)
    """,
}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    library = tmp_path_factory.mktemp("asleep") / "asleep.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, PRELOAD / "asleep.c", "-ldl"], check=True)
    return library


def name_of(loop: tuple[Framework, str, str]) -> str:
    return f"{loop[0].name}-{loop[2]}"


#: Each program on one loop, and one on each, and what forks where the child inherits the set that is watched; all of
#: them on all where `matrix.py` asks for it.
CASES = [
    pytest.param(loop, what, id=f"{name_of(loop)}-{what}")
    for loop, program in zip(LOOPS, PROGRAMS, strict=True)
    for what in PROGRAMS
    if RUNS == LONG or what == program or (loop[2] == "epolls" and what.startswith("forked"))
]


@pytest.fixture
def loop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Framework:
    """The framework, on that loop."""
    framework, variable, name = request.param
    monkeypatch.setenv(variable, name)
    return framework


def on(*names: str) -> pytest.MarkDecorator:
    """Run a test on some loops; on all of them where `matrix.py` asks for it."""
    return pytest.mark.parametrize(
        "loop", [loop for loop in LOOPS if RUNS == LONG or loop[2] in names], ids=name_of, indirect=True
    )


@pytest.mark.parametrize(("loop", "what"), CASES, indirect=["loop"])
def test_control_c_wakes_a_hub_that_goes_to_sleep(
    loop: Framework, what: str, library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if what.startswith("forked") and os.environ.get("EVENTLET_HUB") == "asyncio":
        pytest.skip("the child's hub cannot run")
    monkeypatch.setenv("LD_PRELOAD", behind_others(library))
    done = run(loop, tmp_path, BEGIN, PROGRAMS[what])
    assert done.returncode == -signal.SIGINT, show(done)
    assert done.stderr.count("Traceback") == 1 and done.stdout == "", show(done)


@on("libev-cext", "epolls")
def test_another_native_thread_may_get_it(loop: Framework, tmp_path: Path) -> None:
    """The main thread's sleep is not interrupted then."""
    original = {
        GEVENT: "from gevent.monkey import get_original; begin = get_original('_thread', 'start_new_thread')",
        EVENTLET: "from eventlet.patcher import original; begin = original('_thread').start_new_thread",
    }
    program = f"""
        {original[loop]}
        def get():
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
            signal.pause()
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        begin(get, ())
        try:
            ready()
            time.sleep(100)
        except KeyboardInterrupt:
            os._exit(7)
    """
    done = run(loop, tmp_path, program)
    assert (done.returncode, done.stdout) == (7, "ready\n"), show(done)


@on("libev-cext", "libev-cffi", "libuv-cffi")
def test_the_hub_goes_idle_all_the_same(loop: Framework, tmp_path: Path) -> None:
    if loop is not GEVENT:
        pytest.skip("eventlet does not tell")
    program = """
        import gevent, gevent.event
        try:
            gevent.event.Event().wait()
        except gevent.exceptions.LoopExit:
            gevent.sleep(0.01)
            gevent.get_hub().join()
            print("idle")
    """
    done = run(loop, tmp_path, program)
    assert (done.returncode, done.stdout, done.stderr) == (0, "idle\n", ""), show(done)


def test_another_hub_is_woken_too(library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program chooses one when it runs: with eventlet, which has one already then."""
    program = """
        import eventlet.hubs
        eventlet.hubs.use_hub("selects")
        arm()
        time.sleep(100)
    """
    monkeypatch.setenv("LD_PRELOAD", behind_others(library))
    done = run(EVENTLET, tmp_path, BEGIN, program)
    assert done.returncode == -signal.SIGINT, show(done)


@pytest.fixture(params=FRAMEWORKS, ids=lambda framework: framework.name)
def framework(request: pytest.FixtureRequest) -> Framework:
    return request.param


def test_what_python_would_report_and_forget_is_raised_again(framework: Framework, tmp_path: Path) -> None:
    program = """
        import gc, weakref
        interrupted = False

        def interrupt(*args):
            global interrupted
            if not interrupted:
                interrupted = True
                os.kill(os.getpid(), signal.SIGINT)

        class Ends:
            __del__ = interrupt

        class Thing: pass

        def drop_what_is_watched():
            thing = Thing()
            reference = weakref.ref(thing, interrupt)
            del thing

        def collect():
            gc.callbacks.append(interrupt)
            gc.collect()

        for clean_up in (Ends, drop_what_is_watched, collect):
            interrupted = False
            try:
                clean_up()
                time.sleep(5)
                print("forgotten")
            except KeyboardInterrupt:
                print(clean_up.__name__)
            gc.callbacks.clear()

        class Fails:
            def __del__(self):
                raise KeyboardInterrupt("mine")
        Fails()
    """
    done = run(framework, tmp_path, program)
    assert (done.returncode, done.stdout) == (0, "Ends\ndrop_what_is_watched\ncollect\n"), show(done)
    assert done.stderr.count("Traceback") == done.stderr.count("KeyboardInterrupt: mine") == 1, show(done)
