"""Tasks of one loop that talk to each other: one hands over to the other without the bells, in the loop's next turn."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

import zmq
from support import PRELOAD, TESTS
from support.awaiting import CountingSelector, connect, run, run_on, turns, waits
from support.programs import before_libzmq
from zmq.core.futures import loop_hub
from zmq.core.waiting import sweep_alarm

#: Round trips until two trust each other, and some more.
WARM = 60


class Selector(CountingSelector):
    """Counts also what is watched and watched no more, each with a system call."""

    changes = 0

    def register(self, *args: Any, **kwargs: Any) -> Any:
        self.changes += 1
        return super().register(*args, **kwargs)

    def unregister(self, *args: Any, **kwargs: Any) -> Any:
        self.changes += 1
        return super().unregister(*args, **kwargs)

    def modify(self, *args: Any, **kwargs: Any) -> Any:
        self.changes += 1
        return super().modify(*args, **kwargs)


async def answer(socket: Any) -> None:
    while True:
        await socket.send(await socket.recv())


async def ask(socket: Any, number: int) -> None:
    for each in range(number):
        await socket.send(b"%d" % each)
        assert await socket.recv() == b"%d" % each


@pytest.mark.parametrize("kinds", [(zmq.REP, zmq.REQ), (zmq.DEALER, zmq.DEALER), (zmq.PAIR, zmq.PAIR)], ids=str)
def test_a_round_trip_takes_two_turns_and_changes_nothing_that_is_watched(
    context: Any, kinds: tuple[int, int], unhurried: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop_hub, "LINGER", 1000)
    selector = Selector()

    async def main() -> None:
        server, client = connect(context, *kinds)
        task = asyncio.ensure_future(answer(server))
        await ask(client, WARM)
        looks, changes = selector.looks, selector.changes
        await ask(client, 400)
        assert selector.changes == changes
        assert selector.looks - looks <= 2 * 400 + 2
        task.cancel()

    run_on(asyncio.SelectorEventLoop(selector), main())


@pytest.mark.skipif(sys.platform != "linux", reason="counts calls of epoll")
@pytest.mark.parametrize(("kinds", "most"), [("REP REQ", 3), ("DEALER DEALER", 1), ("PAIR PAIR", 1)])
def test_a_round_trip_makes_few_system_calls(kinds: str, most: int, tmp_path: Path) -> None:
    program = f"""
        import asyncio, ctypes, sys
        sys.path.insert(0, {str(TESTS)!r})
        import zmq, zmq.asyncio
        from zmq.core.futures import loop_hub
        from loops.test_tasks_that_hand_over import WARM, answer, ask
        from support.awaiting import connect

        names = ("polls", "waits", "changes")
        counters = [ctypes.c_long.in_dll(ctypes.CDLL(None), name) for name in names]
        zmq.set_budget(0)
        loop_hub.LINGER = 1000
        context = zmq.asyncio.Context()

        async def main():
            server, client = connect(context, *(getattr(zmq, kind) for kind in {kinds!r}.split()))
            task = asyncio.ensure_future(answer(server))
            await ask(client, WARM)
            before = [counter.value for counter in counters]
            await ask(client, 400)
            print(*(counter.value - was for counter, was in zip(counters, before)))
            task.cancel()

        asyncio.run(main())
        context.destroy()
    """
    environment = {**os.environ, "LD_PRELOAD": before_libzmq(PRELOAD / "looks.c", tmp_path)}
    command = [sys.executable, "-c", textwrap.dedent(program)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    polls, waits, changes = map(int, done.stdout.split())
    assert 0 < polls <= 400 * most
    # One in the wait of each of the two.
    assert 0 < waits <= 2 * 400 + 2
    assert changes == 0


def test_one_task_does_not_run_within_another(pair: Any, unhurried: None) -> None:
    """What a task does between a call and its await is before whatever the partner does."""
    order: list[str] = []

    async def serve(socket: Any) -> None:
        while True:
            message = await socket.recv()
            order.append("served")
            await socket.send(message)

    async def main() -> None:
        a, b = pair
        task = asyncio.ensure_future(serve(a))
        for _ in range(WARM):
            order.clear()
            await b.send(b"x")
            future = b.recv()
            order.append("called")
            assert not future.done()
            assert await future == b"x"
            assert order == ["called", "served"]
        task.cancel()

    run(main())


@pytest.mark.parametrize("how", ["says nothing", "is cancelled", "ends"])
def test_who_waits_without_an_attempt_hears_of_others(pair: Any, how: str, unhurried: None) -> None:
    """The partner does not answer, and somebody else's message rings no bell: EVENTS is read before the loop sleeps."""
    missed = sweep_alarm.missed()

    async def main() -> None:
        a, b = pair
        other = zmq.Socket.shadow(a)
        for _ in range(3):
            task = asyncio.ensure_future(answer(a))
            await ask(b, WARM)
            await turns()
            task.cancel()
            await turns()

            async def receive_and_not_answer() -> None:
                await a.recv()
                other.send(b"another")
                if how == "says nothing":
                    await asyncio.sleep(1000)

            # It parks as the partner that is trusted.
            task = asyncio.ensure_future(answer(a))
            await ask(b, WARM)
            task.cancel()
            await turns()
            task = asyncio.ensure_future(receive_and_not_answer())
            await turns()
            await b.send(b"1")
            future = b.recv()
            if how == "is cancelled":
                task.cancel()
                other.send(b"another")
            assert await future == b"another"
            task.cancel()
            await turns()
            if how == "is cancelled":
                assert await a.recv() == b"1"
            assert waits(a) == waits(b) == 0
        assert sweep_alarm.missed() == missed

    run(main())
