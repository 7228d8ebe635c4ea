"""Devices that cannot start, or that something ends: who hears of it."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from errno import EADDRINUSE, EINVAL
from multiprocessing import resource_tracker
from pathlib import Path
from pickle import PicklingError
from typing import Any

import pytest

from support.device_ways import EVERY_WAY, IN_THE_BACKGROUND, IN_THIS_PROCESS, LOOPBACK, Way, of, ways_of
from support.front_ends import LIMIT, FrontEnd, wait_until


@pytest.fixture(params=EVERY_WAY, ids=str)
def way(request: pytest.FixtureRequest, ledger: None) -> Iterator[Way]:
    with request.param as way:
        yield way


@pytest.fixture
def reported(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[BaseException | None]]:
    """What devices in the background of this process reported."""
    errors: list[BaseException | None] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: errors.append(args.exc_value))
    yield errors
    # Their tracebacks hold the devices.
    errors.clear()


in_the_background = pytest.mark.parametrize("way", IN_THE_BACKGROUND, ids=str, indirect=True)
in_this_process = pytest.mark.parametrize("way", IN_THIS_PROCESS, ids=str, indirect=True)
in_the_background_of_this_process = pytest.mark.parametrize("way", ways_of("Thread", "Green"), ids=str, indirect=True)
in_a_process = pytest.mark.parametrize("way", ways_of("Process"), ids=str, indirect=True)


# What is wrong from the beginning.


def test_an_address_that_is_taken_is_an_error_of_start(way: Way, reported: list[BaseException]) -> None:
    zmq = way.zmq
    device = way.make("Proxy", zmq.PULL, zmq.PUSH)
    taken = way.peer(zmq.PULL, f"{LOOPBACK}:*", bind=True)
    device.bind_out(taken.last_endpoint.decode())
    with pytest.raises(zmq.ZMQError) as caught:
        device.start()
    assert caught.value.errno == EADDRINUSE
    assert not reported


@pytest.mark.parametrize(
    ("prepare", "code"),
    [
        (lambda device, zmq: device.bind_in("tcp://nowhere"), "EINVAL"),
        (lambda device, zmq: device.connect_in("udp:hello"), "EINVAL"),
        (lambda device, zmq: device.bind_mon("hello://127.0.0.1:1"), "EPROTONOSUPPORT"),
        (lambda device, zmq: device.setsockopt_in(9999, 1), "EINVAL"),
        (lambda device, zmq: device.setsockopt_mon(zmq.SNDHWM, -5), "EINVAL"),
        (lambda device, zmq: device.setsockopt_out(zmq.SUBSCRIBE, b"PUSH does not"), "EINVAL"),
        (lambda device, zmq: setattr(device._ends["out"], "socket_type", 77), "EINVAL"),
    ],
)
def test_what_libzmq_refuses_is_an_error_of_start(
    way: Way, reported: list[BaseException], prepare: Any, code: str
) -> None:
    zmq = way.zmq
    device = way.make("Proxy", zmq.PULL, zmq.PUSH)
    prepare(device, zmq)
    with pytest.raises(zmq.ZMQError) as caught:
        device.start()
    assert caught.value.errno == zmq.Errno[code]
    assert not reported


def test_an_option_of_the_wrong_python_type_is_an_error_of_start(way: Way) -> None:
    device = way.make("Device", way.zmq.PULL, way.zmq.PUSH)
    device.setsockopt_in(way.zmq.LINGER, "soon")
    with pytest.raises(TypeError):
        device.start()


def test_there_is_no_such_device(way: Way) -> None:
    with pytest.raises(ValueError):
        way.named("Device")(99, way.zmq.PULL, way.zmq.PUSH).start()
    for arguments in ((), (way.zmq.QUEUE,), (way.zmq.QUEUE, way.zmq.PULL)):
        with pytest.raises(ValueError, match="two types"):
            way.named("Device")(*arguments)


def test_sockets_between_which_nothing_can_pass(way: Way, reported: list[BaseException], capfd: Any) -> None:
    """Their types tell, but only in the end; nobody is left to wait for messages in vain."""
    device = way.make("Proxy", way.zmq.PULL, way.zmq.PULL)
    with pytest.raises(way.zmq.ZMQError, match="nothing can pass") as caught:
        way.start(device)
        way.join(device)
    assert caught.value.errno == EINVAL


@in_the_background
def test_one_that_could_not_start_says_so_again_when_joined(way: Way) -> None:
    device = way.make("Device", way.zmq.PULL, way.zmq.PUSH)
    device.bind_in("tcp://nowhere")
    for call in (device.start, device.join):
        with pytest.raises(way.zmq.ZMQError):
            call()
    assert device.done


# What happens later.


def misled(way: Way) -> Any:
    """Return a proxy that runs and was given a command it does not know."""
    zmq = way.zmq
    device = way.make("ProxySteerable", zmq.PULL, zmq.PUSH)
    control = way.peer(zmq.PAIR, device.bind_ctrl_to_random_port(LOOPBACK))
    way.start(device)
    control.send(b"DANCE")
    return device


def test_an_error_is_raised_by_whoever_joins(way: Way, reported: list[BaseException], capfd: Any) -> None:
    device = misled(way)
    for _ in range(2):
        with pytest.raises(ValueError, match="TERMINATE"):
            way.join(device)
    assert device.done


@in_the_background_of_this_process
def test_an_error_is_reported_although_nobody_joins(way: Way, reported: list[BaseException]) -> None:
    device = misled(way)
    wait_until(way.front_end, lambda: device.done and reported)
    way.ended.add(device)
    assert [str(error)[:17] for error in reported] == ["a steerable proxy"]


@in_a_process
def test_an_error_in_a_process_is_reported_there(way: Way, capfd: Any) -> None:
    with pytest.raises(ValueError):
        way.join(misled(way))
    told = capfd.readouterr().err
    assert "Traceback" in told and "a steerable proxy knows" in told


@in_the_background
@pytest.mark.parametrize("method", ["run_device", "run"])
def test_an_error_of_a_subclass_is_no_secret(way: Way, method: str, reported: list[BaseException], capfd: Any) -> None:
    """Nobody could tell when its sockets are there, so `start` did not wait."""

    def fail(self: Any) -> None:
        way.pause()
        raise KeyError("the subclass")

    device = of(type("Failing", (way.named("Device"),), {method: fail}), way.zmq.PULL, way.zmq.PUSH)
    way.start(device)
    with pytest.raises(KeyError, match="the subclass"):
        way.join(device)
    assert way.in_a_process or [repr(error) for error in reported] == ["KeyError('the subclass')"]
    assert not way.in_a_process or "the subclass" in capfd.readouterr().err


@in_this_process
@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_socket_that_is_closed_under_a_device_ends_it_well(
    way: Way, which: int, reported: list[BaseException]
) -> None:
    zmq = way.zmq
    device = way.make("Proxy", zmq.DEALER, zmq.DEALER)
    front = way.peer(zmq.DEALER, device.bind_in_to_random_port(LOOPBACK))
    back = way.peer(zmq.DEALER, device.bind_out_to_random_port(LOOPBACK))
    way.start(device)
    front.send(b"it runs")
    assert back.recv() == b"it runs"
    device._sockets[which].close()
    way.join(device)
    assert all(socket.closed for socket in device._sockets) and not reported


@in_this_process
def test_the_end_of_its_context_ends_it_well(way: Way, reported: list[BaseException]) -> None:
    """Termination waits until the device has closed its sockets."""
    zmq = way.zmq
    device = way.make("MonitoredQueue", zmq.DEALER, zmq.DEALER)
    context = zmq.Context()
    device.context_factory = lambda: context
    front = way.peer(zmq.DEALER, device.bind_in_to_random_port(LOOPBACK))
    back = way.peer(zmq.DEALER, device.bind_out_to_random_port(LOOPBACK))
    way.start(device)
    front.send(b"it runs")
    assert back.recv() == b"it runs"
    way.front_end.spawn(context.term).get()
    way.join(device)
    assert not reported


@in_this_process
def test_the_destruction_of_its_context_ends_it_well(way: Way, reported: list[BaseException]) -> None:
    zmq = way.zmq
    device = way.make("Device", zmq.DEALER, zmq.DEALER)
    context = zmq.Context()
    device.context_factory = lambda: context
    front = way.peer(zmq.DEALER, device.bind_in_to_random_port(LOOPBACK))
    back = way.peer(zmq.DEALER, device.bind_out_to_random_port(LOOPBACK))
    way.start(device)
    front.send(b"it runs")
    assert back.recv() == b"it runs"
    way.front_end.spawn(context.destroy, linger=0).get()
    way.join(device)
    assert context.closed and not reported


@in_a_process
def test_a_process_that_is_killed_is_an_error(way: Way) -> None:
    device = way.make("Device", way.zmq.PULL, way.zmq.PUSH)
    way.start(device)
    os.kill(device.launcher.pid, signal.SIGKILL)
    with pytest.raises(RuntimeError, match="signal 9"):
        way.join(device)
    assert device.done
    assert multiprocessing.active_children() == []


@in_a_process
def test_a_process_that_is_killed_before_it_is_ready_is_an_error(way: Way) -> None:
    device = way.make("Device", way.zmq.PULL, way.zmq.PUSH)
    device.context_factory = lambda: os.kill(os.getpid(), signal.SIGKILL)
    with pytest.raises(RuntimeError, match="signal 9"):
        way.start(device)
        way.join(device)


@pytest.mark.parametrize("way", ways_of("Green"), ids=str, indirect=True)
@pytest.mark.parametrize("early", [True, False])
def test_one_whose_greenlet_is_killed_has_ended(way: Way, early: bool, reported: list[BaseException]) -> None:
    class Another(way.named("Device")):  # type: ignore[misc, name-defined]
        def run(self) -> None:
            super().run()

    # The one is killed before it could begin.
    device = of(Another, way.zmq.PULL, way.zmq.PUSH) if early else way.make("Device", way.zmq.PULL, way.zmq.PUSH)
    way.start(device)
    device.launcher.kill()
    way.join(device)
    assert not reported


# At the end of the program.

PROGRAM = """
    import sys, threading
    import {module} as zmq
    from {module}.devices import {prefix}ProxySteerable
    if __name__ == "__main__":
        device = {prefix}ProxySteerable(zmq.PULL, zmq.PUSH, zmq.PUB, zmq.PULL)
        device.daemon = {daemon}
        for end in ("in", "out", "ctrl"):
            getattr(device, "connect_" + end)("ipc://" + sys.argv[1] + "/" + end)
        device.start()
        print("the program ends", flush=True)
"""


class Program:
    """A program that starts a device and has nothing else to do."""

    def __init__(self, way: Way, daemon: bool, folder: Path) -> None:
        zmq = way.zmq
        self.push, self.pull, self.control = (
            way.peer(kind, f"ipc://{folder}/{end}", bind=True)
            for kind, end in ((zmq.PUSH, "in"), (zmq.PULL, "out"), (zmq.PUSH, "ctrl"))
        )
        text = textwrap.dedent(PROGRAM).format(module=zmq.__name__, prefix=way.prefix, daemon=daemon)
        command = [sys.executable, "-X", "faulthandler", "-W", "error", "-W", "ignore:Using fork", "-c", text]
        self.process = subprocess.Popen([*command, str(folder)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def has_nothing_more_to_do(self) -> bool:
        assert self.process.stdout is not None
        return self.process.stdout.readline() == b"the program ends\n"

    def ends_well(self) -> bool:
        output, errors = self.process.communicate(timeout=LIMIT)
        return (self.process.returncode, output, errors) == (0, b"", b"")


ended_by_the_program = pytest.mark.parametrize("way", ways_of("Thread", "Process"), ids=str, indirect=True)


@ended_by_the_program
def test_a_daemon_ends_with_the_program(way: Way, tmp_path: Path) -> None:
    program = Program(way, True, tmp_path)
    assert program.has_nothing_more_to_do() and program.ends_well()


@ended_by_the_program
def test_the_program_waits_for_one_that_is_no_daemon(way: Way, tmp_path: Path) -> None:
    program = Program(way, False, tmp_path)
    assert program.has_nothing_more_to_do()
    for i in range(10):
        program.push.send(b"%d" % i)
        assert program.pull.recv() == b"%d" % i
    program.control.send(b"TERMINATE")
    assert program.ends_well()


# What passes to a process of its own.


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_process_that_was_not_forked(front_end: FrontEnd, tmp_path: Path, method: str) -> None:
    module = front_end.zmq.__name__
    program = f"""
        import multiprocessing, sys
        import {module} as zmq
        from {module}.devices import ProcessMonitoredQueue
        if __name__ == "__main__":
            multiprocessing.set_start_method({method!r})
            device = ProcessMonitoredQueue(zmq.DEALER, zmq.DEALER, zmq.PUSH, b"<", b">")
            device.setsockopt_in(zmq.RCVHWM, 7)
            with zmq.Context() as context:
                peers = []
                for end, kind in (("in", zmq.DEALER), ("out", zmq.DEALER), ("mon", zmq.PULL)):
                    port = getattr(device, "bind_" + end + "_to_random_port")("tcp://127.0.0.1")
                    peers.append(context.socket(kind))
                    peers[-1].connect("tcp://127.0.0.1:%d" % port)
                device.start()
                peers[0].send(b"1")
                assert peers[1].recv() == b"1"
                peers[1].send(b"2")
                assert peers[0].recv() == b"2"
                assert [peers[2].recv_multipart() for _ in range(2)] == [[b"<", b"1"], [b">", b"2"]]
                device.stop()
                device.join(10)
                assert device.done
                for peer in peers:
                    peer.close()
            failing = ProcessMonitoredQueue(zmq.DEALER, zmq.DEALER)
            failing.bind_in("tcp://nowhere")
            try:
                failing.start()
            except zmq.ZMQError as error:
                assert error.errno == zmq.EINVAL
            else:
                raise AssertionError("it started")
    """
    path = tmp_path / "program.py"
    path.write_text(textwrap.dedent(program))
    command = [sys.executable, "-X", "faulthandler", "-W", "error", "-W", "ignore:Using fork", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=40)
    assert done.returncode == 0 and not done.stderr, done.stderr


@pytest.fixture
def tracker() -> None:
    """Have what `multiprocessing` starts once in a process, where it does not fork."""
    resource_tracker.ensure_running()


@pytest.mark.parametrize("what", ["class", "factory", "option"])
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_what_is_not_at_the_top_of_a_module_has_to_be_forked(
    front_end: FrontEnd, method: str, what: str, tracker: None, ledger: None
) -> None:
    """Also where Python starts processes in another way than its users are accustomed to."""
    devices: Any = importlib.import_module(f"{front_end.zmq.__name__}.devices")
    zmq = front_end.zmq

    class Own(devices.ProcessDevice):  # type: ignore[misc, name-defined]
        pass

    def make(own: bool) -> Any:
        device = (Own if own else devices.ProcessDevice)(zmq.QUEUE, zmq.PULL, zmq.PUSH)
        if what == "factory":
            device.context_factory = lambda: zmq.Context()
        if what == "option":
            device.note = threading.Lock()
        return device

    device = make(what == "class")
    device._launch_class = multiprocessing.get_context(method).Process
    for _ in range(2):
        with pytest.raises(PicklingError, match=f"{method}.*get_context\\('fork'\\)"):
            device.start()
    assert device.launcher is None and not device.done
    device._launch_class = multiprocessing.get_context("fork").Process
    device.start()
    device.stop()
    device.join(LIMIT)


class Exit:
    """What ends the process that unpickles it."""

    def __reduce__(self) -> Any:
        return os._exit, (3,)


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_process_that_ends_before_it_has_the_device_is_an_error(front_end: FrontEnd, method: str) -> None:
    devices: Any = importlib.import_module(f"{front_end.zmq.__name__}.devices")
    device = devices.ProcessDevice(front_end.zmq.QUEUE, front_end.zmq.PULL, front_end.zmq.PUSH)
    device._launch_class = multiprocessing.get_context(method).Process
    device.note = Exit()
    with pytest.raises(RuntimeError, match="ended with status 3"):
        device.start()
    assert device.done and multiprocessing.active_children() == []
