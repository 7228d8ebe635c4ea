"""The page, in a browser, and who may see it."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.front_ends import LIMIT
from zmq import inspect
from zmq.inspect import Inspection
from zmq.top import web

if TYPE_CHECKING:
    from conftest import Shop

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@contextmanager
def served(path: Path) -> Iterator[web.Server]:
    with Inspection(path, LIMIT) as inspection:
        watched = web.Watched(inspection, 0.05)
        watched.look()
        server = web.Server(0, watched)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def get(server: web.Server, path: str, method: str = "GET", host: str | None = None) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    try:
        connection.request(method, path, headers={} if host is None else {"Host": host})
        response = connection.getresponse()
        assert response.status != 200 or "default-src 'none'" in (response.getheader("Content-Security-Policy") or "")
        return response.status, response.read().decode()
    finally:
        connection.close()


def test_who_may_see_it(shop: Shop, serve: Callable[[Shop], Path]) -> None:
    with served(serve(shop)) as server:
        assert server.server_address[0] == "127.0.0.1"
        page, port = f"/{server.secret}/", server.server_port
        assert get(server, page)[0] == get(server, page, host=f"localhost:{port}")[0] == 200
        assert json.loads(get(server, f"{page}state.json")[1])["pid"] == 4711
        for path in (
            "/",
            f"/{server.secret}",
            "/x/",
            "/x/state.json",
            f"{page}other",
            f"{page}../../etc/passwd",
            "/%00/",
        ):
            assert get(server, path)[0] == 404, path
        # A name of somebody else's that leads here.
        assert get(server, page, host="evil.example")[0] == get(server, page, host=f"evil.example:{port}")[0] == 404
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            assert get(server, page, method)[0] == 501


def test_a_process_that_has_ended(shop: Shop, serve: Callable[[Shop], Path]) -> None:
    with served(serve(shop)) as server:
        inspect.stop()
        server.watched.look()
        state = json.loads(get(server, f"/{server.secret}/state.json")[1])
        assert "has ended" in state["failed"] and state["pid"] == 4711
        server.watched.look()
        assert "no such file" in json.loads(server.watched.as_json())["failed"]


def page_of(server: web.Server, folder: Path) -> str:
    """Return what a browser makes of the page."""
    assert CHROMIUM
    # A sanitizer's runtime, which comes first in each process of the tests, takes memory that a browser takes too.
    command = ["env", "-u", "LD_PRELOAD", CHROMIUM, "--headless", "--disable-gpu", f"--user-data-dir={folder}"]
    command.append("--virtual-time-budget=3000")
    if os.geteuid() == 0:
        command.append("--no-sandbox")
    done = subprocess.run([*command, "--dump-dom", server.url()], capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
def test_what_a_browser_shows(shop: Shop, serve: Callable[[Shop], Path], tmp_path: Path) -> None:
    shop.hub(answers=False, seconds=3.0, keeper="Greenlet 'prices' at 0x3")
    evil = "<img src=x onerror=\"document.title='evil'\">"
    jobs = shop.socket("PUSH", evil, bound="tcp://127.0.0.1:5555", messages_sent=100, messages_received=0)
    shop.wait("send", jobs, seconds=20.0, waits_for=evil)
    path = serve(shop)
    with served(path) as server:
        shop.state = shop.later(2).state
        shop.state["statistics"]["sockets"][0]["counters"]["messages_sent"] = 24790
        server.watched.look()
        shown = page_of(server, tmp_path)
    assert "<title>4711 - zmq.top</title>" in shown and "<img" not in shown and "&lt;img src=x" in shown
    assert "Process 4711" in shown and "python shop.py" in shown
    assert "Greenlet 'prices' at 0x3 keeps it" in shown and 'id="causes" aria-live="polite" class="bad"' in shown
    assert "Who waits: 1" in shown and "20.0 s" in shown
    assert "out 12.3k" in shown and "24.8k" in shown
    assert "<polyline" in shown and "Stalls seen: 1" in shown


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
def test_what_a_browser_shows_where_nothing_hangs(shop: Shop, serve: Callable[[Shop], Path], tmp_path: Path) -> None:
    shop.socket("PUSH", "jobs")
    with served(serve(shop)) as server:
        shown = page_of(server, tmp_path)
    assert "Nothing seems to hang." in shown and 'id="causes" aria-live="polite" class=""' in shown
    # What is not counted takes no room.
    assert 'id="rates-box" hidden=""' in shown and "out/s" not in shown.partition("<script>")[0]
