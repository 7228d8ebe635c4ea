"""Devices of programs for threads that were made green: their threads are native all the same, and the hub runs on."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

from support.on_eventlet import Eventlet

FRAMEWORKS = {
    "gevent": "import gevent.monkey; gevent.monkey.patch_all(); import zmq.green.monkey as monkey",
    "eventlet": "import eventlet; eventlet.monkey_patch(); import zmq.eventlet.monkey as monkey",
}

# What is a thread here is a greenlet, but for the devices'.
PROGRAM = """
import os, sys, threading, time
import zmq
from zmq import devices

LOOPBACK = "tcp://127.0.0.1"
seen = []

class Noting:
    def run(self):
        seen.append(threading.get_native_id())
        super().run()

def noting(name):
    return type(name, (Noting, getattr(devices, name)), {})

def spawn(function, *arguments):
    thread = threading.Thread(target=function, args=arguments, daemon=True)
    thread.start()
    return thread

def tick(device, count):
    # The device ends only when the hub has run so often.
    for _ in range(count):
        time.sleep(0.005)
        assert not device.done
    device.stop()

def work(address):
    with zmq.Context.instance().socket(zmq.REP) as socket:
        socket.connect(address)
        for _ in range(100):
            socket.send(socket.recv().upper())

def use(device, start):
    front, back = (
        f"{LOOPBACK}:{reserve(LOOPBACK)}" for reserve in (device.bind_in_to_random_port, device.bind_out_to_random_port)
    )
    start()
    worker = spawn(work, back)
    with zmq.Context.instance().socket(zmq.REQ) as client:
        client.connect(front)
        for i in range(100):
            client.send(b"request %d" % i)
            assert client.recv() == b"REQUEST %d" % i
    worker.join()
"""


def run(framework: str, program: str, patched_first: bool = True) -> None:
    """Run a program that is patched before or after it imports zmq; it must end well and print nothing."""
    patch = f"{FRAMEWORKS[framework]}\nmonkey.patch_all()"
    parts = [patch, PROGRAM] if patched_first else [PROGRAM, patch]
    text = "\n".join([*parts, textwrap.dedent(program)])
    command = [sys.executable, "-X", "faulthandler", "-W", "error", "-W", "ignore:Using fork", "-c", text]
    environment = {**os.environ, "EVENTLET_TESTS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=40, env=environment)
    assert done.returncode == 0 and not done.stderr, done.stderr


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("patched_first", [True, False], ids=["first", "later"])
@pytest.mark.parametrize("kind", ["Device", "Proxy", "ProxySteerable", "MonitoredQueue"])
def test_devices_in_threads_run_in_native_threads(framework: str, patched_first: bool, kind: str) -> None:
    run(
        framework,
        f"""
        kind = "{kind}"
        cls = noting("Thread" + kind)
        arguments = [zmq.QUEUE] if kind == "Device" else []
        device = cls(*arguments, zmq.ROUTER, zmq.DEALER)
        use(device, device.start)
        assert seen and seen[0] != threading.get_native_id()
        ticking = spawn(tick, device, 10)
        device.join(20)
        assert device.done
        ticking.join()
        """,
        patched_first,
    )


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("how", ["start", "run"])
def test_a_device_in_the_foreground_blocks_only_its_greenlet(framework: str, how: str) -> None:
    run(
        framework,
        f"""
        device = noting("Device")(zmq.QUEUE, zmq.ROUTER, zmq.DEALER)
        use(device, lambda: spawn(device.{how}))
        assert seen == [threading.get_native_id()]
        ticking = spawn(tick, device, 10)
        device.join(20)
        assert device.done
        ticking.join()
        """,
    )


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_functions_block_only_their_greenlet(framework: str) -> None:
    run(
        framework,
        """
        for function, arguments in (
            (zmq.device, [zmq.QUEUE]), (zmq.proxy, []), (zmq.proxy_steerable, []), (devices.monitored_queue, []),
        ):
            with zmq.Context() as context:
                front, back = context.socket(zmq.PULL), context.socket(zmq.PUSH)
                push, pull, monitor = context.socket(zmq.PUSH), context.socket(zmq.PULL), context.socket(zmq.PUB)
                more = [monitor] if function is devices.monitored_queue else []
                front.bind("inproc://front")
                back.bind("inproc://back")
                push.connect("inproc://front")
                pull.connect("inproc://back")
                errors = []
                def relay():
                    try:
                        function(*arguments, front, back, *more)
                    except zmq.ZMQError as error:
                        errors.append(error.errno)
                relaying = spawn(relay)
                for i in range(100):
                    push.send(b"%d" % i)
                    assert pull.recv() == b"%d" % i
                front.close()
                relaying.join()
                assert errors == [zmq.ENOTSOCK]
                for socket in (back, push, pull, monitor):
                    socket.close()
        """,
    )


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.skipif("libuv" in os.environ.get("GEVENT_LOOP", ""), reason="gevent there may miss the end of a process")
def test_devices_in_processes(framework: str) -> None:
    if framework == Eventlet.name and not Eventlet.forks_quietly:
        pytest.skip("the framework prints an error")
    run(
        framework,
        """
        device = devices.ProcessProxy(zmq.ROUTER, zmq.DEALER)
        use(device, device.start)
        ticking = spawn(tick, device, 10)
        device.join(20)
        assert device.done
        ticking.join()
        failing = devices.ProcessDevice(zmq.QUEUE, zmq.ROUTER, zmq.DEALER)
        failing.bind_in("tcp://nowhere")
        try:
            failing.start()
        except zmq.ZMQError as error:
            assert error.errno == zmq.EINVAL
        else:
            raise AssertionError("it started")
        """,
    )
