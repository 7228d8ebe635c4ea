"""Warnings of what takes long: waits, contexts that do not end, high-water marks that were hit, hubs that do not run.

Lives here: the looks, and the native thread that makes them, which is there while somebody asked for warnings. What
must not: what is seen of those who wait (`zmq.core.inspection.who`). Called by users.

Nothing is measured where messages are sent and received: whoever waits is listed anyway, and since when. A hub is asked
to answer, as any other thread may, and if it does not, its thread is looked at.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial

from zmq.core import statistics as _statistics
from zmq.core.constants import SocketOption
from zmq.core.error import ZMQError
from zmq.core.inspection import dump, keepers, who
from zmq.core.native_threads import NativeLock, NativeSignal, NativeThread
from zmq.core.waiting.hub import Hub, living_hubs

TYPE_CHECKING = False  # `typing` takes longer to import than all the rest

if TYPE_CHECKING:
    from typing import Any

#: Seconds for which there was no room to send until that is a warning.
HWM_SECONDS = 1.0
#: Between two looks at those who wait, at most, and at least between any two.
LONGEST_PAUSE, SHORTEST_PAUSE = 0.25, 0.005
#: Seconds by which two looks at the same wait may disagree about its beginning.
BLUR = 0.01

logger = logging.getLogger("zmq")


class Asked:
    """A hub that was asked to answer."""

    def __init__(self, since: float) -> None:
        self.since = since
        self.answered = False
        self.is_told = False

    def answer(self) -> None:
        self.answered = True


class Watch:
    """What is looked for, and what was told already.

    Parameters
    ----------
    wait : float
        Seconds after which a wait, or the end of a context, takes long; 0: whatever it takes is fine.
    hub : float
        Seconds after which a hub takes long; 0 as well.
    """

    def __init__(self, wait: float = 0, hub: float = 0) -> None:
        self.wait = wait
        self.hub = hub
        self.told: dict[object, float] = {}
        self.asked: dict[Hub, Asked] = {}

    def pause(self) -> float:
        """Return the seconds until the next look."""
        pause = LONGEST_PAUSE
        for limit in (self.wait, self.hub):
            if limit:
                pause = min(pause, limit / 4)
        return max(pause, SHORTEST_PAUSE)

    def look(self, now: float) -> list[tuple[str, Hub | None]]:
        """Return what is to be told now: each wait and each stall once.

        Parameters
        ----------
        now : float
            Seconds of the monotonic clock.

        Returns
        -------
        list of (str, Hub or None)
            The text, and the hub that is concerned.
        """
        found: list[tuple[str, Hub | None]] = []
        if self.wait:
            found += [(text, None) for text in self.slow_waits(now)]
        if self.hub:
            found += self.slow_hubs(now)
        return found

    # Waits.

    def slow_waits(self, now: float) -> Iterator[str]:
        found = _statistics.statistics(objects=True)
        told, self.told = self.told, {}
        for entry in (*found["waiting"], *found["blocked"]):
            since = now - entry["seconds"]
            about = (id(entry["waiter"]), entry["thread"], entry["action"])
            for kind, limit in (("wait", self.wait), ("room", HWM_SECONDS)):
                if entry["seconds"] < limit or entry["action"] == "descriptor":
                    continue
                if kind == "room" and (entry["action"] != "send" or not entry["sockets"]):
                    continue
                key = (kind, *about)
                before = told.get(key)
                self.told[key] = since
                if before is None or abs(before - since) > BLUR:
                    yield self.slow_wait(entry, found) if kind == "wait" else self.no_room(entry, found)

    def slow_wait(self, entry: dict[str, Any], found: dict[str, Any]) -> str:
        action = entry["action"]
        if action == "term":
            context = entry["context"]
            left = [each for each in found["sockets"] if each["context"] is context]
            # Without any what was sent is still going out, or a socket is somebody else's.
            held = "; ".join(map(_statistics.shown_socket, left)) or "none, but what was sent may still go out (LINGER)"
            name = dump.named(context)
            return f"Context {name}: term() is held up for {entry['seconds']:.3f} s by open sockets: {held}"
        text = _statistics.shown(entry, found["sockets"])
        return f"{self.waiter(entry)} waits for {entry['seconds']:.3f} s ({action}): {text}{self.place(entry)}"

    def no_room(self, entry: dict[str, Any], found: dict[str, Any]) -> str:
        socket = entry["sockets"][0]
        try:
            mark = f"the high-water mark (SNDHWM={socket.get(SocketOption.SNDHWM)}) is reached, or no peer is there"
        except ZMQError:
            mark = "the high-water mark is reached, or no peer is there"
        peer = "" if entry["route"] is None else f" to the peer {_statistics.shown_bytes(entry['route'])}"
        text = _statistics.shown(entry, found["sockets"])
        return f"{text}: no room to send{peer} for {entry['seconds']:.3f} s: {mark}{self.place(entry)}"

    def waiter(self, entry: dict[str, Any]) -> str:
        thread = dump.thread_title(entry["thread"])
        if entry["waiter"] is None:
            return thread
        return f"{dump.title(who.waiter(entry['waiter'], entry['thread']))} in {thread}"

    def place(self, entry: dict[str, Any]) -> str:
        if entry["file"] is None:
            return ""
        return f', at File "{entry["file"]}", line {entry["line"]}, in {entry["function"]}'

    # Hubs.

    def slow_hubs(self, now: float) -> Iterator[tuple[str, Hub | None]]:
        hubs = living_hubs()
        for hub in [hub for hub in self.asked if hub not in hubs]:
            del self.asked[hub]
        for hub in hubs:
            asked = self.asked.get(hub)
            if asked is not None and not asked.answered and hub.is_running():
                if not asked.is_told and now - asked.since >= self.hub:
                    asked.is_told = True
                    yield self.slow_hub(hub, now - asked.since), hub
                continue
            if asked is not None and asked.is_told and asked.answered:
                thread = dump.thread_title(hub.thread)
                yield f"the hub of {thread} runs again, after {now - asked.since:.3f} s", hub
            self.asked.pop(hub, None)
            if hub.is_running():
                asked = self.asked[hub] = Asked(now)
                try:
                    hub.call_soon_threadsafe(asked.answer)
                except Exception:
                    # It was closed just now.
                    del self.asked[hub]

    def slow_hub(self, hub: Hub, seconds: float) -> str:
        keeper = keepers.keeper(hub, living_hubs())
        by = "" if keeper is None else f" by {dump.title(keeper)}"
        lines = "\n".join(dump.stack(who.thread(hub.thread).stack))
        thread = dump.thread_title(hub.thread)
        return f"the hub of {thread} did not run for {seconds:.3f} s; it is kept{by} at\n{lines}"


# Telling.


def is_native(lock: object) -> bool:
    return lock is None or type(lock).__module__ == "_thread"


def takes_green_locks() -> bool:
    """Tell whether logging was monkeypatched: its locks may be had in the thread of a hub only."""
    found = [getattr(logging, "_lock", None)]
    source: logging.Logger | None = logger
    while source is not None:
        found += [handler.lock for handler in source.handlers]
        source = source.parent if source.propagate else None
    return not all(is_native(lock) for lock in found)


def log_in_greenlet(text: str) -> None:
    """Log in a greenlet of its own, which may wait; called in the hub."""
    # There, that has been imported.
    sys.modules["greenlet"].greenlet(partial(logger.warning, "%s", text)).switch()


def tell(text: str, hub: Hub | None) -> None:
    """Log a warning, from the native thread where that is safe; or else in the hub, once it runs."""
    if not takes_green_locks():
        logger.warning("%s", text)
        return
    hubs = living_hubs() if hub is None else [hub]
    for each in hubs:
        if each.is_running() and each.asyncio_loop() is None:
            each.call_soon_threadsafe(partial(log_in_greenlet, text))
            return
    logger.warning("%s", text)


# The thread.


class Watcher:
    """The native thread, which is there while something is watched."""

    def __init__(self) -> None:
        self.watch = Watch()
        self.signal: NativeSignal | None = None
        self.lock = NativeLock()

    def change(self, **limits: float) -> None:
        with self.lock:
            watch = Watch(self.watch.wait, self.watch.hub)
            for name, seconds in limits.items():
                setattr(watch, name, seconds)
            self.watch = watch
            if not (watch.wait or watch.hub):
                self.stop()
            elif self.signal is None:
                self.start()
            else:
                self.signal.wake()

    def start(self) -> None:
        self.signal = NativeSignal()
        NativeThread(partial(self.run, self.signal), name="zmq.watch").start()

    def stop(self) -> None:
        signal, self.signal = self.signal, None
        if signal is not None:
            signal.set()

    def run(self, signal: NativeSignal, tell: Callable[[str, Hub | None], None] = tell) -> None:
        failed = False
        try:
            while self.signal is signal:
                watch = self.watch
                signal.wait(watch.pause())
                signal.drain()
                if self.signal is not signal or self.watch is not watch:
                    continue
                try:
                    for text, hub in watch.look(time.monotonic()):
                        tell(text, hub)
                except Exception as error:
                    # Once; the next look may see more.
                    if not failed:
                        failed = True
                        tell(f"a look at those who wait failed: {type(error).__name__}: {error}", None)
        finally:
            signal.close()

    def forked(self) -> None:
        """In the child of a fork, which has not the thread."""
        self.lock = NativeLock()
        watch = self.watch = Watch(self.watch.wait, self.watch.hub)
        if self.signal is not None:
            self.signal.close()
            self.signal = None
            if watch.wait or watch.hub:
                self.start()


_watcher = Watcher()
os.register_at_fork(after_in_child=_watcher.forked)


def checked(seconds: float | None) -> float:
    if seconds is not None and not seconds >= 0:
        raise ValueError(f"{seconds!r}: it must be 0 seconds or more, or None")
    return float(seconds or 0)


def set_slow_wait(seconds: float | None) -> None:
    """Have a warning logged when somebody waits for 0MQ for long; off until it is called.

    The logger is ``zmq``. Each wait is told of once, with its socket, who waits, and where in the program: greenlets,
    tasks and threads. So is `Context.term` that is held up, with the sockets that are open; and whoever waits for room
    to send for a second, as a high-water mark that was hit has it, whatever `seconds` are.

    Parameters
    ----------
    seconds : float, optional
        After which a wait takes long. 0 or None turns the warnings off.

    Raises
    ------
    ValueError
        `seconds` is negative.

    Notes
    -----
    A native thread looks now and then, so that a send or receive costs nothing more. Where `logging` was monkeypatched
    records are written in a hub, once it runs.
    """
    _watcher.change(wait=checked(seconds))


def set_slow_hub(seconds: float | None) -> None:
    """Have a warning logged when a hub or an event loop does not run for long, with who keeps it; off until called.

    The logger is ``zmq``. It has the stack of the thread while the hub does not run, and another record when it runs
    again. Looked at is each hub and each loop in which something has waited for 0MQ.

    Parameters
    ----------
    seconds : float, optional
        After which a hub takes long. 0 or None turns the warnings off.

    Raises
    ------
    ValueError
        `seconds` is negative.

    Notes
    -----
    As for `set_slow_wait`. The native thread has each hub answer it, four times in that time.
    """
    _watcher.change(hub=checked(seconds))
