"""Sequences of public calls with hostile arguments, made up from a seed.

A step is a line of Python; `worlds.World` says what the names in it mean. Which lines there are depends on the seed and
the front-end alone, and never on what the lines before did: so any part of a sequence is one, and can be tried alone.

No line may wait for ever by contract, since a call that takes long is taken for one that hangs: time-outs are short, no
`LINGER` is long, nothing is looked up in the DNS, and what waits for others until it is ended (proxies, `term` beside
open sockets) is only called where something ends it. Nor does a line ask for what would end any process by contract:
memory at an address that was made up, or descriptors that belong to somebody else.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import zmq

FRONT_ENDS = ("threads", "gevent", "eventlet", "asyncio")
#: How many of each kind a world has room for.
SLOTS = {"sockets": 8, "contexts": 3, "pollers": 3, "frames": 6, "trackers": 4}
#: Steps of a sequence.
LENGTH = 60

NUMBERS = [
    "-1",
    "0",
    "1",
    "2",
    "3",
    "7",
    "255",
    "256",
    "2**15",
    "2**16",
    "2**31-1",
    "2**31",
    "-2**31",
    "-2**31-1",
    "2**32",
    "2**63",
    "-2**63",
    "2**64",
    "10**30",
    "True",
    "1.5",
    "-0.5",
    "float('nan')",
    "float('inf')",
]
RAW = [
    "b''",
    "b'a'",
    "b'\\0'",
    "bytes(5)",
    "bytes(32)",
    "bytes(40)",
    "bytes(255)",
    "bytes(256)",
    "bytes(70000)",
    "bytearray(b'ab')",
    "memoryview(b'abc')",
    "memoryview(bytes(100))[::2]",
    "memoryview(b'')",
    "array('i', range(9))",
]
TEXTS = ["''", "'a'", "'\\0'", "'\\udc80'", "'\\xfc' * 300", "'x' * 5000", "'0' * 40"]
THINGS = [
    "None",
    "object()",
    "[]",
    "[b'a', b'b']",
    "[b'a', 'b', 3]",
    "[b'a'] * 300",
    "()",
    "{}",
    "{'a': b'b'}",
    "iter([b'a', b'b'])",
    "(x for x in (b'a', 1 / 0))",
    "lambda *a: 1 / 0",
    "zmq",
    "zmq.Socket",
    "zmq.PAIR",
    "Wrong()",
    "type",
    "range(3)",
]
RIGHT_FLAGS = ["0", "zmq.NOBLOCK", "zmq.SNDMORE", "zmq.NOBLOCK | zmq.SNDMORE"]
WRONG_FLAGS = ["-1", "2**40", "None", "'x'", "4", "1.0"]
MILLISECONDS = ["0", "1", "3", "0.5", "-0.0", "True"]
WRONG_TIMES = ["'x'", "float('nan')", "b'1'", "[]", "object()", "2**70j"]
ENDPOINTS = [
    *(f"'inproc://{name}'" for name in "abcd"),
    "'tcp://127.0.0.1:*'",
    "'tcp://127.0.0.1:0'",
    "'tcp://127.0.0.1:1'",
    "f'ipc://{folder}/a'",
    "f'ipc://{folder}/b'",
    "'ipc://*'",
]
WRONG_ENDPOINTS = [
    "'tcp://'",
    "'tcp://127.0.0.1:99999'",
    "'tcp://127.0.0.1'",
    "'tcp://[::1]:x'",
    "'inproc://'",
    "'inproc://' + 'x' * 300",
    "'ipc://' + 'x' * 300",
    "'ipc:///nowhere/at/all'",
    "'nonsense'",
    "'://'",
    "'udp://127.0.0.1:5555'",
    "'epgm://x'",
    "'norm://x'",
    "'norm://nothing0;224.1.2.3:5555'",
    "'vmci://1:2'",
    "'tcp://127.0.0.1:*;127.0.0.1:1'",
    "b'inproc://a'",
    "b'\\xff'",
]
#: In which libzmq loses memory itself, as programs in C show: of the parts of a message that is not complete when its
#: peer leaves, of an address of PGM that is wrong, of a frame sent from XSUB to XPUB that its sender keeps.
LOSE_MEMORY = {"zmq.SNDMORE", "zmq.NOBLOCK | zmq.SNDMORE", "-1", "'epgm://x'"}
PAIRS_LOSE_MEMORY = {("XPUB", "XSUB")}
#: Their values are kept small, since a call would wait for as long.
BOUNDED = {"RCVTIMEO", "SNDTIMEO", "LINGER"}
#: Options that are left alone, with the reasons.
LEFT = {
    "USE_FD": "whose descriptor it is would be anybody's",
    **dict.fromkeys(
        ("HWM", "SNDHWM", "RCVHWM"),
        "up to 4.3.5 libzmq tells the other end, whose memory may be free by then where the other socket was closed",
    ),
    "SOCKS_PROXY": "its name would be looked up in the DNS, by the thread that moves all messages",
}
#: Values of options of contexts: a number of threads or sockets that is large costs as much by contract.
OF_CONTEXTS = {
    "IO_THREADS": ["0", "1", "2", "-1", "2**40", "'x'", "None", "1.5"],
    "MAX_SOCKETS": ["0", "1", "3", "1000", "-1", "2**40", "None"],
    "SOCKET_LIMIT": ["1", "-1"],
    "THREAD_SCHED_POLICY": ["0", "-1", "99", "None"],
    "THREAD_AFFINITY_CPU_ADD": ["0", "-1", "9999"],
    "THREAD_AFFINITY_CPU_REMOVE": ["0", "-1", "9999"],
    "THREAD_NAME_PREFIX": ["0", "'a'", "b'\\0'", "'x' * 300", "-1"],
    "MAX_MSGSZ": ["0", "1", "100", "-1", "2**31-1", "2**40"],
    "BLOCKY": ["0", "1", "2"],
    "IPV6": ["0", "1", "-1"],
}
TYPES = ["PAIR", "PUB", "SUB", "REQ", "REP", "DEALER", "ROUTER", "PULL", "PUSH", "XPUB", "XSUB", "STREAM"]
#: What may be connected to each other, over inproc or the wire.
PAIRS = [
    ("PAIR", "PAIR"),
    ("PUSH", "PULL"),
    ("PUB", "SUB"),
    ("XPUB", "XSUB"),
    ("REQ", "REP"),
    ("DEALER", "ROUTER"),
    ("DEALER", "DEALER"),
    ("REQ", "ROUTER"),
    ("ROUTER", "ROUTER"),
    ("STREAM", "STREAM"),
]

#: Methods of which calls are made up without knowing what they take; those that may wait are among the rest.
SOCKET_METHODS = [
    "bind",
    "unbind",
    "connect",
    "disconnect",
    "get",
    "getsockopt",
    "get_string",
    "getsockopt_unicode",
    "get_hwm",
    "subscribe",
    "unsubscribe",
    "fileno",
    "send",
    "send_multipart",
    "send_many",
    "send_string",
    "send_json",
    "send_pyobj",
    "send_serialized",
    "recv",
    "recv_multipart",
    "recv_into",
    "recv_string",
    "recv_json",
    "recv_pyobj",
    "recv_serialized",
    "monitor",
    "disable_monitor",
    "join",
    "leave",
    "__enter__",
    "__copy__",
    "__repr__",
    "__dir__",
    "__hash__",
    "__eq__",
]
CONTEXT_METHODS = ["get", "getsockopt", "socket", "sockopts", "__enter__", "__copy__", "__repr__", "__dir__", "__eq__"]
FRAME_METHODS = [
    "get",
    "set",
    "fast_copy",
    "__copy__",
    "__deepcopy__",
    "__len__",
    "__bytes__",
    "__str__",
    "__repr__",
    "__getitem__",
    "__eq__",
    "__hash__",
    "__reduce__",
]
FRAME_ATTRIBUTES = ["bytes", "buffer", "more", "tracker", "routing_id", "group", "data", "shared"]
FUNCTIONS = [
    "has",
    "strerror",
    "curve_public",
    "get_includes",
    "statistics",
    "dump",
    "zmq_errno",
    "set_slow_hub",
    "set_slow_wait",
    "Frame",
    "Context",
    "Socket",
    "MessageTracker",
    "ZMQError",
    "utils.z85.decode",
    "utils.z85.encode",
    "utils.monitor.parse_monitor_message",
    "utils.jsonapi.loads",
    "utils.jsonapi.dumps",
    "proxy",
    "monitored_queue",
    "select",
    "zmq_poll",
]
#: These take sockets that they would wait for: they are called with what is none.
NO_SOCKETS = {"proxy", "monitored_queue", "select", "zmq_poll"}


class Maker:
    """Makes up the lines of one sequence."""

    def __init__(self, seed: str, front_end: str) -> None:
        self.random = random.Random(f"{front_end}/{seed}")
        self.front_end = front_end
        self.kinds: list[tuple[int, Callable[[], str]]] = [
            (14, self.make_pair),
            (4, self.make_socket),
            (12, self.send),
            (12, self.receive),
            (16, self.well_formed),
            (6, self.poll),
            (7, self.set_option),
            (4, self.get_option),
            (5, self.address),
            (12, self.any_call),
            (5, self.frame),
            (2, self.tracker),
            (2, self.close),
            (1, self.end_context),
            (2, self.make_context),
            (2, self.set_context),
            (3, self.monitor),
            (2, self.shadow),
            (3, self.poller),
            (3, self.function),
            (2, self.drop),
            (4, self.later),
            (3, self.end),
            (2, self.turn),
        ]

    # Pieces of lines.

    def pick(self, options: Sequence[str]) -> str:
        return self.random.choice(options)

    def slot(self, kind: str) -> str:
        return f"{kind}[{self.random.randrange(SLOTS[kind])}]"

    def number(self) -> int:
        return self.random.randrange(100)

    def anything(self) -> str:
        chance = self.random.random()
        if chance < 0.25:
            return self.pick(NUMBERS)
        if chance < 0.45:
            return self.pick(RAW)
        if chance < 0.6:
            return self.pick(TEXTS)
        if chance < 0.8:
            return self.pick(THINGS)
        if chance < 0.93:
            return self.slot(self.pick(list(SLOTS)))
        return self.meddler()

    def meddler(self) -> str:
        """Return something that does this or that to a socket while it is looked at."""
        socket = self.slot("sockets")
        done = self.pick(
            [
                f"{socket}.close()",
                f"{socket}.send(b'm', zmq.NOBLOCK)",
                f"{socket}.recv(zmq.NOBLOCK)",
                "end_context(0, False)",
                "gc.collect()",
                "1 / 0",
                "turn()" if self.front_end != "asyncio" else "None",
            ]
        )
        return f"Meddler(lambda: {done})"

    def data(self) -> str:
        chance = self.random.random()
        return self.pick(RAW) if chance < 0.7 else self.slot("frames") if chance < 0.85 else self.anything()

    def flags(self) -> str:
        return self.pick(RIGHT_FLAGS if self.random.random() < 0.7 else RIGHT_FLAGS + WRONG_FLAGS)

    def now(self, call: str) -> str:
        return f"now(lambda: {call})"

    def milliseconds(self) -> str:
        return self.pick(MILLISECONDS) if self.random.random() < 0.9 else self.pick(WRONG_TIMES)

    def endpoint(self) -> str:
        chance = self.random.random()
        if chance < 0.55:
            return self.pick(ENDPOINTS)
        if chance < 0.75:
            return f"where({self.slot('sockets')})"
        return self.pick(WRONG_ENDPOINTS) if chance < 0.95 else self.anything()

    # Lines.

    def make_socket(self) -> str:
        kind = f"zmq.{self.pick(TYPES)}" if self.random.random() < 0.85 else self.anything()
        return f"keep({self.slot('sockets')!r}, lambda: {self.slot('contexts')}.socket({kind}))"

    def make_pair(self) -> str:
        one, other = self.random.choice(PAIRS)
        a, b = self.random.sample(range(SLOTS["sockets"]), 2)
        transport = self.pick(["'inproc'", "'inproc'", "'tcp'", "'ipc'"])
        return f"pair({a}, {b}, {self.slot('contexts')}, zmq.{one}, zmq.{other}, {transport})"

    def send_call(self) -> str:
        socket, flags = self.slot("sockets"), self.flags()
        switches = self.pick(["", "", ", copy=False", ", copy=False, track=True", ", track=True", ", copy=None"])
        return self.pick(
            [
                f"{socket}.send({self.data()}, {flags}{switches})",
                f"{socket}.send({self.data()}, {flags}{switches})",
                f"{socket}.send_multipart([{self.data()}, {self.data()}], {flags}{switches})",
                f"{socket}.send_multipart({self.anything()}, {flags}{switches})",
                f"{socket}.send_many([{self.data()}, {self.data()}, {self.data()}], {flags})",
                f"{socket}.send_many({self.anything()}, {flags}, multipart=True)",
                f"{socket}.send_string({self.pick(TEXTS)}, {flags}, encoding={self.pick(TEXTS)})",
                f"{socket}.send_json({self.anything()}, {flags})",
                f"{socket}.send_pyobj({self.pick(NUMBERS + RAW[:9])}, {flags}, {self.pick(NUMBERS)})",
                f"{socket}.send_serialized({self.anything()}, lambda m: {self.anything()}, {flags})",
                f"{socket}.send({self.data()}, routing_id={self.anything()})",
                f"{socket}.send({self.data()}, group={self.anything()})",
            ]
        )

    def send(self) -> str:
        call = self.send_call()
        if "track=True" in call and self.random.random() < 0.5:
            return f"keep({self.slot('trackers')!r}, lambda: {call})"
        return self.now(call)

    def receive_call(self) -> str:
        socket, flags = self.slot("sockets"), self.flags()
        copy = self.pick(["", "", ", copy=False", ", copy=0", ", copy=False, track=True"])
        return self.pick(
            [
                f"{socket}.recv({flags}{copy})",
                f"{socket}.recv({flags}{copy})",
                f"{socket}.recv_multipart({flags}{copy})",
                f"{socket}.recv_many({self.pick(NUMBERS)}, {self.milliseconds()}, flags={flags})",
                f"{socket}.recv_many({self.number()}, {self.milliseconds()}, multipart=True, copy=False)",
                f"{socket}.recv_into({self.pick(['bytearray(9)', 'bytearray()', *RAW])}, flags={flags})",
                f"{socket}.recv_into(bytearray(9), nbytes={self.pick(NUMBERS)}, flags={flags})",
                f"{socket}.recv_string({flags}, {self.pick(TEXTS)})",
                f"{socket}.recv_json({flags})",
                f"{socket}.recv_pyobj({flags})",
                f"{socket}.recv_serialized(lambda m: {self.anything()}, {flags})",
            ]
        )

    def receive(self) -> str:
        call = self.receive_call()
        if "copy=False" in call and ".recv(" in call and self.random.random() < 0.5:
            return f"keep({self.slot('frames')!r}, lambda: {call})"
        return self.now(call)

    def well_formed(self) -> str:
        """Return a call that is as it should be, so that something is there for the others."""
        socket, raw = self.slot("sockets"), self.pick(RAW[:7])
        calls = [
            f"{socket}.send({raw}, {self.pick(['0', 'zmq.NOBLOCK'])}, copy={self.pick(['True', 'False'])})",
            f"{socket}.send_multipart([{raw}, b'', {self.pick(RAW[:7])}], copy={self.pick(['True', 'False'])})",
            f"{socket}.send_many([{raw}, {raw}])",
            f"{socket}.send_json({{'a': 1}})",
            f"{socket}.send_pyobj([1])",
        ]
        if self.random.random() < 0.5:
            return self.now(self.pick(calls))
        return self.pick(
            [
                f"keep({self.slot('frames')!r}, lambda: {socket}.recv(zmq.NOBLOCK, copy=False))",
                self.now(f"{socket}.recv()"),
                self.now(f"{socket}.recv_multipart(zmq.NOBLOCK)"),
                self.now(f"{socket}.recv_many(5, 0)"),
                self.now(f"{socket}.poll(1)"),
                f"later({self.number() % 8}, lambda: {socket}.recv())",
            ]
        )

    def poll_call(self) -> str:
        socket, ms = self.slot("sockets"), self.milliseconds()
        events = self.pick(["1", "2", "3", "4", "0", "7", *NUMBERS[:12]])
        sockets = f"[{socket}, {self.slot('sockets')}]"
        if self.random.random() < 0.15:
            sockets = f"[{socket}, {self.anything()}]"
        return self.pick(
            [
                f"{socket}.poll({ms}, {events})",
                f"{self.slot('pollers')}.poll({ms})",
                f"zmq.select({sockets}, {sockets}, [], 0.002)",
                f"zmq.zmq_poll([({socket}, {events}), ({self.slot('sockets')}, 1)], {ms})",
            ]
            if self.front_end != "asyncio"
            else [f"{socket}.poll({ms}, {events})", f"{self.slot('pollers')}.poll({ms})"]
        )

    def poll(self) -> str:
        return self.now(self.poll_call())

    def value_of(self, name: str) -> str:
        if name in BOUNDED:
            return self.pick(["0", "1", "3", "'x'", "b'1'", "None", "1.5", "-2", "-2**31", "2**40", "[]"])
        return self.anything() if self.random.random() < 0.5 else self.pick(["0", "1", "2", "1000", *RAW[:9]])

    def set_option(self) -> str:
        names = [option.name for option in zmq.SocketOption if option.name not in LEFT]
        name, socket = self.pick(names), self.slot("sockets")
        value = self.value_of(name)
        return self.now(
            self.pick(
                [
                    f"{socket}.setsockopt(zmq.{name}, {value})",
                    f"{socket}.set(zmq.{name}, {value})",
                    f"setattr({socket}, {name.lower()!r}, {value})",
                    f"setattr({socket}, {name!r}, {value})",
                    f"{socket}.set_string(zmq.{name}, {value})",
                    # Numbers that are no options.
                    f"{socket}.set({self.pick(['-1', '1000', '2**31', '10**30', 'None', 'b', '[]'])}, {value})",
                ]
            )
        )

    def get_option(self) -> str:
        names = [option.name for option in zmq.SocketOption]
        name, socket = self.pick(names), self.slot("sockets")
        return self.now(
            self.pick(
                [
                    f"{socket}.getsockopt(zmq.{name})",
                    f"{socket}.get({self.anything()})",
                    f"getattr({socket}, {name.lower()!r})",
                    f"{socket}.get_string(zmq.{name}, {self.pick(TEXTS)})",
                ]
            )
        )

    def address(self) -> str:
        method = self.pick(["bind", "connect", "unbind", "disconnect"])
        if self.random.random() < 0.1:
            ports = f"{self.pick(NUMBERS)}, {self.pick(NUMBERS)}, {self.pick(['0', '1', '3', '-1', 'None'])}"
            return self.now(f"{self.slot('sockets')}.bind_to_random_port({self.endpoint()}, {ports})")
        return self.now(f"{self.slot('sockets')}.{method}({self.endpoint()})")

    def arguments(self) -> str:
        return ", ".join(self.anything() for _ in range(self.random.choice([0, 1, 1, 1, 2, 2, 3])))

    def any_call(self) -> str:
        kind = self.pick(["sockets", "sockets", "sockets", "contexts", "frames"])
        methods = {"sockets": SOCKET_METHODS, "contexts": CONTEXT_METHODS, "frames": FRAME_METHODS}[kind]
        return self.now(f"{self.slot(kind)}.{self.pick(methods)}({self.arguments()})")

    def frame(self) -> str:
        slot = self.slot("frames")
        return self.pick(
            [
                f"keep({slot!r}, lambda: zmq.Frame({self.data()}, {self.pick(['True', 'False'])}))",
                f"keep({slot!r}, lambda: zmq.Frame({self.data()}, track={self.pick(['True', 'False', 'None'])}))",
                f"keep({slot!r}, lambda: zmq.Frame(copy_threshold={self.anything()}, data={self.data()}, copy=False))",
                f"keep({slot!r}, lambda: copy.copy({self.slot('frames')}))",
                self.now(f"getattr({slot}, {self.pick(FRAME_ATTRIBUTES)!r})"),
                self.now(f"setattr({slot}, {self.pick(FRAME_ATTRIBUTES)!r}, {self.anything()})"),
                self.now(f"memoryview({slot})[{self.number()}]"),
            ]
        )

    def tracker(self) -> str:
        slot = self.slot("trackers")
        return self.pick(
            [
                self.now(f"{slot}.wait({self.pick(['0', '0.001', '-0.0', *WRONG_TIMES])})"),
                self.now(f"{slot}.done"),
                f"keep({slot!r}, lambda: zmq.MessageTracker({self.slot('trackers')}, {self.anything()}))",
            ]
        )

    def close(self) -> str:
        linger = self.pick(["", "", "0", "1", "None", "'x'", "-2", "2**40", "1.5", "[]"])
        return self.now(f"{self.slot('sockets')}.close({linger})")

    def end_context(self) -> str:
        return f"end_context({self.number() % SLOTS['contexts']}, {self.pick(['True', 'False'])})"

    def make_context(self) -> str:
        threads = self.pick(["", "1", "2", "0", "-1", "'x'", "None", "io_threads=2", "shadow=None"])
        return f"keep({self.slot('contexts')!r}, lambda: zmq.Context({threads}))"

    def set_context(self) -> str:
        name, context = self.pick(list(OF_CONTEXTS)), self.slot("contexts")
        value = self.pick(OF_CONTEXTS[name])
        if self.random.random() < 0.3:
            names = [option.name for option in zmq.SocketOption if option.name not in {*LEFT, *BOUNDED}]
            return self.now(f"setattr({context}, {self.pick(names).lower()!r}, {self.anything()})")
        if name == "BLOCKY" or name == "IPV6":
            return self.now(f"setattr({context}, {name!r}, {value})")
        return self.now(f"{context}.{self.pick(['set', 'setsockopt'])}(zmq.{name}, {value})")

    def monitor(self) -> str:
        socket = self.slot("sockets")
        return self.pick(
            [
                f"keep({self.slot('sockets')!r}, lambda: {socket}.get_monitor_socket())",
                f"keep({self.slot('sockets')!r}, lambda: {socket}.get_monitor_socket({self.anything()}))",
                self.now(f"{socket}.monitor({self.endpoint()}, {self.pick(NUMBERS)})"),
                self.now(f"{socket}.disable_monitor()"),
                self.now(f"zmq.utils.monitor.recv_monitor_message({socket}, {self.flags()})"),
            ]
        )

    def shadow(self) -> str:
        # Where the socket is closed its number would be that of memory that was freed.
        return self.pick(
            [
                f"keep({self.slot('sockets')!r}, lambda: zmq.Socket.shadow({self.slot('sockets')}))",
                f"keep({self.slot('sockets')!r}, lambda: zmq.Socket.shadow({self.pick(THINGS)}))",
                f"keep({self.slot('contexts')!r}, lambda: zmq.Context.shadow({self.slot('contexts')}))",
                f"keep({self.slot('contexts')!r}, lambda: zmq.Context.shadow({self.pick(THINGS)}))",
                f"keep({self.slot('sockets')!r}, lambda: copy.copy({self.slot('sockets')}))",
            ]
        )

    def poller(self) -> str:
        slot, socket = self.slot("pollers"), self.slot("sockets")
        what = socket if self.random.random() < 0.8 else self.anything_but_descriptors()
        return self.now(
            self.pick(
                [
                    f"{slot}.register({what})",
                    f"{slot}.register({what}, {self.pick(['0', '1', '2', '3', '7', *NUMBERS])})",
                    f"{slot}.modify({what}, {self.pick(NUMBERS)})",
                    f"{slot}.unregister({what})",
                    f"{what} in {slot}",
                    f"list({slot}.sockets)",
                ]
            )
        )

    def anything_but_descriptors(self) -> str:
        """Return no number of a descriptor that somebody here may have, and wait for."""
        found = self.anything()
        return "-1" if found in {"0", "1", "2", "3", "7", "True"} else found

    def function(self) -> str:
        name = self.pick(FUNCTIONS)
        if name in NO_SOCKETS:
            wrong = ", ".join(self.pick([*NUMBERS, *RAW, *TEXTS, "object()", "Wrong()"]) for _ in range(2))
            return self.now(f"zmq.{name}({wrong}, 0)")
        if name == "dump":
            return self.now(f"zmq.dump({self.pick(['io.StringIO()', 'None', 'object()', 'Wrong()', '10**9', '-1'])})")
        return self.now(f"zmq.{name}({self.arguments()})")

    def drop(self) -> str:
        kind = self.pick(list(SLOTS))
        return self.pick([f"drop({self.slot(kind)!r})", "gc.collect()", f"drop({self.slot(kind)!r})"])

    def later(self) -> str:
        calls = [self.send_call, self.receive_call, self.poll_call]
        call = self.random.choice(calls)()
        if self.front_end in ("gevent", "eventlet") and self.random.random() < 0.15:
            two = f"{self.slot('sockets')}, {self.slot('sockets')}"
            call = self.pick([f"zmq.proxy({two})", f"{self.slot('contexts')}.term()", f"zmq.device(1, {two})"])
        return f"later({self.number() % 8}, lambda: {call})"

    def end(self) -> str:
        return f"end({self.number() % 8})"

    def turn(self) -> str:
        return "turn()"


def lose_no_memory() -> None:
    """Leave out what would be reported as a leak, from now on."""
    for inputs in (RIGHT_FLAGS, WRONG_FLAGS, WRONG_ENDPOINTS):
        inputs[:] = [each for each in inputs if each not in LOSE_MEMORY]
    PAIRS[:] = [pair for pair in PAIRS if pair not in PAIRS_LOSE_MEMORY]


def sequence(seed: str, front_end: str, length: int = LENGTH) -> list[str]:
    """Return the lines of a sequence: pairs of sockets to begin with, and then whatever comes."""
    maker = Maker(seed, front_end)
    weights = [weight for weight, _ in maker.kinds]
    kinds = [kind for _, kind in maker.kinds]
    lines = [maker.make_pair() for _ in range(min(4, length))]
    return lines + [kind() for kind in maker.random.choices(kinds, weights, k=length - len(lines))]
