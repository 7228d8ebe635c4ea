"""Web services whose requests are answered over `zmq.asyncio`: uvicorn and aiohttp, on asyncio's loop and uvloop."""

from __future__ import annotations

import signal
import socket
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

from support import free_ports, program, until


def answers(port):
    try:
        with socket.create_connection(("127.0.0.1", port), 1):
            return True
    except OSError:
        return False


@pytest.fixture(scope="module", params=["uvicorn-asyncio", "uvicorn-uvloop", "aiohttp-asyncio", "aiohttp-uvloop"])
def service(request):
    server, loop = request.param.split("-")
    port, worker, news = free_ports(3)
    variables = {"WORKER": f"tcp://127.0.0.1:{worker}", "NEWS": f"tcp://127.0.0.1:{news}", "PORT": str(port)}
    if server == "uvicorn":
        options = ["--host", "127.0.0.1", "--port", port, "--loop", loop, "--timeout-graceful-shutdown", 2]
        command = ["uvicorn", *options, "--lifespan", "on", "web_service:application"]
    else:
        command = ["web_service.py"]
        variables["LOOP"] = loop
    with program("web_worker.py", **variables) as behind, program(*command, **variables) as running:
        behind.wait_for("ready")
        until(lambda: answers(port), "the server")
        running.port = port
        yield running


def ask(service, path, body):
    request = urllib.request.Request(f"http://127.0.0.1:{service.port}{path}", data=body)
    with urllib.request.urlopen(request, timeout=30) as response:
        return response.read()


def test_request(service):
    assert ask(service, "/", b"hello") == b"HELLO"


def test_large_request(service):
    assert ask(service, "/", b"x" * 500_000) == b"X" * 500_000


def test_requests_at_once(service):
    with ThreadPoolExecutor(20) as pool:
        found = list(pool.map(lambda i: ask(service, "/", f"n{i}".encode()), range(400)))
    assert found == [f"N{i}".encode() for i in range(400)]


def test_sockets_of_their_own(service):
    with ThreadPoolExecutor(10) as pool:
        found = list(pool.map(lambda i: ask(service, "/own", f"n{i}".encode()), range(100)))
    assert found == [f"N{i}".encode() for i in range(100)]


def test_time_out(service):
    assert ask(service, "/nothing", b"") == b"timed out"


def test_stream(service):
    """Two readers get what is published, and leave."""
    address = f"http://127.0.0.1:{service.port}/news"
    with urllib.request.urlopen(address, timeout=30) as one, urllib.request.urlopen(address, timeout=30) as other:
        for response in (one, other):
            numbers = [int(response.readline().split()[1]) for _ in range(20)]
            assert numbers == list(range(numbers[0], numbers[0] + 20))
    assert ask(service, "/", b"after") == b"AFTER"


def test_stop(service):
    """It ends by itself, also while a reader is there; and there were no errors until then."""
    assert "Traceback" not in service.output
    with urllib.request.urlopen(f"http://127.0.0.1:{service.port}/news", timeout=30) as response:
        response.readline()
        assert service.stop(signal.SIGTERM) in (0, -signal.SIGTERM)
