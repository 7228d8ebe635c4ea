"""Fixtures of the tests that need a hub, and what every one of them is checked for besides."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import zmq as plain
from support.front_ends import GREEN_FRONT_ENDS, GreenFrontEnd, let_timers_go_off, settle


@pytest.fixture(params=GREEN_FRONT_ENDS, ids=lambda front_end: front_end.name)
def green(request: pytest.FixtureRequest) -> Iterator[GreenFrontEnd]:
    """A front-end with a hub, in which a test leaves nothing armed."""
    front_end: GreenFrontEnd = request.param
    # So that all that is counted now and afterwards is new.
    settle()
    before = front_end.armed()
    yield front_end
    let_timers_go_off(front_end)
    assert front_end.armed() <= before, "something is still armed"


@pytest.fixture
def no_budget() -> Iterator[None]:
    """Let no call yield that need not wait: for tests in which others run only when somebody waits."""
    budget = plain.get_budget()
    plain.set_budget(0)
    yield
    plain.set_budget(budget)


@pytest.fixture
def front_end(green: GreenFrontEnd) -> GreenFrontEnd:
    """What the fixtures of the whole suite build on."""
    return green
