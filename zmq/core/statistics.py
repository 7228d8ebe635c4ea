"""What the sockets of this process are, and who waits for what: for whoever looks for what holds a program up.

Lives here: `statistics`, put together of what every part counts and lists. What must not: how those who wait are seen
(`zmq.core.inspection.who`). Called by users, and by `zmq.core.inspection`.
"""

from __future__ import annotations

import os
from contextlib import suppress

from zmq.core.constants import SocketType
from zmq.core.context import Context, _living_contexts
from zmq.core.inspection import who
from zmq.core.socket import Socket
from zmq.core.sockets.life import _open_sockets
from zmq.core.waiting import budget, deferred_turns, sweep_alarm, trampoline, who_waits

TYPE_CHECKING = False  # `typing` takes longer to import than all the rest

if TYPE_CHECKING:
    from typing import Any


def statistics(objects: bool = False) -> dict[str, Any]:
    """Tell what the sockets of this process are, who waits for what, and what those who waited did so far.

    Parameters
    ----------
    objects : bool
        Whether to have the objects themselves where there is something that stands for them. Without it every value is
        one that `json.dumps` takes.

    Returns
    -------
    dict
        These keys, whatever the front-ends are:

        ``pid``
            The process.
        ``parked``, ``woken``, ``expired``
            How many calls began to wait in a hub or an event loop, were woken, and ran out of time.
        ``vain``
            Wake-ups after which the call had to wait on.
        ``yields``
            Calls that never wait and let the hub run because their budget was used up.
        ``deferred``
            How many that were woken, or let others run, had to wait for a later turn of the hub because the budget of
            that one was used up.
        ``missed``
            Wake-ups that only the sweep alarm noticed, within 3 seconds, or a minute where code of others swallowed
            them; a number other than 0 is a bug, if there is no such code.
        ``waiting``
            A dict for each greenlet and each call of `zmq.asyncio` that waits now, in this thread or another.
        ``blocked``
            A dict for each plain call that blocks its native thread; in a program of greenlets there should be none.
        ``sockets``
            A dict for each socket that is open.
        ``contexts``
            A dict for each context that is not terminated.

        Each dict of ``waiting`` and ``blocked``:

        ``kind``
            ``"greenlet"``; ``"task"``; ``"future"``, where no task is known that awaits it; ``"thread"``.
        ``waiter``
            The address of the greenlet, task or future, as its `repr` has it; None for a thread. *The object.*
        ``name``
            Of the greenlet, task or thread; None where it has none.
        ``thread``, ``thread_name``
            The native thread, as `threading.get_ident` says it; its name, None where `threading` does not know it.
        ``function``, ``file``, ``line``
            Where it waits: the innermost call that is none of 0MQ's or the framework's; None where that can't be seen.
        ``begun``
            A dict of ``function``, ``file`` and ``line`` where it was begun, or None: gevent tells that.
        ``action``
            ``"receive"``, ``"send"``, ``"poll"``, ``"term"``, ``"proxy"``, ``"tracker"``, or ``"descriptor"`` for what
            the package waits for itself.
        ``waits_for``
            A text for people that names it. *The Socket; the list of what is polled or relayed; the Context; or what
            was lent to libzmq.*
        ``sockets``
            The addresses of the sockets that it waits for, as in ``sockets`` below. *The objects.*
        ``context``
            The address of the context that is to end, or None. *The object.*
        ``descriptors``
            The native descriptors that are polled, also those of objects that have a ``fileno``.
        ``fd``, ``events``
            For one socket in a hub: its descriptor, and `POLLIN` or `POLLOUT`; else None and 0.
        ``route``
            The peer that a message is for, where that matters: text, or hexadecimal digits after ``0x``; or None.
            *bytes.*
        ``seconds``
            For how long.

        Each dict of ``sockets``:

        ``socket``
            Its address, as its `repr` has it. *The object.*
        ``name``
            See `Socket.name`.
        ``type``
            Such as ``"ROUTER"``; a number as text where it has no name.
        ``class``
            With its module.
        ``context``
            The address of its context, or None. *The object.*
        ``bound``, ``connected``
            The addresses where it is, without users and passwords.
        ``shadows``
            How many shadows it has.
        ``in_proxy``
            Whether a proxy has it to itself.
        ``counters``
            See `Socket.counters`.

        Each dict of ``contexts``: ``context``, its address, *the object*; ``name``; ``class``; ``sockets``, how many of
        its sockets are open; ``ends``, whether it is being terminated.
    """
    sockets = _sockets()
    known = {address: entry["socket"] for address, entry in sockets.items()}
    waiting = [*who_waits.parked_greenlets(), *trampoline.waiters(known)]
    found = {
        "pid": os.getpid(),
        **counts(),
        "waiting": [_who_waits(entry, sockets) for entry in waiting],
        "blocked": [_who_waits(entry, sockets) for entry in who_waits.blocked_threads()],
        "sockets": list(sockets.values()),
        "contexts": [
            {
                "context": context,
                "name": name,
                "class": _class_name(context),
                "sockets": len(context._sockets),
                "ends": ends,
            }
            for context, name, ends in _living_contexts()
        ],
    }
    return found if objects else _plain(found)


def counts() -> dict[str, int]:
    """Return how often what happened to calls of this process that wait, or let others run; see `statistics`."""
    return {
        **trampoline.counts(),
        "yields": budget.yields(),
        "deferred": deferred_turns.deferred(),
        "missed": sweep_alarm.missed(),
    }


def _class_name(found: object) -> str:
    from zmq.core.context import public_name

    return public_name(type(found))


def _sockets() -> dict[int, dict[str, Any]]:
    """Return what is shown of each open socket, by the address of its handle."""
    return {
        address: {
            "socket": socket,
            "name": name,
            "type": socket.type.name if isinstance(socket.type, SocketType) else str(socket.type),
            "class": _class_name(socket),
            "context": socket.context,
            "bound": bound,
            "connected": connected,
            "shadows": shadows,
            "in_proxy": owned,
            # A class of the program may have something else of that name.
            "counters": Socket.counters(socket),
        }
        for socket, address, name, bound, connected, shadows, owned in _open_sockets()
        if not socket.closed
    }


def _who_waits(entry: dict[str, Any], sockets: dict[int, dict[str, Any]]) -> dict[str, Any]:
    """Return what is shown of one who waits."""
    what = entry["waits_for"]
    whose = who.waiter(entry["waiter"], entry["thread"])
    place = who.own_place(whose.stack)
    begun = who.own_place(whose.begun)
    several = what if isinstance(what, list) else [what]
    polled = [each for each in several if hasattr(each, "socket_type")]
    context = what if isinstance(what, Context) else None
    action = entry["action"]
    if action is None:
        action = "term" if context is not None else "proxy" if polled else "descriptor"
        if action == "descriptor" and not isinstance(what, int):
            action = "tracker"
    return {
        "kind": whose.kind,
        "waiter": whose.what,
        "name": whose.name,
        "thread": entry["thread"],
        "thread_name": who.thread_name(entry["thread"]),
        "function": None if place is None else place.function,
        "file": None if place is None else place.file,
        "line": None if place is None else place.line,
        "begun": None if begun is None else begun.plain(),
        "action": action,
        "waits_for": what,
        "sockets": polled,
        "context": context,
        "descriptors": [fd for fd in map(_descriptor_of, several) if fd is not None],
        "fd": entry["fd"],
        "events": entry["events"],
        "route": entry["route"],
        "seconds": entry["seconds"],
    }


def _descriptor_of(polled: Any) -> int | None:
    """Return the descriptor that is polled, also that of an object that has one; None of all else."""
    if isinstance(polled, int):
        return polled
    if hasattr(polled, "socket_type"):
        return None
    with suppress(Exception):
        # It may be anybody's code, and the object may have been closed.
        found = polled.fileno()
        if isinstance(found, int) and found >= 0:
            return found
    return None


# The form without objects.


def _plain(found: dict[str, Any]) -> dict[str, Any]:
    """Put what stands for them in the place of the objects."""
    known = {id(each["socket"]): each for each in found["sockets"]}
    for entry in (*found["waiting"], *found["blocked"]):
        entry["waits_for"] = shown(entry, [known[id(each)] for each in entry["sockets"] if id(each) in known])
        entry["waiter"] = _address(entry["waiter"])
        entry["sockets"] = [_address(socket) for socket in entry["sockets"]]
        entry["context"] = _address(entry["context"])
        entry["route"] = None if entry["route"] is None else shown_bytes(entry["route"])
    for entry in found["sockets"]:
        entry["socket"] = _address(entry["socket"])
        entry["context"] = _address(entry["context"])
    for entry in found["contexts"]:
        entry["context"] = _address(entry["context"])
    return found


def _address(found: object) -> str | None:
    """Return what stands for an object: its address, as its repr has it."""
    return None if found is None else hex(id(found))


def shown_socket(entry: dict[str, Any]) -> str:
    """Return how a socket is named to people."""
    name = f"{entry['name']!r}" if entry["name"] is not None else f"at {_address(entry['socket'])}"
    text = f"{entry['type']} {name}"
    if entry["bound"]:
        text += f" bound to {', '.join(entry['bound'])}"
    if entry["connected"]:
        text += f"{' and' if entry['bound'] else ''} connected to {', '.join(entry['connected'])}"
    return text


def shown(entry: dict[str, Any], sockets: list[dict[str, Any]]) -> str:
    """Return what one waits for, to people; of an entry that has the objects, as have those of the `sockets`."""
    context = entry["context"]
    if context is not None:
        name = f"{context.name!r}" if isinstance(context.name, str) else f"at {_address(context)}"
        return f"the end of Context {name}"
    wanted = {id(socket) for socket in entry["sockets"]}
    texts = {id(each["socket"]): shown_socket(each) for each in sockets if id(each["socket"]) in wanted}
    named = [texts.get(id(socket)) or f"a socket at {_address(socket)}" for socket in entry["sockets"]]
    named += [f"descriptor {fd}" for fd in entry["descriptors"]]
    if named:
        return "; ".join(named)
    return "memory that was lent to libzmq" if entry["action"] == "tracker" else "nothing"


def shown_bytes(data: bytes) -> str:
    """Return an identity as text: as it is where it can be printed, else in hexadecimal digits."""
    text = data.decode("ascii", "replace")
    return text if text.isascii() and text.isprintable() else f"0x{data.hex()}"
