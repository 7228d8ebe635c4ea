"""Forks while the parent has an authenticator, a device or a proxy: what ends in the child touches none of these.

Pipes, and the sets of descriptors that hubs have, are shared with the parent, or made anew.
"""

from __future__ import annotations

import pytest

from support.front_ends import GREEN, Threads, named
from support.programs import run

WAIT = """
import os, signal

def ended(child):
    # Wait for it; its framework may wait for all children.
    while True:
        try:
            found, status = os.waitpid(child, os.WNOHANG)
        except ChildProcessError:
            return 0
        if found:
            return os.waitstatus_to_exitcode(status)
        front_end.sleep(0.01)
"""


@pytest.mark.parametrize("name", GREEN)
@pytest.mark.parametrize("how", ["dropped", "stopped", "killed"])
def test_an_authenticator_that_ends_in_the_child_goes_on_in_the_parent(name: str, how: str) -> None:
    run(
        named(name),
        WAIT
        + f"""
import gc, importlib, time
GreenAuthenticator = importlib.import_module(zmq.__name__ + ".auth").GreenAuthenticator
context = zmq.Context()
auth = GreenAuthenticator(context)
auth.start()
front_end.sleep(0.01)
child = front_end.fork()
if child == 0:
    signal.alarm(10)
    how = {how!r}
    if how == "killed":
        auth._kill(auth.greenlet)
    elif how == "stopped":
        auth.stop()
    del auth
    gc.collect()
    os._exit(0)
assert ended(child) == 0
# The parent's greenlet waits on, and hears.
used = time.process_time()
front_end.sleep(0.2)
assert time.process_time() - used < 0.1
with context.socket(zmq.DEALER) as asker:
    asker.linger, asker.rcvtimeo = 0, 5000
    asker.connect("inproc://zeromq.zap.01")
    asker.send_multipart([b"", b"1.0", b"1", b"", b"192.0.2.1", b"", b"NULL"])
    assert asker.recv_multipart()[3] == b"200"
auth.stop()
context.term()
""",
    )


@pytest.mark.parametrize("name", GREEN)
def test_a_device_that_is_killed_in_the_child_runs_on_in_the_parent(name: str) -> None:
    run(
        named(name),
        WAIT
        + """
import importlib
GreenDevice = importlib.import_module(zmq.__name__ + ".devices").GreenDevice
context = zmq.Context.instance()
device = GreenDevice(zmq.QUEUE, zmq.PULL, zmq.PUSH)
device.bind_in("inproc://in")
device.bind_out("inproc://out")
device.start()
child = front_end.fork()
if child == 0:
    signal.alarm(10)
    # What servers do that fork their workers.
    device.launcher.kill()
    os._exit(0)
ended(child)
device.join(0.1)
assert not device.done
push, pull = context.socket(zmq.PUSH), context.socket(zmq.PULL)
push.connect("inproc://in")
pull.connect("inproc://out")
push.send(b"1")
assert pull.recv() == b"1"
device.stop()
device.join()
assert device.done
push.close()
pull.close()
context.term()
""",
    )


@pytest.mark.parametrize("closed", [False, True], ids=["", "one is closed"])
def test_what_is_watched_is_watched_in_the_child(closed: bool) -> None:
    """eventlet's hub keeps a descriptor that was closed while somebody waited for it."""
    pytest.importorskip("eventlet")
    run(
        named("eventlet"),
        WAIT
        + f"""
from eventlet.green import socket
with zmq.Context() as context, context.socket(zmq.PULL) as pull:
    # From here on the hub is one of those that are told of a fork.
    pull.poll(10)
gone, _peer = socket.socketpair()
pairs = [socket.socketpair() for _ in range(10)]
heard = []

def listen(own):
    if own.recv(1):
        heard.append(own)

tasks = [front_end.spawn(listen, own) for own, _ in pairs]
if {closed}:
    waiting = front_end.spawn(gone.recv, 1)
front_end.sleep(0.01)
if {closed}:
    gone.close()
child = os.fork()
if child == 0:
    signal.alarm(10)
    for _, peer in pairs:
        peer.send(b"x")
    while len(heard) < len(pairs):
        front_end.sleep(0.01)
    os._exit(0)
# The parent, which would hear of them too, waits without its hub.
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
""",
        quiet=False,
    )


@pytest.mark.parametrize("way", ["proxy", "steerable proxy", "recv"])
def test_a_handler_that_forks_in_the_midst_of_a_wait(way: str) -> None:
    run(
        Threads(),
        f"""
        import os, signal, threading
        way = {way!r}
        parent = os.getpid()
        children = []

        def fork(*_):
            child = os.fork()
            if child:
                children.append(child)

        context = zmq.Context()
        front, back, control = (context.socket(kind) for kind in (zmq.PULL, zmq.PUSH, zmq.PAIR))
        for socket in (front, back, control):
            socket.bind(f"inproc://{{socket.underlying}}")
        signal.signal(signal.SIGUSR1, fork)
        timers = [threading.Timer(0.1, os.kill, (parent, signal.SIGUSR1)), threading.Timer(0.5, front.close)]
        for timer in timers:
            timer.start()
        try:
            if way == "proxy":
                zmq.proxy(front, back)
            elif way == "steerable proxy":
                zmq.proxy_steerable(front, back, None, control)
            else:
                front.recv()
            raise AssertionError("it came to its end")
        except zmq.ZMQError as error:
            if os.getpid() != parent:
                os._exit(int(error.errno != zmq.ENOTSOCK or "fork" not in str(error)))
            assert error.errno == zmq.ENOTSOCK, error
        (child,) = children
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        for timer in timers:
            timer.join()
        context.destroy(0)
        """,
    )
