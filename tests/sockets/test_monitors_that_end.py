"""Monitors whose readers are closed, dropped or never read: nobody waits for them, and libzmq serves all sockets on.

Each in a process of its own: what goes wrong here holds up every thread, and can't be interrupted.
"""

from __future__ import annotations

import pytest

from support.front_ends import FRONT_ENDS, FrontEnd
from support.programs import run

BEGIN = """
import gc, threading, warnings
from support.front_ends import wait_until
from zmq.utils.monitor import recv_monitor_message
warnings.simplefilter("ignore", ResourceWarning)
context = zmq.Context()
context.linger = 0
socket = context.socket(zmq.ROUTER)

def events(monitor):
    found = []
    while monitor.poll(0):
        found.append(recv_monitor_message(monitor)["event"])
    return found

def stopped(monitor):
    # All that it tells until it ends.
    found = []
    while not found or found[-1] != zmq.EVENT_MONITOR_STOPPED:
        assert monitor.poll(20000), found
        found.append(recv_monitor_message(monitor)["event"])
    return found

def binds(socket, address):
    try:
        socket.bind(address)
    except zmq.ZMQError as error:
        assert error.errno == zmq.EADDRINUSE, error
        return False
    return True

def check_that_libzmq_runs():
    # The I/O thread connects, and the reaper closes.
    with context.socket(zmq.PULL) as pull, context.socket(zmq.PUSH) as push:
        pull.bind("tcp://127.0.0.1:*")
        address = pull.last_endpoint
        push.connect(address)
        push.send(b"alive")
        assert pull.poll(20000) and pull.recv() == b"alive"
    with context.socket(zmq.PULL) as next:
        wait_until(front_end, lambda: binds(next, address))

def in_thread(function):
    # A native one.
    failed = []
    def call():
        try:
            function()
        except BaseException as error:
            failed.append(error)
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    return thread, failed
"""

END = """
check_that_libzmq_runs()
del socket
gc.collect()
context.destroy()
assert context.closed
"""

CLOSE = {
    "closed": "monitor.close()",
    "disconnected": "monitor.disconnect(monitor.get_string(zmq.LAST_ENDPOINT)); monitor.close()",
    # Over inproc that is the same.
    "unbound": "monitor.unbind(monitor.get_string(zmq.LAST_ENDPOINT)); monitor.close()",
    "dropped": "del monitor; gc.collect()",
    "closed by another thread": "thread, failed = in_thread(monitor.close); thread.join(); assert not failed",
    "never read": "",
    "limited and never read": "monitor.rcvhwm = 1; [tell() for _ in range(5)]; monitor.close()",
}

GO_ON = {
    "bind": 'socket.bind("tcp://127.0.0.1:*")',
    "disable": "socket.disable_monitor()",
    "stop": "socket.monitor(None)",
    "again": """
        second = socket.get_monitor_socket()
        tell()
        assert zmq.EVENT_LISTENING in events(second)
        second.close()
    """,
    "close": "socket.close()",
    "collect": "del socket; gc.collect(); socket = None",
    "destroy": "context.destroy(); context = zmq.Context()",
    "connect": """
        with context.socket(zmq.DEALER) as dealer:
            socket.bind("tcp://127.0.0.1:*")
            dealer.connect(socket.last_endpoint)
            dealer.send(b"1")
            assert socket.poll(20000)
    """,
}

TELL = """
def tell():
    socket.bind("tcp://127.0.0.1:*")
    socket.unbind(socket.last_endpoint)
"""


def body(*parts: str) -> str:
    """Return the text of a program."""
    lines = [line for part in (BEGIN, TELL, *parts, END) for line in dedented(part)]
    return "\n".join(lines)


def dedented(text: str) -> list[str]:
    lines = text.split("\n")
    margin = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    return [line[margin:] for line in lines]


@pytest.mark.parametrize("close", CLOSE)
def test_a_reader_that_goes_first(front_end: FrontEnd, close: str) -> None:
    ways = [body("monitor = socket.get_monitor_socket()", "tell()", CLOSE[close], then) for then in GO_ON.values()]
    run(front_end, "\n".join(ways), quiet=False)


@pytest.mark.parametrize("close", CLOSE)
def test_a_reader_of_a_socket_that_is_closed(front_end: FrontEnd, close: str) -> None:
    """libzmq may still have something to tell, however long the socket lingers."""
    lingering = 'socket.linger = 300; socket.connect("tcp://127.0.0.1:1"); socket.send(b"never sent")'
    program = "\n".join(
        body("monitor = socket.get_monitor_socket()", "tell()", before, gone, CLOSE[close].replace("[tell()", "[0"))
        for before in ("", lingering)
        for gone in ("socket.close()", "del socket; gc.collect(); socket = None")
    )
    run(front_end, program.replace("zmq.ROUTER", "zmq.DEALER"), quiet=False)


def test_both_are_dropped(front_end: FrontEnd) -> None:
    """In whatever order the collector finds them."""
    program = """
        for i in range(12):
            socket = context.socket(zmq.ROUTER)
            monitor = socket.get_monitor_socket()
            tell()
            if i % 3:
                cycle = [socket, monitor] if i % 3 == 1 else [monitor, socket]
                cycle.append(cycle)
                del cycle
            del socket, monitor
            gc.collect()
        socket = None
    """
    run(front_end, body(program), quiet=False)


def test_whoever_still_reads_hears_of_the_end(front_end: FrontEnd) -> None:
    run(
        front_end,
        body("""
            monitor = socket.get_monitor_socket()
            tell()
            socket.bind("tcp://127.0.0.1:*")
            socket.close()
            told = stopped(monitor)
            assert told[:1] == [zmq.EVENT_LISTENING] and told.count(zmq.EVENT_CLOSED) == 2, told
            monitor.close()
        """),
    )


def test_a_closed_socket_keeps_no_reader(front_end: FrontEnd) -> None:
    """So that nothing is left open where nobody asked for the events."""
    run(
        front_end,
        body("""
            import weakref
            monitor = weakref.ref(socket.get_monitor_socket())
            assert monitor() is socket.get_monitor_socket()
            socket.close()
            gc.collect()
            assert monitor() is None
            context.term()
            context = zmq.Context()
        """),
        quiet=False,
    )


def test_events_that_nobody_reads_are_kept(front_end: FrontEnd) -> None:
    run(
        front_end,
        body("""
            monitor = socket.get_monitor_socket()
            assert monitor.rcvhwm == 0
            for _ in range(2500):
                tell()
            check_that_libzmq_runs()
            found = events(monitor)
            assert found.count(zmq.EVENT_LISTENING) == 2500, len(found)
            monitor.close()
        """),
    )


def test_a_second_monitor_takes_the_place_of_the_first(front_end: FrontEnd) -> None:
    run(
        front_end,
        body("""
            first = socket.get_monitor_socket()
            shadow = zmq.Socket.shadow(socket)
            second = shadow.get_monitor_socket()
            assert second is not first and events(first) == [zmq.EVENT_MONITOR_STOPPED]
            first.close()
            tell()
            assert zmq.EVENT_LISTENING in events(second)
            second.close()
            tell()
        """),
    )


def test_no_monitor_where_its_address_is_taken(front_end: FrontEnd) -> None:
    run(
        front_end,
        body("""
            monitor = socket.get_monitor_socket(addr="inproc://there")
            other = context.socket(zmq.ROUTER)
            try:
                other.get_monitor_socket(addr="inproc://there")
            except zmq.ZMQError as error:
                assert error.errno == zmq.EADDRINUSE
            else:
                raise AssertionError("two monitors at one address")
            other.bind("tcp://127.0.0.1:*")
            tell()
            assert zmq.EVENT_LISTENING in events(monitor)
            other.close()
            monitor.close()
            tell()
        """),
    )


# A monitor at an address of the program's own.
RAW = {
    "nobody ever connected": "",
    "whoever connected closed": """
        monitor = context.socket(zmq.PAIR)
        monitor.connect("inproc://monitor")
        tell()
        assert zmq.EVENT_LISTENING in events(monitor)
        monitor.close()
        tell()
    """,
    "whoever connected disconnected": """
        monitor = context.socket(zmq.PAIR)
        monitor.connect("inproc://monitor")
        tell()
        monitor.disconnect("inproc://monitor")
        tell()
    """,
    "whoever connected unbound": """
        monitor = context.socket(zmq.PAIR)
        monitor.connect("inproc://monitor")
        tell()
        monitor.unbind("inproc://monitor")
        tell()
    """,
    "whoever connected never read": """
        monitor = context.socket(zmq.PAIR)
        monitor.connect("inproc://monitor")
        for _ in range(2500):
            tell()
        check_that_libzmq_runs()
        monitor.close()
    """,
}


@pytest.mark.parametrize("reader", RAW)
def test_a_monitor_at_an_address(front_end: FrontEnd, reader: str) -> None:
    again = """
        socket.monitor("inproc://second", zmq.EVENT_ALL)
        monitor = context.socket(zmq.PAIR)
        monitor.connect("inproc://second")
        tell()
        assert zmq.EVENT_LISTENING in events(monitor)
        monitor.close()
    """
    ways = (again, *(GO_ON[name] for name in ("stop", "again", "close", "collect", "destroy")))
    begin = 'socket.monitor("inproc://monitor", zmq.EVENT_ALL)'
    run(front_end, "\n".join(body(begin, RAW[reader], then) for then in ways), quiet=False)


def test_a_reader_that_was_there_before_its_monitor(front_end: FrontEnd) -> None:
    program = """
        monitor = context.socket(zmq.PAIR)
        monitor.connect("inproc://monitor")
        socket.monitor("inproc://monitor", zmq.EVENT_ALL)
        tell()
        assert zmq.EVENT_LISTENING in events(monitor)
        monitor.close()
    """
    run(front_end, "\n".join(body(program, then) for then in GO_ON.values()), quiet=False)


# What a PAIR did at the address where a monitor comes next: it is not its reader.
EARLIER = {
    "it reads what another socket told": """
        old = context.socket(zmq.DEALER)
        old.monitor("inproc://monitor", zmq.EVENT_ALL)
        first = context.socket(zmq.PAIR)
        first.connect("inproc://monitor")
        old.close()
    """,
    "it left where somebody was bound": """
        there, first = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
        there.bind("inproc://monitor")
        first.connect("inproc://monitor")
        first.disconnect("inproc://monitor")
        there.unbind("inproc://monitor")
    """,
    "whom it talked to is gone": """
        there, first = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
        there.bind("inproc://monitor")
        first.connect("inproc://monitor")
        first.send(b"1")
        assert there.recv() == b"1"
        there.close()
    """,
    "it was early, and met somebody else": """
        there, first = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
        first.connect("inproc://monitor")
        there.bind("inproc://monitor")
        there.send(b"1")
        assert first.recv() == b"1"
        there.close()
    """,
    "it was early, and left": """
        first = context.socket(zmq.PAIR)
        first.connect("inproc://monitor")
        first.disconnect("inproc://monitor")
    """,
    "it was early, and left by the other name": """
        first = context.socket(zmq.PAIR)
        first.connect("inproc://monitor")
        first.unbind("inproc://monitor")
    """,
    "it came when somebody was there who is to be gone": """
        old, first = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
        old.bind("inproc://monitor")
        with context.socket(zmq.PAIR) as taken:
            taken.connect("inproc://monitor")
            old.close()
            first.connect("inproc://monitor")
            assert not begins("inproc://monitor") or first.poll(0) == 0
    """,
}

AFTERWARDS = {
    "another reads": """
        monitor = context.socket(zmq.PAIR)
        monitor.connect("inproc://monitor")
        tell()
        first.close()
        tell()
        told = events(monitor)
        assert told.count(zmq.EVENT_LISTENING) == 2 and zmq.EVENT_MONITOR_STOPPED not in told, told
        monitor.close()
    """,
    "nobody reads": "socket.close(); first.close()",
    "another thread reads": """
        import zmq as plain
        reading = plain.Context(context)

        def read():
            with reading.socket(plain.PAIR) as monitor:
                monitor.connect("inproc://monitor")
                assert monitor.poll(20000)
        thread, failed = in_thread(read)
        tell()
        thread.join()
        assert not failed, failed
    """,
}

BEGINS = """
def begins(address):
    try:
        socket.monitor(address, zmq.EVENT_ALL)
    except zmq.ZMQError as error:
        assert error.errno == zmq.EADDRINUSE, error
        return False
    return True
"""


@pytest.mark.parametrize("earlier", EARLIER)
def test_who_was_at_the_address_before_is_no_reader(front_end: FrontEnd, earlier: str) -> None:
    begin = 'wait_until(front_end, lambda: begins("inproc://monitor"))'
    run(
        front_end,
        "\n".join(body(BEGINS, EARLIER[earlier], begin, then) for then in AFTERWARDS.values()),
        quiet=False,
    )


def test_of_several_that_are_early_the_first_reads(front_end: FrontEnd) -> None:
    run(
        front_end,
        body("""
            monitors = [context.socket(zmq.PAIR) for _ in range(3)]
            for monitor in monitors:
                monitor.connect("inproc://monitor")
            # It has a peer already, and is dropped there.
            monitors[0].connect("inproc://elsewhere")
            monitors[1].close()
            socket.monitor("inproc://monitor", zmq.EVENT_ALL)
            monitors[2].close()
            tell()
            assert recv_monitor_message(monitors[0])["event"] == zmq.EVENT_LISTENING
            monitors[0].close()
            tell()
        """),
        quiet=False,
    )


def test_who_was_early_before_another_one_is_in_nobodys_way(front_end: FrontEnd) -> None:
    """In the same context, or in one that had the same address before."""
    run(
        front_end,
        body("""
            def early(context):
                pair = context.socket(zmq.PAIR)
                pair.connect("inproc://early")
                return pair

            for number in range(10):
                with zmq.Context() as other:
                    early(other).close()
                with zmq.Context() as other, other.socket(zmq.ROUTER) as monitored:
                    if number % 2:
                        early(other).close()
                    monitor = early(other)
                    monitored.monitor("inproc://early", zmq.EVENT_ALL)
                    monitored.bind("tcp://127.0.0.1:*")
                    assert recv_monitor_message(monitor)["event"] == zmq.EVENT_LISTENING
                    monitor.close()
        """),
        quiet=False,
    )


def test_a_monitor_whose_events_somebody_else_would_get_is_refused(front_end: FrontEnd) -> None:
    run(
        front_end,
        body("""
            early = context.socket(zmq.PAIR)
            early.connect("inproc://monitor")
            try:
                socket.get_monitor_socket(addr="inproc://monitor")
            except zmq.ZMQError as error:
                assert error.errno == zmq.EADDRINUSE
            else:
                raise AssertionError("its reader would be told nothing")
            early.close()
            monitor = socket.get_monitor_socket(addr="inproc://monitor")
            tell()
            assert zmq.EVENT_LISTENING in events(monitor)
        """),
        quiet=False,
    )


def test_addresses_that_were_left_are_forgotten(front_end: FrontEnd) -> None:
    run(
        front_end,
        body("""
            import sys
            there, pair = context.socket(zmq.DEALER), context.socket(zmq.PAIR)

            def use(count):
                for number in range(count):
                    for address in (f"inproc://{number:06}", f"inproc://early-{number:06}"):
                        if "early" in address:
                            pair.connect(address)
                        there.bind(address)
                        if "early" not in address:
                            pair.connect(address)
                        pair.disconnect(address)
                        there.unbind(address)
                        there.getsockopt(zmq.EVENTS)

            use(300)
            before = sys.getallocatedblocks()
            use(2000)
            assert sys.getallocatedblocks() - before < 1000, sys.getallocatedblocks() - before
            there.close()
            pair.close()
        """),
        quiet=False,
    )


def test_other_threads_run_while_an_event_waits_for_its_reader(front_end: FrontEnd) -> None:
    """One of them may be the reader."""
    run(
        front_end,
        body("""
            import time, zmq as plain
            reading = plain.Context(context)

            def read():
                # So that the event is there first, as a rule; it works the other way round as well.
                time.sleep(0.05)
                with reading.socket(plain.PAIR) as monitor:
                    monitor.connect("inproc://monitor")
                    assert monitor.poll(20000)
                    assert recv_monitor_message(monitor)["event"] == plain.EVENT_LISTENING
            socket.monitor("inproc://monitor", zmq.EVENT_ALL)
            thread, failed = in_thread(read)
            socket.bind("tcp://127.0.0.1:*")
            thread.join()
            assert not failed, failed
        """),
    )


def test_the_child_of_a_fork_leaves_monitors_alone(front_end: FrontEnd) -> None:
    run(
        front_end,
        body("""
            import os
            monitor = socket.get_monitor_socket()
            child = front_end.fork()
            if child == 0:
                status = 1
                try:
                    monitor.close()
                    socket.close()
                    with zmq.Context() as own, own.socket(zmq.ROUTER) as other:
                        theirs = other.get_monitor_socket()
                        other.bind("tcp://127.0.0.1:*")
                        assert recv_monitor_message(theirs)["event"] == zmq.EVENT_LISTENING
                        theirs.close()
                    del monitor, socket
                    gc.collect()
                    status = 0
                finally:
                    os._exit(status)
            assert os.waitpid(child, 0)[1] == 0
            tell()
            assert zmq.EVENT_LISTENING in events(monitor)
            monitor.close()
        """),
        quiet=False,
    )


@pytest.mark.parametrize("close", ["monitor.close()", "socket.close(); monitor.close()", "del monitor, socket", ""])
def test_in_an_event_loop(close: str) -> None:
    program = """
        import asyncio, zmq.asyncio
        asynchronous = zmq.asyncio.Context(context)

        async def main():
            socket = asynchronous.socket(zmq.ROUTER)
            monitor = socket.get_monitor_socket()
            waiting = asyncio.ensure_future(recv_monitor_message(monitor))
            await asyncio.sleep(0)
            socket.bind("tcp://127.0.0.1:*")
            assert (await waiting)["event"] == zmq.EVENT_LISTENING
            {close}
            gc.collect()
            if "socket" in locals() and not socket.closed:
                for _ in range(3):
                    socket.bind("tcp://127.0.0.1:*")
                socket.close()
        asyncio.run(main())
        gc.collect()
    """
    run(FRONT_ENDS[0], body(program.format(close=close or "pass")), quiet=False)
