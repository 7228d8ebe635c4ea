"""What a process shows of itself to others that ask, and that whoever asks can do it no harm."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import json
import os
import socket
import stat
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import zmq as plain
import zmq.asyncio as za
from support import programs
from support.front_ends import LIMIT, FrontEnd, Threads, named, wait_until
from zmq import inspect
from zmq.core.inspection import keepers, service, who
from zmq.core.native_threads import NativeThread


@pytest.fixture
def path() -> Iterator[Path]:
    """Where to answer; a short path, as a socket's must be."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "asked"
        inspect.stop()


def file_at(path: Path) -> tuple[int, int]:
    """Return which file is there: who connects to a socket touches its time of access."""
    found = path.lstat()
    return found.st_ino, found.st_ctime_ns


def beside(front_end: FrontEnd, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a native thread, while the hub of this one runs."""
    results: list[Any] = []
    thread = NativeThread(lambda: results.append(function(*arguments)))
    thread.start()
    wait_until(front_end, lambda: not thread.is_alive())
    if thread.error is not None:
        raise thread.error
    return results[0]


def held_up(front_end: FrontEnd, state: dict[str, Any]) -> list[dict[str, Any]]:
    """Return those hubs of this framework that did not answer. Those of other ones do not run in this process now."""
    return [hub for hub in state["hubs"] if hub["answers"] is False and hub["framework"] == front_end.name]


def ask_until_hubs_answer(front_end: FrontEnd, path: Path) -> dict[str, Any]:
    """Ask beside the hub, again where it had no processor for so long that it seemed to be held up."""
    states: list[dict[str, Any]] = []

    def ask() -> bool:
        states.append(beside(front_end, inspect.ask, path))
        return not held_up(front_end, states[-1])

    wait_until(front_end, ask)
    return states[-1]


def everybody(state: dict[str, Any]) -> list[dict[str, Any]]:
    return [*state["statistics"]["waiting"], *state["statistics"]["blocked"]]


def test_who_waits_is_told(front_end: FrontEnd, zmq: ModuleType, context: Any, path: Path) -> None:
    assert inspect.serve(path) == str(path) == inspect.address()
    jobs, client = context.socket(zmq.PULL, name="jobs"), context.socket(zmq.PUSH)
    jobs.bind("inproc://jobs")
    client.connect("inproc://jobs")
    task = front_end.spawn(jobs.recv)
    wait_until(front_end, lambda: everybody({"statistics": plain.statistics()}))
    state = ask_until_hubs_answer(front_end, path)
    (entry,) = everybody(state)
    assert entry["waits_for"] == "PULL 'jobs' bound to inproc://jobs"
    assert state["pid"] == os.getpid() and state["command"] == sys.orig_argv
    assert all(hub["answers"] for hub in state["hubs"] if hub["framework"] == front_end.name)
    client.send(b"a job")
    task.get()
    assert everybody(beside(front_end, inspect.ask, os.getpid())) == []
    text = beside(front_end, inspect.ask, path, "dump")["dump"]
    assert text.startswith("==== zmq: process") and text.endswith("==== end\n")
    assert inspect.stop() and not inspect.stop() and inspect.address() is None
    assert not path.exists()


def test_who_keeps_a_hub_from_running_is_named(front_end: FrontEnd, zmq: ModuleType, context: Any, path: Path) -> None:
    """Whoever asks here holds its own hub up meanwhile. A thread without a hub holds up nobody."""
    jobs, client = context.socket(zmq.PULL), context.socket(zmq.PUSH)
    jobs.bind("inproc://jobs")
    client.connect("inproc://jobs")
    inspect.serve(path)
    waiting = front_end.spawn(jobs.recv)
    wait_until(front_end, lambda: everybody({"statistics": plain.statistics()}))

    def hold_the_hub_up() -> Any:
        return inspect.ask(path)

    state = front_end.spawn(hold_the_hub_up).get()
    late = held_up(front_end, state)
    assert len(late) == (0 if zmq is plain else 1)
    for hub in late:
        assert hub["framework"] == front_end.name and hub["seconds"] >= service.HUB_SECONDS
        assert "Green" in hub["keeper"]
        names = [place["function"].rpartition(".")[2] for place in hub["stack"]]
        assert "hold_the_hub_up" in names
        assert any(place["source"] == "return inspect.ask(path)" for place in hub["stack"])
    client.send(b"a job")
    waiting.get()
    ask_until_hubs_answer(front_end, path)


def test_a_task_that_holds_its_loop_up_is_named(ledger: None, path: Path) -> None:
    inspect.serve(path)

    async def hold_the_loop_up() -> dict[str, Any]:
        return inspect.ask(path)

    async def program() -> dict[str, Any]:
        with za.Context() as context, context.socket(plain.PULL, name="jobs") as jobs:
            jobs.bind("inproc://jobs")
            waiting = asyncio.ensure_future(jobs.recv())
            await asyncio.sleep(0)
            state = await asyncio.create_task(hold_the_loop_up(), name="greedy")
            waiting.cancel()
            return state

    state = asyncio.run(program())
    (hub,) = [hub for hub in state["hubs"] if hub["framework"] == "asyncio" and hub["runs"]]
    assert hub["answers"] is False and "'greedy'" in hub["keeper"]
    assert "hold_the_loop_up" in str(hub["stack"])


def test_a_call_that_blocks_a_green_thread_is_given_to_its_greenlet(path: Path) -> None:
    """Also where no hub is known, as nobody ever waited in one."""
    for name in ("gevent", "eventlet"):
        front_end = named(name)
        programs.run(
            front_end,
            """
            import threading
            import zmq as plain
            from zmq import inspect
            from zmq.core.native_threads import NativeThread

            path = sys.argv[1]
            inspect.serve(path)
            found = []

            def look():
                while not found:
                    found.extend(inspect.ask(path)["statistics"]["blocked"])
                push.send(b"go on")

            def call_what_blocks():
                pull.recv()

            with plain.Context() as context, context.socket(plain.PULL) as pull, context.socket(plain.PUSH) as push:
                pull.bind("inproc://jobs")
                push.connect("inproc://jobs")
                NativeThread(look).start()
                front_end.spawn(call_what_blocks).get()
            (entry,) = found
            assert "Green" in entry["greenlet"], entry
            assert "call_what_blocks" in [place["function"] for place in entry["stack"]], entry
            """,
            str(path),
        )


def test_a_callback_says_what_it_was_given() -> None:
    """Also one that is a partial of another."""
    task, other = object(), object()
    found = list(who.concerned(partial(partial([].append, task), other)))
    assert any(each is task for each in found) and any(each is other for each in found)


def test_which_greenlet_a_thread_runs_is_told_by_its_parents() -> None:
    def greenlet(parent: Any, **more: Any) -> Any:
        return SimpleNamespace(parent=parent, **more)

    def hub(loop: Any, thread: int) -> Any:
        return SimpleNamespace(hub=loop, thread=thread)

    main = greenlet(None)
    gevents, eventlets = greenlet(main, thread_ident=1), greenlet(main)
    hubs = [hub(SimpleNamespace(greenlet=eventlets), 2)]
    first, second, stray = greenlet(gevents), greenlet(greenlet(eventlets)), greenlet(greenlet(None))

    def of(thread: int, *running: Any) -> Any:
        found = keepers.greenlet_of(thread, hubs, [who.Who("greenlet", each, None) for each in running])
        return None if found is None else found.what

    # Those that run a loop, and a thread's main one, keep nobody.
    everybody = (main, gevents, eventlets, first, second, stray)
    assert of(1, *everybody) is first and of(2, *everybody) is second
    # Of an unknown loop, but there is no other it may be.
    assert of(3, *everybody) is stray
    assert of(3, *everybody, greenlet(greenlet(None))) is None and of(1, main, gevents) is None


def test_not_all_objects_are_held_while_others_run(ledger: None) -> None:
    """What they forget meanwhile would be finalized here, and `tuple` of an iterator fail there."""
    probe: list[Any] = [None]
    held = []

    def trace(frame: Any, event: str, argument: object) -> Any:
        frame.f_trace_opcodes = True
        held.append(sys.getrefcount(probe))
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        who.everybody()
    finally:
        sys.settrace(before)
    assert len(held) > 50 and set(held) == {held[0]}


def test_those_of_derived_classes_are_found_whatever_a_class_says_of_itself(ledger: None) -> None:
    class Meta(type):
        __hash__ = None  # type: ignore[assignment]

        def __eq__(self, other: object) -> bool:
            raise RuntimeError

        def __subclasses__(self) -> Any:
            raise RuntimeError

    class Odd(metaclass=Meta):
        @property
        def __class__(self) -> Any:
            raise RuntimeError

    class First(asyncio.Task):  # type: ignore[type-arg]
        pass

    class Second(First, metaclass=Meta):
        pass

    class Both(Second, First):
        pass

    async def program() -> list[Any]:
        made = [kind(asyncio.sleep(LIMIT)) for kind in (First, Second, Both)]
        await asyncio.sleep(0)
        found = [each.what for each in who.everybody().tasks]
        for each in made:
            each.cancel()
        return [sum(each is what for what in found) for each in made]

    odd = Odd()
    assert asyncio.run(program()) == [1, 1, 1]
    del odd


# Who asks.


def connect(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(LIMIT)
    connection.connect(str(path))
    return connection


def lines(connection: socket.socket) -> list[dict[str, Any]]:
    """Return what comes until the end."""
    with connection, connection.makefile("rb") as stream:
        return [json.loads(line) for line in stream]


@pytest.mark.parametrize(
    "question", [b"\xff\xfe\n", b"[]\n", b"{}\n", b'{"want": "to know"}\n', b"[" * 3000 + b"\n", b"x" * 5000, b"1\n"]
)
def test_nonsense_is_answered_and_ends_the_connection(ledger: None, path: Path, question: bytes) -> None:
    inspect.serve(path)
    connection = connect(path)
    connection.sendall(question)
    hello, error = lines(connection)
    assert hello == {"zmq.inspect": 1, "pid": os.getpid()} and error.keys() == {"error"}
    assert inspect.ask(path)["pid"] == os.getpid()


def test_many_who_say_nothing_keep_nobody_out(ledger: None, path: Path) -> None:
    inspect.serve(path)
    quiet = []
    for _ in range(3 * service.CLIENTS):
        quiet.append(connect(path))
        quiet[-1].recv(100)  # it was let in
    assert inspect.ask(path)["pid"] == os.getpid()
    # Those that came first had to go.
    assert lines(quiet.pop(0)) == []
    for connection in quiet:
        connection.close()


def test_who_goes_away_ends_no_process(path: Path) -> None:
    """Where SIGPIPE has its default action again, as in many commands: neither who answers nor who asks."""
    program = f"""
        import signal, socket, threading
        from zmq import inspect
        from zmq.core.inspection import service
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        ours, other = socket.socketpair()
        other.close()
        try:
            service.Client(ours).flush()
        except BrokenPipeError:
            print("answered nobody")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind({str(path)!r})
        listener.listen()

        def answer():
            with listener.accept()[0] as connection:
                connection.sendall(b'{{"zmq.inspect": 1, "pid": 1}}\\n')

        thread = threading.Thread(target=answer)
        thread.start()
        with inspect.Inspection({str(path)!r}) as inspection:
            thread.join()
            try:
                inspection.ask()
            except inspect.NoAnswer:
                print("asked nobody")
        ours.close()
        listener.close()
    """
    assert programs.run(Threads(), program) == "answered nobody\nasked nobody\n"


def test_who_takes_no_answer_or_asks_nothing_is_dropped(
    ledger: None, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "TAKE_SECONDS", 0.05)
    monkeypatch.setattr(service, "IDLE_SECONDS", 0.05)
    monkeypatch.setattr(service.dump, "text", lambda why: "x" * 5_000_000)
    inspect.serve(path)
    idle, deaf = connect(path), connect(path)
    deaf.sendall(b'{"want": "dump"}\n')
    assert len(lines(idle)) == 1
    # Its end comes before that of the answer. Nothing is read until it has been dropped.
    end = time.monotonic() + LIMIT
    while service._service.clients and time.monotonic() < end:
        time.sleep(0.01)
    assert not service._service.clients
    with deaf:
        received = b"".join(iter(lambda: deaf.recv(1 << 20), b""))
    assert len(received) < 5_000_000


def test_a_look_that_fails_is_told(ledger: None, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise MemoryError("no room")

    inspect.serve(path)
    monkeypatch.setattr(service._statistics, "statistics", fail)
    with pytest.raises(inspect.NoAnswer, match="the look failed: MemoryError: no room"):
        inspect.ask(path)
    monkeypatch.undo()
    assert inspect.ask(path)["pid"] == os.getpid()


# The file.


def test_who_makes_a_file_waits_for_another_one_in_the_folder(
    ledger: None, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And where the other one takes long it does without."""
    folder = os.open(path.parent, os.O_RDONLY)
    pauses: list[float] = []

    def pause(wanted: list[Any], seconds: float) -> dict[int, int]:
        pauses.append(seconds)
        if len(pauses) == 3:
            fcntl.flock(folder, fcntl.LOCK_UN)
        return {}

    monkeypatch.setattr(service, "poll_natively", pause)
    fcntl.flock(folder, fcntl.LOCK_EX)
    with service.Folder(str(path.parent)):
        assert len(pauses) == 3
        with pytest.raises(BlockingIOError):
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.flock(folder, fcntl.LOCK_EX)
    with service.Folder(str(path.parent)):
        assert 0.5 < sum(pauses[3:]) < 2
    os.close(folder)


def test_a_folder_that_cannot_be_locked_is_used_all_the_same(
    ledger: None, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(fd: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    inspect.serve(path)
    assert inspect.ask(path)["pid"] == os.getpid()


def test_nobody_else_can_open_the_file_at_any_time(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modes = []
    real = os.chmod

    def chmod(what: str, mode: int) -> None:
        modes.append(stat.S_IMODE(os.lstat(what).st_mode))
        with socket.socket(socket.AF_UNIX) as early, pytest.raises(ConnectionRefusedError):
            early.connect(what)
        real(what, mode)

    monkeypatch.setattr(os, "chmod", chmod)
    mask = os.umask(0)
    try:
        inspect.serve(path)
    finally:
        os.umask(mask)
    assert stat.S_IMODE(path.lstat().st_mode) == 0o600
    if sys.platform == "linux":
        assert modes == [0o600]


def test_the_file_of_a_process_that_has_ended_is_replaced(ledger: None, path: Path) -> None:
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(path))
    left.close()
    assert path.exists()
    with pytest.raises(inspect.NoAnswer, match="the process has ended"):
        inspect.ask(path)
    inspect.serve(path)
    assert inspect.ask(path)["pid"] == os.getpid()


def test_the_file_of_a_living_process_is_not(ledger: None, path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen(1)
        before = file_at(path)
        with pytest.raises(OSError, match="a living process listens there") as error:
            inspect.serve(path)
        assert error.value.errno == errno.EADDRINUSE and inspect.address() is None
        assert file_at(path) == before


def test_a_file_that_is_no_socket_stays(ledger: None, path: Path) -> None:
    path.write_text("precious")
    with pytest.raises(FileExistsError):
        inspect.serve(path)
    assert path.read_text() == "precious"


def test_another_file_in_its_place_stays(ledger: None, path: Path) -> None:
    inspect.serve(path)
    path.unlink()
    path.write_text("precious")
    assert inspect.stop()
    assert path.read_text() == "precious"


@pytest.mark.parametrize(
    "where", ["tcp://127.0.0.1:5555", "", "ipc://", "\0abstract", "@abstract", "/tmp/" + 120 * "x"]
)
def test_what_is_no_path_is_an_error(where: str) -> None:
    with pytest.raises(ValueError):
        inspect.serve(where)
    assert inspect.address() is None


def test_serving_again_and_elsewhere(ledger: None, path: Path) -> None:
    inspect.serve(path)
    made = file_at(path)
    inspect.serve(f"ipc://{path}")
    assert file_at(path) == made
    other = Path(inspect.serve(f"{path}.%p"))
    assert other.name == f"asked.{os.getpid()}" and not path.exists()
    assert inspect.ask(other)["pid"] == os.getpid()
    other.unlink()
    assert inspect.serve(f"{path}.%p") == str(other)
    assert inspect.ask(os.getpid())["pid"] == os.getpid()


# Processes.


def test_a_fork_leaves_those_who_ask_to_the_parent(path: Path) -> None:
    """The child closes what it has of their connections, which end with the parent's."""
    programs.run(
        Threads(),
        """
        import os, socket, time
        from zmq import inspect
        from zmq.core.inspection import service
        inspect.serve(sys.argv[1])
        with socket.socket(socket.AF_UNIX) as asks:
            asks.connect(sys.argv[1])
            while not service._service.clients:
                time.sleep(0.001)
            descriptor = service._service.clients[0].fd
            child = os.fork()
            if child == 0:
                try:
                    os.fstat(descriptor)
                except OSError:
                    os._exit(7)
                os._exit(8)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
            assert len(service._service.clients) == 1
        assert inspect.ask(sys.argv[1])["pid"] == os.getpid()
        """,
        str(path),
    )


def test_the_child_of_a_fork_serves_its_own_or_nothing(front_end: FrontEnd, path: Path) -> None:
    programs.run(
        front_end,
        """
        import os, time
        from zmq import inspect

        def fork(expected):
            child = front_end.fork()
            if child == 0:
                status = 1
                try:
                    where = inspect.address()
                    assert (where is not None) == expected, where
                    if expected:
                        assert str(os.getpid()) in where and inspect.ask(where)["pid"] == os.getpid()
                    assert not expected or inspect.stop()
                    assert inspect.stop() is False
                    status = 0
                finally:
                    os._exit(status)
            assert os.waitpid(child, 0)[1] == 0

        path = inspect.serve(sys.argv[1])
        fork(False)
        assert inspect.ask(path)["pid"] == os.getpid()
        path = inspect.serve(sys.argv[1] + ".%p")
        fork(True)
        assert inspect.ask(path)["pid"] == os.getpid()
        """,
        str(path),
    )
    # The end of the process removed it.
    assert list(path.parent.iterdir()) == []


WORKERS = {
    "serves as its parent does": "path + '.%p'",
    "serves by itself": "None",
}


@pytest.mark.parametrize("name", WORKERS)
def test_a_forked_worker_of_multiprocessing_leaves_no_file(name: str, path: Path) -> None:
    """It ends without what `atexit` calls."""
    programs.run(
        Threads(),
        f"""
        import os
        from zmq import inspect
        path = sys.argv[1]
        parents = {WORKERS[name]}
        if parents:
            inspect.serve(parents)
        import multiprocessing

        def work(path):
            where = inspect.address()
            if where is None:
                where = inspect.serve(path + ".of.%p")
            assert str(os.getpid()) in where and inspect.ask(where)["pid"] == os.getpid()

        for _ in range(2):
            worker = multiprocessing.get_context("fork").Process(target=work, args=(path,))
            worker.start()
            worker.join()
            assert worker.exitcode == 0
            left = os.listdir(os.path.dirname(path))
            assert len(left) == (1 if parents else 0), left
            assert not parents or inspect.ask(inspect.address())["pid"] == os.getpid()
        """,
        str(path),
    )
    assert list(path.parent.iterdir()) == []


PATCHED = {
    "plain": "import zmq",
    "gevent": "from gevent.monkey import patch_all; patch_all(); import zmq.green as zmq",
    "gevent, zmq first": "import zmq; from zmq.green.monkey import patch_all; patch_all()",
    "eventlet": "import eventlet; eventlet.monkey_patch(); import zmq.eventlet as zmq",
    "eventlet, zmq first": "import zmq; from zmq.eventlet.monkey import patch_all; patch_all()",
}


@pytest.mark.parametrize("name", PATCHED)
def test_the_environment_asks(name: str, path: Path) -> None:
    program = f"""
import os
{PATCHED[name]}
socket = zmq.Context().socket(zmq.PULL, name="jobs")
socket.bind("inproc://jobs")
os.write(1, b"ready\\n")
os.read(0, 1)  # holds a hub up, or would, were it patched
"""
    environment = {**os.environ, "ZMQ_INSPECT": f"{path}.%p", "EVENTLET_TESTS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    )
    assert process.stdin is not None and process.stdout is not None
    with process:
        assert process.stdout.readline() == b"ready\n"
        state = inspect.ask(process.pid)
        assert state == {**state, "pid": process.pid, "monotonic": state["monotonic"]}
        assert [each["name"] for each in state["statistics"]["sockets"]] == ["jobs"]
        assert inspect.ask(f"{path}.{process.pid}")["pid"] == process.pid
        process.stdin.write(b"x")
    assert process.returncode == 0
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("where", ["tcp://127.0.0.1:5555", "/no/such/folder/x", "/" + 200 * "x", "/dev/null"])
@pytest.mark.parametrize("how", ["error", "default"])
def test_what_is_wrong_in_the_environment_breaks_nothing(where: str, how: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", how, "-c", "from zmq import inspect; print(inspect.address())"],
        env={**os.environ, "ZMQ_INSPECT": where},
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert done.returncode == 0 and done.stdout == "None\n"
    assert (f"RuntimeWarning: ZMQ_INSPECT={where}: " in done.stderr) == (how == "default"), done.stderr


def test_unasked_nothing_is_loaded() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "ZMQ_INSPECT"}
    done = subprocess.run(
        [sys.executable, "-c", "import sys, zmq; print(*sys.modules)"], env=environment, capture_output=True, text=True
    )
    assert not {"zmq.core.inspection.service", "zmq.inspect", "zmq.top", "json"} & set(done.stdout.split())


def test_native_code_that_holds_the_gil_is_told_of(path: Path) -> None:
    program = f"""
import ctypes, sys
from zmq import inspect
inspect.serve({str(path)!r})
library = ctypes.PyDLL(None)  # whose calls keep the GIL
sys.setswitchinterval(1000)
library.write(1, b"ready\\n", 6)
library.pause()
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == b"ready\n"
            with pytest.raises(inspect.NoAnswer, match="native code holds the GIL") as error:
                inspect.ask(path, timeout=0.2)
            assert error.value.pid == process.pid and f"gdb -p {process.pid}" in str(error.value)
        finally:
            process.kill()


def test_whoever_can_not_be_asked_is_told_of(path: Path) -> None:
    with pytest.raises(inspect.NoAnswer, match="there is no such file"):
        inspect.ask(path)
    with pytest.raises(inspect.NoAnswer, match="longer than"):
        inspect.ask("/" + 200 * "x")
    with (
        subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process,
        pytest.raises(inspect.NoAnswer, match=r"by ZMQ_INSPECT=PATH .* or zmq.inspect.serve"),
    ):
        inspect.ask(process.pid)
    with pytest.raises(inspect.NoAnswer, match="there is no process"):
        inspect.ask(2**31 - 1)


def test_another_language_is_noticed(path: Path) -> None:
    for said in (b"220 mail.example.org\n", b'{"zmq.inspect": 99, "pid": 1}\n', b"[]\n"):
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(path))
            other.listen(1)
            answering = NativeThread(lambda other=other, said=said: other.accept()[0].sendall(said))
            answering.start()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ResourceWarning)
                with pytest.raises(inspect.NoAnswer, match="another language"):
                    inspect.ask(path)
                answering.join()
        path.unlink()
