"""The command: text, JSON, dump, and what it says where there is no answer. And the tables that all views show."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import zmq
from zmq import inspect
from zmq.top import command
from zmq.top.tables import Looks, human

if TYPE_CHECKING:
    from conftest import Shop


def looks_of(*shops: Shop) -> Looks:
    looks = Looks()
    for each in shops:
        looks.add(each.state)
    return looks


def test_text(shop: Shop, serve: Callable[[Shop], Path], capsys: pytest.CaptureFixture[str]) -> None:
    shop.hub()
    shop.wait("send", shop.socket("PUSH", "jobs", connected="tcp://10.0.0.1:5555"), seconds=1234.0)
    path = serve(shop)
    assert command.main(["--text", str(path)]) == 0
    assert capsys.readouterr().out == (
        "process 4711: python shop.py\n\n"
        "WHY IT MAY HANG\n"
        "* PUSH 'jobs' has had no room to send for 1,234 s: no peer is there that takes messages, or one in\n"
        '  another process does not receive them, at File "/srv/shop.py", line 31, in serve\n\n'
        "WHO WAITS: 1\n"
        "  for      who         does  where             for what\n"
        "  1,234 s  Greenlet-7  send  shop.py:31 serve  what it waits for\n\n"
        "SOCKETS: 1\n"
        "  type  name  sent  received  waits    endpoints\n"
        "  PUSH  jobs                  1,234 s  > tcp://10.0.0.1:5555\n\n"
        "HUBS AND EVENT LOOPS: 1\n"
        "  MainThread (gevent): runs, answered after 1.0 ms\n"
    )


def test_json_and_check(shop: Shop, serve: Callable[[Shop], Path], capsys: pytest.CaptureFixture[str]) -> None:
    path = serve(shop)
    assert command.main(["--json", "--check", str(path)]) == 0
    assert json.loads(capsys.readouterr().out) == {**shop.state, "causes": [], "sockets": []}
    shop.hub(answers=False, seconds=3.0)
    assert command.main(["--check", "--json", str(path)]) == 3
    found = json.loads(capsys.readouterr().out)
    assert [each["kind"] for each in found["causes"]] == ["hub"]
    assert command.main(["--check", str(path)]) == 3
    assert "WHY IT MAY HANG" in capsys.readouterr().out


def test_nothing_in_a_name_commands_the_terminal(
    shop: Shop, serve: Callable[[Shop], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    evil = "x\x1b]0;owned\x07\n\u202e\ud8e9"
    stack = [{"function": evil, "file": evil, "line": 7, "source": evil}] * 2
    shop.hub(answers=False, seconds=3.0, thread_name=evil, keeper=evil, stack=stack)
    shop.wait("send", shop.socket("PUSH", evil, connected=evil), name=evil, function=evil, file=evil, waits_for=evil)
    shop.wait("term", context="0x1", waits_for=evil, name=evil)
    shop.state["command"] = ["python", evil]
    path = serve(shop)
    assert command.main(["--text", str(path)]) == 0
    text = capsys.readouterr().out
    assert all(char == "\n" or char.isprintable() for char in text) and "x\\x1b]0;owned\\x07\\n\\u202e\\ud8e9" in text
    (row,) = [line for line in text.splitlines() if line.startswith("  PUSH")]
    assert row.endswith("> x\\x1b]0;owned\\x07\\n\\u202e\\ud8e9")


def test_nothing_in_a_dump_or_an_error_commands_the_terminal(
    path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command.Inspection, "ask", lambda self, want: {"dump": "==== zmq\n\x1b[2J\u202e\n==== end\n"})
    inspect.serve(path)
    assert command.main(["--dump", str(path)]) == 0
    assert capsys.readouterr().out == "==== zmq\n\\x1b[2J\\u202e\n==== end\n"

    def fail(self: object, want: str) -> None:
        raise inspect.NoAnswer("it says \x1b[2J")

    monkeypatch.setattr(command.Inspection, "ask", fail)
    assert command.main(["--dump", str(path)]) == 1
    assert capsys.readouterr().err == "python -m zmq.top: it says \\x1b[2J\n"


def test_what_the_terminal_can_not_show_is_a_number(path: Path) -> None:
    inspect.serve(path)
    run: list[Any] = [sys.executable, "-m", "zmq.top", "--text", path]
    with zmq.Context() as context, context.socket(zmq.PULL, name="caf\xe9"):
        environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
        done = subprocess.run(run, capture_output=True, timeout=30, env=environment)
    assert (done.returncode, done.stderr) == (0, b"") and b" caf\\xe9 " in done.stdout


def test_by_number_and_all_stacks(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inspect.serve(path)
    assert command.main(["--dump", str(os.getpid())]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"==== zmq: process {os.getpid()}") and text.endswith("==== end\n")


def test_no_answer(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([str(path)]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"python -m zmq.top: {path}: there is no such file") and error.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [[], ["x", "--interval", "0"], ["x", "--interval", "31"], ["x", "--web", "70000"], ["x", "--sort", "y"]],
)
def test_what_is_wrong(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as error:
        command.main(arguments)
    assert error.value.code == 2 and "usage:" in capsys.readouterr().err


def test_without_textual(
    shop: Shop, serve: Callable[[Shop], Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = serve(shop)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(command.importlib.util, "find_spec", lambda name: None)
    assert command.main([str(path)]) == 2
    assert "pip install 'greenzmq[top]'" in capsys.readouterr().err


def test_as_a_program(path: Path) -> None:
    """Into what is no terminal it shows it once, and a pipe that is closed early is no error."""
    inspect.serve(path)
    run: list[Any] = [sys.executable, "-W", "error", "-m", "zmq.top", path]
    done = subprocess.run(run, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith(f"process {os.getpid()}: ")
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([*run, "--dump"], stdout=write, stderr=subprocess.PIPE, text=True, timeout=30)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")


# Tables.


def test_rates_and_queues(shop: Shop) -> None:
    shop.socket("PUSH", "source", bound="a", messages_sent=100, bytes_sent=1000, messages_received=0)
    sink = shop.socket("PULL", "sink", connected="a", messages_received=90, messages_sent=0, longest_receive_wait=7.0)
    later = shop.later(2)
    source = later.state["statistics"]["sockets"][0]["counters"]
    source.update(messages_sent=300, bytes_sent=5000)
    later.wait("receive", sink, seconds=3.0)
    looks = looks_of(shop, later)
    first, second = looks.sockets("wait")
    assert (first["name"], first["wait"], first["longest"], first["queue"]) == ("sink", 3.0, 7.0, 210)
    assert (second["out"], second["bytes_out"], second["queue"]) == (100.0, 2000.0, 0)
    assert [row["name"] for row in looks.sockets("rate")] == ["source", "sink"]
    assert [row["name"] for row in looks.sockets("queue")] == ["sink", "source"]
    assert [row["name"] for row in looks.sockets("name")] == ["sink", "source"]
    assert looks.history[-1]["out"] == 100.0 and looks.history[-1]["wait"] == 3.0
    # Of one look, and of sockets that do not count, there are none.
    assert looks_of(shop).sockets()[0]["out"] is None


def test_a_queue_of_many_is_not_made_up(shop: Shop) -> None:
    shop.socket("PUSH", "source", bound="a", messages_sent=100)
    for name in ("one", "two"):
        shop.socket("PULL", name, connected="a", messages_received=1)
    shop.socket("PUB", "news", bound="b", messages_sent=100)
    shop.socket("SUB", "reader", connected="b", messages_received=1)
    assert [row["queue"] for row in looks_of(shop).sockets("name")] == [None] * 5


def test_stalls_are_counted_once_each(shop: Shop) -> None:
    hub = shop.hub(answers=False, seconds=1.0)
    looks = looks_of(shop, shop.later())
    assert (looks.stalls, looks.longest_stall) == (1, 1.0)
    hub.update(answers=True, seconds=0.0)
    looks.add(shop.later().state)
    hub.update(answers=False, seconds=0.5)
    looks.add(shop.later().state)
    assert (looks.stalls, looks.longest_stall) == (2, 1.0)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (None, ""),
        (0, "0"),
        (999, "999"),
        (999.6, "1.0k"),
        (12345, "12.3k"),
        (123456, "123k"),
        (9.9e6, "9.9M"),
        (1e13, "10T"),
    ],
)
def test_numbers_are_short(number: float | None, text: str) -> None:
    assert human(number) == text


def test_a_real_process_has_all_that_is_shown(path: Path) -> None:
    inspect.serve(path)
    with zmq.Context() as context, context.socket(zmq.PULL, name="jobs"):
        state = inspect.ask(path)
    looks = Looks()
    looks.add(state)
    assert "jobs" in json.dumps(looks.as_json())
