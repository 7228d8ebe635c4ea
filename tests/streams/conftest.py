"""Fixtures of the tests of `ZMQStream`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import zmq


@pytest.fixture
def context(ledger: None) -> Iterator[Any]:
    class KeepingContext(zmq.Context):  # type: ignore[type-arg]
        def socket(self, *args: Any, **kwargs: Any) -> Any:
            kept.append(super().socket(*args, **kwargs))
            return kept[-1]

    kept: list[Any] = []
    context = KeepingContext()
    yield context
    context.destroy(linger=0)
