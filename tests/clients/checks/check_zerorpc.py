"""zerorpc: calls, streams and heartbeats between processes."""

from __future__ import annotations

import time

import gevent
import gevent.pool
import pytest
import zerorpc

from support import Program, free_ports, program


@pytest.fixture(scope="module", params=["tcp", "ipc"])
def endpoint(request, tmp_path_factory):
    if request.param == "tcp":
        address = f"tcp://127.0.0.1:{free_ports()[0]}"
    else:
        address = f"ipc://{tmp_path_factory.mktemp('zerorpc')}/socket"
    with program("zerorpc_server.py", address) as server:
        server.wait_for("ready")
        yield address


@pytest.fixture
def client(endpoint):
    client = zerorpc.Client(endpoint, heartbeat=1, timeout=20)
    yield client
    client.close()


@pytest.fixture
def mortal():
    """A server for one check, that may be killed, and its endpoint."""
    address = f"tcp://127.0.0.1:{free_ports()[0]}"
    server = Program("zerorpc_server.py", address)
    server.wait_for("ready")
    yield server, address
    server.kill()


def test_call(client):
    assert client.echo("hello") == "hello"


def test_many_calls(client):
    assert [client.echo(i) for i in range(500)] == list(range(500))


def test_large_arguments(client):
    assert len(client.echo("x" * 3_000_000)) == 3_000_000


def test_exception(client):
    with pytest.raises(zerorpc.RemoteError, match="on purpose"):
        client.fail()


def test_unknown_method(client):
    with pytest.raises(zerorpc.RemoteError):
        client.nothing()


def test_calls_of_greenlets(client):
    pool = gevent.pool.Pool(50)
    assert sorted(pool.map(client.echo, range(300))) == list(range(300))


def test_slow_calls_at_once(client):
    begun = time.monotonic()
    greenlets = [gevent.spawn(client.sleep, 1) for _ in range(20)]
    assert [greenlet.get() for greenlet in greenlets] == ["slept"] * 20
    assert time.monotonic() - begun < 5


def test_asynchronous_call(client):
    assert client.echo("later", **{"async": True}).get() == "later"


def test_heartbeat(client):
    """A call that takes longer than the heartbeat is kept alive by it."""
    assert client.sleep(5) == "slept"


def test_time_out(endpoint):
    client = zerorpc.Client(endpoint, heartbeat=1, timeout=1)
    with pytest.raises(zerorpc.TimeoutExpired):
        client.sleep(10)
    client.close()


def test_stream(client):
    assert list(client.count(1000)) == list(range(1000))


def test_slow_reader(client):
    """More than the buffer of a channel holds, while the heartbeat goes on."""
    received = []
    for number in client.count(300):
        received.append(number)
        if number % 100 == 0:
            gevent.sleep(1.2)
    assert received == list(range(300))


def test_stream_that_fails(client):
    received = []
    with pytest.raises(zerorpc.RemoteError, match="in the stream"):
        for number in client.count_and_fail(5):
            received.append(number)
    assert received == list(range(5))


def test_stream_left(client):
    stream = client.count(100_000)
    assert next(iter(stream)) == 0
    stream.close()
    assert client.echo("still there") == "still there"


def test_streams_at_once(client):
    pool = gevent.pool.Pool(10)
    assert pool.map(lambda end: sum(client.count(end)), [200] * 10) == [sum(range(200))] * 10


def test_introspection(client):
    assert "echo" in client._zerorpc_list()
    assert client._zerorpc_help("echo") == "Return what was given."


def test_killed_server(mortal):
    server, address = mortal
    client = zerorpc.Client(address, heartbeat=1, timeout=30)
    call = gevent.spawn(client.sleep, 20)
    gevent.sleep(0.5)
    server.kill()
    begun = time.monotonic()
    with pytest.raises(zerorpc.LostRemote):
        call.get()
    assert time.monotonic() - begun < 10
    client.close()


def test_killed_server_in_a_stream(mortal):
    server, address = mortal
    client = zerorpc.Client(address, heartbeat=1, timeout=30)
    stream = iter(client.count(1_000_000))
    assert next(stream) == 0
    server.kill()
    with pytest.raises(zerorpc.LostRemote):
        for _ in stream:
            pass
    client.close()


def test_server_started_again(mortal):
    server, address = mortal
    client = zerorpc.Client(address, heartbeat=1, timeout=20)
    assert client.echo(1) == 1
    server.kill()
    with program("zerorpc_server.py", address) as again:
        again.wait_for("ready")
        assert client.echo(2) == 2
        client.close()


def test_server_that_comes_late():
    address = f"tcp://127.0.0.1:{free_ports()[0]}"
    client = zerorpc.Client(address, heartbeat=2, timeout=20)
    call = gevent.spawn(client.echo, "early")
    gevent.sleep(0.5)
    with program("zerorpc_server.py", address):
        assert call.get() == "early"
        client.close()


def test_ended_by_a_signal(mortal):
    server, address = mortal
    client = zerorpc.Client(address, heartbeat=1, timeout=20)
    assert client.echo(1) == 1
    client.close()
    assert server.stop() == -15


def test_server_and_client_in_one_process():
    class Service:
        def double(self, value):
            return 2 * value

    server = zerorpc.Server(Service(), heartbeat=1)
    server.bind("inproc://double")
    running = gevent.spawn(server.run)
    client = zerorpc.Client("inproc://double", heartbeat=1)
    assert client.double(21) == 42
    client.close()
    server.stop()
    running.join(10)
    assert running.dead
    server.close()


def test_server_that_calls_another():
    class Front:
        def __init__(self, back):
            self.back = back

        def ask(self, value):
            return self.back.answer(value)

    class Back:
        def answer(self, value):
            gevent.sleep(0.01)
            return value + 1

    first, second = (f"tcp://127.0.0.1:{port}" for port in free_ports(2))
    back = zerorpc.Server(Back(), heartbeat=1)
    back.bind(first)
    middle = zerorpc.Client(first, heartbeat=1)
    front = zerorpc.Server(Front(middle), heartbeat=1)
    front.bind(second)
    running = [gevent.spawn(server.run) for server in (back, front)]
    client = zerorpc.Client(second, heartbeat=1)
    assert gevent.pool.Pool(20).map(client.ask, range(100)) == list(range(1, 101))
    client.close()
    front.stop()
    middle.close()
    back.stop()
    gevent.joinall(running, timeout=10)
    for server in (front, back):
        server.close()


def test_push_and_pull():
    received = []

    class Sink:
        def take(self, value):
            received.append(value)

    (port,) = free_ports()
    puller = zerorpc.Puller(Sink())
    puller.bind(f"tcp://127.0.0.1:{port}")
    running = gevent.spawn(puller.run)
    pusher = zerorpc.Pusher()
    pusher.connect(f"tcp://127.0.0.1:{port}")
    for number in range(200):
        pusher.take(number)
    with gevent.Timeout(20):
        while len(received) < 200:
            gevent.sleep(0.01)
    assert received == list(range(200))
    puller.stop()
    running.join(10)
    pusher.close()
    puller.close()


def test_publish_and_subscribe():
    received = []

    class Listener:
        def hear(self, value):
            received.append(value)

    (port,) = free_ports()
    publisher = zerorpc.Publisher()
    publisher.bind(f"tcp://127.0.0.1:{port}")
    subscriber = zerorpc.Subscriber(Listener())
    subscriber.connect(f"tcp://127.0.0.1:{port}")
    running = gevent.spawn(subscriber.run)
    with gevent.Timeout(20):
        while not received:
            publisher.hear("news")
            gevent.sleep(0.05)
    subscriber.stop()
    running.join(10)
    publisher.close()
    subscriber.close()
