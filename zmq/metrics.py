"""What the sockets of this process did, as metrics: for Prometheus, or as plain values for anything else.

Lives here: which metrics there are, and how they are handed out. What must not: counting, which is done in
`zmq.core`. `prometheus_client` is imported when a `Collector` is asked for its metrics, and not before.

There is nothing to switch on. What was counted is looked at when it is asked for; nobody waits for anything, so it may
be asked for in any thread, greenlet or event loop, and while a hub is stuck. Sockets of all front-ends are in it.

Labels are the name that a program gave a socket, and its type; never addresses, which may be without number.
The first 500 names have samples of their own; all later ones share those of the name ``(others)``. Counters never go
backwards in the life of a process: what a socket counted stays in the sum of its name and type when it is closed or
gets another name. The child of a fork begins with nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from zmq.core import statistics
from zmq.core.constants import SocketType
from zmq.core.context import _living_contexts
from zmq.core.sockets.life import _open_sockets
from zmq.core.waiting import counters, trampoline, who_waits

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric

__all__ = ["Collector", "collect"]

#: Which numbers of `Socket.counters` a metric has, by the value of its label `way`, if it has that label.
_COUNTED = {
    "zmq_socket_sent_messages_total": {"": "messages_sent"},
    "zmq_socket_sent_bytes_total": {"": "bytes_sent"},
    "zmq_socket_received_messages_total": {"": "messages_received"},
    "zmq_socket_received_bytes_total": {"": "bytes_received"},
    "zmq_socket_again_total": {"send": "send_again", "receive": "receive_again"},
    "zmq_socket_waits_total": {"send": "send_waits", "receive": "receive_waits"},
    "zmq_socket_wait_seconds_total": {"send": "send_wait_seconds", "receive": "receive_wait_seconds"},
    "zmq_socket_longest_wait_seconds": {"send": "longest_send_wait", "receive": "longest_receive_wait"},
}

#: What each metric is. Those that end in ``_total`` only grow.
_HELP = {
    "zmq_socket_sent_messages_total": "Whole messages that libzmq took to send",
    "zmq_socket_sent_bytes_total": "Bytes of all frames that libzmq took to send",
    "zmq_socket_received_messages_total": "Whole messages received",
    "zmq_socket_received_bytes_total": "Bytes of all frames received",
    "zmq_socket_again_total": "Calls that raised Again: they may not wait, or their time ran out",
    "zmq_socket_waits_total": "Calls that had to wait, and have ended",
    "zmq_socket_wait_seconds_total": "For how long calls that have ended had to wait",
    "zmq_socket_longest_wait_seconds": "For how long the call waited that waited longest",
    "zmq_socket_connections_total": "Connections of sockets whose peers are watched",
    "zmq_socket_refused_total": "Connections that came to no terms, of sockets whose peers are watched",
    "zmq_sockets_open": "Sockets that are open",
    "zmq_contexts_open": "Contexts that are not terminated",
    "zmq_waiting": "Calls that wait now",
    "zmq_longest_waiting_seconds": "For how long the call waits now that waits longest",
    "zmq_parked_total": "Calls that began to wait in a hub or an event loop",
    "zmq_woken_total": "Calls that were woken in a hub or an event loop",
    "zmq_expired_total": "Calls whose time ran out in a hub or an event loop",
    "zmq_vain_total": "Wake-ups after which the call had to wait on",
    "zmq_yields_total": "Calls that need not wait and let others run",
    "zmq_deferred_total": "Wake-ups that were put off to a later turn of the hub",
    "zmq_missed_total": "Wake-ups that only the sweep alarm noticed",
}


def _type_name(number: int) -> str:
    try:
        return SocketType(number).name
    except ValueError:
        return str(number)


def _sample(value: float, **labels: str) -> dict[str, Any]:
    return {"labels": labels, "value": value}


def _counted() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the samples of what sockets count, with the names of their metrics."""
    for (number, name), numbers in counters.totals().items():
        labels = {"name": name or "", "type": _type_name(number)}
        for metric, ways in _COUNTED.items():
            for way, key in ways.items():
                yield metric, _sample(numbers[key], **labels, **({"way": way} if way else {}))
        if numbers["peers"] is not None:
            for event, count in numbers["peers"].items():
                if event != "refused":
                    yield "zmq_socket_connections_total", _sample(count, **labels, event=event)
            for reason, count in numbers["peers"]["refused"].items():
                yield "zmq_socket_refused_total", _sample(count, **labels, reason=reason)


def _open(sockets: list[tuple[Any, ...]]) -> Iterator[tuple[str, dict[str, Any]]]:
    counts: dict[tuple[str, str], int] = {}
    for socket, _, name, *_ in sockets:
        key = counters.name_of_total(name) or "", _type_name(socket.type)
        counts[key] = counts.get(key, 0) + 1
    for (name, kind), count in counts.items():
        yield "zmq_sockets_open", _sample(count, name=name, type=kind)
    yield "zmq_contexts_open", _sample(len(_living_contexts()))


def _waiting(sockets: list[tuple[Any, ...]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield who waits now; of one socket with its name and type."""
    known, names = {}, {}
    for socket, address, name, *_ in sockets:
        # Classes of programs may have a `name` of their own.
        known[address], names[id(socket)] = socket, name
    found: dict[tuple[str, str, str], list[float]] = {}
    for entry in (*who_waits.blocked_threads(), *who_waits.parked_greenlets(), *trampoline.waiters(known)):
        what = entry["waits_for"]
        polled = what if hasattr(what, "socket_type") else None
        named = counters.name_of_total(names.get(id(polled))) or ""
        key = named, "" if polled is None else _type_name(polled.type), entry["action"] or "other"
        found.setdefault(key, []).append(entry["seconds"])
    for (name, kind, action), seconds in found.items():
        yield "zmq_waiting", _sample(len(seconds), name=name, type=kind, action=action)
        yield "zmq_longest_waiting_seconds", _sample(max(seconds), name=name, type=kind, action=action)


def _of_the_process() -> Iterator[tuple[str, dict[str, Any]]]:
    for key, value in statistics.counts().items():
        yield f"zmq_{key}_total", _sample(value)


def collect() -> dict[str, dict[str, Any]]:
    """Return all metrics, as values that `json.dumps` takes.

    Returns
    -------
    dict of str to dict
        By name, which ends in the unit, and in ``_total`` where it only grows. Each has

        ``type``
            ``"counter"`` or ``"gauge"``.
        ``help``
            What it is.
        ``samples``
            A list of dicts: ``labels``, a dict of str to str; ``value``, a number.

    Notes
    -----
    Labels are ``name`` and ``type`` of sockets, both empty where a call waits for no single socket; ``way``, ``"send"``
    or ``"receive"``; ``action``, as in `zmq.statistics`, or ``"other"``; ``event`` and ``reason``, as in
    `Socket.counters`.

    Examples
    --------
    >>> sent = zmq.metrics.collect()["zmq_socket_sent_messages_total"]["samples"]
    >>> {sample["labels"]["name"]: sample["value"] for sample in sent}
    {'orders': 12}
    """
    found: dict[str, dict[str, Any]] = {
        name: {"type": "counter" if name.endswith("_total") else "gauge", "help": text, "samples": []}
        for name, text in _HELP.items()
    }
    sockets = _open_sockets()
    for samples in (_counted(), _open(sockets), _waiting(sockets), _of_the_process()):
        for name, sample in samples:
            found[name]["samples"].append(sample)
    return found


class Collector:
    """A collector for `prometheus_client`, which ``pip install greenzmq[metrics]`` installs as well.

    Parameters
    ----------
    registry : prometheus_client.CollectorRegistry, optional
        Where to register it at once, such as `prometheus_client.REGISTRY`.

    Raises
    ------
    ValueError
        The registry has another one.

    Examples
    --------
    >>> zmq.metrics.Collector(prometheus_client.REGISTRY)
    >>> prometheus_client.start_http_server(9090, "127.0.0.1")
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        if registry is not None:
            registry.register(self)

    def describe(self) -> Iterable[Metric]:
        """Yield the metrics without samples, for a registry that looks whether two have the same name."""
        return self._families({name: [] for name in _HELP})

    def collect(self) -> Iterable[Metric]:
        """Yield the metrics, for a registry."""
        return self._families({name: metric["samples"] for name, metric in collect().items()})

    def _families(self, found: dict[str, list[dict[str, Any]]]) -> Iterator[Metric]:
        from prometheus_client.metrics_core import Metric

        for name, samples in found.items():
            counts = name.endswith("_total")
            family = Metric(name.removesuffix("_total"), _HELP[name], "counter" if counts else "gauge")
            for sample in samples:
                family.add_sample(name, sample["labels"], sample["value"])
            yield family
