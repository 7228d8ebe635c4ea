"""Why a process may hang: what it says of itself, put together into sentences.

Lives here: what follows from who waits for what, which sockets are connected, and what went through them. What must
not: how it is shown. Called by `zmq.top.command`, `zmq.top.tables`, `zmq.top.text`.

Seen are the sockets of one process. A cause is certain, or it is a hint: what an idle program may look like as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

#: Seconds after which a wait is looked at.
PATIENCE = 1.0
#: Those that send to each other only in turns.
IN_TURNS = ("REQ", "REP")
PUBLISHERS, SUBSCRIBERS = ("PUB", "XPUB"), ("SUB", "XSUB")

Cause = dict[str, Any]


def cause(kind: str, text: str, stack: list[dict[str, Any]] | None = None, certain: bool = True) -> Cause:
    return {"kind": kind, "text": text, "stack": stack or [], "certain": certain}


def name_of(socket: dict[str, Any]) -> str:
    """Return how a socket is called here: by its type and name."""
    if socket["name"] is not None:
        return f"{socket['type']} {socket['name']!r}"
    where = ", ".join([*socket["bound"], *socket["connected"]]) or socket["socket"]
    return f"{socket['type']} at {where}"


def place_of(entry: dict[str, Any]) -> str:
    return "" if entry["file"] is None else f', at File "{entry["file"]}", line {entry["line"]}, in {entry["function"]}'


def seconds(number: float) -> str:
    return f"{number:.1f} s" if number < 100 else f"{number:,.0f} s"


def counters(socket: dict[str, Any]) -> dict[str, Any]:
    """Return what went through a socket; nothing where the process does not count."""
    found = socket.get("counters")
    return found if isinstance(found, dict) else {}


class Findings:
    """What one look, and the one before, say.

    Parameters
    ----------
    state : dict
        As `zmq.inspect.ask` returns it.
    before : dict, optional
        The look before.
    patience : float
        Seconds after which a wait is looked at.
    """

    def __init__(self, state: dict[str, Any], before: dict[str, Any] | None, patience: float) -> None:
        self.state = state
        self.patience = patience
        found = state["statistics"]
        self.waits: list[dict[str, Any]] = [*found["waiting"], *found["blocked"]]
        self.blocked: list[dict[str, Any]] = found["blocked"]
        self.sockets: dict[str, dict[str, Any]] = {each["socket"]: each for each in found["sockets"]}
        self.contexts: list[dict[str, Any]] = found["contexts"]
        self.before = {each["socket"]: each for each in before["statistics"]["sockets"]} if before else {}
        #: The sockets by where they are.
        self.places: dict[str, dict[str, list[dict[str, Any]]]] = {"bound": {}, "connected": {}}
        for kind, places in self.places.items():
            for each in found["sockets"]:
                for endpoint in each[kind]:
                    places.setdefault(endpoint, []).append(each)
        #: Who waits for each socket.
        self.waiters: dict[str, list[dict[str, Any]]] = {}
        for entry in self.waits:
            for address in entry["sockets"]:
                self.waiters.setdefault(address, []).append(entry)

    def peers(self, socket: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the sockets of this process that are connected with one."""
        found = {}
        for ours, theirs in (("bound", "connected"), ("connected", "bound")):
            for endpoint in socket[ours]:
                for other in self.places[theirs].get(endpoint, ()):
                    if other is not socket:
                        found[other["socket"]] = other
        return list(found.values())

    def receives(self, socket: dict[str, Any]) -> float | None:
        """Return for how many seconds somebody has waited to receive from a socket; None: nobody does."""
        found = [each["seconds"] for each in self.waiters.get(socket["socket"], ()) if each["action"] != "send"]
        return max(found, default=None)

    def all(self) -> list[Cause]:
        found = [*self.hubs(), *self.ends(), *self.waits_of_sockets(), *self.unanswered(), *self.slow_subscribers()]
        return sorted(found, key=lambda each: not each["certain"])

    # Hubs.

    def hubs(self) -> Iterator[Cause]:
        told = set()
        for hub in self.state["hubs"]:
            if hub["answers"] is not False or not hub["runs"]:
                continue
            plain = [entry for entry in self.blocked if entry["thread"] == hub["thread"]]
            told.add(hub["thread"])
            # The hub was asked only when somebody looked.
            lasts = max([hub["seconds"], *(entry["seconds"] for entry in plain)])
            who = hub["keeper"] or "its thread"
            what = f", in a plain call that waits for {plain[0]['waits_for']}" if plain else ""
            remedy = self.remedy(hub["framework"]) if plain else ""
            yield cause(
                "hub",
                f"The hub of thread {hub['thread_name'] or hub['thread']!r} ({hub['framework']}) has not run for at "
                f"least {seconds(lasts)}: {who} keeps it{what}{innermost(hub['stack'])}{remedy}",
                hub["stack"],
                certain=lasts >= self.patience,
            )
        for entry in self.blocked:
            if entry.get("greenlet") and entry["thread"] not in told and entry["seconds"] >= self.patience:
                yield cause(
                    "hub",
                    f"{entry['greenlet']} has blocked thread {entry['thread_name'] or entry['thread']!r} and all its "
                    f"greenlets for {seconds(entry['seconds'])}, in a plain call that waits for {entry['waits_for']}"
                    f"{innermost(entry['stack'])}{self.remedy('')}",
                    entry["stack"],
                )

    def remedy(self, framework: str) -> str:
        module = {"gevent": "zmq.green", "eventlet": "zmq.eventlet", "asyncio": "zmq.asyncio"}.get(framework)
        return f". The socket was made by zmq and should be {module or 'zmq.green'}'s"

    # Contexts.

    def ends(self) -> Iterator[Cause]:
        for entry in self.waits:
            if entry["action"] != "term" or entry["seconds"] < self.patience:
                continue
            left = [each for each in self.sockets.values() if each["context"] == entry["context"]]
            open_ones = ", ".join(map(name_of, left))
            why = (
                f"{open_ones} {'is' if len(left) == 1 else 'are'} still open"
                if left
                else "no socket is open, so what was sent still goes out (LINGER)"
            )
            yield cause(
                "term",
                f"term() has waited for {entry['waits_for']} for {seconds(entry['seconds'])}: {why}{place_of(entry)}",
            )

    # Sockets.

    def waits_of_sockets(self) -> Iterator[Cause]:
        told: set[frozenset[str]] = set()
        for entry in sorted(self.waits, key=lambda entry: -entry["seconds"]):
            if entry["seconds"] < self.patience:
                continue
            for address in entry["sockets"]:
                socket = self.sockets.get(address)
                if socket is None:
                    continue
                if entry["action"] == "send":
                    yield self.no_room(entry, socket)
                    continue
                for peer in self.peers(socket):
                    pair = frozenset((address, peer["socket"]))
                    found = None if pair in told else self.no_message(entry, socket, peer)
                    if found is not None:
                        told.add(pair)
                        yield found

    def no_room(self, entry: dict[str, Any], socket: dict[str, Any]) -> Cause:
        peers = self.peers(socket)
        unread = [peer for peer in peers if self.receives(peer) is None]
        if not peers:
            why = "no peer is there that takes messages, or one in another process does not receive them"
        elif not unread:
            why = "the high-water mark is reached"
        else:
            names = ", ".join(map(name_of, unread))
            why = f"nobody receives from {names}, so the high-water mark is reached"
        return cause(
            "room",
            f"{name_of(socket)} has had no room to send for {seconds(entry['seconds'])}: {why}{place_of(entry)}",
        )

    def no_message(self, entry: dict[str, Any], socket: dict[str, Any], peer: dict[str, Any]) -> Cause | None:
        waits = f"{name_of(socket)} has waited to receive for {seconds(entry['seconds'])}"
        theirs = self.receives(peer)
        kinds = (socket["type"], peer["type"])
        if kinds == ("REQ", "REP") and theirs is not None:
            return cause(
                "step",
                f"{name_of(socket)} has waited for an answer for {seconds(entry['seconds'])}, and {name_of(peer)} for "
                f"a request for {seconds(theirs)}: they are out of step, as the request or its answer was lost. A REQ "
                f"never gets over that: give it REQ_RELAXED, REQ_CORRELATE and a time-out, or make a new one"
                f"{place_of(entry)}",
            )
        if peer["type"] in PUBLISHERS or socket["type"] in PUBLISHERS or kinds == ("REP", "REQ"):
            # Whoever waits there is idle.
            return None
        if theirs is None and peer["type"] not in ("PUSH", "PUB") and not peer["in_proxy"]:
            # A REP that has taken the request does not receive before it has answered.
            works = kinds == ("REQ", "REP")
            may = ": it works on the answer, or nobody does" if works else ""
            return cause(
                "unread",
                f"{waits}, and nobody receives from its peer {name_of(peer)}{may}{place_of(entry)}",
                certain=socket["type"] == "REQ" and not works,
            )
        if theirs is not None and theirs >= self.patience and peer["type"] not in ("PUSH", "PULL"):
            return cause(
                "mutual",
                f"{waits}, and {name_of(peer)} for {seconds(theirs)}: each waits for the other. Both are idle, or what "
                f"one of them sent was forgotten{place_of(entry)}",
                certain=False,
            )
        return None

    # What went through sockets.

    def unanswered(self) -> Iterator[Cause]:
        for socket in self.sockets.values():
            now = counters(socket)
            if socket["type"] != "REQ" or not now or self.waiters.get(socket["socket"]):
                continue
            sent, received = now.get("messages_sent", 0), now.get("messages_received", 0)
            if sent != received + 1:
                # One that has more unanswered requests has REQ_RELAXED, and goes on. What has one may have it, too:
                # libzmq does not tell.
                continue
            yield cause(
                "step",
                f"{name_of(socket)} may be out of step: it sent {sent:,} requests and got {received:,} answers, and "
                f"nobody waits for the next. Without REQ_RELAXED, sending another is an error (EFSM): receive first, "
                f"give it REQ_RELAXED and REQ_CORRELATE, or make a new one",
                certain=False,
            )

    def slow_subscribers(self) -> Iterator[Cause]:
        for socket in self.sockets.values():
            if socket["type"] not in SUBSCRIBERS or not counters(socket) or self.receives(socket) is not None:
                continue
            for peer in self.peers(socket):
                sent = counters(peer).get("messages_sent", 0)
                received = counters(socket).get("messages_received", 0)
                if peer["type"] in PUBLISHERS and sent >= 100 and received < sent / 2:
                    yield cause(
                        "slow",
                        f"{name_of(socket)} received {received:,} of the {sent:,} messages that {name_of(peer)} sent, "
                        f"and nobody receives from it now: it is too slow, or subscribed to few",
                        certain=False,
                    )


def innermost(stack: list[dict[str, Any]]) -> str:
    """Return where somebody is: the innermost line that is not of the interpreter's own."""
    if not stack:
        return ""
    place = stack[0]
    source = f": {place['source']}" if place.get("source") else ""
    return f', at File "{place["file"]}", line {place["line"]}, in {place["function"]}{source}'


def causes(state: dict[str, Any], before: dict[str, Any] | None = None, patience: float = PATIENCE) -> list[Cause]:
    """Return why a process may hang, what is certain first.

    Parameters
    ----------
    state : dict
        As `zmq.inspect.ask` returns it.
    before : dict, optional
        The look before that.
    patience : float
        Seconds after which a wait is looked at.

    Returns
    -------
    list of dict
        ``kind``: ``"hub"``, ``"term"``, ``"room"``, ``"step"``, ``"unread"``, ``"mutual"`` or ``"slow"``; ``text``;
        ``stack``, where somebody keeps a hub; ``certain``, or else it is a hint.
    """
    return Findings(state, before, patience).all()
