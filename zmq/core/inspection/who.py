"""Who waits: the name of a greenlet, a task or a thread, where it is in the program, and where it was begun.

Lives here: what can be seen of them from outside, in whatever thread. What must not: frameworks, which are known by
what their objects have; what is waited for. Nothing here waits, takes a lock or raises: what can't be told is None.
Called by `zmq.core.statistics` and by its neighbours.
"""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial
from itertools import chain, compress, starmap

from zmq.core import native_threads

TYPE_CHECKING = False  # `typing` takes longer to import than all the rest

if TYPE_CHECKING:
    from typing import Any

#: Packages whose functions say nothing of a program.
FRAMEWORKS = ("asyncio", "eventlet", "gevent", "greenlet", "tornado", "uvloop", "zmq")

#: How many futures wait for each other, at most, between a call of ours and the task that awaits it.
DEPTH = 6


class Place:
    """A line of a program.

    Parameters
    ----------
    function : str
        Its name, qualified where Python knows that of code.
    file : str
    line : int
    module : str
        The name of the module, empty where it is not known.
    """

    __slots__ = ("file", "function", "line", "module")

    def __init__(self, function: str, file: str, line: int, module: str) -> None:
        self.function = function
        self.file = file
        self.line = line
        self.module = module

    def plain(self) -> dict[str, str | int]:
        """Return it as `zmq.statistics` has it."""
        return {"function": self.function, "file": self.file, "line": self.line}

    def __str__(self) -> str:
        return f'File "{self.file}", line {self.line}, in {self.function}'


class Who:
    """One who waits, or runs.

    Parameters
    ----------
    kind : str
        ``"greenlet"``, ``"task"``, ``"future"`` or ``"thread"``.
    what : object
        The greenlet, the task, the future; None for a thread.
    name : str, optional
    stack : list of Place
        Where it is, the innermost call first; empty where that can't be seen.
    begun : list of Place
        Where it was begun, the innermost call first; empty where the framework does not say.
    """

    __slots__ = ("begun", "kind", "name", "stack", "what")

    def __init__(
        self, kind: str, what: Any, name: str | None, stack: list[Place] | None = None, begun: list[Place] | None = None
    ) -> None:
        self.kind = kind
        self.what = what
        self.name = name
        self.stack = stack or []
        self.begun = begun or []


def place_of(frame: Any) -> Place:
    """Return where a frame is, or what has its `f_code`, such as gevent's notes of where a greenlet was begun."""
    code = frame.f_code
    names = getattr(frame, "f_globals", None) or {}
    name = getattr(code, "co_qualname", code.co_name)
    return Place(name, code.co_filename, frame.f_lineno or 0, str(names.get("__name__", "")))


def stack_of(frame: Any) -> list[Place]:
    """Return a frame and those that called it."""
    found = []
    while frame is not None:
        found.append(place_of(frame))
        frame = frame.f_back
    return found


def own_place(stack: Iterable[Place]) -> Place | None:
    """Return the innermost call of the program's own, or of anybody's where it has none."""
    places = list(stack)
    for place in places:
        if place.module.partition(".")[0] not in FRAMEWORKS:
            return place
    return places[0] if places else None


# Threads.


def thread_name(ident: int | None) -> str | None:
    """Return the name of a native thread, where it is known; without the lock that `threading` has for that."""
    known = getattr(threading, "_active", {}).get(ident)
    if known is not None:
        return str(known.name)
    return None if ident is None else native_threads.name_of(ident)


def thread(ident: int) -> Who:
    """Describe a native thread."""
    frame = sys._current_frames().get(ident)
    return Who("thread", None, thread_name(ident), stack_of(frame))


# Greenlets.


def greenlet(parked: Any) -> Who:
    """Describe a greenlet that does not run."""
    name = None
    with suppress(Exception):
        # gevent makes it up when it is asked for.
        name = getattr(parked, "name", None)
        if name is None and parked.parent is None:
            name = "main"
    frame = getattr(parked, "gr_frame", None)
    begun: Any = None
    with suppress(Exception):
        begun = getattr(parked, "spawning_stack", None)
    return Who("greenlet", parked, name if isinstance(name, str) else None, stack_of(frame), stack_of(begun))


# Tasks.


def is_task(found: Any) -> bool:
    return hasattr(type(found), "get_coro") and hasattr(type(found), "get_stack")


def is_future(found: Any) -> bool:
    return hasattr(type(found), "add_done_callback") and hasattr(found, "_callbacks")


def concerned(callback: Any) -> Iterator[Any]:
    """Yield what a callback of a future has to do with: what it is a method of, was given, or encloses."""
    yield getattr(callback, "__self__", None)
    if isinstance(callback, partial):
        yield from callback.args
        yield from concerned(callback.func)
    for cell in getattr(callback, "__closure__", None) or ():
        with suppress(ValueError):  # an empty one
            yield cell.cell_contents


def task_behind(future: Any, depth: int = DEPTH) -> Any:
    """Return the task that waits for a future, straight or by others such as those of `asyncio.wait`, or None."""
    if depth == 0:
        return None
    for entry in getattr(future, "_callbacks", None) or ():
        for found in concerned(entry[0] if isinstance(entry, tuple) else entry):
            if found is None or found is future:
                continue
            if is_task(found):
                return found
            if is_future(found):
                task = task_behind(found, depth - 1)
                if task is not None:
                    return task
    return None


def stack_of_task(task: Any) -> list[Place]:
    """Return where a task waits: the coroutines that await each other."""
    found: list[Place] = []
    step = task.get_coro()
    for _ in range(1000):
        frame = None
        for kind in ("cr", "gi", "ag"):
            frame = frame or getattr(step, f"{kind}_frame", None)
        if frame is None:
            break
        found.insert(0, place_of(frame))
        awaited = None
        for name in ("cr_await", "gi_yieldfrom", "ag_await"):
            awaited = awaited or getattr(step, name, None)
        step = awaited
    return found


def task(found: Any) -> Who:
    """Describe a task."""
    name = None
    stack = []
    with suppress(Exception):
        name = found.get_name()
    with suppress(Exception):
        stack = stack_of_task(found)
    return Who("task", found, name if isinstance(name, str) else None, stack)


def waiter(found: Any, ident: int | None) -> Who:
    """Describe one who waits.

    Parameters
    ----------
    found : object
        A greenlet, a task, or a future of ours; None for a plain call that blocks its thread.
    ident : int
        Of the native thread.
    """
    if found is None:
        return Who("thread", None, None) if ident is None else thread(ident)
    # Not isinstance: our futures say that they are asyncio's, and what a class says may be anybody's code.
    if is_task(found):
        return task(found)
    if is_future(found):
        behind = task_behind(found)
        return Who("future", found, None) if behind is None else task(behind)
    return greenlet(found)


# All that there are.


class Everybody:
    """The greenlets and tasks of this process that have begun and not ended: lists of `Who`.

    `running` has the greenlets that a thread runs now: what they do is on the thread's stack.
    """

    __slots__ = ("greenlets", "running", "tasks")

    def __init__(self) -> None:
        self.greenlets: list[Who] = []
        self.running: list[Who] = []
        self.tasks: list[Who] = []


def with_subclasses(kinds: Iterable[type]) -> list[type]:
    """Return classes and all that are derived of them; nothing of what these say of themselves is called."""
    found = list(kinds)
    seen = set(map(id, found))  # the hash of a class may be anybody's code
    for kind in found:
        derived: type
        for derived in type.__subclasses__(kind):
            if id(derived) not in seen:
                seen.add(id(derived))
                found.append(derived)
    return found


def instances(kinds: Iterable[type]) -> list[Any]:
    """Return the objects of some classes, and of none derived of them, among all that the garbage collector knows.

    All other objects are let go of before the next line of Python runs. While somebody holds them all and other threads
    run, what these forget is finalized in the wrong thread, and the making of a tuple there fails, as CPython takes it
    for one that is shared. Not isinstance: what an object says of its class may be anybody's code.
    """
    wanted = set(map(id, kinds))
    everything: list[Any] = []
    # Nothing of this is done before the last line, which does all of it in C, one after the other.
    fill = map(everything.extend, starmap(gc.get_objects, ((),)))
    found = compress(everything, map(wanted.__contains__, map(id, map(type, everything))))
    clear = starmap(everything.clear, ((),))
    return list(chain(filter(None, fill), found, filter(None, clear)))


def everybody() -> Everybody:
    """Find all greenlets and tasks, of all threads, among the objects that the garbage collector knows.

    No framework has a list of them all, and what each has may be in the midst of a change.
    """
    found = Everybody()
    greenlet_module, asyncio = sys.modules.get("greenlet"), sys.modules.get("asyncio")
    greenlets = (greenlet_module.greenlet,) if greenlet_module is not None else ()
    tasks = (asyncio.Task, asyncio.tasks._PyTask) if asyncio is not None else ()
    kinds = with_subclasses((*greenlets, *tasks))
    for each in instances(kinds) if kinds else ():
        kind = type(each)
        with suppress(Exception):
            if greenlets and issubclass(kind, greenlets):
                if each.dead or (not each and each.gr_frame is None):
                    continue
                (found.running if each.gr_frame is None else found.greenlets).append(greenlet(each))
            elif tasks and issubclass(kind, tasks) and not each.done():
                found.tasks.append(task(each))
    return found
