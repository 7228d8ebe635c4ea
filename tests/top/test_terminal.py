"""The view in a terminal, driven by textual's own driver."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("textual", reason="needs textual: the extra [top]")

from textual.pilot import Pilot
from textual.widgets import DataTable, Static

from support.front_ends import LIMIT
from zmq import inspect
from zmq.inspect import Inspection
from zmq.top.terminal import Details, Top

if TYPE_CHECKING:
    from conftest import Shop

SIZES = [(120, 40), (60, 24)]


def drive(
    path: Path, use: Callable[[Top, Pilot[int]], Coroutine[Any, Any, None]], size: tuple[int, int] = SIZES[0]
) -> None:
    """Start the view, wait until it has looked once, and use it."""

    async def run() -> None:
        with Inspection(path, LIMIT) as inspection:
            # Only asked when a test asks.
            app = Top(inspection, interval=3600)
            async with app.run_test(size=size) as pilot:
                await looked(app, pilot)
                await use(app, pilot)

    asyncio.run(run())


async def looked(app: Top, pilot: Pilot[int]) -> None:
    await app.workers.wait_for_complete()
    await pilot.pause()


async def look_again(app: Top, pilot: Pilot[int]) -> None:
    app.ask()
    await looked(app, pilot)


def shown(app: Top, name: str) -> str:
    return str(app.query_one(f"#{name}", Static).render())


def rows(app: Top, name: str) -> list[list[str]]:
    table: DataTable[Any] = app.query_one(f"#{name}", DataTable)
    return [[str(cell) for cell in table.get_row_at(at)] for at in range(table.row_count)]


@pytest.fixture
def kitchen(shop: Shop) -> Shop:
    shop.hub()
    orders = shop.socket("ROUTER", "orders", bound="inproc://a", messages_received=7, messages_sent=0)
    customer = shop.socket("REQ", "[b]customer[/b]", connected="inproc://a", messages_sent=10, messages_received=0)
    shop.wait(
        "receive",
        customer,
        seconds=20.0,
        waits_for="REQ '[b]customer[/b]'",
        begun={"function": "main", "file": "/srv/shop.py", "line": 80},
    )
    shop.wait("poll", orders, seconds=0.5, waits_for="ROUTER 'orders'")
    return shop


@pytest.mark.parametrize("size", SIZES)
def test_all_is_shown(kitchen: Shop, serve: Callable[[Shop], Path], size: tuple[int, int]) -> None:
    async def use(app: Top, pilot: Pilot[int]) -> None:
        assert shown(app, "head").startswith("4711  python shop.py")
        assert rows(app, "waits") == [
            ["20.0 s", "Greenlet-7", "receive", "shop.py:31 serve", "REQ '[b]customer[/b]'"],
            ["0.5 s", "Greenlet-7", "poll", "shop.py:31 serve", "ROUTER 'orders'"],
        ]
        first, second = rows(app, "sockets")
        assert first[:3] == ["REQ", "[b]customer[/b]", "20.0 s"] and second[:3] == ["ROUTER", "orders", "0.5 s"]
        assert shown(app, "hubs").startswith("gevent in MainThread: runs, answered after 1.0 ms")
        # A name is no markup.
        assert "Nothing" in shown(app, "why") or "customer" in shown(app, "why")
        assert app.query_one("#waits").region.bottom <= size[1] and app.query_one("#sockets").region.bottom <= size[1]
        kitchen.state = kitchen.later(2).state
        kitchen.state["statistics"]["sockets"][1]["counters"]["messages_sent"] = 30
        await look_again(app, pilot)
        assert shown(app, "out-title") == "out/s 10"

    drive(serve(kitchen), use, size)


def test_why_it_hangs(shop: Shop, serve: Callable[[Shop], Path]) -> None:
    stack = [{"function": "read", "file": "/srv/shop.py", "line": 7, "source": "prices.recv()"}]
    hub = shop.hub(answers=False, seconds=3.0, keeper="Greenlet 'prices' at 0x3", stack=stack)

    async def use(app: Top, pilot: Pilot[int]) -> None:
        assert "Greenlet 'prices' at 0x3 keeps it" in shown(app, "why")
        assert "has not run for 3.0 s" in shown(app, "hubs") and "stalls seen: 1" in shown(app, "hubs")
        assert not app.query_one("#causes").has_class("fine")
        await pilot.press("c")
        assert isinstance(app.screen, Details) and "      prices.recv()" in str(app.screen.text)
        await look_again(app, pilot)
        assert isinstance(app.screen, Details)
        await pilot.press("escape")
        hub.update(answers=True, seconds=0.0, keeper=None, stack=[])
        await look_again(app, pilot)
        assert shown(app, "why") == "Nothing seems to hang." and app.query_one("#causes").has_class("fine")
        assert "stalls seen: 1, longest 3.0 s" in shown(app, "hubs")

    drive(serve(shop), use)


def test_keys(kitchen: Shop, serve: Callable[[Shop], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    async def use(app: Top, pilot: Pilot[int]) -> None:
        orders = []
        for _ in range(4):
            await pilot.press("s")
            orders.append(app.query_one("#sockets").border_title)
        assert orders == [f"Sockets: 2, by {key}" for key in ("rate", "queue", "name", "wait")]
        await pilot.press("p")
        assert "paused" in shown(app, "head")
        await look_again(app, pilot)
        assert len(app.looks.history) == 1
        await pilot.press("p", "enter")
        assert isinstance(app.screen, Details)
        assert 'begun at File "/srv/shop.py", line 80, in main' in str(app.screen.text)
        await pilot.press("q", "d")
        await looked(app, pilot)
        assert isinstance(app.screen, Details) and str(app.screen.text).startswith("==== zmq: process")
        await pilot.press("d")
        assert not isinstance(app.screen, Details)
        await pilot.press("q")
        assert app.return_code == 0

    drive(serve(kitchen), use)


def test_an_answer_that_comes_when_the_view_has_ended(kitchen: Shop, serve: Callable[[Shop], Path]) -> None:
    ended: list[Top] = []

    async def use(app: Top, pilot: Pilot[int]) -> None:
        ended.append(app)

    drive(serve(kitchen), use)
    ended[0].note(kitchen.later().state, None)
    ended[0].tell(ended[0].note, kitchen.later().state, None)


def test_a_process_that_ends_and_comes_again(kitchen: Shop, serve: Callable[[Shop], Path]) -> None:
    path = serve(kitchen)

    async def use(app: Top, pilot: Pilot[int]) -> None:
        inspect.stop()
        await look_again(app, pilot)
        assert "has ended" in shown(app, "why") and "NO ANSWER" in shown(app, "head")
        assert rows(app, "waits")  # what was seen last
        inspect.serve(path)
        await look_again(app, pilot)
        assert "has ended" not in shown(app, "why") and "NO ANSWER" not in shown(app, "head")

    drive(path, use)


def test_nothing_in_a_name_commands_the_terminal(shop: Shop, serve: Callable[[Shop], Path]) -> None:
    evil = "x\x1b[2J\n\u202e"
    shop.wait("send", shop.socket("PUSH", evil, connected=evil), name=evil, function=evil, waits_for=evil)

    async def use(app: Top, pilot: Pilot[int]) -> None:
        for table in (app.waits, app.sockets):
            cells = [str(cell) for cell in table.get_row_at(0)]
            assert all(cell.isprintable() for cell in cells) and any("x\\x1b[2J\\n\\u202e" in cell for cell in cells)
        await pilot.press("enter")
        details = app.screen
        assert isinstance(details, Details)
        assert all(line.isprintable() for line in str(details.text).split("\n"))

    drive(serve(shop), use)
