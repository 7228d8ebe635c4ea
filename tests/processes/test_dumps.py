"""Dumps: what is written of those who wait, and a signal that has it written while the hub is stuck."""

from __future__ import annotations

import asyncio
import io
import os
import re
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import pytest

import zmq as plain
import zmq.asyncio
import zmq.eventlet
import zmq.green
from support import programs
from support.front_ends import FrontEnd, Threads, wait_until
from zmq.core.inspection import dump, who


def dumped() -> str:
    stream = io.StringIO()
    plain.dump(stream)
    return stream.getvalue()


def who_waits() -> list[Any]:
    found = plain.statistics()
    return [*found["waiting"], *found["blocked"]]


def test_a_dump_says_who_waits_and_where(front_end: FrontEnd, zmq: ModuleType, context: Any) -> None:
    context.name = "shop"
    orders, client = context.socket(zmq.REP, name="orders"), context.socket(zmq.REQ)
    orders.bind("inproc://orders")
    client.connect("inproc://orders")

    def serve_the_orders() -> None:
        orders.recv()

    task = front_end.spawn(serve_the_orders)
    wait_until(front_end, who_waits)
    text = dumped()
    assert text.startswith(f"==== zmq: process {os.getpid()} at ") and text.endswith("==== end\n")
    assert "receive: REP 'orders' bound to inproc://orders\n" in text
    assert f'File "{__file__}"' in text and "serve_the_orders" in text and "      orders.recv()\n" in text
    assert f"REP 'orders' bound to inproc://orders, {zmq.__name__}.Socket, of Context 'shop'\n" in text
    assert "Context 'shop'" in text and "2 sockets open" in text
    assert "failed:" not in text
    client.send(b"an order")
    task.get()


def test_a_deep_stack_is_cut(front_end: FrontEnd, context: Any, zmq: ModuleType) -> None:
    a, b = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
    a.bind("inproc://deep")
    b.connect("inproc://deep")

    def nest(depth: int) -> None:
        if depth:
            nest(depth - 1)
        else:
            a.recv()

    task = front_end.spawn(nest, 2 * dump.DEPTH)
    wait_until(front_end, who_waits)
    (left,) = {int(number) for number in re.findall(r"\.\.\. (\d+) more", dumped())}
    assert left > dump.DEPTH
    b.send(b"over")
    task.get()


def serve(zmq: ModuleType, name: str) -> None:
    """Wait with a socket of this name, on whatever framework."""
    with zmq.Context() as context, context.socket(zmq.PULL, name=name) as pull:
        pull.bind(f"ipc://{FOLDER}/{name}")
        pull.recv()


def serve_gevent() -> None:
    import gevent

    gevent.spawn(serve, zmq.green, "of gevent").join()
    gevent.get_hub().destroy()


def serve_eventlet() -> None:
    import eventlet

    eventlet.spawn(serve, zmq.eventlet, "of eventlet").wait()


def serve_thread() -> None:
    serve(plain, "of a thread")


def serve_asyncio() -> None:
    async def serve() -> None:
        with zmq.asyncio.Context() as context, context.socket(plain.PULL, name="of asyncio") as pull:
            pull.bind(f"ipc://{FOLDER}/of asyncio")
            await pull.recv()

    async def main() -> None:
        await asyncio.create_task(serve(), name="a task of its own")

    asyncio.run(main())


FOLDER = ""


@contextmanager
def folder() -> Iterator[None]:
    global FOLDER
    with tempfile.TemporaryDirectory() as name:
        FOLDER = name
        yield


def test_all_frameworks_are_in_one_dump() -> None:
    """Also who waits for something else than a socket."""
    event = threading.Event()
    names = ["of gevent", "of eventlet", "of a thread", "of asyncio"]
    with folder(), plain.Context() as context:
        threads = [
            threading.Thread(target=target, name=f"thread {target.__name__}")
            for target in (serve_gevent, serve_eventlet, serve_thread, serve_asyncio, event.wait)
        ]
        for thread in threads:
            thread.start()
        try:
            wait_until(Threads(), lambda: len(who_waits()) == len(names))
            text = dumped()
        finally:
            event.set()
            for name in names:
                with context.socket(plain.PUSH) as push:
                    push.connect(f"ipc://{FOLDER}/{name}")
                    push.send(b"end")
            for thread in threads:
                thread.join()
    for name, kind, thread in (
        ("of gevent", "Greenlet ", "serve_gevent"),
        ("of eventlet", "GreenThread at", "serve_eventlet"),
        ("of a thread", "thread 'thread serve_thread'", "serve_thread"),
        ("of asyncio", "Task 'a task of its own'", "serve_asyncio"),
    ):
        (line,) = [line for line in text.splitlines() if f"receive: PULL {name!r} bound to" in line]
        assert kind in line and f"'thread {thread}'" in line, line
        after = text.partition(line)[2].splitlines()[1:12]
        assert any("in serve" in each or ".serve" in each for each in after), after
    assert "begun at" in text and "serve_gevent" in text.partition("begun at")[2]
    assert "Event.wait" in text or "in wait" in text
    assert "failed:" not in text


def test_what_went_wrong_is_told_and_the_rest_is_there(
    zmq: ModuleType, context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> who.Everybody:
        raise MemoryError("no room")

    monkeypatch.setattr(who, "everybody", fail)
    with context.socket(zmq.REP, name="orders"):
        text = dumped()
    assert "failed: all greenlets and tasks: MemoryError: no room" in text
    assert "REP 'orders'" in text and "-- Threads: " in text and text.endswith("==== end\n")


def test_a_dump_goes_to_the_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    plain.dump()
    assert capsys.readouterr().err.endswith("==== end\n")


# A program whose main thread is in a call of C that ends when the helper, another process, has seen what it waits for.
STUCK = """
    import ctypes, os, signal, subprocess, sys
    import zmq as plain
    from zmq.core.inspection import dump_signal
    from support.front_ends import wait_until

    HELPER = '''
    import os, signal, sys
    pid, shown, release, go = map(int, sys.argv[1:5])
    enough = sys.argv[5].encode()
    os.read(go, 1)
    while open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[0] != "S":
        pass
    os.kill(pid, signal.SIGUSR1)
    found = b""
    while enough not in found:
        found += os.read(shown, 65536)
    os.write(release, b"x")
    while b"==== end" not in found:
        found += os.read(shown, 65536)
    print(found.decode())
    '''

    def stuck(libc, enough, patience):
        dump_signal._set_patience(patience)
        shown, show = os.pipe()
        wait, release = os.pipe()
        go, begin = os.pipe()
        plain.install_dump(signal.SIGUSR1, show)
        helper = subprocess.Popen(
            [sys.executable, "-c", HELPER, *map(str, (os.getpid(), shown, release, go)), enough],
            pass_fds=(shown, release, go), stdout=subprocess.PIPE, text=True,
        )
        sys.setswitchinterval(1000)  # who has the GIL keeps it between the next two calls
        libc.write(begin, b"x", 1)
        libc.read(wait, ctypes.create_string_buffer(1), 1)
        sys.setswitchinterval(0.005)
        return helper.communicate()[0]

    def serve():
        try:
            socket.recv()
        except zmq.ContextTerminated:
            socket.close()
        except zmq.ZMQError:
            pass

    context = zmq.Context()
    socket = context.socket(zmq.REP, name="orders")
    task = front_end.spawn(serve)
    wait_until(front_end, lambda: plain.statistics()["waiting"] or plain.statistics()["blocked"])

    def end():
        ended = front_end.spawn(context.term)
        task.get()
        ended.get()
"""


def test_the_dump_comes_while_the_hub_is_stuck(front_end: FrontEnd) -> None:
    programs.run(
        front_end,
        STUCK
        + """
    text = stuck(ctypes.CDLL(None), "==== end", 60_000)
    assert "signal SIGUSR1" in text and "receive: REP 'orders'" in text and "in stuck" in text, text
    assert "nobody could take" not in text and "failed:" not in text, text
    end()
    """,
    )


def test_what_can_be_seen_without_the_interpreter_is_shown_first(front_end: FrontEnd) -> None:
    programs.run(
        front_end,
        STUCK
        + """
    text = stuck(ctypes.PyDLL(None), "The rest follows", 20)
    first, middle, rest = text.partition("The rest follows")
    assert "nobody could take the interpreter's lock for 0.0 seconds" in first, text
    assert "most recent call first" in first and "in stuck" in first and "orders" not in first, text
    assert "receive: REP 'orders'" in rest, text
    end()
    """,
    )


def test_the_child_of_a_fork_answers_for_itself() -> None:
    programs.run(
        Threads(),
        """
        import os, signal
        shown, show = os.pipe()
        born, ready = os.pipe()
        zmq.install_dump(signal.SIGUSR1, show)
        pid = os.fork()
        if not pid:
            os.write(ready, b"x")
            while True:
                signal.pause()
        os.read(born, 1)
        def answered(number):
            os.kill(number, signal.SIGUSR1)
            found = b""
            while b"==== end" not in found:
                found += os.read(shown, 65536)
            assert f"process {number} ".encode() in found, found
        answered(pid)
        answered(os.getpid())
        answered(pid)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        """,
    )


def test_a_signal_without_a_name() -> None:
    programs.run(
        Threads(),
        """
        import os, signal
        shown, show = os.pipe()
        number = signal.SIGRTMIN + 1
        zmq.install_dump(number, show)
        os.kill(os.getpid(), number)
        found = b""
        while b"==== end" not in found:
            found += os.read(shown, 65536)
        assert f"signal {number}".encode() in found, found
        """,
    )


def test_a_dump_that_fails_says_so() -> None:
    programs.run(
        Threads(),
        """
        import os, signal
        from zmq.core.inspection import dump
        def text(why):
            1 / 0
        dump.text = text
        shown, show = os.pipe()
        zmq.install_dump(signal.SIGUSR1, show)
        os.kill(os.getpid(), signal.SIGUSR1)
        assert os.read(shown, 65536) == b"==== zmq: the dump failed: ZeroDivisionError: division by zero\\n"
        """,
    )


def test_what_a_program_put_in_the_place_of_standard_error() -> None:
    """It has no descriptor: the process's own is taken."""
    programs.run(
        Threads(),
        """
        import io, os, signal, sys
        shown, show = os.pipe()
        os.dup2(show, 2)
        sys.stderr = io.StringIO()
        zmq.install_dump(signal.SIGUSR1)
        os.kill(os.getpid(), signal.SIGUSR1)
        found = b""
        while b"==== end" not in found:
            found += os.read(shown, 65536)
        """,
    )


def test_what_was_done_with_the_signal_before_is_done_again() -> None:
    programs.run(
        Threads(),
        """
        import os, signal
        hits = []
        signal.signal(signal.SIGUSR1, lambda *args: hits.append(1))
        shown, show = os.pipe()
        for _ in range(2):
            zmq.install_dump(signal.SIGUSR1, show)
        signal.raise_signal(signal.SIGUSR1)
        found = b""
        while b"==== end" not in found:
            found += os.read(shown, 65536)
        assert not hits
        assert zmq.uninstall_dump(signal.SIGUSR1) and not zmq.uninstall_dump(signal.SIGUSR1)
        signal.raise_signal(signal.SIGUSR1)
        assert hits == [1]
        """,
    )


def test_what_is_refused(tmp_path: Any) -> None:
    with pytest.raises((OSError, ValueError, io.UnsupportedOperation)):
        plain.install_dump(signal.SIGUSR1, io.StringIO())
    for number in (-1, 0, 10_000, signal.SIGKILL):
        with open(tmp_path / "dump", "w") as file, pytest.raises((OSError, ValueError, RuntimeError)):
            plain.install_dump(number, file)
        assert not plain.uninstall_dump(number)
