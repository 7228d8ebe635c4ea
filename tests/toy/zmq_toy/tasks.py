"""toy's greenlets as tasks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import toy
from toy import Task as Task


def spawn(function: Callable[..., Any], *args: Any) -> Task:
    return Task(function, *args)


def when_ended(task: Task, callback: Callable[[], object]) -> None:
    task.link(callback)


def kill(task: Task) -> None:
    task.kill()


def join(task: Task) -> None:
    task.join()


def patch() -> None:
    """Do nothing: the toy has nothing to put in the place of the standard library."""


def in_every_hub(function: Callable[[], object]) -> None:
    toy.get_loop().call_soon(function)
    toy.beginnings.append(function)
