"""Feeds what this package itself parses with wrong input, with coverage as a guide.

    python parsers.py TARGET SEED COUNT FOLDER [atheris]

Atheris (libFuzzer) makes up the inputs where it is installed; else a loop of our own does, which keeps an input if it
reached a pair of lines of `zmq` that none before did, and changes those that it has kept. A target fails where it
raises what its documentation does not name, or answers what is not so. An input is in a file of FOLDER before it is
tried, so that one that crashes can be seen.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import importlib
import importlib.util
import io
import mmap
import os
import pickle
import random
import resource
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(ROOT)]

import wire  # noqa: E402

#: Bytes of an input.
LARGEST = 4096
#: Seconds for one input.
LIMIT = 10
#: What asks for too much is refused.
MOST_MEMORY = 2 << 30

Target = Callable[[bytes], object]


def split(data: bytes) -> list[bytes]:
    """Return frames: each begins with its length."""
    frames = []
    while data:
        size, data = data[0] if data[0] < 250 else 300, data[1:]
        frames.append(data[:size])
        data = data[size:]
    return frames


def join(*frames: bytes) -> bytes:
    return b"".join(bytes([len(frame)]) + frame for frame in frames)


def monitor_events() -> Target:
    from zmq import Event
    from zmq.utils.monitor import parse_monitor_message

    def target(data: bytes) -> None:
        with contextlib.suppress(RuntimeError):
            found = parse_monitor_message(split(data))
            assert isinstance(found["event"], Event) and isinstance(found["endpoint"], bytes)

    return target


def zap_requests() -> Target:
    import logging

    import zmq
    from zmq.auth import CURVE_ALLOW_ANY, _zap
    from zmq.auth.base import Authenticator, Denied

    log = logging.getLogger("silent")
    log.disabled = True
    auth = Authenticator(zmq.Context(), log=log)
    auth.deny("192.0.2.1")
    auth.configure_plain("*", {"one": "first secret"})
    auth.configure_curve("*", CURVE_ALLOW_ANY)

    def target(data: bytes) -> None:
        frames = split(data)
        with contextlib.suppress(_zap.MalformedRequest, Denied):
            reply = asyncio_free(auth._decide(frames))
            assert reply[0] == b"200" and frames[0] == b"1.0" and len(frames) >= 6
            if frames[5] == b"PLAIN":
                assert frames[6:] == [b"one", b"first secret"]

    return target


def asyncio_free(coroutine: Any) -> Any:
    """Run a coroutine that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waits")


def file_target(read: Callable[[Path], object]) -> Target:
    path = Path(tempfile.mkdtemp(), "file")

    def target(data: bytes) -> None:
        path.write_bytes(data)
        with contextlib.suppress(ValueError):
            read(path)

    return target


def certificates() -> Target:
    from zmq.auth import load_certificate
    from zmq.utils import z85

    def read(path: Path) -> None:
        public, secret = load_certificate(path)
        for key in (public, secret) if secret else (public,):
            assert len(key) == 40 and len(z85.decode(key)) == 32

    return file_target(read)


def password_files() -> Target:
    from zmq.auth._policies import load_passwords

    return file_target(load_passwords)


def z85_text() -> Target:
    from zmq.utils import z85

    def target(data: bytes) -> None:
        with contextlib.suppress(ValueError):
            assert z85.encode(z85.decode(data)) == data
        with contextlib.suppress(ValueError):
            assert z85.decode(z85.encode(data)) == data

    return target


def curve_keys() -> Target:
    import zmq

    def target(data: bytes) -> None:
        with contextlib.suppress(ValueError, zmq.ZMQError):
            assert len(zmq.curve_public(data)) == 40

    return target


def through_socket(receive: Callable[[Any], object], errors: tuple[type[BaseException], ...]) -> Target:
    """Return what has an input received by a socket, which can be used afterwards whatever it was."""
    import zmq

    context = zmq.Context()
    a, b = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
    a.bind("inproc://inputs")
    b.connect("inproc://inputs")

    def target(data: bytes) -> None:
        a.send(data)
        with contextlib.suppress(*errors):
            receive(b)
        a.send(b"next")
        assert b.recv(zmq.NOBLOCK) == b"next"

    return target


def json_inputs() -> Target:
    return through_socket(lambda socket: socket.recv_json(), (ValueError, RecursionError))


def pickled_inputs() -> Target:
    # What a pickle may raise is anything; it is read with nothing that it could call.
    class Harmless(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            raise pickle.UnpicklingError("nothing is imported here")

    loads, pickle.loads = pickle.loads, lambda data, **rest: Harmless(io.BytesIO(data)).load()
    assert loads is not pickle.loads
    return through_socket(lambda socket: socket.recv_pyobj(), (Exception,))


def strings() -> Target:
    return through_socket(lambda socket: socket.recv_string(), (UnicodeDecodeError,))


def log_records() -> Target:
    from zmq.log import _escapes, _watcher

    ways = [[], ["--align"], ["--color"], ["--level", "error"], ["--timestamp", "--separator", ""]]
    options = [_watcher.parser().parse_args(["inproc://x", *way]) for way in ways]

    def target(data: bytes) -> None:
        frames = split(data[1:]) or [b""]
        for each in options[data[0] % len(options) :][:1] if data else options:
            output = io.StringIO()
            _watcher.Watcher(each, output).show(frames)
            text = output.getvalue()
            if text:
                assert text.endswith("\n") and text.count("\n") == 1 and len(text.splitlines()) <= 1 + text.count("\t")
                shown = text[:-1]
                for start in (*_watcher.COLORS.values(), _watcher.RESET):
                    shown = shown.replace(start, "") if each.color else shown
                assert not any(_escapes.escape(char) != char for char in shown), "something hides"

    return target


#: What is parsed, and inputs to begin with.
TARGETS: dict[str, tuple[Callable[[], Target], list[bytes]]] = {
    "monitor events": (
        monitor_events,
        [join(b"\x01\0\x07\0\0\0", b"tcp://127.0.0.1:1"), join(b"\0\x20\x03\0\0\x10", b"")],
    ),
    "ZAP requests": (
        zap_requests,
        [
            join(b"1.0", b"1", b"", b"127.0.0.1", b"id", b"NULL"),
            join(b"1.0", b"1", b"x", b"127.0.0.1", b"", b"PLAIN", b"one", b"first secret"),
            join(b"1.0", b"1", b"x", b"::1", b"", b"CURVE", bytes(range(32))),
            join(b"1.0", b"1", b"x", b"fe80::1%eth0", b"", b"GSSAPI", b"one@HOME"),
        ],
    ),
    "certificates": (
        certificates,
        [
            b'#  c\nmetadata\n    a = "b"\ncurve\n    public-key = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"\n',
            b'curve\n    public-key = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"\n'
            b'    secret-key = "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"\n',
        ],
    ),
    "password files": (password_files, [b"# users\none=first secret\n two = second\n", b"a=\xc3\xa4\n"]),
    "Z85": (z85_text, [b"HelloWorld", bytes(8), b"%nSc0", b"#####"]),
    "CURVE keys": (curve_keys, [b"D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs", b"0" * 40]),
    "JSON": (json_inputs, [b'{"a": [1, 2.5e3, null, true, "\\u00e4\\ud800"]}', b"[" * 50, b"\xff\xfe{\0}\0"]),
    "pickles": (pickled_inputs, [pickle.dumps({"a": [1, 2.5, b"x", "y", None, (1, 2)]}, n) for n in range(6)]),
    "strings": (strings, [b"text", b"\xc3\xa4\xff"]),
    "log records": (
        log_records,
        [
            b"\0" + join(b"root.INFO.x", b"message\n"),
            b"\2" + join(b"text \x1b[31m \xe2\x80\xa8"),
            b"\3" + join(b"ERROR", b"a\r\nb", b"\xf3\xa0\x80\x81"),
        ],
    ),
}
TOKENS = [b"\0", b"\xff", b"\n", b"=", b'"', b"'", b"#", b"1.0", b"NULL", b"PLAIN", b"CURVE", b"GSSAPI", b"curve\n"]
TOKENS += [b"public-key", b"secret-key", b"\xe2\x80\xae", b"\xed\xa0\x80", b"[", b"{", b"\\u", b"1e999", b"::1", b"%"]


class Lines:
    """Traces which pairs of lines of `zmq` follow each other."""

    def __init__(self) -> None:
        self.found: set[tuple[int, int, int]] = set()
        self.new = False
        self.before = 0
        self.folder = str(ROOT / "zmq")

    def trace(self, frame: Any, event: str, _: Any) -> Any:
        if not frame.f_code.co_filename.startswith(self.folder):
            return None
        pair = (hash(frame.f_code.co_filename), self.before, frame.f_lineno)
        self.before = frame.f_lineno
        if pair not in self.found:
            self.found.add(pair)
            self.new = True
        return self.trace

    def run(self, target: Target, data: bytes) -> bool:
        """Try an input; return whether it reached something new."""
        self.new, self.before = False, 0
        sys.settrace(self.trace)
        try:
            target(data)
        finally:
            sys.settrace(None)
        return self.new


def change(random_: random.Random, kept: Sequence[bytes]) -> bytes:
    data = random_.choice(kept)
    chance = random_.random()
    if chance < 0.2:
        at = random_.randrange(len(data) + 1)
        data = data[:at] + random_.choice(TOKENS) + data[at:]
    elif chance < 0.3:
        other = random_.choice(kept)
        data = data[: random_.randrange(len(data) + 1)] + other[random_.randrange(len(other) + 1) :]
    else:
        data = wire.mutate(random_, data)
    return data[:LARGEST]


def run_loop(target: Target, begin: Sequence[bytes], seed: str, count: int, note: Callable[[bytes], None]) -> int:
    """Try so many inputs; return how many pairs of lines they reached."""
    random_, lines = random.Random(seed), Lines()
    kept = [b"", *begin]
    for number in range(count):
        data = kept[number] if number < 1 + len(begin) else change(random_, kept)
        note(data)
        if lines.run(target, data):
            kept.append(data)
    return len(lines.found)


def run_atheris(make: Callable[[], Target], begin: Sequence[bytes], seed: str, count: int, folder: Path) -> None:
    """Have libFuzzer try so many inputs; it ends the process."""
    # It has no types, and is not there for every Python.
    atheris = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["zmq"]):
        target = make()
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, data in enumerate(begin):
        (corpus / str(number)).write_bytes(data)
    number = int.from_bytes(seed.encode()[-4:], "big") or 1
    options = [f"-runs={count}", f"-seed={number}", f"-max_len={LARGEST}", f"-timeout={LIMIT}", "-rss_limit_mb=0"]
    options += [f"-artifact_prefix={folder}/", "-print_final_stats=1", "-len_control=0", str(corpus)]

    def mutate(data: bytes, most: int, mutation: int) -> bytes:
        # Compiled modules show no coverage: libFuzzer would keep none of the inputs to begin with.
        random_ = random.Random(mutation)
        if random_.random() < 0.5:
            return change(random_, [data, *begin])[:most]
        mutated: bytes = atheris.Mutate(data, most)
        return mutated

    atheris.Setup([sys.argv[0], *options], target, custom_mutator=mutate)
    atheris.Fuzz()


def main() -> int:
    name, seed, count, folder, *engine = sys.argv[1:]
    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    make, begin = TARGETS[name]
    if engine:
        run_atheris(make, begin, seed, int(count), Path(folder))
        return 0
    journal = Path(folder, "input")
    journal.write_bytes(bytes(LARGEST + 4))
    with open(journal, "r+b") as file:
        memory = mmap.mmap(file.fileno(), LARGEST + 4)

    def note(data: bytes) -> None:
        memory[: 4 + len(data)] = len(data).to_bytes(4, "big") + data
        # What takes longer ends the process.
        signal.alarm(LIMIT)

    pairs = run_loop(make(), begin, seed, int(count), note)
    print(f"pairs of lines: {pairs}")
    return 0


def last_input(folder: Path) -> str:
    journal = folder / "input"
    if journal.exists():
        data = journal.read_bytes()
        return repr(data[4 : 4 + int.from_bytes(data[:4], "big")])
    return ", ".join(repr(path.read_bytes()) for path in folder.iterdir() if path.name.startswith(("crash", "timeout")))


def run_target(name: str, seed: str, count: int, python: str, engine: str = "", limit: float = 600) -> tuple[str, str]:
    """Try so many inputs in a process; return what kind of failure there was, if any, and what was said."""
    with tempfile.TemporaryDirectory() as folder:
        command = [python, str(HERE / "parsers.py"), name, seed, str(count), folder, *([engine] if engine else [])]
        variables = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": folder}
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, errors="replace", timeout=limit, env=variables, cwd=folder
            )
        except subprocess.TimeoutExpired:
            return "hang", f"not done after {limit:.0f} s"
        said = (done.stdout + done.stderr)[-3000:]
        if done.returncode == 0:
            return "", said
        code = -done.returncode
        kind = "hang" if code == signal.SIGALRM else signal.Signals(code).name if code > 0 else "wrong"
        return kind, f"input {last_input(Path(folder))}\n{said}"


def run_parsers(options: argparse.Namespace) -> list[Any]:
    from fuzz import Row, Teller, counts

    engine = "atheris" if options.atheris.exists() else ""
    if not engine and importlib.util.find_spec("atheris"):
        engine, options.atheris = "atheris", Path(sys.executable)
    python = str(options.atheris.absolute()) if engine else sys.executable
    print(f"parsers: inputs are made up by {engine or 'a loop of our own'}", flush=True)
    rows = []
    for name in TARGETS:
        tell = Teller(name, options.inputs)
        kind, said = run_target(name, options.seed, options.inputs, python, engine, options.limit)
        print(f"parsers, {name}: {kind or 'done'}, {tell.seconds:.0f} s", flush=True)
        failures = [f"{kind}; repeat with parsers --seed {options.seed}\n{said}"] if kind else []
        tried = options.inputs if not kind else 0
        rows.append(Row(name, options.inputs, tried, *counts([kind] if kind else []), tell.seconds, failures))
    return rows


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Exception:
        traceback.print_exc()
        sys.exit(1)
