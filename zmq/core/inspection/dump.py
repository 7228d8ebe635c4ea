"""`dump`: who waits for what, and where everybody is, as text; and a signal that has it written.

Lives here: what is written and in which order. What must not: how the signal comes to it
(`zmq.core.inspection.dump_signal`), what is seen of those who wait (`zmq.core.inspection.who`). Called by users.

It may run in a native thread while all others stand still, so it waits for nothing and takes no lock: not that of a
file, of `threading` or of `logging`, which may be green ones.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator

from zmq.core import statistics as _statistics
from zmq.core.inspection import who
from zmq.core.inspection.dump_signal import catch, release, write_all
from zmq.core.version import greenzmq_version, zmq_version
from zmq.core.waiting.hub import thread_ident

TYPE_CHECKING = False  # `typing` takes longer to import than all the rest

if TYPE_CHECKING:
    from typing import Any, TextIO

#: Lines of a stack that are shown.
DEPTH = 50


def dump(file: TextIO | None = None) -> None:
    """Write who waits for 0MQ sockets, which sockets there are, and where every thread, greenlet and task is.

    Those of threads, gevent, eventlet and asyncio are in one text. It is for people: `statistics` has the same for
    programs, without the stacks.

    Parameters
    ----------
    file : file, optional
        What has a `write` for text; `sys.stderr` when left out.

    Notes
    -----
    It waits for nothing but `file`, and may be called in any thread and in the handler of a signal. All objects that
    the garbage collector knows are looked at, which takes a fifth of a second for each million; other threads have to
    wait for the GIL meanwhile.
    """
    stream = sys.stderr if file is None else file
    stream.write(text())
    flush = getattr(stream, "flush", None)
    if flush is not None:
        flush()


def install_dump(signum: int, file: TextIO | int | None = None) -> None:
    """Have `dump` written whenever this process gets a signal, whatever its threads and hubs do.

    Parameters
    ----------
    signum : int
        Such as `signal.SIGUSR1`. What was done with the signal before is not done any more.
    file : file or int, optional
        Where to write, through its descriptor, which must stay open: what has `fileno`, or a descriptor; `sys.stderr`,
        or what was this process's standard error, when left out.

    Raises
    ------
    ValueError, OSError
        The signal can't be caught, or `file` has no descriptor.
    RuntimeError
        There are no threads left.

    Notes
    -----
    The handler is C and wakes a native thread, which writes: so it works where Python's own handlers do not, because
    the hub, or the main thread, is stuck in a call that does not come back. Where such a call holds the GIL, too, the
    stacks of the threads are written after 2 seconds, by `faulthandler`, with a word that this is all; the rest follows
    when the GIL is free. The child of a fork answers to the signal as well. `faulthandler` has this signal then, and
    `signal.getsignal` does not know.

    Examples
    --------
    >>> zmq.install_dump(signal.SIGUSR1)
    """
    import linecache  # noqa: F401 - not when everything stands still

    target: TextIO | int = 2 if file is None else file
    if file is None and sys.stderr is not None:
        try:
            sys.stderr.fileno()
            target = sys.stderr
        except (AttributeError, OSError, ValueError):
            # Something that a program put in its place.
            pass
    fd = target if isinstance(target, int) else target.fileno()

    def answer(number: int) -> None:
        try:
            shown = text(f"signal {name_of_signal(number)}")
        except BaseException as error:
            shown = f"==== zmq: the dump failed: {type(error).__name__}: {error}\n"
        write_all(fd, shown.encode("utf-8", "backslashreplace"))

    catch(signum, target, answer)


def uninstall_dump(signum: int) -> bool:
    """Undo `install_dump`: do with a signal what was done with it before.

    Parameters
    ----------
    signum : int

    Returns
    -------
    bool
        Whether it was installed.
    """
    return release(signum)


# The text.


def name_of_signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


def text(why: str | None = None) -> str:
    """Return the dump.

    Parameters
    ----------
    why : str, optional
        What it was asked for by.
    """
    lines: list[str] = []
    failed: list[str] = []
    now = time.strftime("%Y-%m-%d %H:%M:%S")
    lines.append(f"==== zmq: process {os.getpid()} at {now}{f', {why}' if why else ''}")
    python = ".".join(map(str, sys.version_info[:3]))
    lines.append(f"Python {python}, greenzmq {greenzmq_version()}, libzmq {zmq_version()}")
    found: dict[str, Any] = {"waiting": [], "blocked": [], "sockets": [], "contexts": []}
    everybody = who.Everybody()

    def attempt(what: str, function: Callable[[], Iterable[str]]) -> None:
        # What can be told is told, whatever else goes wrong.
        try:
            lines.extend(function())
        except Exception as error:
            failed.append(f"{what}: {type(error).__name__}: {error}")

    def look() -> Iterator[str]:
        found.update(_statistics.statistics(objects=True))
        counts = ", ".join(
            f"{name} {found[name]}" for name in ("parked", "woken", "expired", "vain", "yields", "deferred", "missed")
        )
        yield f"Waits so far: {counts}"

    def look_around() -> Iterator[str]:
        nonlocal everybody
        everybody = who.everybody()
        return iter(())

    attempt("who waits", look)
    attempt("all greenlets and tasks", look_around)
    seen = {id(entry["waiter"]) for entry in found["waiting"]}
    attempt("who waits in hubs", lambda: waits("Waiting in hubs and event loops", found["waiting"], found))
    attempt("who blocks", lambda: waits("Blocking a thread", found["blocked"], found))
    attempt("sockets", lambda: sockets(found))
    attempt("contexts", lambda: contexts(found))
    attempt("threads", threads)
    attempt("greenlets that run", lambda: running(everybody.running))
    attempt("greenlets", lambda: others("Greenlets that wait for something else", everybody.greenlets, seen))
    attempt("tasks", lambda: others("Tasks that wait for something else, or are about to run", everybody.tasks, seen))
    lines.append("")
    lines.append("-- What can't be told")
    lines += [f"failed: {each}" for each in failed]
    lines += unseen(everybody)
    lines.append("==== end")
    return "\n".join(lines) + "\n"


def heading(title: str, items: list[Any]) -> Iterator[str]:
    yield ""
    yield f"-- {title}: {len(items) or 'none'}"


def stack(places: list[who.Place], indent: str = "    ") -> Iterator[str]:
    """Yield the lines of a stack, the innermost call first."""
    import linecache  # takes its time; `install_dump` has it imported before it is needed

    for place in places[:DEPTH]:
        yield f"{indent}{place}"
        source = linecache.getline(place.file, place.line).strip()
        if source:
            yield f"{indent}  {source}"
    if len(places) > DEPTH:
        yield f"{indent}... {len(places) - DEPTH} more"


def begun(found: who.Who) -> Iterator[str]:
    """Yield where one was begun who waits or runs, if that is known."""
    if found.begun:
        yield "    begun at"
        yield from stack(found.begun, "      ")


def title(found: who.Who) -> str:
    """Return how one is called who waits or runs."""
    kind = found.kind if found.kind in ("thread", "future") else type(found.what).__name__
    address = "" if found.what is None else f" at {hex(id(found.what))}"
    return f"{kind}{'' if found.name is None else f' {found.name!r}'}{address}"


def thread_title(ident: int | None) -> str:
    name = who.thread_name(ident)
    return f"thread {ident}" if name is None else f"thread {name!r} ({ident})"


def waits(what: str, entries: list[dict[str, Any]], found: dict[str, Any]) -> Iterator[str]:
    """Yield those who wait for 0MQ, longest first."""
    yield from heading(what, entries)
    for entry in sorted(entries, key=lambda entry: -entry["seconds"]):
        whose = who.waiter(entry["waiter"], entry["thread"])
        place = thread_title(entry["thread"])
        route = "" if entry["route"] is None else f" for the peer {_statistics.shown_bytes(entry['route'])}"
        action = f"{entry['action']}{route}: {_statistics.shown(entry, found['sockets'])}"
        named = place if whose.kind == "thread" else f"{title(whose)} in {place}"
        yield f"{entry['seconds']:.3f} s, {named}, {action}"
        yield from stack(whose.stack)
        yield from begun(whose)


def sockets(found: dict[str, Any]) -> Iterator[str]:
    yield from heading("Sockets", found["sockets"])
    for entry in found["sockets"]:
        extra = f", {entry['shadows']} shadows" if entry["shadows"] else ""
        extra += ", a proxy has it" if entry["in_proxy"] else ""
        context = entry["context"]
        of = "" if context is None else f", of Context {named(context)}"
        yield f"{_statistics.shown_socket(entry)}, {entry['class']}{of}{extra}"
        yield f"    {counted(entry['counters'])}"


def counted(found: dict[str, Any]) -> str:
    """Return what went through a socket."""
    texts = []
    for what, verb in (("send", "sent"), ("receive", "received")):
        text = f"{verb} {found[f'messages_{verb}']} messages of {found[f'bytes_{verb}']} bytes"
        if found[f"{what}_waits"]:
            text += f", waited {found[f'{what}_waits']} times, {found[f'longest_{what}_wait']:.3f} s at most"
        if found[f"{what}_again"]:
            text += f", gave up {found[f'{what}_again']} times"
        texts.append(text)
    peers = found["peers"]
    if peers is not None:
        refused = ", ".join(f"{count} for {reason}" for reason, count in peers["refused"].items() if count)
        texts.append(
            f"connected {peers['connected']}, accepted {peers['accepted']}, ready {peers['ready']}, "
            f"disconnected {peers['disconnected']}, refused {refused or 'none'}"
        )
    return "; ".join(texts)


def named(found: Any) -> str:
    name = getattr(found, "name", None)
    return f"{name!r}" if isinstance(name, str) else f"at {hex(id(found))}"


def contexts(found: dict[str, Any]) -> Iterator[str]:
    yield from heading("Contexts", found["contexts"])
    for entry in found["contexts"]:
        ends = ", is being terminated, which its open sockets hold up" if entry["ends"] else ""
        yield f"Context {named(entry['context'])}, {entry['class']}, {entry['sockets']} sockets open{ends}"


def threads() -> Iterator[str]:
    frames = sys._current_frames()
    yield from heading("Threads", list(frames))
    here = thread_ident()
    for ident in frames:
        yield f"{thread_title(ident)}{', which writes this' if ident == here else ''}"
        yield from stack(who.thread(ident).stack)


def running(found: list[who.Who]) -> Iterator[str]:
    yield from heading("Greenlets that run now, as their threads show", found)
    for each in found:
        yield title(each)
        yield from begun(each)


def others(what: str, found: list[who.Who], seen: set[int]) -> Iterator[str]:
    """Yield those who wait for something else than 0MQ."""
    left = [each for each in found if id(each.what) not in seen]
    yield from heading(what, left)
    for each in left:
        yield title(each)
        yield from stack(each.stack)
        yield from begun(each)


def unseen(everybody: who.Everybody) -> Iterator[str]:
    """Yield what is not there, so that nobody takes it for nothing."""
    yield "The threads of libzmq, and others that have no Python; gdb shows them."
    if everybody.running:
        yield "Which thread runs which of the greenlets that run now."
    if any(not each.begun for each in everybody.greenlets + everybody.running):
        yield "Where greenlets were begun whose framework does not note it, as eventlet and greenlet do not."
    if everybody.tasks:
        yield "Where tasks were begun."
