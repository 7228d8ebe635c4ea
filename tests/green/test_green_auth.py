"""`GreenAuthenticator`, and `ThreadAuthenticator` where greenlets wait: who runs meanwhile, and what a kill does.

`test_auth.py` sees whom they let in.
"""

from __future__ import annotations

import importlib
import itertools
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import greenlet
import pytest

import zmq as plain
from support.auth_kit import Curve, Kit
from support.front_ends import GreenFrontEnd, wait_until
from support.monkey import monkeyed
from zmq.auth.thread import ThreadAuthenticator

pytestmark = pytest.mark.skipif(not plain.has("curve"), reason="this libzmq has no CURVE")


@pytest.fixture
def kit(context: Any, zmq: Any, tmp_path: Path) -> Kit:
    return Kit(context, zmq, tmp_path)


@pytest.fixture
def auth(context: Any, zmq: Any) -> Any:
    return importlib.import_module(f"{zmq.__name__}.auth").GreenAuthenticator(context)


@pytest.fixture(params=["green", "thread"])
def any_auth(request: pytest.FixtureRequest, auth: Any) -> Any:
    return auth if request.param == "green" else ThreadAuthenticator(auth.context)


class Waiting:
    """A provider that waits in the hub until it is told what to answer, and is told when it is asked."""

    def __init__(self, front_end: GreenFrontEnd) -> None:
        self.front_end = front_end
        self.asked = 0
        self.answer: bool | None = None

    def callback(self, domain: str, key: bytes) -> bool:
        self.asked += 1
        while self.answer is None:
            self.front_end.sleep(0.001)
        return self.answer


def beside(front_end: GreenFrontEnd, call: Callable[[], Any], act: Callable[[], Any]) -> Any:
    """Call something while a greenlet ticks, which acts after some ticks: else the call does not return."""
    ticks: list[bool] = []

    def tick() -> None:
        for _ in range(10):
            ticks.append(True)
            front_end.sleep(0.001)
        act()

    ticking = front_end.spawn(tick)
    result = call()
    ticking.get()
    return result


def test_no_thread_is_there_while_it_runs(kit: Kit, auth: Any, front_end: GreenFrontEnd) -> None:
    mechanism = Curve(kit)
    server = kit.server(mechanism.serve)
    kit.admitted(server, mechanism.right("one"))
    before = monkeyed.native_threads()

    def more() -> int:
        return len(monkeyed.native_threads() - before)

    mechanism.configure(auth)
    for _ in range(2):
        auth.start()
        assert auth.is_alive() and auth.greenlet is not None
        kit.refused(server, mechanism.right("three"))
        kit.admitted(server, mechanism.right("one"))
        # One that took a step is there for a moment after it has said that it is done.
        wait_until(front_end, lambda: more() == 0)
        # From now on one answers that nobody decides.
        auth.stop()
        wait_until(front_end, lambda: more() == 1)


def test_others_run_while_a_callback_waits(kit: Kit, auth: Any, front_end: GreenFrontEnd) -> None:
    mechanism, provider = Curve(kit), Waiting(front_end)
    server = kit.server(mechanism.serve)
    right = mechanism.right("one")
    auth.configure_curve_callback(credentials_provider=provider)
    with auth:
        beside(front_end, lambda: kit.admitted(server, right), lambda: setattr(provider, "answer", True))
        assert provider.asked == 1
        provider.answer = None
        beside(front_end, lambda: kit.refused(server, right), lambda: setattr(provider, "answer", False))
        assert provider.asked == 2


def test_others_run_while_a_coroutine_is_awaited(kit: Kit, auth: Any, front_end: GreenFrontEnd) -> None:
    mechanism = Curve(kit)
    server = kit.server(mechanism.serve)
    right = mechanism.right("one")
    answers: list[bool] = []

    class Provider:
        async def callback(self, domain: str, key: bytes) -> bool:
            import asyncio

            while not answers:
                await asyncio.sleep(0.001)
            return answers[0]

    auth.configure_curve_callback(credentials_provider=Provider())
    with auth:
        beside(front_end, lambda: kit.admitted(server, right), lambda: answers.append(True))
        answers.clear()
        beside(front_end, lambda: kit.refused(server, right), lambda: answers.append(False))


@pytest.mark.parametrize("when", ["before it began", "while it waits", "in a callback"])
def test_when_it_is_killed_everybody_is_refused(kit: Kit, auth: Any, front_end: GreenFrontEnd, when: str) -> None:
    mechanism, provider = Curve(kit), Waiting(front_end)
    server = kit.server(mechanism.serve)
    auth.configure_curve_callback(credentials_provider=provider)
    auth.start()
    if when == "while it waits":
        front_end.sleep(0.002)
    if when == "in a callback":
        kit.outside.append(kit.client(server, mechanism.right("one"), b"of one who is refused"))
        wait_until(front_end, lambda: provider.asked)
    auth.greenlet.kill()
    wait_until(front_end, lambda: not auth.is_alive())
    if when == "in a callback":
        kit.hear(server)
    assert auth.zap_socket is None
    provider.answer = True
    kit.refused(server, mechanism.right("one"))
    auth.stop()
    kit.refused(server, mechanism.right("one"))
    assert provider.asked == (when == "in a callback")
    with auth:
        kit.admitted(server, mechanism.right("one"))


def test_a_time_out_in_a_callback_refuses_one_and_kills_nobody(
    kit: Kit, auth: Any, front_end: GreenFrontEnd, caplog: pytest.LogCaptureFixture
) -> None:
    mechanism = Curve(kit)
    server = kit.server(mechanism.serve)

    class Slow:
        def callback(self, domain: str, key: bytes) -> bool:
            if key == mechanism.kit.keys_of("one")[0]:
                return True
            with front_end.Timeout(0.001):
                front_end.sleep(60)
            return True

    auth.configure_curve_callback(credentials_provider=Slow())
    with auth:
        kit.refused(server, mechanism.right("two"))
        assert auth.is_alive() and "could not be answered" in caplog.text
        kit.admitted(server, mechanism.right("one"))
    caplog.clear()


def test_stop_ends_a_callback_that_waits(kit: Kit, auth: Any, front_end: GreenFrontEnd) -> None:
    mechanism = Curve(kit)
    server = kit.server(mechanism.serve)
    ended: list[type] = []

    class Provider(Waiting):
        def callback(self, domain: str, key: bytes) -> bool:
            try:
                return super().callback(domain, key)
            except BaseException as error:
                ended.append(type(error))
                raise

    provider = Provider(front_end)
    auth.configure_curve_callback(credentials_provider=provider)
    auth.start()
    kit.outside.append(kit.client(server, mechanism.right("one"), b"of one who is refused"))
    wait_until(front_end, lambda: provider.asked)
    auth.stop()
    assert ended == [greenlet.GreenletExit] and not auth.is_alive()
    kit.hear(server)
    kit.refused(server, mechanism.right("one"))


def test_in_the_hub_of_another_thread(kit: Kit, auth: Any, front_end: GreenFrontEnd) -> None:
    mechanism = Curve(kit)
    server = kit.server(mechanism.serve)
    mechanism.configure(auth)
    over: list[bool] = []

    def run() -> None:
        with auth:
            wait_until(front_end, lambda: over)

    running = front_end.thread(run)
    wait_until(front_end, auth.is_alive)
    kit.refused(server, mechanism.right("three"))
    kit.admitted(server, mechanism.right("one"))
    over.append(True)
    running.get()
    kit.refused(server, mechanism.right("one"))


def test_the_hub_runs_while_a_thread_decides(kit: Kit, context: Any, front_end: GreenFrontEnd) -> None:
    """Its callback blocks that thread, and nobody else."""
    mechanism = Curve(kit)
    server = kit.server(mechanism.serve)
    reader, writer = os.pipe()
    asked: list[bool] = []

    class Provider:
        def callback(self, domain: str, key: bytes) -> bool:
            asked.append(True)
            return os.read(reader, 1) == b"x"

    auth = ThreadAuthenticator(context)
    auth.configure_curve_callback(credentials_provider=Provider())
    right = mechanism.right("one")
    with auth:
        beside(front_end, lambda: kit.admitted(server, right), lambda: os.write(writer, b"x"))
        kit.outside.append(kit.client(server, right, b"of one who is refused"))
        wait_until(front_end, lambda: len(asked) == 2)
        # Also while it is waited for until it ends.
        beside(front_end, auth.stop, lambda: os.write(writer, b"y"))
    os.close(reader)
    os.close(writer)


def test_the_log_of_a_kill_is_quiet(
    any_auth: Any, front_end: GreenFrontEnd, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.INFO):
        any_auth.start()
        front_end.sleep(0.002)
        any_auth.stop()
        front_end.sleep(0.002)
    assert not caplog.records and capfd.readouterr().err == ""


# Programs that are monkeypatched.

STEPS = {
    "import": "import zmq",
    "names": "from zmq.auth.thread import ThreadAuthenticator",
    "framework": "green.patch_world()",
    "zmq": "green.monkey.patch_all()",
}


@pytest.fixture(params=monkeyed.FRAMEWORKS, ids=lambda framework: framework.name)
def framework(request: pytest.FixtureRequest) -> monkeyed.Framework:
    return request.param


@pytest.mark.parametrize("order", list(itertools.permutations(STEPS)), ids="+".join)
def test_a_program_for_threads_in_any_order_of_imports_and_patches(
    framework: monkeyed.Framework, order: tuple[str, ...]
) -> None:
    monkeyed.run(
        framework,
        *(STEPS[step] for step in order),
        """
        import asyncio, os, threading

        class Provider:
            known = set()
            def callback(self, domain, key):
                return key in self.known

        class Slow(Provider):
            async def callback(self, domain, key):
                await asyncio.sleep(0.001)
                return key in self.known

        context = zmq.Context()
        auth = ThreadAuthenticator(context)
        server = context.socket(zmq.PULL)
        server.curve_publickey, server.curve_secretkey = public, _ = zmq.curve_keypair()
        server.curve_server = True
        server.bind("tcp://127.0.0.1:*")
        threads = monkeyed.native_threads()
        auth.start()
        green.wait_until(lambda: len(monkeyed.native_threads() - threads) == 1)

        def client(keys, message):
            socket = context.socket(zmq.PUSH)
            socket.linger, socket.reconnect_ivl = 0, -1
            socket.curve_serverkey = public
            socket.curve_publickey, socket.curve_secretkey = keys
            socket.connect(server.last_endpoint)
            try:
                socket.send(message, zmq.NOBLOCK)
            except zmq.Again:
                pass  # it may have been refused for good already
            return socket

        sockets = [server]
        for provider in (Provider(), Slow()):
            auth.configure_curve_callback("*", provider)
            mine = zmq.curve_keypair()
            provider.known.add(mine[0])
            for _ in range(2):
                sockets.append(client(zmq.curve_keypair(), b"of one who is refused"))
                # While it waits others run.
                assert green.beside(server.recv, lambda: sockets.append(client(mine, b"sentinel"))) == b"sentinel"
        auth.stop()
        assert not auth.is_alive()
        monitor = server.get_monitor_socket(zmq.EVENT_HANDSHAKE_FAILED_AUTH)
        green.beside(monitor.recv_multipart, lambda: sockets.append(client(mine, b"of one who is refused")))
        auth.start()
        assert green.beside(server.recv, lambda: sockets.append(client(mine, b"sentinel"))) == b"sentinel"
        auth.stop()
        server.disable_monitor()
        sockets.append(monitor)
        for socket in sockets:
            socket.close()
        context.term()
        """,
    )


def test_one_in_a_greenlet_in_a_program_that_is_monkeypatched(framework: monkeyed.Framework) -> None:
    monkeyed.run(
        framework,
        """
        green.patch_world()
        green.monkey.patch_all()
        import importlib
        import zmq

        auth_class = importlib.import_module(f"{green.front_end}.auth").GreenAuthenticator
        context = zmq.Context()
        with auth_class(context) as auth:
            auth.configure_plain("*", {"me": "secret"})
            server, client, stranger = (context.socket(kind) for kind in (zmq.PULL, zmq.PUSH, zmq.PUSH))
            server.plain_server = True
            server.bind("tcp://127.0.0.1:*")

            def come(socket, password):
                socket.linger, socket.reconnect_ivl = 0, -1
                socket.plain_username, socket.plain_password = b"me", password
                socket.connect(server.last_endpoint)
                try:
                    socket.send(password, zmq.NOBLOCK)
                except zmq.Again:
                    pass  # it may have been refused for good already

            come(stranger, b"wrong")
            assert green.beside(server.recv, lambda: come(client, b"secret")) == b"secret"
            for socket in (server, client, stranger):
                socket.close()
        context.term()
        """,
    )
