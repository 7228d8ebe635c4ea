"""Plain threads that wait for one another's answers, without the GIL where that pays.

In processes of their own: what is wrong there ends the process.
"""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from support import PRELOAD
from support.front_ends import Threads
from support.programs import before_libzmq, run

POOL = """
    import random, sys, threading, time

    def begin(function, *args):
        thread = threading.Thread(target=function, args=args, daemon=True)
        thread.start()
        return thread

    def end(threads):
        for thread in threads:
            thread.join(20)
            assert not thread.is_alive()
"""


# A signal raises once after each time that it is armed.
INTERRUPTS = """
    import signal

    class Interrupt(Exception):
        pass

    def handler(number, frame):
        global armed
        if armed:
            armed = False
            raise Interrupt

    def collect(pull, count, before=lambda: None):
        # Receive so many numbers; return them, and how often that was interrupted. What has been received is in the
        # buffer, also where the interpreter raises between the call and its result.
        global armed
        interrupts, got, buffer = 0, [], bytearray(8)
        while len(got) < count:
            buffer[:] = bytes(8)
            before()
            try:
                armed = True
                pull.recv_into(buffer)
                armed = False
            except Interrupt:
                interrupts += 1
            if buffer[0]:
                got.append(int(buffer.rstrip(b"\\0")))
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        return got, interrupts

    armed = False
    signal.signal(signal.SIGUSR1, handler)
"""


def run_pool(*programs: str) -> None:
    run(Threads(), "".join(map(textwrap.dedent, (POOL, *programs))))


@pytest.mark.parametrize("form", ["send", "send_multipart", "send_string"])
def test_each_gets_its_own_answers(form: str) -> None:
    program = f"""
        context = zmq.Context()
        wrong = []

        def ask(name, address):
            with context.socket(zmq.DEALER) as dealer:
                dealer.routing_id = name
                dealer.connect(address)
                for i in range(300):
                    dealer.send(b"%s %d" % (name, i))
                    if dealer.recv() != b"%s %d" % (name, i):
                        wrong.append((name, i))

        def serve(address, count):
            with context.socket(zmq.ROUTER) as router:
                router.bind(address)
                for _ in range(count):
                    client, message = router.recv_multipart()
                    if {form!r} == "send_multipart":
                        router.send_multipart([client, message])
                    else:
                        router.send(client, zmq.SNDMORE)
                        router.send(message) if {form!r} == "send" else router.send_string(message.decode())

        for number in (1, 2, 3, 8, 40):
            address = f"inproc://{{number}}"
            threads = [begin(serve, address, 300 * number)]
            threads += [begin(ask, b"client-%d" % i, address) for i in range(number)]
            end(threads)
        assert not wrong, wrong[:5]
        context.term()
    """
    run_pool(program)


def test_sockets_that_are_closed_while_others_use_them() -> None:
    """Whoever closes one waits until no other thread is in libzmq with it."""
    program = """
        context = zmq.Context()
        wrong = []

        def use(call):
            try:
                while True:
                    call()
            except zmq.ZMQError as error:
                if error.errno != zmq.ENOTSOCK:
                    wrong.append(error)

        for number in range(300):
            router = context.socket(zmq.ROUTER)
            router.bind(f"inproc://{number}")
            sockets = [router]
            calls = [lambda router=router: router.send_multipart(router.recv_multipart())]
            for _ in range(4):
                dealer = context.socket(zmq.DEALER)
                dealer.connect(f"inproc://{number}")
                sockets.append(dealer)
                calls.append(lambda dealer=dealer: (dealer.send(b"question"), dealer.recv()))
            threads = [begin(use, call) for call in calls]
            time.sleep(random.random() / 200)
            random.shuffle(sockets)
            for socket in sockets:
                socket.close(0)
            end(threads)
        assert not wrong, wrong[:5]
        context.term()
    """
    run_pool(program)


@pytest.fixture
def meeting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have threads meet in libzmq and in poll(2): `meet` says where."""
    monkeypatch.setenv("LD_PRELOAD", before_libzmq(PRELOAD / "threads_meet.c", tmp_path))


@pytest.mark.usefixtures("meeting")
def test_who_closes_a_socket_waits_for_sends_without_the_gil() -> None:
    program = """
        import ctypes
        library = ctypes.CDLL(None)
        context = zmq.Context()
        refused = []

        def answer(socket):
            message = socket.recv_multipart()
            library.meet(1, 0)
            try:
                socket.send_multipart(message)
            except zmq.ZMQError as error:
                refused.append(error.errno)

        for number, closes in enumerate(("itself", "shadow", "context") * 3):
            library.meet(0, 0)
            mine = zmq.Context() if closes == "context" else context
            server, client = mine.socket(zmq.DEALER), mine.socket(zmq.DEALER)
            server.bind(f"inproc://{number}")
            client.connect(f"inproc://{number}")
            shadow = zmq.Socket.shadow(server)
            serving = begin(answer, server)
            # It waits, and so owes its answer.
            while not zmq.statistics()["blocked"]:
                time.sleep(0.001)
            client.send(b"question")
            while not library.is_inside():
                time.sleep(0)
            if closes == "context":
                mine.destroy(0)
            else:
                (server if closes == "itself" else shadow).close(0)
            assert not library.is_inside()
            end([serving])
            client.close(0)
        assert not refused and library.closes() == 0, (refused, library.closes())
        assert library.slow_sends() == 9, library.slow_sends()
        context.term()
    """
    run_pool(program)


@pytest.mark.usefixtures("meeting")
def test_a_message_that_comes_with_a_signal_is_not_lost() -> None:
    program = """
        import ctypes
        library = ctypes.CDLL(None)

        def feed():
            with context.socket(zmq.PUSH) as push:
                push.connect("inproc://numbers")
                for i in range(1, COUNT + 1):
                    waits.wait()
                    waits.clear()
                    # Long enough to be blocked, and to listen to signals.
                    time.sleep(0.15)
                    push.send(b"%d" % i)
                    signal.raise_signal(signal.SIGUSR1)

        COUNT = 12
        waits = threading.Event()
        context = zmq.Context()
        pull = context.socket(zmq.PULL)
        pull.bind("inproc://numbers")
        library.meet(0, 1)
        feeding = begin(feed)
        got, interrupts = collect(pull, COUNT, waits.set)
        end([feeding])
        assert got == [*range(1, COUNT + 1)]
        assert interrupts > COUNT // 2, interrupts
        pull.close()
        context.term()
    """
    run_pool(INTERRUPTS, program)


def test_no_message_is_lost_that_comes_when_a_handler_raises() -> None:
    program = """
        def feed(address):
            with context.socket(zmq.PUSH) as push:
                push.connect(address)
                for i in range(1, COUNT + 1):
                    push.send(b"%d" % i)
                    time.sleep(random.random() / 1000)

        def disturb():
            while not over:
                signal.raise_signal(signal.SIGUSR1)
                time.sleep(random.random() / 500)

        COUNT = 2000
        over = False
        context = zmq.Context()
        pull = context.socket(zmq.PULL)
        pull.bind("inproc://numbers")
        threads = [begin(feed, "inproc://numbers"), begin(disturb)]
        got, interrupts = collect(pull, COUNT)
        over = True
        end(threads)
        assert got == [*range(1, COUNT + 1)]
        assert interrupts > 20, interrupts
        pull.close()
        context.term()
    """
    run_pool(INTERRUPTS, program)
