"""Devices in processes of their own and SIGTERM, which is how they are stopped, whatever the program does with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import programs
from support.front_ends import FrontEnd

#: What each of the programs begins with.
BEGIN = """
    import importlib, multiprocessing, os, signal, time
    from pathlib import Path
    from support.front_ends import LIMIT
    devices = importlib.import_module(f"{zmq.__name__}.devices")

    def ends(device):
        device.join(LIMIT / 2)
        if not device.done:
            device.launcher.kill()
            raise AssertionError("it goes on")

    def is_stopped(device):
        device.start()
        device.stop()
        ends(device)
"""


def run(front_end: FrontEnd, program: str, *arguments: str) -> None:
    programs.run(front_end, BEGIN + program, *arguments)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_it_is_stopped_whatever_the_program_does_with_the_signal(front_end: FrontEnd, method: str) -> None:
    program = """
    multiprocessing.set_start_method(sys.argv[1])

    def proxy():
        return devices.ProcessProxy(zmq.DEALER, zmq.DEALER)

    heard = []
    signal.signal(signal.SIGTERM, lambda *_: heard.append("here"))
    is_stopped(proxy())
    assert not heard
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    is_stopped(proxy())
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    is_stopped(proxy())
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == {signal.SIGTERM}
    """
    run(front_end, program, method)


def test_the_loop_of_the_program_does_not_take_it_for_its_own(front_end: FrontEnd) -> None:
    """Signals of the forked process would write where those of the program do, of which asyncio's loop reads."""
    program = """
    multiprocessing.set_start_method("fork")
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.set_wakeup_fd(writer)
    is_stopped(devices.ProcessProxy(zmq.DEALER, zmq.DEALER))
    assert signal.set_wakeup_fd(-1) == writer
    try:
        raise AssertionError(os.read(reader, 1))
    except BlockingIOError:
        pass
    """
    run(front_end, program)


@pytest.mark.parametrize("where", ["in the class", "in the program"])
def test_what_comes_while_it_is_forked_ends_it_too(front_end: FrontEnd, where: str) -> None:
    """As where nobody waits until it is ready, because a subclass runs something else."""
    program = """
    class Other(devices.ProcessProxy):
        if sys.argv[1] == "in the class":
            _launch_class = multiprocessing.get_context("fork").Process

        def run(self):
            time.sleep(LIMIT)

    if sys.argv[1] == "in the program":
        multiprocessing.set_start_method("fork")
    signal.signal(signal.SIGTERM, lambda *_: None)
    os.register_at_fork(after_in_child=lambda: os.kill(os.getpid(), signal.SIGTERM))
    device = Other(zmq.DEALER, zmq.DEALER)
    device.start()
    ends(device)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == set()
    """
    run(front_end, program, where)


@pytest.mark.parametrize("method", ["run", "run_device"])
def test_a_subclass_has_a_handler_of_its_own(front_end: FrontEnd, method: str, tmp_path: Path) -> None:
    program = """
    multiprocessing.set_start_method("fork")

    class Own(devices.ProcessProxy):
        def run_device(self):
            if sys.argv[1] == "run_device":
                self.prepare()
            super().run_device()

        def run(self):
            if sys.argv[1] == "run":
                self.prepare()
            super().run()

        def prepare(self):
            signal.signal(signal.SIGTERM, self.leave)

        def leave(self, *_):
            Path(sys.argv[2]).touch()
            raise SystemExit

    device = Own(zmq.DEALER, zmq.DEALER)
    ports = device.bind_in_to_random_port("tcp://127.0.0.1"), device.bind_out_to_random_port("tcp://127.0.0.1")
    with zmq.Context() as context, context.socket(zmq.DEALER) as front, context.socket(zmq.DEALER) as back:
        for socket, port in zip((front, back), ports):
            socket.connect(f"tcp://127.0.0.1:{port}")
        device.start()
        front.send(b"1")
        assert back.recv() == b"1"
    device.stop()
    ends(device)
    assert Path(sys.argv[2]).exists()
    """
    run(front_end, program, method, str(tmp_path / "left"))


def test_a_launch_class_that_makes_no_process_leaves_the_signals_as_they_are(front_end: FrontEnd) -> None:
    program = """
    class Here:
        def __init__(self, target):
            self.start = target

    class Own(devices.ProcessDevice):
        _launch_class = Here

        def run(self):
            self.blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [])

    handler = lambda *_: None
    signal.signal(signal.SIGTERM, handler)
    device = Own(zmq.QUEUE, zmq.DEALER, zmq.DEALER)
    device.start()
    assert device.blocked == set() and signal.getsignal(signal.SIGTERM) is handler
    """
    run(front_end, program)
