"""``python -m zmq.log``: what it prints, and that it ends well."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import zmq
from support.front_ends import LIMIT, LONG

RECORDS = [
    (b"r.INFO.sub", b"hello\n"),
    (b"r.DEBUG", b"DEBUG f.py:3 - two\nlines\n"),
    (b"WARNING", b"w"),
    (b"r.ERROR.a", b"boom\n"),
    (b"r.CRITICAL", "é \x1b[31m\x9b\x07\r\xff\tz".encode() + b"\xff"),
    (b"odd\x1b\n", b"x"),
]
#: Each would show something else than what came: another record, text in another order, or less than there is.
HIDING = {
    "a new line": "\nr.INFO.sub | forged",
    "carriage returns": "\rforged\r\n",
    "other ends of lines": "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029",
    "another direction": "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c",
    "nothing": "\u200b\u200c\u200d\u2060\u2061\ufeff\u00ad\u034f\u115f\u1160\u17b4\u180e\u3164\uffa0\u2800",
    "annotations": "\ufff9\ufffa\ufffb\U000e0001\U000e0041\U000e007f",
    "variations": "\ufe00\ufe0f\U000e0100\U000e01ef\u180b",
    "commands": "\0\x07\x08\x1b[2J\x7f\x80\x9b",
}
#: What is printed in their place.
NUMBERS = re.compile(r"(?:\\n|\\x[0-9a-f]{2}|\\u[0-9a-f]{4}|\\U[0-9a-f]{8})*")


@pytest.fixture
def pub(ledger: None) -> Iterator[Any]:
    with zmq.Context() as context, context.socket(zmq.XPUB) as socket:
        socket.linger = 0
        socket.rcvtimeo = int(LIMIT * 1000)
        yield socket


class Watch:
    """The command, once all it subscribes to has been heard of."""

    def __init__(self, pub: Any, *options: str, url: str = "", topics: int = 1, **how: Any) -> None:
        if not url:
            pub.bind("tcp://127.0.0.1:*")
            url = pub.get_string(zmq.LAST_ENDPOINT)
        command = [sys.executable, "-W", "error", "-m", "zmq.log", url, *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **how)
        self.topics = [pub.recv() for _ in range(topics)]

    def lines(self, number: int) -> list[str]:
        assert self.process.stdout is not None
        return [self.process.stdout.readline().decode().rstrip("\n") for _ in range(number)]

    def end(self) -> None:
        """End it as Ctrl-C does: without a word."""
        self.process.send_signal(signal.SIGINT)
        output, errors = self.process.communicate(timeout=LIMIT)
        assert (self.process.returncode, output, errors) == (0, b"", b"")


def publish(pub: Any) -> None:
    for record in RECORDS:
        pub.send_multipart(record)


PLAIN = [
    "r.INFO.sub | hello",
    "r.DEBUG | DEBUG f.py:3 - two\\nlines",
    "WARNING | w",
    "r.ERROR.a | boom",
    "r.CRITICAL | é \\x1b[31m\\x9b\\x07\\x0dÿ\tz\\xff",
    "odd\\x1b\\n | x",
]
ALIGNED = [
    "r.INFO.sub | hello",
    "r.DEBUG    | DEBUG f.py:3 - two\\nlines",
    "WARNING    | w",
    "r.ERROR.a  | boom",
    PLAIN[4],
    "odd\\x1b\\n  | x",
]
COLORS = ["\x1b[32m", "\x1b[36m", "\x1b[33m", "\x1b[31m", "\x1b[1;31m", ""]


def test_records_are_printed(pub: Any) -> None:
    watch = Watch(pub)
    assert watch.topics == [b"\1"]
    publish(pub)
    assert watch.lines(6) == PLAIN
    pub.send(b"of one frame\n")
    pub.send_multipart([b"INFO", b"of ", b"three"])
    assert watch.lines(2) == ["of one frame", "INFO | of three"]
    watch.end()


def test_alignment_and_separators(pub: Any) -> None:
    watch = Watch(pub, "--align", "--separator", " - ")
    publish(pub)
    assert watch.lines(6) == [line.replace(" | ", " - ") for line in ALIGNED]
    watch.end()


def test_colors(pub: Any) -> None:
    watch = Watch(pub, "--color")
    publish(pub)
    for line, plain, color in zip(watch.lines(6), PLAIN, COLORS, strict=True):
        assert line == (f"{color}{plain}\x1b[0m" if color else plain)
    watch.end()


def test_times(pub: Any) -> None:
    watch = Watch(pub, "--timestamp")
    pub.send_multipart(RECORDS[0])
    (line,) = watch.lines(1)
    found = re.fullmatch(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) r\.INFO\.sub \| hello", line)
    assert found and abs(time.mktime(time.strptime(found[1], "%Y-%m-%d %H:%M:%S")) - time.time()) < LIMIT + 3600
    watch.end()
    pub.bind("tcp://127.0.0.1:*")
    watch = Watch(pub, "--timestamp", "--dateformat", "at %Y", url=pub.get_string(zmq.LAST_ENDPOINT), topics=2)
    pub.send_multipart(RECORDS[0])
    assert re.fullmatch(r"at \d{4} r\.INFO\.sub \| hello", watch.lines(1)[0])
    watch.end()


def test_topics_and_levels(pub: Any) -> None:
    watch = Watch(pub, "-t", "r.", "--topic", "odd", "--level", "info", topics=2)
    assert sorted(watch.topics) == [b"\1odd", b"\1r."]
    publish(pub)
    assert watch.lines(4) == [PLAIN[0], *PLAIN[3:]]
    watch.end()


def test_raw(pub: Any) -> None:
    watch = Watch(pub, "--raw")
    pub.send_multipart([b"INFO", b"\x1b[1mbold\x1b[0m"])
    pub.send_multipart([b"INFO", b"two\nlines"])
    assert watch.lines(3) == ["INFO | \x1b[1mbold\x1b[0m", "INFO | two", "lines"]
    watch.end()


def test_no_record_looks_like_another(pub: Any) -> None:
    watch = Watch(pub)
    for text in HIDING.values():
        pub.send_multipart([f"r{text}t.INFO".encode(), f"a{text}z\n".encode()])
        pub.send(f"a{text}z".encode())
    pub.send_multipart([b"r.INFO", "é \u3000\u00a0\u05e9\u05dc\t日本 😀 \\n".encode()])
    lines = watch.lines(2 * len(HIDING) + 1)
    assert lines.pop() == "r.INFO | é \u3000\u00a0\u05e9\u05dc\t日本 😀 \\n"
    for text, with_topic, alone in zip(HIDING.values(), lines[::2], lines[1::2], strict=True):
        topic, _, message = with_topic.partition("t.INFO | a")
        shown = topic[1:]
        assert (topic[0], message, alone) == ("r", f"{shown}z", f"a{shown}z")
        # Some letters stand between them.
        assert NUMBERS.fullmatch(re.sub(r"r\.INFO\.sub \| forged|forged|\[2J", "", shown)), shown
        assert len(re.findall(r"\\[nxuU]", shown)) == sum(not char.isascii() or not char.isprintable() for char in text)
    watch.end()


def test_several_endpoints(pub: Any) -> None:
    with pub.context.socket(zmq.XPUB) as other:
        other.rcvtimeo = int(LIMIT * 1000)
        other.bind("tcp://127.0.0.1:*")
        watch = Watch(pub, other.get_string(zmq.LAST_ENDPOINT))
        assert other.recv() == b"\1"
        other.send_multipart([b"INFO", b"1"])
        assert watch.lines(1) == ["INFO | 1"]
        pub.send_multipart([b"INFO", b"2"])
        assert watch.lines(1) == ["INFO | 2"]
        watch.end()


def test_publishers_that_connect(pub: Any, tmp_path: Any) -> None:
    url = f"ipc://{tmp_path}/log"
    pub.connect(url)
    watch = Watch(pub, "--bind", url=url)
    pub.send_multipart([b"INFO", b"1"])
    assert watch.lines(1) == ["INFO | 1"]
    watch.end()


def test_nobody_reads_any_more(pub: Any) -> None:
    watch = Watch(pub)
    assert watch.process.stdout is not None and watch.process.stderr is not None
    watch.process.stdout.close()
    end = time.monotonic() + LIMIT
    while watch.process.poll() is None:
        assert time.monotonic() < end
        publish(pub)
        time.sleep(0.01)
    assert watch.process.returncode == 0 and watch.process.stderr.read() == b""
    watch.process.stderr.close()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "the following arguments are required: zmq_pub_url"),
        (["nothing://x"], "nothing://x: Protocol not supported"),
        (["tcp://127.0.0.1:1", "--level", "loud"], "invalid choice"),
    ],
    ids=["no URL", "no protocol", "no level"],
)
def test_what_is_wrong_is_said(arguments: list[str], said: str) -> None:
    command = [sys.executable, "-m", "zmq.log", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr


def test_help() -> None:
    command = [sys.executable, "-m", "zmq.log", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=True)
    options = {*re.findall(r"--\w+", done.stdout)}
    assert options >= {"--topic", "--timestamp", "--separator", "--dateformat", "--align", "--color", "--help"}
    assert options >= {"--level", "--bind", "--raw"} and "zmq_pub_url" in done.stdout


# Ctrl-C.

#: Goes into the command as sitecustomize. What counts are the moments since the command handles SIGINT: when a module
#: is looked for, when a line of its own is about to run, and the end. At the moment with the number in AT, and at every
#: one after it, SIGINT comes; without a number the moments are written into a file.
MOMENTS = """
import atexit, os, signal, sys

count, begun, own = 0, False, ("log/__main__.py", "log/_watcher.py")

def press():
    global begun
    begun = True
    os.kill(os.getpid(), signal.SIGINT)

def moment(name):
    global count
    handler = signal.getsignal(signal.SIGINT)
    if handler in (signal.default_int_handler, signal.SIG_IGN) and not begun:
        return
    count += 1
    if os.environ["AT"] == "":
        with open(os.environ["NOTES"], "a") as file:
            print(name, file=file)
    elif count >= int(os.environ["AT"]):
        press()

class Finder:
    @staticmethod
    def find_spec(name, *rest):
        moment(name)

def trace(frame, event, arg):
    code = frame.f_code
    if not code.co_filename.endswith(own) or code.co_name in ("parser", "leave", "interrupt"):
        return None
    if event == "line" and not (code.co_name == "<module>" and code.co_filename.endswith("_watcher.py")):
        try:
            moment(f"{code.co_name}:{frame.f_lineno}")
        except KeyboardInterrupt:
            # From here on nothing is traced; this tells of every call and return.
            sys.setprofile(lambda *_: press())
            raise
    return trace

sys.meta_path.insert(0, Finder)
sys.settrace(trace)
atexit.register(moment, "the end")
"""


def test_ctrl_c_at_any_moment(pub: Any, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(MOMENTS)
    notes = tmp_path / "notes"
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path, "NOTES": str(notes), "AT": ""}
    Watch(pub, env=environment).end()
    moments = notes.read_text().splitlines()
    assert {"zmq.log._watcher", "argparse"} <= {*moments}
    assert {"run", "main", "watch"} <= {name.partition(":")[0] for name in moments}
    # Where nobody publishes: it waits when it has come to the last of these. Not with warnings, as what comes between
    # the making of a context and the beginning of its `with` leaves it to the collector.
    command = [sys.executable, "-m", "zmq.log", "tcp://127.0.0.1:1"]
    ends = []
    # In the short form all in our own code, and some of those in which others' modules are looked for.
    chosen = [
        (number, name)
        for number, name in enumerate(moments, 1)
        if LONG or ":" in name or name.startswith("zmq") or number % 5 == 0 or number == len(moments)
    ]
    for number, name in chosen:
        environment["AT"] = str(number)
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LIMIT)
        ends.append((name, done.returncode, done.stdout, done.stderr))
    assert ends == [(name, 0, "", "") for _, name in chosen]


def test_ctrl_c_that_is_ignored_stays_so(pub: Any) -> None:
    watch = Watch(pub, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
    watch.process.send_signal(signal.SIGINT)
    pub.send_multipart([b"INFO", b"1"])
    assert watch.lines(1) == ["INFO | 1"]
    watch.process.terminate()
    output, errors = watch.process.communicate(timeout=LIMIT)
    assert (watch.process.returncode, output, errors) == (-signal.SIGTERM, b"", b"")
