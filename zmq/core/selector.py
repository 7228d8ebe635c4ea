"""`Selector`: a selector for asyncio's event loops that waits in a hub, so that other greenlets run meanwhile."""

from __future__ import annotations

import selectors
from collections.abc import Mapping
from typing import Any

from zmq.core.constants import PollEvent
from zmq.core.poll import Poller

POLLIN, POLLOUT = int(PollEvent.POLLIN), int(PollEvent.POLLOUT)


class Selector(selectors.BaseSelector):
    """Wait for descriptors as a poller does.

    Parameters
    ----------
    poller_class : type
        A green `Poller`.
    """

    def __init__(self, poller_class: type[Poller]) -> None:
        self.poller = poller_class()
        self.keys: dict[int, selectors.SelectorKey] = {}

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        fd = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        if fd in self.keys:
            raise KeyError(f"{fileobj!r} (FD {fd}) is already registered")
        flags = POLLIN * bool(events & selectors.EVENT_READ) | POLLOUT * bool(events & selectors.EVENT_WRITE)
        if not flags or events & ~(selectors.EVENT_READ | selectors.EVENT_WRITE):
            raise ValueError(f"Invalid events: {events!r}")
        self.poller.register(fd, flags)
        self.keys[fd] = key = selectors.SelectorKey(fileobj, fd, events, data)
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        fd = self._find(fileobj)
        self.poller.unregister(fd)
        return self.keys.pop(fd)

    def _find(self, fileobj: Any) -> int:
        for fd, key in self.keys.items():
            if fileobj == fd or key.fileobj is fileobj:
                return fd
        raise KeyError(f"{fileobj!r} is not registered")

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        milliseconds = None if timeout is None else max(0.0, timeout) * 1000
        found = []
        for fd, flags in self.poller.poll(milliseconds):
            key = self.keys.get(fd)
            if key is not None:
                # An error is readable and writable, as the calls that meet it say.
                failed = flags & ~(POLLIN | POLLOUT)
                events = selectors.EVENT_READ if flags & POLLIN or failed else 0
                events |= selectors.EVENT_WRITE if flags & POLLOUT or failed else 0
                found.append((key, events & key.events))
        return found

    def close(self) -> None:
        for fd in list(self.keys):
            self.unregister(fd)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return FileObjects(self)


class FileObjects(Mapping[Any, selectors.SelectorKey]):
    """The keys of a selector by file object or descriptor."""

    def __init__(self, selector: Selector) -> None:
        self.selector = selector

    def __len__(self) -> int:
        return len(self.selector.keys)

    def __getitem__(self, fileobj: Any) -> selectors.SelectorKey:
        return self.selector.keys[self.selector._find(fileobj)]

    def __iter__(self) -> Any:
        return iter(self.selector.keys)
