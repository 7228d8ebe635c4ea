"""`zmq.metrics`: what all sockets did, as plain values and for Prometheus."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

import zmq.metrics as metrics
from support.front_ends import FrontEnd, wait_until
from support.programs import run

Pair = Callable[..., tuple[Any, Any]]


def value(metric: str, **labels: str) -> float:
    samples = metrics.collect()[metric]["samples"]
    return sum(each["value"] for each in samples if labels.items() <= each["labels"].items())


def test_they_are_plain(zmq: ModuleType, pair: Pair) -> None:
    a, b = pair()
    a.send(b"x")
    b.recv()
    found = metrics.collect()
    assert json.loads(json.dumps(found)) == found
    for name, metric in found.items():
        assert metric.keys() == {"type", "help", "samples"} and metric["help"]
        assert (metric["type"] == "counter") == name.endswith("_total")
        keys = [tuple(sorted(sample["labels"].items())) for sample in metric["samples"]]
        assert len(keys) == len(set(keys))


def test_what_sockets_did(zmq: ModuleType, pair: Pair) -> None:
    name = f"metrics of {zmq.__name__}"
    a, b = pair(zmq.PUSH, zmq.PULL, name=name)
    a.send_multipart([b"1", b"22"])
    b.recv_multipart()
    b.rcvtimeo = 1
    with pytest.raises(zmq.Again):
        b.recv()
    assert value("zmq_socket_sent_messages_total", name=name, type="PUSH") == 1
    assert value("zmq_socket_sent_bytes_total", name=name, type="PUSH") == 3
    assert value("zmq_socket_received_messages_total", name=name, type="PULL") == 1
    assert value("zmq_socket_received_bytes_total", name=name, type="PULL") == 3
    assert value("zmq_socket_again_total", name=name, type="PULL", way="receive") == 1
    assert value("zmq_socket_waits_total", name=name, type="PULL", way="receive") == 1
    seconds = value("zmq_socket_wait_seconds_total", name=name, type="PULL", way="receive")
    assert 0 < seconds == value("zmq_socket_longest_wait_seconds", name=name, type="PULL", way="receive")
    assert value("zmq_sockets_open", name=name) == 2
    a.close()
    assert value("zmq_sockets_open", name=name) == 1
    assert value("zmq_socket_sent_messages_total", name=name, type="PUSH") == 1


def test_who_waits_now(front_end: FrontEnd, zmq: ModuleType, pair: Pair) -> None:
    a, b = pair()
    b.name = name = f"waits of {zmq.__name__}"
    for call, action in ((b.recv, "receive"), (b.poll, "poll")):
        task = front_end.spawn(call)
        wait_until(front_end, lambda action=action: value("zmq_waiting", name=name, type="PAIR", action=action) == 1)
        assert value("zmq_longest_waiting_seconds", name=name, action=action) >= 0
        a.send(b"x")
        task.get()
        assert value("zmq_waiting", name=name) == 0
    poller = zmq.Poller()
    poller.register(a, zmq.POLLIN)
    poller.register(b, zmq.POLLOUT)
    b.recv()
    # Of no single socket.
    poller.modify(b, zmq.POLLIN)
    task = front_end.spawn(poller.poll)
    wait_until(front_end, lambda: value("zmq_waiting", name="", type="", action="poll") == 1)
    a.send(b"x")
    task.get()


def test_a_class_with_a_name_of_its_own(front_end: FrontEnd, zmq: ModuleType, context: Any) -> None:
    class Named(zmq.Socket):  # type: ignore[name-defined, misc]
        def name(self) -> str:
            return "own"

    with context.socket(zmq.PULL, socket_class=Named) as socket:
        socket.rcvtimeo = 50
        task = front_end.spawn(pytest.raises, zmq.Again, socket.recv)
        wait_until(front_end, lambda: value("zmq_waiting", name="", type="PULL", action="receive") == 1)
        task.get()


def test_a_registry_of_prometheus(zmq: ModuleType, context: Any) -> None:
    client = pytest.importorskip("prometheus_client")
    parser = pytest.importorskip("prometheus_client.parser")
    registry = client.CollectorRegistry()
    metrics.Collector(registry)
    with pytest.raises(ValueError, match="zmq_socket_sent_messages"):
        metrics.Collector(registry)
    name = f'a "name"\\ of {zmq.__name__}\n'
    with context.socket(zmq.PUB, name=name) as socket:
        socket.send(b"nobody listens")
        page = client.generate_latest(registry).decode()
    found = {family.name: family for family in parser.text_string_to_metric_families(page)}
    assert found.keys() == {each.removesuffix("_total") for each in metrics.collect()}
    (sample,) = [
        each for each in found["zmq_socket_sent_bytes"].samples if each.labels == {"name": name, "type": "PUB"}
    ]
    assert sample.name == "zmq_socket_sent_bytes_total" and sample.value == 14
    assert found["zmq_socket_sent_bytes"].type == "counter" and found["zmq_contexts_open"].type == "gauge"


def test_nothing_is_imported_that_is_not_used(front_end: FrontEnd) -> None:
    run(
        front_end,
        """
        import sys
        import zmq.metrics
        zmq.metrics.collect()
        zmq.metrics.Collector()
        assert "prometheus_client" not in sys.modules
        """,
    )
