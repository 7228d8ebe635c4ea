"""Forks while somebody waits, and of contexts that nobody has used.

A child that touches nothing has nothing to do, and its parent loses nothing. What has neither sockets nor threads is as
good in a child as in its parent.
"""

from __future__ import annotations

import textwrap

import pytest

from support.front_ends import FRONT_ENDS, GREEN, FrontEnd, named
from support.programs import run


def test_a_child_that_touches_nothing_uses_no_cpu_time(front_end: FrontEnd) -> None:
    """Though the bells of those who wait in its parent ring on."""
    run(
        front_end,
        """
        import os, time
        context = zmq.Context()
        pairs = []
        for i in range(12):
            pairs.append((context.socket(zmq.PAIR), context.socket(zmq.PAIR)))
            pairs[-1][0].bind(f"inproc://{i}")
            pairs[-1][1].connect(f"inproc://{i}")
        (a, b), (c, d), *rest = pairs
        poller = zmq.Poller()
        for _, socket in rest:
            poller.register(socket, zmq.POLLIN)
        tasks = [front_end.spawn(b.recv), front_end.spawn(poller.poll), front_end.spawn(d.poll)]
        front_end.sleep(0.01)
        a.send(b"rings in both")
        reader, writer = os.pipe()
        if front_end.fork() == 0:
            try:
                os.write(writer, b"begins, ")
                used = time.process_time()
                front_end.sleep(0.3)
                used = time.process_time() - used
                os.write(writer, b"spins" if used > 0.1 else b"idles")
            finally:
                os._exit(0)
        os.close(writer)
        said = os.read(reader, 99)
        # The parent goes on, and its child's descriptors are rung for by others.
        assert tasks[0].get() == b"rings in both"
        for i in range(20):
            for one, other in pairs[3:]:
                one.send(b"%d" % i)
            front_end.sleep(0.005)
        assert tasks[1].get()
        c.send(b"1")
        assert tasks[2].get() == zmq.POLLIN and d.recv() == b"1"
        assert poller.poll() == [(socket, zmq.POLLIN) for _, socket in pairs[3:]]
        for _, socket in pairs[3:]:
            assert [socket.recv() for _ in range(20)] == [b"%d" % i for i in range(20)]
        os.set_blocking(reader, False)
        while said == b"begins, ":
            try:
                said += os.read(reader, 99)
            except BlockingIOError:
                front_end.sleep(0.01)
        assert said == b"begins, idles", said
        for pair in pairs:
            for socket in pair:
                socket.close()
        context.term()
        """,
    )


@pytest.mark.parametrize("name", GREEN)
@pytest.mark.parametrize("way", ["time-outs", "killed", "chosen"])
def test_who_goes_on_in_a_child_is_told_that_its_sockets_are_its_parents(name: str, way: str) -> None:
    """Those who wait have copies in the child, of which a time-out comes, or a kill, or the turn they were given."""
    run(
        named(name),
        """
        import os, signal, sys
        way, = sys.argv[1:]
        context = zmq.Context()
        context.linger = 0
        count = 0

        def pair():
            global count
            count += 1
            one, other = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
            one.bind(f"inproc://{count}")
            other.connect(f"inproc://{count}")
            return one, other

        said = []

        def wait(name, call):
            try:
                said.append((name, call()))
            except zmq.ZMQError as error:
                said.append((name, error.errno))

        (a, b), (c, d), (e, f), (g, h), (i, j) = pairs = [pair() for _ in range(5)]
        poller = zmq.Poller()
        poller.register(d, zmq.POLLIN)
        waits = way == "time-outs"
        if waits:
            for socket in (b, d, f):
                socket.rcvtimeo = 100
        calls = {
            "first": b.recv, "second": b.recv,
            "poll": lambda: h.poll(100 if waits else None),
            "beside a poller": d.recv, "poller": lambda: poller.poll(100 if waits else None),
            "alone": f.recv,
            "chosen": j.recv_multipart,
        }
        tasks = {name: front_end.spawn(wait, name, call) for name, call in calls.items()}
        front_end.sleep(0.01)
        if way == "chosen":
            i.send(b"once")
            # The look at it chooses who waits; he has his turn when the hub runs.
            assert j.poll(0)
        assert not said
        child = front_end.fork()
        if child == 0:
            # Whatever hangs in C with the GIL held.
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(5)
            status = 1
            try:
                if way == "killed":
                    for name in ("first", "poll", "beside a poller", "alone"):
                        front_end.kill(tasks[name])
                front_end.sleep(0.3)
                found = dict(said)
                assert all(value in (zmq.ENOTSOCK, zmq.EAGAIN) for value in found.values()), found
                if waits:
                    assert set(found) == set(calls) - {"chosen"}, found
                if way == "chosen":
                    assert found == {"chosen": zmq.ENOTSOCK}, found
                status = 0
            except BaseException:
                import traceback
                traceback.print_exc()
            finally:
                os._exit(status)
        ended = 0
        while not ended:
            try:
                ended, status = os.waitpid(child, os.WNOHANG)
            except ChildProcessError:
                # The framework waits for all children.
                break
            front_end.sleep(0.01)
        else:
            assert status == 0, status
        if not waits:
            # Its parent's own go on.
            for one, other in pairs:
                if way != "chosen" or other is not j:
                    one.send(b"once")
            b.poll(0)
            a.send(b"twice")
        for name, task in tasks.items():
            if waits and name == "chosen":
                i.send(b"once")
            task.get()
        if not waits:
            assert dict(said)["chosen"] == [b"once"] and len(said) == len(calls), said
        for one, other in pairs:
            one.close()
            other.close()
        context.term()
        """,
        way,
    )


CONTEXTS = """
import gc, itertools, os, weakref, zmq as plain

def in_child(function, *args):
    # Wait for a child that calls a function and ends.
    child = front_end.fork()
    if child == 0:
        status = 1
        try:
            function(*args)
            gc.collect()
            status = 0
        finally:
            if status:
                import traceback
                traceback.print_exc()
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0

numbers = itertools.count()

def count():
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0

def exchange(context, other=None):
    # Over two transports, of which one needs the I/O thread; `other` is the same context.
    # An address of inproc is free again only when the reaper has come to the socket that was bound there.
    for address in (f"inproc://{next(numbers)}", "tcp://127.0.0.1:*"):
        with (other or context).socket(plain.PULL) as pull, context.socket(plain.PUSH) as push:
            pull.bind(address)
            push.connect(pull.get_string(plain.LAST_ENDPOINT))
            push.send(b"1")
            assert pull.recv() == b"1"
"""

UNUSED = {
    "used and terminated": """
        def use(context):
            exchange(context)
            context.term()
            assert context.closed
        context = zmq.Context()
        in_child(use, context)
        use(context)
    """,
    "with its settings": """
        def use(context):
            before = count()
            settings = [context.get(option) for option in options], context.linger, context.rcvhwm
            assert settings == ([3, 17, 99, 1], 5, 6)
            with context.socket(zmq.PULL) as socket:
                assert (socket.linger, socket.rcvhwm, socket.ipv6) == (5, 6, 1)
            exchange(context)
            assert context.get(zmq.IO_THREADS) == 3
            context.destroy()
        options = [zmq.IO_THREADS, zmq.MAX_SOCKETS, zmq.MAX_MSGSZ, zmq.IPV6]
        context = zmq.Context(3)
        for option, value in zip(options, (3, 17, 99, 1)):
            context.set(option, value)
        context.linger, context.rcvhwm = 5, 6
        context.set(zmq.THREAD_AFFINITY_CPU_ADD, min(os.sched_getaffinity(0)))
        in_child(use, context)
        use(context)
    """,
    "set in the child": """
        def use(context):
            context.set(zmq.IO_THREADS, 2)
            assert context.io_threads == 2 and context.max_sockets == 9
            exchange(context)
            context.term()
        context = zmq.Context()
        context.max_sockets = 9
        in_child(use, context)
        assert context.io_threads == 1
        use(context)
    """,
    "the instance of the program": """
        def use(context):
            assert zmq.Context.instance() is context and context.max_sockets == 99
            exchange(context, zmq.Context.instance())
            assert zmq.Context.instance() is context
            context.term()
            assert zmq.Context.instance() is not context
        def use_in_child(context):
            mine = zmq.Context.instance()
            assert mine is not context and mine is zmq.Context.instance()
            for each in (context, mine, context):
                exchange(each)
            mine.term()
            context.term()
        context = zmq.Context.instance()
        context.max_sockets = 99
        in_child(use_in_child, context)
        use(context)
    """,
    "through a shadow": """
        def use(context, *shadows):
            for shadow in shadows:
                exchange(shadow, context)
                exchange(context, shadow)
                exchange(shadow, shadows[0])
            assert len({each.underlying for each in (context, *shadows)}) == 1
            context.term()
        context = zmq.Context()
        shadows = [zmq.Context(context), plain.Context.shadow(context.underlying)]
        shadows.append(zmq.Context.shadow(shadows[0]))
        in_child(use, context, *shadows)
        in_child(use, context, *reversed(shadows))
        in_child(lambda: use(context, zmq.Context(context), *shadows))
        use(context, *shadows)
    """,
    "in a child of a child": """
        def use(context):
            exchange(context)
            context.term()
        context = zmq.Context()
        in_child(lambda: in_child(use, context))
        in_child(lambda: (context.get(zmq.IO_THREADS), in_child(use, context), use(context)))
        use(context)
    """,
    "collected": """
        def collect():
            global context
            before, address = count(), weakref.ref(context)
            del context
            gc.collect()
            assert address() is None and count() <= before
        context = zmq.Context()
        in_child(collect)
        in_child(lambda: context.term() or context.term())
        in_child(lambda: context.destroy())
        in_child(lambda: exchange(context))
        exchange(context)
        context.term()
    """,
    "collected in the parent": """
        import warnings
        warnings.simplefilter("ignore", ResourceWarning)
        context = zmq.Context()
        reader, writer = os.pipe()
        child = front_end.fork()
        if child == 0:
            status = 1
            try:
                os.read(reader, 1)
                exchange(context)
                context.term()
                status = 0
            finally:
                os._exit(status)
        del context
        gc.collect()
        os.write(writer, b"x")
        assert os.waitpid(child, 0)[1] == 0
    """,
    "while a socket is refused": """
        context = zmq.Context()
        context.set(zmq.THREAD_SCHED_POLICY, 999)
        def fail():
            try:
                context.socket(zmq.PULL)
            except plain.ZMQError:
                return
            raise AssertionError("allowed")
        fail()
        in_child(fail)
        context.term()
    """,
}


@pytest.mark.parametrize("how", UNUSED)
def test_a_context_that_nobody_used_is_good_in_a_child(front_end: FrontEnd, how: str) -> None:
    run(front_end, CONTEXTS + textwrap.dedent(UNUSED[how]))


def test_a_context_that_was_used_is_refused_in_a_child(front_end: FrontEnd) -> None:
    """Also when all its sockets are closed: it has threads, which the child has not."""
    program = """
        def refuse(use):
            try:
                use()
            except plain.ZMQError as error:
                assert "before a fork" in str(error), error
            else:
                raise AssertionError("allowed in the child")

        def check():
            for each in (context, *shadows):
                refuse(lambda: each.socket(zmq.PULL))
                refuse(lambda: zmq.Socket(each, zmq.PULL))
                refuse(lambda: each.get(zmq.IO_THREADS))
                refuse(lambda: each.set(zmq.IO_THREADS, 2))
                each.term()
            assert zmq.Context.instance() is not context
            exchange(zmq.Context.instance())

        for user in range(3):
            context = zmq.Context.instance()
            shadows = [zmq.Context(context), zmq.Context.shadow(context.underlying)]
            (context, *shadows)[user].socket(zmq.PULL).close()
            in_child(check)
            exchange(context)
            context.term()
    """
    run(front_end, CONTEXTS + textwrap.dedent(program))


def test_a_context_of_an_event_loop_that_nobody_used() -> None:
    program = """
        import asyncio, zmq.asyncio

        async def exchange():
            for address in ("inproc://x", "tcp://127.0.0.1:*"):
                with context.socket(zmq.PULL) as pull, context.socket(zmq.PUSH) as push:
                    pull.bind(address)
                    push.connect(pull.get_string(zmq.LAST_ENDPOINT))
                    received = asyncio.ensure_future(pull.recv())
                    await push.send(b"1")
                    assert await received == b"1"

        Context = zmq.asyncio.Context
        for context in (Context(), Context.instance(), Context(zmq.Context.instance())):
            in_child(lambda: asyncio.run(exchange()))
            asyncio.run(exchange())
            context.term()
        zmq.Context.instance().term()
    """
    run(FRONT_ENDS[0], CONTEXTS + textwrap.dedent(program))
