"""Attacks the sockets of `serving`: with malformed streams, and with connections that must be refused."""

from __future__ import annotations

import argparse
import collections
import contextlib
import json
import random
import select
import signal
import socket as sockets
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import serving
import wire
from fuzz import Row, Teller, counts

import zmq

HERE = Path(__file__).resolve().parent
#: Streams, or connections, after which the server is asked how it is.
BATCH = 500
#: Connections that are open at the same time.
WINDOW = 24
#: Seconds for an answer.
LIMIT = 20.0
#: For how many chunks, and how many seconds each, answers are waited for.
ANSWERED = 3
PATIENCE = 0.005
#: Bytes of a greeting.
GREETING = 64
#: One in so many streams of CURVE is that of a client that knows the key, changed on its way.
LIVE = 100


class Hang(Exception):
    """The server did not answer, or no longer receives."""


class Crash(Exception):
    """The server has ended."""


class Server:
    """A process with the sockets, and what asks how it is."""

    def __init__(self, front_end: str) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.printed = open(Path(self.folder.name, "printed"), "w+")  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, HERE / "serving.py", front_end, self.folder.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.printed,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        first = self.process.stdout.readline()
        if not first:
            raise Crash(self.said())
        told = json.loads(first)
        self.addresses: dict[str, str] = told["addresses"]
        *client, server = (key.encode() for key in told["keys"])
        self.client_keys, self.server_key = client, server
        self.context = zmq.Context()
        self.control = self.context.socket(zmq.REQ)
        self.control.linger = 0
        self.control.rcvtimeo = int(1000 * LIMIT)
        self.control.connect(f"ipc://{self.folder.name}/control")
        self.sent: collections.Counter[str] = collections.Counter()
        self.friends: dict[str, Any] = {}
        self.visitors: list[Any] = []

    def said(self) -> str:
        self.printed.seek(0)
        return self.printed.read()[-6000:]

    def ask(self) -> dict[str, Any]:
        """Return what came so far.

        Raises
        ------
        Crash, Hang
            It has ended; or does not answer, upon which it is ended, having said where it was.
        """
        try:
            self.control.send(b"?")
            return json.loads(self.control.recv())  # type: ignore[no-any-return]
        except zmq.Again:
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGABRT)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(5)
                raise Hang(f"no answer\n{self.said()}") from None
            raise Crash(self.how()) from None

    def how(self) -> str:
        code = self.process.poll()
        name = signal.Signals(-code).name if code is not None and code < 0 else f"status {code}"
        return f"{name}\n{self.said()}"

    def is_there(self) -> bool:
        return self.process.poll() is None

    def client(self, mechanism: str, kind: str = "PUSH") -> Any:
        """Return a socket that knows everything that has to be known."""
        client = self.context.socket(getattr(zmq, kind))
        client.linger = 0
        client.sndtimeo = int(1000 * LIMIT)
        if mechanism == "PLAIN":
            client.plain_username, client.plain_password = wire.USER, wire.PASSWORD
        elif mechanism == "CURVE":
            client.curve_publickey, client.curve_secretkey = self.client_keys
            client.curve_serverkey = self.server_key
        return client

    def send_sentinels(self, end: str) -> None:
        """See that who may talk to the sockets is heard: they live.

        Raises
        ------
        Hang
            Somebody was not heard.
        """
        for mechanism in wire.MECHANISMS:
            name = f"{mechanism} PULL{end}"
            if name not in self.friends:
                self.friends[name] = self.client(mechanism)
                self.friends[name].connect(self.addresses[f"{name} tcp"])
            self.friends[name].send(b"sentinel")
            self.sent[name] += 1
        deadline = time.monotonic() + LIMIT
        while True:
            heard = self.ask()["sentinels"]
            late = [name for name, count in self.sent.items() if heard.get(name, 0) < count]
            if not late:
                return
            if time.monotonic() > deadline:
                raise Hang(f"no longer heard: {late}\n{self.said()}")
            time.sleep(0.01)

    def close(self) -> None:
        self.context.destroy(linger=0)
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for file in (self.process.stdin, self.process.stdout, self.printed):
            assert file is not None
            file.close()
        self.folder.cleanup()


class Connections:
    """Raw connections of which some are open; the oldest is closed when another one begins."""

    def __init__(self, window: int = WINDOW) -> None:
        self.window = window
        self.open: collections.deque[sockets.socket] = collections.deque()

    def begin(self, address: str, source: str = "") -> sockets.socket:
        if address.startswith("ipc://"):
            found = sockets.socket(sockets.AF_UNIX)
            where: Any = address.removeprefix("ipc://")
        else:
            found = sockets.socket(sockets.AF_INET)
            # Ends with a reset, so that no port has to wait.
            found.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, struct.pack("ii", 1, 0))
            if source:
                found.bind((source, 0))
            host, _, port = address.removeprefix("tcp://").rpartition(":")
            where = (host, int(port))
        found.settimeout(LIMIT)
        try:
            found.connect(where)
        except BaseException:
            found.close()
            raise
        self.open.append(found)
        while len(self.open) > self.window:
            self.end(self.open.popleft())
        return found

    def end(self, connection: sockets.socket) -> None:
        with contextlib.suppress(OSError):
            connection.setblocking(False)
            connection.recv(65536)
        connection.close()

    def close(self) -> None:
        while self.open:
            self.end(self.open.popleft())


def hear(connection: sockets.socket, index: int, patience: float = PATIENCE) -> bool:
    """Take what the server answers to the chunk of this index, if it does so soon; return whether it is still there."""
    # All of the greeting, which comes in two parts: what was sent before its end would be too early.
    least = GREETING if index == 0 else 1
    with contextlib.suppress(OSError):
        while least > 0 and select.select([connection], [], [], patience)[0]:
            data = connection.recv(least if index == 0 else 65536)
            if not data:
                return False
            least -= len(data)
        return True
    return False


def attack(server: Server, connections: Connections, seed: str, number: int) -> None:
    """Send one malformed stream."""
    stream = wire.stream(seed, number)
    address = server.addresses[f"{stream.mechanism} {stream.type} {stream.transport}"]
    if stream.mechanism == "CURVE" and number % LIVE == 0:
        change_live(server, address, stream.type, random.Random(f"{seed}/{number}/live"))
        return
    try:
        connection = connections.begin(address)
        for index, chunk in enumerate(stream.chunks):
            connection.sendall(chunk)
            if stream.patient and index < ANSWERED and not hear(connection, index):
                return
    except TimeoutError:
        raise Hang(f"no connection to {address}, or nobody reads it") from None
    except OSError:
        # It had enough.
        if not server.is_there():
            raise Crash(server.how()) from None


def change_live(server: Server, address: str, kind: str, random_: random.Random) -> None:
    """Have a client that knows the key connect, and change what it sends on its way, once."""
    with (
        sockets.create_server(("127.0.0.1", 0)) as listener,
        contextlib.closing(Connections()) as connections,
        server.client("CURVE", wire.PEERS[kind]) as client,
    ):
        client.reconnect_ivl = -1
        if wire.PEERS[kind] == "SUB":
            client.subscribe(b"x")
        client.connect(f"tcp://127.0.0.1:{listener.getsockname()[1]}")
        with contextlib.suppress(zmq.ZMQError):
            client.send(b"y" * random_.choice([1, 300]), zmq.NOBLOCK)
        listener.settimeout(LIMIT)
        there, _ = listener.accept()
        with there:
            here = connections.begin(address)
            changed, passed = random_.randrange(0, 700), 0
            while True:
                ready, _, _ = select.select([there, here], [], [], 0.03)
                if not ready:
                    break
                try:
                    for one, other in ((there, here), (here, there)):
                        if one in ready:
                            data = one.recv(65536)
                            if not data:
                                return
                            if one is there and passed <= changed < passed + len(data):
                                data = data[: changed - passed] + wire.mutate(random_, data[changed - passed :])
                            passed += len(data) if one is there else 0
                            other.sendall(data)
                except OSError:
                    break


@contextlib.contextmanager
def serving_with(front_end: str) -> Iterator[Server]:
    server = Server(front_end)
    try:
        yield server
    finally:
        server.close()


def look(server: Server, end: str) -> str:
    """Return what is wrong with a server, if anything is."""
    server.send_sentinels(end)
    state = server.ask()
    if state["errors"]:
        return "\n".join(state["errors"])
    return f"{state['missed']} wake-ups were missed" if state["missed"] else ""


def send_streams(front_end: str, seed: str, numbers: range, tell: Callable[[int], None]) -> tuple[int, str, str]:
    """Send the streams of these numbers; return how many were, and what kind of failure there was, if any."""
    done = 0
    with serving_with(front_end) as server:
        connections = Connections()
        try:
            for number in numbers:
                attack(server, connections, seed, number)
                done += 1
                tell(done)
                if done % BATCH == 0 or done == len(numbers):
                    wrong = look(server, "")
                    if wrong:
                        return done, "wrong", wrong
        except Crash as crash:
            return done, str(crash).partition("\n")[0], str(crash)
        except Hang as hang:
            return done, "hang", str(hang)
        finally:
            connections.close()
    return done, "", ""


def narrow(front_end: str, seed: str, numbers: range, kind: str, within: float = 120) -> range:
    """Return fewer streams that have a server fail, by halves."""
    end = time.monotonic() + within
    while len(numbers) > 1 and time.monotonic() < end:
        half = len(numbers) // 2
        for part in (numbers[:half], numbers[half:]):
            if send_streams(front_end, seed, part, lambda done: None)[1] == kind:
                numbers = part
                break
        else:
            break
    return numbers


def run_streams(options: argparse.Namespace) -> list[Row]:
    rows = []
    each = -(-options.streams // len(options.front_end))
    for index, front_end in enumerate(options.front_end):
        tell = Teller(f"streams, {front_end}", each)
        # Other streams for each of them.
        number, tried = options.first + index * each, 0
        kinds: list[str] = []
        failures: list[str] = []
        while tried < each and tell.seconds < options.limit and len(failures) < 3:
            count = min(20 * BATCH, each - tried)

            def progress(done: int, tried: int = tried, tell: Teller = tell) -> None:
                tell(tried + done)

            done, kind, text = send_streams(front_end, options.seed, range(number, number + count), progress)
            if kind:
                kinds.append(kind)
                near = narrow(
                    front_end, options.seed, range(max(number, number + done - 2 * BATCH), number + done + 1), kind
                )
                streams = [f"{n}: {wire.stream(options.seed, n)}" for n in near][:4]
                again = (
                    f"streams --seed {options.seed} --front-end {front_end} --first {near.start} --streams {len(near)}"
                )
                failures.append("\n".join([f"{kind}; repeat with {again}", *streams, text]))
            tried += max(done, 1)
            number += max(done, 1)
        rows.append(Row(tell.name, each, tried, *counts(kinds), tell.seconds, failures))
    return rows


# Connections that must be refused.


def raw_refused(server: Server, random_: random.Random, connections: Connections) -> str:
    """Begin a raw connection that must be refused, with a message that follows at once; return to which socket."""
    kind = random_.choice(["PULL", "ROUTER"])
    mechanism = random_.choice(["NULL", "PLAIN"])
    name = f"{mechanism} {kind} asks"
    peer = wire.PEERS[kind]
    news = wire.message(b"", b"refused") if peer == "DEALER" else wire.message(b"refused")
    if mechanism == "NULL":
        chunks = wire.handshake("NULL", peer)
        address, source = server.addresses[f"{name} tcp"], serving.ABROAD
    else:
        wrong = [
            (wire.USER, wire.PASSWORD[:-1]),
            (wire.USER, b""),
            (wire.USER + b"\0", wire.PASSWORD),
            (b"two", wire.PASSWORD),
            (b"", b""),
            (wire.USER, wire.PASSWORD + b" "),
            (random_.randbytes(5), random_.randbytes(9)),
        ]
        hello = wire.hello(*random_.choice(wrong))
        chunks = [wire.greeting(b"PLAIN"), hello, wire.command(b"INITIATE", wire.properties(peer))]
        address, source = server.addresses[f"{name} {random_.choice(wire.TRANSPORTS)}"], ""
    connection = connections.begin(address, source)
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        patient = random_.random() < 0.7
        for index, chunk in enumerate([*chunks, news, news]):
            connection.sendall(chunk)
            if patient and not hear(connection, index):
                break
    return name


def strangers(server: Server) -> list[Any]:
    """Return sockets that come again and again, and are refused each time."""
    found = []
    for kind, peer in (("PULL", "PUSH"), ("ROUTER", "DEALER")):
        for mechanism in ("CURVE", "CURVE", "PLAIN"):
            stranger = server.client(mechanism, peer)
            if mechanism == "CURVE":
                stranger.curve_publickey, stranger.curve_secretkey = zmq.curve_keypair()
            else:
                stranger.plain_password = b"wrong"
            stranger.reconnect_ivl = 1
            stranger.connect(server.addresses[f"{mechanism} {kind} asks tcp"])
            with contextlib.suppress(zmq.Again):
                stranger.send(b"refused", zmq.NOBLOCK)
            found.append(stranger)
    return found


def refuse(front_end: str, seed: str, count: int, limit: float, tell: Callable[[int], None]) -> tuple[int, str, str]:
    """Have so many connections refused, as the server's monitors count them; return how many were."""
    end = time.monotonic() + limit
    random_ = random.Random(seed)
    refused, seen = 0, set()
    with serving_with(front_end) as server:
        connections = Connections(2 * WINDOW)
        try:
            server.visitors = strangers(server)
            while refused < count and time.monotonic() < end:
                for _ in range(min(BATCH, count)):
                    raw_refused(server, random_, connections)
                wrong = look(server, " asks")
                state = server.ask()
                let_in = {name: number for name, number in state["messages"].items() if name.endswith(" asks")}
                if wrong or let_in:
                    return refused, "wrong", f"{wrong}\nlet in: {let_in}"
                refused = sum(number for name, number in state["failed"].items() if name.endswith(" asks"))
                tell(refused)
                seen = {name.split()[0] for name in state["failed"] if name.endswith(" asks")}
            if refused >= count and seen != set(wire.MECHANISMS):
                return refused, "wrong", f"nobody was refused by any but {seen}"
        except Crash as crash:
            return refused, str(crash).partition("\n")[0], str(crash)
        except Hang as hang:
            return refused, "hang", str(hang)
        finally:
            connections.close()
    return refused, "", ""


def run_refused(options: argparse.Namespace) -> list[Row]:
    rows = []
    each = -(-options.connections // len(options.front_end))
    for front_end in options.front_end:
        tell = Teller(f"refused, {front_end}", each)
        tried, kind, text = refuse(front_end, options.seed, each, options.limit, tell)
        kinds = [kind] if kind else []
        failures = (
            [f"{kind}; repeat with refused --seed {options.seed} --front-end {front_end}\n{text}"] if kind else []
        )
        rows.append(Row(tell.name, each, tried, *counts(kinds), tell.seconds, failures))
    return rows
