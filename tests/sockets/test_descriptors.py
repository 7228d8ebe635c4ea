"""Any number of descriptors: bells that lie beyond what select() can count, and too few of them."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from support.front_ends import FrontEnd
from support.programs import run


@pytest.mark.parametrize("transport", ["inproc", "tcp"])
def test_more_descriptors_than_select_can_count(front_end: FrontEnd, transport: str) -> None:
    if not front_end.counts_past_1023:
        pytest.skip("the hub waits with select()")
    run(
        front_end,
        f"""
        import os, resource
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard != resource.RLIM_INFINITY and hard < 2000:
            raise SystemExit("this system does not let a process have so many")
        resource.setrlimit(resource.RLIMIT_NOFILE, (2000, hard))
        front_end.sleep(0.001)
        held = [os.dup(0) for _ in range(1100)]
        context = zmq.Context()
        a, b, full = context.socket(zmq.PAIR), context.socket(zmq.PAIR), context.socket(zmq.PUSH)
        a.bind("tcp://127.0.0.1:*" if {transport!r} == "tcp" else "inproc://x")
        b.connect(a.get_string(zmq.LAST_ENDPOINT))
        others = [context.socket(zmq.PULL) for _ in range(9)]
        reader, writer = os.pipe()
        assert min(a.fileno(), b.fileno(), reader) > 1023

        def poller_of(*sockets):
            poller = zmq.Poller()
            for socket in sockets:
                poller.register(socket, zmq.POLLIN)
            return poller

        few, many, native = poller_of(b, others[0]), poller_of(b, *others), poller_of(b, reader)
        for poller in (few, many, native):
            assert poller.poll(1) == []
        assert zmq.select([b], [], [], 0.001) == ([], [], [])
        assert b.poll(1) == 0
        for wait, result in (
            (b.poll, zmq.POLLIN),
            (few.poll, [(b, zmq.POLLIN)]),
            (many.poll, [(b, zmq.POLLIN)]),
            (native.poll, [(b, zmq.POLLIN)]),
            (lambda: zmq.select([b], [], []), ([b], [], [])),
            (lambda: zmq.zmq_poll([(b, zmq.POLLIN)]), [(b, zmq.POLLIN)]),
        ):
            task = front_end.spawn(wait)
            front_end.sleep(0.005)
            a.send(b"1")
            assert task.get() == result
            assert b.recv() == b"1"
        os.write(writer, b"1")
        assert native.poll() == [(reader, zmq.POLLIN)]
        task = front_end.spawn(b.recv)
        front_end.sleep(0.005)
        a.send(b"2")
        assert task.get() == b"2"
        tracker = a.send(bytes(100_000), copy=False, track=True)
        task = front_end.spawn(tracker.wait)
        front_end.sleep(0.005)
        b.recv()
        task.get()
        for poller in (few, many, native):
            del poller
        del few, many, native
        for socket in (a, b, full, *others):
            socket.close()
        context.term()
        """,
    )


LIMIT = """
import os, resource
from support.front_ends import wait_until

soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

def leave(free):
    # As if so many descriptors were left.
    used = {int(name) for name in os.listdir("/proc/self/fd")}
    top = max(used)
    held.extend(os.dup(0) for number in range(top) if number not in used)
    top = max(int(name) for name in os.listdir("/proc/self/fd")) - 1
    resource.setrlimit(resource.RLIMIT_NOFILE, (top + 1 + free, hard))

def leave_all():
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    while held:
        os.close(held.pop())

def count():
    return len(os.listdir("/proc/self/fd"))

held = []
with zmq.Context() as warm, warm.socket(zmq.PULL):
    front_end.sleep(0.001)
"""


def with_limits(front_end: FrontEnd, program: str) -> str:
    """Run a program that can say how many descriptors are left; return what it printed."""
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("this system does not say which descriptors are open")
    return run(front_end, LIMIT + textwrap.dedent(program))


def test_too_few_descriptors_for_the_first_socket(front_end: FrontEnd) -> None:
    """libzmq would end the process."""
    with_limits(
        front_end,
        """
        import errno
        before = count()
        made = []
        # All that fail come before a socket is closed: after that a lack is waited out for longer.
        for io_threads in (0, 1, 4, 40):
            needed = 3 + 2 * io_threads
            for free in sorted({*range(min(needed, 15)), needed - 1, needed, needed + 1}):
                context = zmq.Context(io_threads)
                socket = None
                leave(free)
                try:
                    socket = context.socket(zmq.PULL)
                except zmq.ZMQError as error:
                    assert error.errno == errno.EMFILE and free < needed, (io_threads, free, error)
                else:
                    assert free >= needed, (io_threads, free)
                leave_all()
                made.append((context, socket))
        for context, socket in made:
            socket = socket or context.socket(zmq.PULL)
            with context.socket(zmq.PUSH) as push, socket:
                socket.bind("inproc://x")
                push.connect("inproc://x")
                push.send(b"1")
                assert socket.recv() == b"1"
            context.term()
        wait_until(front_end, lambda: count() <= before)
        """,
    )


def test_too_few_descriptors_for_what_is_ours(front_end: FrontEnd) -> None:
    """Whatever is made, with however few: an error, after which all is as it was."""
    with_limits(
        front_end,
        """
        import errno, gc, itertools, warnings
        warnings.simplefilter("ignore", ResourceWarning)
        numbers = itertools.count()

        def poll(context, sockets):
            poller = zmq.Poller()
            for socket in sockets:
                poller.register(socket, zmq.POLLIN)
            for _ in range(3):
                poller.poll(1)

        def shadow(context, sockets):
            zmq.Context(context).socket(zmq.PULL).close()

        def monitor(context, sockets):
            reader = sockets[0].get_monitor_socket()
            sockets[0].disable_monitor()
            reader.close()

        def monitor_at(context, sockets):
            sockets[0].monitor(f"inproc://monitor-{next(numbers)}")
            sockets[0].monitor(None)

        def own(context, sockets):
            with zmq.Context() as other, other.socket(zmq.PULL):
                pass

        def proxy(context, sockets):
            with zmq.Context(context).socket(zmq.PULL) as one, zmq.Context(context).socket(zmq.PUSH) as other:
                task = front_end.spawn(zmq.proxy, one, other)
                front_end.sleep(0.01)
            try:
                task.get()
            except zmq.ZMQError as error:
                if error.errno not in (errno.ENOTSOCK, errno.EBADF):
                    raise

        def lend(context, sockets):
            sockets[-2].send(bytes(100_000), copy=False, track=True)
            sockets[-1].recv()

        context = zmq.Context()
        context.linger = 0
        sockets = [context.socket(zmq.PULL) for _ in range(9)] + [context.socket(zmq.PAIR) for _ in range(2)]
        sockets[-2].bind("inproc://x")
        sockets[-1].connect("inproc://x")
        for use in (poll, shadow, monitor, monitor_at, own, lend, proxy):
            use(context, sockets)
            gc.collect()
            gc.freeze()
            front_end.sleep(0.02)
            before = count()
            enough = 0
            for free in range(12):
                leave(free)
                try:
                    use(context, sockets)
                    enough += 1
                except (OSError, zmq.ZMQError) as error:
                    assert error.errno == errno.EMFILE, (use, free, error)
                finally:
                    leave_all()
                gc.collect()
                use(context, sockets)
                gc.collect()
                wait_until(front_end, lambda: count() <= before)
                if enough == 3:
                    break
            assert enough == 3, (use, enough)
        context.destroy()
        """,
    )


def test_sockets_that_come_and_go_fast(front_end: FrontEnd) -> None:
    """libzmq closes them in a thread of its own, which may be behind."""
    with_limits(
        front_end,
        """
        with zmq.Context() as context, context.socket(zmq.PULL):
            leave(12)
            for _ in range(3000):
                context.socket(zmq.DEALER).close()
            for _ in range(300):
                with context.socket(zmq.DEALER) as socket:
                    socket.get_monitor_socket().close()
            leave_all()
        """,
    )


def test_who_waits_for_room_lets_others_run(front_end: FrontEnd) -> None:
    """One of them may make it."""
    run(
        front_end,
        """
        import errno
        context = zmq.Context()
        context.max_sockets = 2
        first, second = context.socket(zmq.PULL), context.socket(zmq.PULL)
        closing = front_end.spawn(second.close)
        third = context.socket(zmq.PULL)
        closing.get()
        assert second.closed
        try:
            context.socket(zmq.PULL)
        except zmq.ZMQError as error:
            assert error.errno == errno.EMFILE
        else:
            raise AssertionError("more than there may be")
        first.close()
        third.close()
        context.term()
        """,
    )


def test_descriptor_0_is_one_as_any_other(front_end: FrontEnd) -> None:
    """It is a program's that closed its standard input: a socket's bell, or what a poll waits by."""
    run(
        front_end,
        """
        import os, time

        context = zmq.Context()
        a = context.socket(zmq.PAIR)
        a.bind("inproc://x")
        reader, writer = os.pipe()
        poller = zmq.Poller()
        poller.register(reader, zmq.POLLIN)
        assert poller.poll(1) == []

        def is_open(fd):
            try:
                os.fstat(fd)
            except OSError:
                return False
            return True

        os.close(0)
        b = context.socket(zmq.PAIR)
        b.connect("inproc://x")
        assert b.fileno() == 0
        both = zmq.Poller()
        both.register(b, zmq.POLLIN)
        both.register(reader, zmq.POLLIN)
        for call, result in ((b.recv, b"1"), (b.poll, zmq.POLLIN), (both.poll, [(b, zmq.POLLIN)])):
            task = front_end.spawn(call)
            front_end.sleep(0.01)
            a.send(b"1")
            assert task.get() == result
            b.poll(0) and b.recv()
        b.close()
        while is_open(0):
            a.poll(0)  # which has to agree; then a thread of libzmq's closes it
            time.sleep(0.001)

        assert poller.poll(1) == []
        assert not is_open(0)
        task = front_end.spawn(poller.poll)
        front_end.sleep(0.01)
        os.write(writer, b"x")
        assert task.get() == [(reader, zmq.POLLIN)]
        assert not is_open(0)
        assert os.open(os.devnull, os.O_RDONLY) == 0
        context.destroy()
        """,
    )
