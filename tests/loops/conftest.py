"""Fixtures of the tests of `zmq.asyncio`. Tests of streams have contexts of their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import zmq
import zmq.asyncio as za
from support.awaiting import connect
from support.every_loop import WAYS, Ways


@pytest.fixture
def context(ledger: None) -> Iterator[Any]:
    class KeepingContext(za.Context):
        def socket(self, *args: Any, **kwargs: Any) -> Any:
            kept.append(super().socket(*args, **kwargs))
            return kept[-1]

    kept: list[Any] = []
    context = KeepingContext()
    yield context
    context.destroy(linger=0)


@pytest.fixture
def pair(context: Any) -> Any:
    return connect(context)


@pytest.fixture
def unhurried() -> Iterator[None]:
    """No budget: nobody yields, however long the machine takes."""
    before = zmq.get_budget()
    zmq.set_budget(0)
    yield
    zmq.set_budget(before)


@pytest.fixture(params=WAYS)
def ways(request: pytest.FixtureRequest) -> Ways:
    """Every kind of event loop."""
    return Ways(request.param)


@pytest.fixture
def push_pull(ways: Ways, ledger: None) -> Iterator[Any]:
    context = ways.module.Context()
    pair = connect(context, zmq.PUSH, zmq.PULL)
    yield pair
    for socket in pair:
        socket.close()
    context.term()
