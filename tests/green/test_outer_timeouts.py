"""The framework's own time-out around every call that may wait, which are the rows of the greenness table.

It is raised as itself, and what it interrupted can be used as if nothing had happened: the same call then waits again,
and gets what it waits for.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import zmq as plain
from support.front_ends import GreenFrontEnd
from support.greenness_table import auth, calls_that_wait, devices, ssh  # noqa: F401
from support.greenness_table.row import TABLE, Row, Scene


def is_wanted(row: Row) -> bool:
    if row.prepare is None or row.end is None or row.case == "closed":
        # Those that end by themselves or by a close wait as the others do.
        return False
    # These close on their way out what would be needed again.
    return not row.name.startswith("decorators.")


# However long it takes to come to it, what is interrupted is the wait: before that nobody lets the hub run.
@pytest.mark.usefixtures("no_budget")
@pytest.mark.parametrize("row", [row for row in TABLE if is_wanted(row)], ids=str)
def test_it_is_raised_as_itself_and_the_call_can_be_made_again(
    row: Row, green: GreenFrontEnd, zmq: ModuleType, context: Any, tmp_path: Path
) -> None:
    scene = Scene(green, zmq, context, tmp_path)
    assert row.prepare is not None

    def call() -> Any:
        try:
            return row.call(scene, *things)
        except plain.ZMQBaseError as error:
            return type(error)

    try:
        things = row.prepare(scene)
        timeout = green.Timeout(0.003)
        with pytest.raises(green.Timeout) as caught, timeout:
            call()
        assert caught.value is timeout
        calling = scene.start(call)
        scene.tasks.remove(calling)
        if row.end is not None:
            row.end(scene, *things)
        assert calling.get() == row.gives
        scene.close()
    finally:
        scene.clean_up()
