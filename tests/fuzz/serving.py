"""The sockets that are attacked, in a process of their own: of every type, with every mechanism, on any front-end.

    python serving.py FRONT_END FOLDER

It reads whatever comes, also what its monitors say, and sends where anybody may be there. The first line that it prints
has the addresses; to every line that it is asked through a socket it answers what came so far. Nothing that comes from
outside may be an exception.
"""

from __future__ import annotations

import asyncio
import collections
import faulthandler
import importlib
import json
import logging
import os
import resource
import sys
import threading
import traceback
import warnings
from pathlib import Path
from typing import Any

os.environ["EVENTLET_TESTS"] = "1"  # otherwise it warns that it is old

import wire

import zmq
from zmq.auth import CURVE_ALLOW_ANY
from zmq.utils.monitor import parse_monitor_message, recv_monitor_message

MODULES = {"threads": "zmq", "gevent": "zmq.green", "eventlet": "zmq.eventlet", "asyncio": "zmq.asyncio"}
FAILED = zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
#: Whoever comes from here is let in by nobody who asks.
ABROAD = "127.0.0.3"
READS = {"PAIR", "SUB", "REP", "DEALER", "ROUTER", "PULL", "XPUB", "XSUB", "STREAM"}
SENDS = {"PAIR", "PUB", "DEALER", "PUSH", "XPUB", "XSUB", "REQ"}


class Served:
    """Everything that is there, and what came to it."""

    def __init__(self, front_end: str, folder: Path) -> None:
        self.front_end = front_end
        self.module: Any = importlib.import_module(MODULES[front_end])
        self.context = self.module.Context()
        self.context.max_sockets = 4000
        self.folder = folder
        self.messages: collections.Counter[str] = collections.Counter()
        self.sentinels: collections.Counter[str] = collections.Counter()
        self.events: collections.Counter[str] = collections.Counter()
        self.failed: collections.Counter[str] = collections.Counter()
        self.errors: list[str] = []
        self.addresses: dict[str, str] = {}
        self.sockets: dict[str, tuple[str, Any]] = {}
        self.monitors: dict[str, Any] = {}
        self.server_keys = zmq.curve_keypair()
        self.client_keys = zmq.curve_keypair()

    def make(self) -> None:
        """Bind them all: those that let everybody in that can say who he is, and those that ask."""
        for mechanism in wire.MECHANISMS:
            for kind in wire.TYPES if mechanism == "NULL" else wire.TYPES[:-1]:
                self.bind(f"{mechanism} {kind}", mechanism, kind, "everybody")
            for kind in ("PULL", "ROUTER"):
                self.bind(f"{mechanism} {kind} asks", mechanism, kind, "asks")
        self.control = self.socket("REP")
        self.control.bind(f"ipc://{self.folder}/control")

    def socket(self, kind: str) -> Any:
        socket = self.context.socket(getattr(zmq, kind))
        socket.linger = 0
        return socket

    def bind(self, name: str, mechanism: str, kind: str, domain: str) -> None:
        socket = self.socket(kind)
        socket.handshake_ivl = 2000
        if mechanism == "PLAIN":
            socket.plain_server = True
        elif mechanism == "CURVE":
            socket.curve_publickey, socket.curve_secretkey = self.server_keys
            socket.curve_server = True
        if mechanism != "NULL" or domain == "asks":
            socket.zap_domain = domain.encode()
        if kind == "SUB":
            socket.subscribe(b"")
        self.monitors[name] = socket.get_monitor_socket()
        for transport in wire.TRANSPORTS:
            path = f"ipc://{self.folder}/{name.replace(' ', '-')}"
            socket.bind("tcp://127.0.0.1:*" if transport == "tcp" else path)
            self.addresses[f"{name} {transport}"] = socket.get_string(zmq.LAST_ENDPOINT)
        self.sockets[name] = (kind, socket)

    def authenticate(self) -> None:
        where = {"threads": "zmq.auth.thread", "asyncio": "zmq.auth.asyncio"}
        module = importlib.import_module(where.get(self.front_end, f"{MODULES[self.front_end]}.auth"))
        names = {"threads": "ThreadAuthenticator", "asyncio": "AsyncioAuthenticator"}
        log = logging.getLogger("silent")
        log.disabled = True
        self.auth = getattr(module, names.get(self.front_end, "GreenAuthenticator"))(self.context, log=log)
        self.auth.deny(ABROAD)
        user = {wire.USER.decode(): wire.PASSWORD.decode()}
        for domain in ("everybody", "asks"):
            self.auth.configure_plain(domain, user)
        self.auth.configure_curve("everybody", CURVE_ALLOW_ANY)
        self.auth.configure_curve_callback("asks", Let(self.client_keys[0]))
        self.auth.start()

    # What comes.

    def note(self, name: str, parts: list[Any]) -> None:
        parts = [bytes(part) for part in parts]
        if parts[-1].startswith(b"sentinel"):
            self.sentinels[name] += 1
        else:
            self.messages[name] += 1

    def hear(self, name: str, event: dict[str, Any]) -> None:
        self.events[event["event"].name] += 1
        if event["event"] & FAILED:
            self.failed[name] += 1

    def answer(self) -> bytes:
        state = {
            "messages": self.messages,
            "sentinels": self.sentinels,
            "events": self.events,
            "failed": self.failed,
            "errors": self.errors[:3],
            "missed": zmq.statistics()["missed"],
        }
        return json.dumps(state).encode()

    def send(self, name: str, socket: Any) -> Any:
        """Send something, if there is anybody and it is the time; what asyncio returns is done at once."""
        return socket.send_multipart([b"", b"news"], zmq.NOBLOCK)

    def wrong(self, name: str) -> None:
        self.errors.append(f"{name}\n{traceback.format_exc()}")

    def first_line(self) -> str:
        keys = [key.decode() for key in (*self.client_keys, self.server_keys[0])]
        return json.dumps({"addresses": self.addresses, "keys": keys})

    # With threads: one that polls all.

    def poll_all(self) -> None:
        poller = zmq.Poller()
        readers = {socket: name for name, (kind, socket) in self.sockets.items() if kind in READS}
        monitors = {socket: name for name, socket in self.monitors.items()}
        for socket in (*readers, *monitors, self.control):
            poller.register(socket, zmq.POLLIN)
        turn = 0
        while True:
            turn += 1
            for socket, events in poller.poll(50):
                name = readers.get(socket) or monitors.get(socket) or "control"
                try:
                    if not events & zmq.POLLIN:
                        continue
                    if socket is self.control:
                        socket.recv()
                        socket.send(self.answer())
                    elif socket in monitors:
                        self.hear(name, recv_monitor_message(socket, zmq.NOBLOCK))
                    else:
                        self.note(name, socket.recv_multipart(zmq.NOBLOCK, copy=turn % 2 == 0))
                        if self.sockets[name][0] == "REP":
                            socket.send(b"answer", zmq.NOBLOCK)
                except zmq.Again:
                    pass
                except Exception:
                    self.wrong(name)
            if turn % 50 == 0:
                for name, (kind, socket) in self.sockets.items():
                    if kind in SENDS:
                        try:
                            self.send(name, socket)
                        except zmq.ZMQError:
                            pass
                        except Exception:
                            self.wrong(name)

    # With greenlets: one for every socket.

    def run_green(self) -> None:
        framework = importlib.import_module(self.front_end)
        for name, (kind, socket) in self.sockets.items():
            if kind in READS:
                framework.spawn(self.read_green, name, kind, socket)
            if kind in SENDS:
                framework.spawn(self.send_green, framework, name, socket)
        for name, socket in self.monitors.items():
            framework.spawn(self.hear_green, name, socket)
        while True:
            self.control.recv()
            self.control.send(self.answer())

    def read_green(self, name: str, kind: str, socket: Any) -> None:
        turn = 0
        while True:
            turn += 1
            try:
                self.note(name, socket.recv_multipart(copy=turn % 2 == 0))
                if kind == "REP":
                    socket.send(b"answer")
            except Exception:
                self.wrong(name)

    def send_green(self, framework: Any, name: str, socket: Any) -> None:
        while True:
            framework.sleep(0.1)
            try:
                self.send(name, socket)
            except zmq.ZMQError:
                pass
            except Exception:
                self.wrong(name)

    def hear_green(self, name: str, socket: Any) -> None:
        while True:
            try:
                self.hear(name, recv_monitor_message(socket))
            except Exception:
                self.wrong(name)

    # With an event loop: a task for every socket.

    async def run_loop(self) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, about: self.errors.append(repr(about)))
        self.make()
        self.authenticate()
        print(self.first_line(), flush=True)
        tasks = []
        for name, (kind, socket) in self.sockets.items():
            if kind in READS:
                tasks.append(asyncio.ensure_future(self.read_later(name, kind, socket)))
            if kind in SENDS:
                tasks.append(asyncio.ensure_future(self.send_later(name, socket)))
        for name, socket in self.monitors.items():
            tasks.append(asyncio.ensure_future(self.hear_later(name, socket)))
        while True:
            await self.control.recv()
            await self.control.send(self.answer())

    async def read_later(self, name: str, kind: str, socket: Any) -> None:
        turn = 0
        while True:
            turn += 1
            try:
                self.note(name, await socket.recv_multipart(copy=turn % 2 == 0))
                if kind == "REP":
                    await socket.send(b"answer")
            except Exception:
                self.wrong(name)

    async def send_later(self, name: str, socket: Any) -> None:
        while True:
            await asyncio.sleep(0.1)
            try:
                await self.send(name, socket)
            except zmq.ZMQError:
                pass
            except Exception:
                self.wrong(name)

    async def hear_later(self, name: str, socket: Any) -> None:
        while True:
            try:
                self.hear(name, parse_monitor_message(await socket.recv_multipart()))
            except Exception:
                self.wrong(name)


class Let:
    """Lets in one key of CURVE."""

    def __init__(self, key: bytes) -> None:
        self.key = key

    def callback(self, domain: str, key: bytes) -> bool:
        return key == self.key


def main() -> None:
    front_end, folder = sys.argv[1:]
    faulthandler.enable()
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    threading.Thread(target=end_with_parent, daemon=True).start()
    served = Served(front_end, Path(folder))
    sys.unraisablehook = lambda unraisable: served.errors.append(f"unraisable: {unraisable.exc_value!r}")
    if front_end == "asyncio":
        asyncio.run(served.run_loop())
    served.make()
    served.authenticate()
    print(served.first_line(), flush=True)
    served.poll_all() if front_end == "threads" else served.run_green()


def end_with_parent() -> None:
    """End when whoever began this does, which closes the pipe that is read here."""
    os.read(0, 1)
    os._exit(0)


if __name__ == "__main__":
    main()
