"""Monkeypatching: programs written for threads become green under their own feet.

Every case runs in a process of its own. That a wait is green is proved by a greenlet that ticks and then ends the wait:
where the thread is blocked there is no end. `monkeyed.py` is what the programs share, `legacy.py` what they make green.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from support.monkey.legacy import WAITS
from support.monkey.monkeyed import FRAMEWORKS, PAIRS, Framework, run


@pytest.fixture(params=FRAMEWORKS, ids=lambda framework: framework.name)
def framework(request: pytest.FixtureRequest) -> Framework:
    return request.param


@pytest.mark.parametrize("wait", WAITS)
def test_what_blocks_a_thread_blocks_only_a_greenlet(framework: Framework, wait: str, tmp_path: Path) -> None:
    """With objects of plain and derived classes; those made before patching and those made after."""
    run(
        framework,
        """
        from support.monkey import legacy
        green.patch_world()
        wait = legacy.WAITS[sys.argv[1]]
        kits = [legacy.Plain(), legacy.Derived()]
        waits = [wait(kit) for kit in kits]
        pairs = [next(wait) for wait in waits]
        green.monkey.patch_all()
        kits += [legacy.Plain(), legacy.Derived()]
        waits += [wait(kit) for kit in kits[2:]]
        pairs += [next(wait) for wait in waits[2:]]
        for wait, (blocks, ends) in zip(waits, pairs):
            green.beside(blocks, ends)
            assert next(wait, None) is None
        for kit in kits:
            kit.context.destroy(linger=0)
        """,
        arguments=(wait,),
        cwd=tmp_path,
    )


STEPS = {
    "import": "import zmq",
    "names": "from zmq import PAIR, POLLIN, Context, Poller, Socket, device, proxy, select, zmq_poll",
    "framework": "green.patch_world()",
    "zmq": "green.monkey.patch_all()",
}


@pytest.mark.parametrize("order", list(itertools.permutations(STEPS)), ids="+".join)
def test_any_order_of_imports_and_patches_will_do(framework: Framework, order: tuple[str, ...]) -> None:
    run(
        framework,
        *(STEPS[step] for step in order),
        """
        import threading

        assert green.monkey.is_patched()
        with Context() as context:
            front, back = context.socket(PAIR), context.socket(PAIR)
            front.bind("inproc://pair")
            back.connect("inproc://pair")
            for number in (0, 10):
                # With one socket and with many a poller waits in different ways.
                more = [context.socket(PAIR) for _ in range(number)]
                poller = Poller()
                for socket in [back, *more]:
                    poller.register(socket, POLLIN)
                assert green.beside(poller.poll, lambda: front.send(b"1")) == [(back, POLLIN)]
                assert back.recv() == b"1"
                for socket in more:
                    socket.close()
            assert green.beside(lambda: select([back], [], []), lambda: front.send(b"2")) == ([back], [], [])
            assert back.recv() == b"2"
            assert green.beside(lambda: zmq_poll([(back, POLLIN)]), lambda: front.send(b"3")) == [(back, POLLIN)]
            assert back.recv() == b"3"

            threads = monkeyed.native_threads()
            thread = threading.Thread(target=lambda: back.send(back.recv()))
            thread.start()
            assert monkeyed.native_threads() <= threads
            assert green.beside(front.recv, lambda: front.send(b"4")) == b"4"
            thread.join()
            front.close()
            back.close()
        """,
    )


@pytest.mark.parametrize("asked", ["before", "after"])
def test_the_context_that_the_program_shares_stays_the_same(framework: Framework, asked: str) -> None:
    run(
        framework,
        """
        import zmq
        class Own(zmq.Context):
            _instance = None
        if sys.argv[1] == "before":
            before = zmq.Context.instance(), Own.instance()
        green.patch_world()
        green.monkey.patch_all()
        shared, own = zmq.Context.instance(), Own.instance()
        assert shared is not own
        if sys.argv[1] == "before":
            assert (shared, own) == before
        for context in (shared, own):
            assert type(context).instance() is context
            a, b = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
            a.bind("inproc://pair")
            b.connect("inproc://pair")
            assert green.beside(b.recv, lambda: a.send(b"1")) == b"1"
            a.close()
            green.beside(context.term, b.close)
        """,
        arguments=(asked,),
    )


def test_a_shared_context_that_waits_while_it_is_made_does_not_stop_others(framework: Framework) -> None:
    run(
        framework,
        """
        import zmq
        class Slow(zmq.Context):
            _instance = None
            def __init__(self, io_threads=1, shadow=None):
                super().__init__(io_threads, shadow)
                with self.socket(zmq.PAIR) as a, self.socket(zmq.PAIR) as b:
                    a.bind("inproc://pair")
                    b.connect("inproc://pair")
                    green.beside(b.recv, lambda: a.send(b"1"))
        green.patch_world()
        green.monkey.patch_all()
        one, other = green.join(green.spawn(Slow.instance), green.spawn(Slow.instance))
        assert one is other
        one.term()
        """,
    )


def test_sockets_that_come_and_go_meanwhile_do_not_disturb_patching(framework: Framework) -> None:
    """Other threads may open and close some between any two calls that patching makes; a profiler does so here."""
    run(
        framework,
        PAIRS,
        """
        push = context.socket(zmq.PUSH)
        push.bind("inproc://push")
        monkey = green.monkey
        opened = []
        busy = False

        def other_threads(frame, event, argument):
            global busy
            if busy or len(opened) > 100:
                return
            busy = True
            opened.append(context.socket(zmq.PULL))
            opened[-1].connect("inproc://push")
            zmq.Context.socket(context, zmq.PAIR).close()
            busy = False

        def disturbed(call):
            sys.setprofile(other_threads)
            try:
                call()
            finally:
                sys.setprofile(None)

        disturbed(monkey.patch_all)
        assert opened
        tasks = [green.spawn(pull.recv) for pull in opened]
        green.wait_until(lambda: len(zmq.statistics()["waiting"]) == len(opened))
        for _ in opened:
            push.send(b"1")
        assert green.join(*tasks) == [b"1"] * len(opened)
        opened.clear()
        disturbed(monkey.unpatch_all)
        assert opened
        green.blocks(lambda: [pull.poll(1) for pull in opened])
        context.destroy()
        """,
    )


def test_a_tornado_loop_runs_beside_others(framework: Framework) -> None:
    """Its handler receives what there is without blocking, as programs for tornado do, and it has timers."""
    if not framework.can_nest_asyncio:
        pytest.skip("a hub that is an asyncio loop itself can't run another one inside")
    run(
        framework,
        PAIRS,
        """
        green.patch_world()
        green.monkey.patch_all()
        from tornado.ioloop import IOLoop

        loop = IOLoop(make_current=False)
        got, timers = [], []

        def receive(*_):
            while True:
                try:
                    got.append(b.recv(zmq.NOBLOCK))
                except zmq.Again:
                    break
            if len(got) == 3:
                loop.call_later(0.001, loop.stop)

        def timer():
            timers.append(1)
            loop.call_later(0.001, timer)

        def send():
            for number in range(3):
                seen = len(timers)
                green.wait_until(lambda: len(timers) > seen)
                a.send(b"%d" % number)

        receive()  # the descriptor of a socket tells what is new since the last attempt
        loop.add_handler(b, receive, loop.READ)
        timer()
        green.beside(loop.start, send)
        assert got == [b"0", b"1", b"2"]
        loop.close()
        context.destroy()
        """,
    )


@pytest.mark.parametrize("used", ["first", "later"])
def test_memory_that_was_lent_comes_back(framework: Framework, used: str) -> None:
    """What tells of it is native, whether it began to work before the program was patched or after."""
    run(
        framework,
        PAIRS,
        """
        def is_free(data):
            try:
                data.append(1)
            except BufferError:
                return False
            return True

        def lend():
            data = bytearray(100_000)
            tracker = a.send(data, copy=False, track=True)
            assert not tracker.done and not is_free(data)
            return data, tracker

        if sys.argv[1] == "first":
            data, tracker = lend()
            b.recv()
            tracker.wait(20)
        green.patch_world()
        green.monkey.patch_all()
        import threading

        threads = monkeyed.native_threads()
        data, tracker = lend()
        green.beside(tracker.wait, b.recv)
        assert is_free(data)
        # Nobody asks for these.
        many = [bytearray(100_000) for _ in range(100)]
        for data in many:
            a.send(data, copy=False)
        for _ in many:
            b.recv()
        green.wait_until(lambda: all(is_free(data) for data in many))
        assert threading.active_count() == 1
        green.wait_until(lambda: len(monkeyed.native_threads() - threads) == (sys.argv[1] == "later"))
        context.destroy()
        """,
        arguments=(used,),
    )


def test_what_works_in_the_background_is_a_native_thread(framework: Framework, tmp_path: Path) -> None:
    """A proxy has one that `threading` knows nothing of, in a "thread" too, and so has a context that lingers."""
    run(
        framework,
        PAIRS,
        """
        import threading
        green.patch_world()
        green.monkey.patch_all()
        front, back = context.pair(), context.pair()

        def relay():
            try:
                zmq.proxy(front[0], back[0])
            except zmq.ContextTerminated:
                front[0].close()
                back[0].close()

        before = monkeyed.native_threads()
        thread = threading.Thread(target=relay)
        thread.start()
        green.wait_until(lambda: len(monkeyed.native_threads() - before) == 1)
        assert threading.active_count() == 2

        def use():
            front[1].send(b"there")
            assert back[1].recv() == b"there"
            back[1].send(b"back")

        assert green.beside(front[1].recv, use) == b"back"
        for socket in (a, b, front[1], back[1]):
            socket.close()
        context.term()
        thread.join()

        context = Keeping()
        context.linger = -1
        push, pull = context.socket(zmq.PUSH), zmq.Context().socket(zmq.PULL)
        push.reconnect_ivl = 10
        push.connect("ipc://lingering")
        push.send(b"1")
        push.close()
        before = monkeyed.native_threads()

        def listen():
            assert len(monkeyed.native_threads() - before) == 1
            pull.bind("ipc://lingering")
            assert pull.recv() == b"1"

        green.beside(context.term, listen)
        pull.context.destroy()
        """,
        cwd=tmp_path,
    )
