"""Authenticators in event loops: `AsyncioAuthenticator` and `IOLoopAuthenticator`.

`test_auth.py` sees whom the first lets in; here is what the loop has to do with it.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import greenlet
import pytest

import zmq
import zmq.asyncio
from support.auth_kit import LET_OUT, Curve, Kit
from support.front_ends import FRONT_ENDS, LIMIT, FrontEnd, wait_until
from support.programs import run as run_program
from zmq.auth import Authenticator
from zmq.auth.asyncio import AsyncioAuthenticator
from zmq.auth.ioloop import IOLoopAuthenticator
from zmq.auth.thread import ThreadAuthenticator
from zmq.utils.monitor import recv_monitor_message

pytestmark = pytest.mark.skipif(not zmq.has("curve"), reason="this libzmq has no CURVE")


def run(main: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(main, LIMIT))


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.002)


@pytest.fixture(params=[AsyncioAuthenticator, IOLoopAuthenticator], ids=lambda each: each.__name__)
def auth_class(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def front_end() -> FrontEnd:
    """Plain sockets, which block: a loop uses them in another thread."""
    return FRONT_ENDS[0]


@pytest.fixture
def kit(context: Any, tmp_path: Path) -> Kit:
    return Kit(context, zmq, tmp_path)


def secured(context: Any, mechanism: Curve, name: str) -> tuple[Any, Any]:
    """Return a server and a client of the name, connected."""
    server, client = context.socket(zmq.PULL), context.socket(zmq.PUSH)
    mechanism.serve(server)
    server.bind("tcp://127.0.0.1:*")
    client.reconnect_ivl = -1
    mechanism.right(name)(client)
    client.connect(server.last_endpoint)
    return server, client


def test_beside_sockets_of_the_same_loop(auth_class: Any, kit: Kit) -> None:
    mechanism = Curve(kit)

    async def main() -> None:
        context = zmq.asyncio.Context()
        context.linger = 0
        auth = auth_class(context)
        mechanism.configure(auth)
        auth.start()
        assert auth.is_alive() and auth.zap_socket is not None
        server, client = secured(context, mechanism, "one")
        await client.send(b"1")
        assert await server.recv() == b"1"
        wrong, stranger = secured(context, mechanism, "three")
        failed = wrong.get_monitor_socket(zmq.EVENT_HANDSHAKE_FAILED_AUTH)
        await stranger.send(b"of one who is refused")
        assert (await recv_monitor_message(failed))["value"] == 400
        mechanism.right("one")(client)
        client.connect(wrong.last_endpoint)
        client.disconnect(server.last_endpoint)
        await client.send(b"sentinel")
        assert await wrong.recv() == b"sentinel" and not await wrong.poll(0)
        wrong.disable_monitor()
        auth.stop()
        assert not auth.is_alive()
        for socket in (server, client, wrong, stranger, failed):
            socket.close()
        context.term()

    run(main())


def test_the_loop_turns_while_a_callback_is_awaited(auth_class: Any, kit: Kit) -> None:
    mechanism = Curve(kit)
    server = kit.server(mechanism.serve)
    right = mechanism.right("one")

    async def main() -> None:
        loop, asked, answer = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()

        class Provider:
            async def callback(self, domain: str, key: bytes) -> bool:
                assert asyncio.get_running_loop() is loop
                asked.set()
                await answer.wait()
                return True

        with auth_class(kit.context) as auth:
            auth.configure_curve_callback(credentials_provider=Provider())
            admitted = asyncio.create_task(asyncio.to_thread(kit.admitted, server, right))
            await asked.wait()
            for _ in range(5):
                await asyncio.sleep(0)
            answer.set()
            await admitted

    run(main())


def test_one_that_is_stopped_in_the_midst_of_a_callback(auth_class: Any, kit: Kit) -> None:
    mechanism = Curve(kit)
    server = kit.server(mechanism.serve)
    ended: list[bool] = []

    async def main() -> None:
        asked = asyncio.Event()

        class Provider:
            async def callback(self, domain: str, key: bytes) -> bool:
                asked.set()
                try:
                    await asyncio.Event().wait()
                finally:
                    ended.append(True)
                return True

        auth = auth_class(kit.context)
        auth.configure_curve_callback(credentials_provider=Provider())
        auth.start()
        refused = asyncio.create_task(asyncio.to_thread(kit.refused, server, mechanism.right("one")))
        await asked.wait()
        auth.stop()
        await refused
        assert ended == [True]
        mechanism.configure(auth)
        auth.start()
        await asyncio.to_thread(kit.admitted, server, mechanism.right("one"))
        auth.stop()

    run(main())


async def ask(context: Any, auth: Any, error: BaseException, later: bool) -> bytes:
    """Return the status of the answer to a request whose callback lets an error out."""

    class Provider:
        async def callback(self, domain: str, key: bytes) -> bool:
            if later:
                await asyncio.sleep(0)
            raise error

    auth.configure_curve_callback(credentials_provider=Provider())
    with context.socket(zmq.REQ) as asker:
        asker.connect("inproc://zeromq.zap.01")
        await asker.send_multipart([b"1.0", b"1", b"", b"192.0.2.1", b"", b"CURVE", bytes(32)])
        status: bytes = (await asker.recv_multipart())[2]
        return status


@pytest.mark.parametrize("later", [False, True], ids=["at once", "later"])
def test_what_a_callback_lets_out_refuses_one_and_ends_nobody(
    auth_class: Any, later: bool, caplog: pytest.LogCaptureFixture
) -> None:
    errors = [*LET_OUT, greenlet.GreenletExit]
    if hasattr(asyncio.Task, "cancelling"):
        # Of what it waited for. Before Python 3.11 that looks as if the authenticator's task was cancelled.
        errors.append(asyncio.CancelledError)

    async def main() -> None:
        with zmq.asyncio.Context() as context, auth_class(context) as auth:
            for error in errors:
                assert await ask(context, auth, error(), later) == b"500"
                (record,) = caplog.get_records("call")
                assert record.exc_info is not None and record.exc_info[0] is error
                caplog.clear()
            assert auth.is_alive()

    run(main())


def test_start_needs_a_loop(auth_class: Any, kit: Kit) -> None:
    asyncio.set_event_loop(None)
    auth = auth_class(kit.context)
    with pytest.raises(RuntimeError, match="no running event loop"):
        auth.start()
    assert not auth.is_alive() and auth.zap_socket is None
    # And has nothing begun.
    with ThreadAuthenticator(kit.context):
        pass


def test_it_can_be_started_before_its_loop(kit: Kit) -> None:
    mechanism = Curve(kit)
    server = kit.server(mechanism.serve)
    loop = asyncio.new_event_loop()
    auth = AsyncioAuthenticator(kit.context, loop=loop)
    mechanism.configure(auth)
    auth.start()
    loop.run_until_complete(asyncio.to_thread(kit.admitted, server, mechanism.right("one")))
    auth.stop()
    loop.run_until_complete(asyncio.sleep(0))
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


@pytest.mark.parametrize("kind", ["asyncio", "tornado", "zmq.green.eventloop", "zmq.eventlet.eventloop"])
def test_it_can_be_started_before_the_current_loop(auth_class: Any, kit: Kit, kind: str) -> None:
    """Which is not named: who comes meanwhile waits for it."""
    mechanism = Curve(kit)
    server = kit.server(mechanism.serve)
    loop: Any = asyncio.new_event_loop()
    if kind == "asyncio":
        asyncio.set_event_loop(loop)
    else:
        loop.close()
        pytest.importorskip("tornado")
        # From CPython 3.12 on tornado's question for one warns where none was ever set.
        asyncio.set_event_loop(None)
        loop = importlib.import_module("tornado.ioloop" if kind == "tornado" else kind).IOLoop(make_current=True)
    auth = auth_class(kit.context)
    mechanism.configure(auth)
    auth.start()
    client, monitor = kit.client(server, mechanism.right("one"), b"patience")

    async def main() -> None:
        while not server.poll(0):
            await asyncio.sleep(0.002)
        auth.stop()
        await asyncio.sleep(0)

    if kind == "asyncio":
        loop.run_until_complete(asyncio.wait_for(main(), LIMIT))
    else:
        loop.run_sync(main, timeout=LIMIT)
    loop.close()
    asyncio.set_event_loop(None)
    assert server.recv() == b"patience"
    kit.leave(client, monitor)


def test_a_loop_of_tornado(kit: Kit) -> None:
    ioloop = pytest.importorskip("tornado.ioloop")
    mechanism = Curve(kit)
    server = kit.server(mechanism.serve)
    loop = ioloop.IOLoop(make_current=False)
    with pytest.warns(DeprecationWarning, match="io_loop"):
        auth = IOLoopAuthenticator(kit.context, io_loop=loop)
    mechanism.configure(auth)
    auth.start()
    loop.run_sync(lambda: asyncio.to_thread(kit.admitted, server, mechanism.right("one")), timeout=LIMIT)
    auth.stop()
    loop.run_sync(lambda: loop.asyncio_loop.shutdown_default_executor(), timeout=LIMIT)
    loop.close()


@pytest.mark.parametrize("end", ["cancelled", "the loop ends"])
def test_when_its_task_ends_everybody_is_refused(auth_class: Any, kit: Kit, end: str) -> None:
    mechanism = Curve(kit)
    server = kit.server(mechanism.serve)
    auth = auth_class(kit.context)
    mechanism.configure(auth)

    async def main() -> None:
        auth.start()
        await asyncio.to_thread(kit.admitted, server, mechanism.right("one"))
        if end == "cancelled":
            task = next(task for task in asyncio.all_tasks() if task is auth._task)
            task.cancel()
            await until(lambda: not auth.is_alive())

    run(main())
    assert not auth.is_alive() and auth.zap_socket is None
    kit.refused(server, mechanism.right("one"))
    auth.stop()
    kit.refused(server, mechanism.right("one"))
    with ThreadAuthenticator(kit.context) as other:
        other.configure_curve_callback(credentials_provider=CurveKnown(mechanism))
        kit.admitted(server, mechanism.right("one"))


class CurveKnown:
    def __init__(self, mechanism: Curve) -> None:
        self.key = mechanism.kit.keys_of("one")[0]

    def callback(self, domain: str, key: bytes) -> bool:
        return key == self.key


def test_the_loop_runs_in_another_thread(kit: Kit) -> None:
    """And sleeps there, when it is started and when it is stopped."""
    mechanism = Curve(kit)
    server = kit.server(mechanism.serve)
    loop = asyncio.new_event_loop()
    auth = AsyncioAuthenticator(kit.context, loop=loop)
    mechanism.configure(auth)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        for _ in range(3):
            auth.start()
            assert auth.is_alive()
            kit.admitted(server, mechanism.right("one"))
            task = auth._task
            auth.stop()
            assert not auth.is_alive()
            wait_until(FRONT_ENDS[0], task.done)
            kit.refused(server, mechanism.right("one"))
        # It is over before it begins there.
        gate = threading.Event()
        loop.call_soon_threadsafe(gate.wait)
        auth.start()
        auth.stop()
        gate.set()
        kit.refused(server, mechanism.right("one"))
        assert not asyncio.all_tasks(loop)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
    with pytest.raises(RuntimeError, match="closed"):
        auth.start()


def test_a_loop_that_is_thrown_away_refuses(kit: Kit) -> None:
    mechanism = Curve(kit)
    server = kit.server(mechanism.serve)
    loop = asyncio.new_event_loop()
    auth = AsyncioAuthenticator(kit.context, loop=loop)
    mechanism.configure(auth)
    auth.start()
    loop.run_until_complete(asyncio.sleep(0))
    loop.set_exception_handler(lambda loop, context: None)  # it tells of the task that nobody ended
    loop.close()
    auth.stop()
    assert not auth.is_alive()
    kit.refused(server, mechanism.right("one"))


def test_one_that_is_dropped_refuses(kit: Kit) -> None:
    mechanism = Curve(kit)
    server = kit.server(mechanism.serve)
    auth = Authenticator(kit.context)
    auth.start()
    del auth
    gc.collect()
    kit.refused(server, mechanism.right("one"))


def test_to_destroy_the_context_in_the_same_thread_ends_it(auth_class: Any) -> None:
    async def main() -> None:
        for context in (zmq.asyncio.Context(), zmq.Context()):
            auth = auth_class(context)
            auth.start()
            await asyncio.sleep(0)
            context.destroy()
            assert not auth.is_alive() and auth.zap_socket is None
            auth.stop()
        async with zmq.asyncio.Context() as context:
            auth = auth_class(context)
            auth.start()
            auth.stop()
        with pytest.warns(ResourceWarning, match="an authenticator"):
            async with zmq.asyncio.Context() as context:
                auth = auth_class(context)
                auth.start()
        assert context.closed and not auth.is_alive()

    run(main())
    context = zmq.Context()
    by_hand = Authenticator(context)
    by_hand.start()
    context.destroy()
    assert by_hand.zap_socket is None


def test_the_context_that_is_meant_when_none_is_named(auth_class: Any) -> None:
    auth = auth_class()
    assert auth.context is zmq.asyncio.Context.instance()
    auth.context.term()


def test_it_is_configured_in_another_thread(auth_class: Any, kit: Kit) -> None:
    mechanism = Curve(kit)
    server = kit.server(mechanism.serve)

    async def main() -> None:
        with auth_class(kit.context) as auth:
            thread = threading.Thread(target=mechanism.configure, args=(auth,))
            thread.start()
            thread.join()
            await asyncio.to_thread(kit.admitted, server, mechanism.right("one"))

    run(main())


def test_a_forked_child_leaves_the_loop_of_its_parent_alone(front_end: FrontEnd) -> None:
    """The two have one selector."""
    run_program(
        front_end,
        """
        import asyncio, os, tempfile
        from pathlib import Path
        from support.auth_kit import LET_OUT, Curve, Kit
        from zmq.auth.asyncio import AsyncioAuthenticator

        async def main():
            context = zmq.Context()
            with tempfile.TemporaryDirectory() as folder:
                kit = Kit(context, zmq, Path(folder))
                mechanism = Curve(kit)
                auth = AsyncioAuthenticator(context)
                mechanism.configure(auth)
                auth.start()
                server = kit.server(mechanism.serve)
                await asyncio.sleep(0.01)
                pid = os.fork()
                if not pid:
                    auth.stop()
                    os._exit(0)
                assert os.waitpid(pid, 0)[1] == 0
                await asyncio.to_thread(kit.admitted, server, mechanism.right("one"))
                auth.stop()
                server.close()
            await asyncio.to_thread(context.destroy)

        asyncio.run(main())
        """,
    )
