"""The same on a page, with charts, on loopback alone.

Lives here: the server, and who may see the page. What must not: what is on it (``page.html``, `zmq.top.tables`). Called
by `zmq.top.command`.

Other users of the machine can connect to loopback, and the socket file keeps them out; so the page's address has a
secret in it. A page of somebody else's in the same browser does not know it either, and a name that leads to loopback
is refused.
"""

from __future__ import annotations

import hmac
import json
import secrets
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from zmq.inspect import Inspection, NoAnswer
from zmq.top.tables import Looks

PAGE = Path(__file__).with_name("page.html")
#: What the page may load: nothing from anywhere else.
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Watched:
    """The process, looked at no more often than the interval, however many pages are open."""

    def __init__(self, inspection: Inspection, interval: float) -> None:
        self.inspection: Inspection | None = inspection
        self.where: str | int = inspection.path
        self.timeout = inspection.timeout
        self.interval = interval
        self.looks = Looks()
        self.failed: str | None = None
        self.lock = threading.Lock()
        self.ended = threading.Event()

    def look(self) -> None:
        try:
            if self.inspection is None:
                self.inspection = Inspection(self.where, self.timeout)
            answer = self.inspection.ask()
        except NoAnswer as error:
            self.inspection = None
            with self.lock:
                self.failed = str(error)
            return
        with self.lock:
            self.failed = None
            self.looks.add(answer)

    def run(self) -> None:
        while not self.ended.wait(self.interval):
            self.look()

    def as_json(self) -> bytes:
        with self.lock:
            found: dict[str, Any] = self.looks.as_json() if self.looks.state else {}
            return json.dumps({**found, "failed": self.failed, "interval": self.interval}).encode()


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int, watched: Watched) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.watched = watched
        self.secret = secrets.token_urlsafe(18)

    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/{self.secret}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a browser went away."""


class Handler(BaseHTTPRequestHandler):
    server: Server
    timeout = 10

    def do_GET(self) -> None:
        hosts = {f"{name}:{self.server.server_port}" for name in ("127.0.0.1", "localhost")}
        _, _, rest = self.path.partition("/")
        secret, slash, name = rest.partition("/")
        known = hmac.compare_digest(secret.encode(), self.server.secret.encode())
        if self.headers.get("Host") not in hosts or not known or not slash:
            self.answer(404, "text/plain", b"not found\n")
        elif name == "":
            self.answer(200, "text/html; charset=utf-8", PAGE.read_bytes())
        elif name == "state.json":
            self.answer(200, "application/json", self.server.watched.as_json())
        else:
            self.answer(404, "text/plain", b"not found\n")

    def answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing: the address has a secret in it."""


def serve(inspection: Inspection, port: int, interval: float) -> int:
    """Serve the page until Ctrl-C."""
    watched = Watched(inspection, interval)
    watched.look()
    try:
        server = Server(port, watched)
    except OSError as error:
        print(f"python -m zmq.top: port {port}: {error.strerror}", file=sys.stderr)
        return 2
    threading.Thread(target=watched.run, daemon=True).start()
    try:
        print(server.url(), flush=True)
        server.serve_forever()
    finally:
        watched.ended.set()
        server.server_close()
    return 0
