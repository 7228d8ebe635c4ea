"""Monkeypatching taken back, done twice, done for two frameworks, and done while other threads are blocked."""

from __future__ import annotations

import pytest

from support.monkey.monkeyed import EVENTLET, FRAMEWORKS, GEVENT, PAIRS, Framework, run


@pytest.fixture(params=FRAMEWORKS, ids=lambda framework: framework.name)
def framework(request: pytest.FixtureRequest) -> Framework:
    return request.param


def other(framework: Framework) -> Framework:
    return EVENTLET if framework is GEVENT else GEVENT


@pytest.mark.parametrize("made", ["before", "meanwhile", "after"])
def test_unpatched_objects_block_the_thread_again(framework: Framework, made: str) -> None:
    """Those made before the program was patched, while it was and after it; and patched again they are green again."""
    run(
        framework,
        PAIRS,
        """
        monkey = green.monkey
        a.close()
        b.close()

        class Objects:
            def __init__(self):
                self.a, self.b = context.pair()
                self.b.rcvtimeo = 50
                self.lender, self.borrower = context.pair()
                self.push = context.socket(zmq.PUSH)
                self.push.sndtimeo = 50
                frame = zmq.Frame(bytes(100_000), track=True)
                self.lender.send(frame, copy=False)
                self.trackers = [frame.tracker, self.lender.send(bytes(100_000), copy=False, track=True)]
                self.pollers = [self.poller(0), self.poller(10)]

            def poller(self, more):
                poller = zmq.Poller()
                for socket in [self.b, *(context.socket(zmq.PULL) for _ in range(more))]:
                    poller.register(socket, zmq.POLLIN)
                return poller

        def use_green(it):
            it.b.rcvtimeo = -1
            assert green.beside(it.b.recv, lambda: it.a.send(b"1")) == b"1"
            for poller in it.pollers:
                assert green.beside(poller.poll, lambda: it.a.send(b"2")) == [(it.b, zmq.POLLIN)]
                assert it.b.recv() == b"2"
            it.b.rcvtimeo = 50

        def times_out(error, call, *arguments):
            try:
                call(*arguments)
            except error:
                return
            raise AssertionError("it did not time out")

        def use_plain(it):
            green.blocks(lambda: times_out(zmq.Again, it.b.recv))
            green.blocks(lambda: times_out(zmq.Again, it.push.send, b"1"))
            green.blocks(lambda: it.b.poll(50))
            for poller in it.pollers:
                green.blocks(lambda: poller.poll(50))
                # What comes meanwhile is found, and what is taken is gone.
                it.a.send(b"3")
                assert poller.poll(20_000) == [(it.b, zmq.POLLIN)]
                assert it.b.recv() == b"3"
                assert poller.poll(0) == []
            green.blocks(lambda: zmq.select([it.b], [], [], 0.05))
            green.blocks(lambda: zmq.zmq_poll([(it.b, zmq.POLLIN)], 50))
            for tracker in it.trackers:
                green.blocks(lambda: times_out(zmq.NotDone, tracker.wait, 0.05))

        made = sys.argv[1]
        if made == "before":
            it = Objects()
        monkey.patch_all()
        if made == "meanwhile":
            it = Objects()
        if made != "after":
            use_green(it)
        monkey.unpatch_all()
        assert not monkey.is_patched()
        if made == "after":
            it = Objects()
        use_plain(it)
        monkey.patch_all()
        assert monkey.is_patched()
        use_green(it)
        for tracker in it.trackers:
            green.beside(tracker.wait, it.borrower.recv)
        context.destroy()
        """,
        arguments=(made,),
    )


def test_greenlets_that_are_parked_when_it_is_undone_get_what_they_wait_for(framework: Framework) -> None:
    run(
        framework,
        PAIRS,
        """
        monkey = green.monkey
        monkey.patch_all()
        received, polled, pollered, one_of_many, lent = (context.pair() for _ in range(5))
        front, back = context.pair(), context.pair()
        poller, poller_of_many = zmq.Poller(), zmq.Poller()
        poller.register(pollered[1], zmq.POLLIN)
        for socket in [one_of_many[1], *(context.socket(zmq.PULL) for _ in range(10))]:
            poller_of_many.register(socket, zmq.POLLIN)
        tracker = lent[0].send(bytes(100_000), copy=False, track=True)
        full, pull = context.socket(zmq.PUSH), context.socket(zmq.PULL)
        full.bind("inproc://full")
        other = Keeping()
        last = other.socket(zmq.PULL)

        started = []
        def start(call, *arguments):
            started.append(call)
            return call(*arguments)

        calls = [
            (received[1].recv,), (polled[1].poll,), (poller.poll,), (poller_of_many.poll,), (tracker.wait,),
            (full.send, b"6"), (other.term,), (zmq.proxy_steerable, front[1], back[1], None, b),
        ]
        tasks = [green.spawn(start, *call) for call in calls]
        # Whoever is the last to start parks before the hub runs again.
        green.wait_until(lambda: len(started) == len(calls))
        monkey.unpatch_all()
        for sender, _ in (received, polled, pollered, one_of_many):
            sender.send(b"1")
        lent[1].recv()
        pull.connect("inproc://full")
        last.close()
        assert green.join(*tasks[:-1]) == [
            b"1", zmq.POLLIN, [(pollered[1], zmq.POLLIN)], [(one_of_many[1], zmq.POLLIN)], None, None, None
        ]
        assert pull.recv() == b"6"
        front[0].send(b"7")
        assert back[0].recv() == b"7"
        a.send(b"TERMINATE")
        green.join(tasks[-1])
        context.destroy()
        """,
    )


def test_patching_twice_is_patching_once(framework: Framework) -> None:
    run(
        framework,
        PAIRS,
        """
        monkey = green.monkey
        assert not monkey.is_patched()
        monkey.unpatch_all()
        for _ in range(2):
            monkey.patch_all()
            assert monkey.is_patched()
        assert green.beside(b.recv, lambda: a.send(b"1")) == b"1"
        for _ in range(2):
            monkey.unpatch_all()
            assert not monkey.is_patched()
        green.blocks(lambda: b.poll(50))
        context.destroy()
        """,
    )


def test_a_program_is_patched_for_one_framework_at_a_time(framework: Framework) -> None:
    run(
        framework,
        f"other = monkeyed.{other(framework).name.upper()}",
        PAIRS,
        """
        green.monkey.patch_all()
        try:
            other.monkey.patch_all()
        except RuntimeError as error:
            assert green.front_end in str(error), error
        else:
            raise AssertionError("patched for two frameworks")
        assert green.monkey.is_patched() and not other.monkey.is_patched()
        other.monkey.unpatch_all()
        assert green.monkey.is_patched()
        assert green.beside(b.recv, lambda: a.send(b"1")) == b"1"
        green.monkey.unpatch_all()
        other.monkey.patch_all()
        assert other.monkey.is_patched() and not green.monkey.is_patched()
        assert other.beside(b.recv, lambda: a.send(b"2")) == b"2"
        # Whoever asks for a front-end by its name gets that one.
        for front_end in (green, other):
            with front_end.zmq.Context() as own, own.socket(zmq.PAIR) as c, own.socket(zmq.PAIR) as d:
                c.bind("inproc://pair")
                d.connect("inproc://pair")
                assert front_end.beside(d.recv, lambda: c.send(b"3")) == b"3"
        context.destroy()
        """,
    )


#: What another thread does, and what is waited for meanwhile.
CALLS = {
    "recv": ("assert b.recv() == b'1'", "[b]"),
    "send": ("push.send(b'x')", "[push]"),
    "socket_poll": ("b.poll()", "[b]"),
    "poller": ("poller = zmq.Poller(); poller.register(b, zmq.POLLIN); poller.poll()", "[b]"),
    "proxy": ("zmq.proxy_steerable(front[1], back[1], None, control[1])", "[front[1], back[1]]"),
    "term": ("other.term()", "[other]"),
    "tracker": ("tracker.wait()", "[]"),
}


@pytest.mark.parametrize("call", CALLS)
def test_threads_that_are_blocked_meanwhile_are_told_of_and_go_on(framework: Framework, call: str) -> None:
    code, named = CALLS[call]
    run(
        framework,
        PAIRS,
        """
        import _thread, time, warnings
        start = _thread.start_new_thread
        front, back, control, lent = (context.pair() for _ in range(4))
        push, pull = context.socket(zmq.PUSH), context.socket(zmq.PULL)
        push.bind("inproc://push")
        other = Keeping()
        last = other.socket(zmq.PULL)
        tracker = lent[0].send(bytes(100_000), copy=False, track=True)
        steps = []
        """,
        f"def call(): {code}",
        """
        def use():
            call()
            steps.append("called")
            # It may go on to use its sockets, and waits for them in a hub of its own.
            steps.append(control[1].recv())

        ident = start(use, ())
        end = time.monotonic() + 5
        while not zmq.statistics()["blocked"]:
            assert time.monotonic() < end, "nothing tells that the thread is blocked"
            time.sleep(0.002)
        green.patch_world()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            green.monkey.patch_all()
        warning, = [warning for warning in caught if warning.category is RuntimeWarning]
        text = str(warning.message)
        assert str(ident) in text, text
        assert warning.filename == "<string>"  # the program, which is to blame
        """,
        f"for named in {named}: assert repr(named) in text, text",
        """
        # The hub runs although that thread is blocked, and the thread gets what it waits for.
        c, d = context.pair()
        assert green.beside(d.recv, lambda: c.send(b"1")) == b"1"
        assert not steps
        a.send(b"1")
        pull.connect("inproc://push")
        control[0].send(b"TERMINATE")
        last.close()
        lent[1].recv()
        green.wait_until(lambda: steps)
        assert zmq.statistics()["blocked"] == []
        green.monkey.patch_all()  # has nothing to warn of any more
        control[0].send(b"2")
        green.wait_until(lambda: len(steps) == 2)
        context.destroy()
        other.destroy()
        """,
    )
