"""A short form of ``make fuzz`` on each front-end, and what it needs to be right: it sees, shrinks and repeats."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

FUZZ = Path(__file__).resolve().parent
sys.path.insert(0, str(FUZZ))

import parsers  # noqa: E402
import sequences  # noqa: E402
import servers  # noqa: E402
import watching  # noqa: E402
import wire  # noqa: E402

HERE = watching.Interpreter()


@pytest.mark.parametrize("name", sequences.FRONT_ENDS)
def test_hostile_calls_crash_hang_and_confuse_nothing(name: str) -> None:
    outcome = watching.run_numbers(name, "suite", 0, 120, sequences.LENGTH, HERE)
    assert outcome.kind == "", watching.explain(name, "suite", outcome, 0, sequences.LENGTH, HERE)
    assert outcome.calls == 120 * sequences.LENGTH


@pytest.mark.parametrize("name", sequences.FRONT_ENDS)
def test_malformed_streams_harm_no_socket(name: str) -> None:
    assert servers.send_streams(name, "suite", range(1500), lambda done: None) == (1500, "", "")


@pytest.mark.parametrize("name", sequences.FRONT_ENDS)
def test_nothing_is_delivered_of_those_who_are_refused(name: str) -> None:
    refused, kind, text = servers.refuse(name, "suite", 1000, 30, lambda done: None)
    assert (kind, text) == ("", "")
    assert refused >= 1000


@pytest.mark.parametrize("target", parsers.TARGETS)
def test_wrong_input_is_refused_as_documented(target: str) -> None:
    kind, said = parsers.run_target(target, "suite", 400, sys.executable)
    assert kind == "", said


def test_a_seed_repeats_everything() -> None:
    for name in sequences.FRONT_ENDS:
        assert sequences.sequence("7", name) == sequences.sequence("7", name) != sequences.sequence("8", name)
    assert [wire.stream("7", n) for n in range(50)] == [wire.stream("7", n) for n in range(50)]


def test_every_way_meets_every_mechanism_and_type() -> None:
    made = [wire.stream("7", number) for number in range(5000)]
    assert {each.kind for each in made} == {way.__name__ for way in wire.WAYS}
    combined = {(each.mechanism, each.type, each.transport) for each in made}
    assert len(combined) == 2 * (3 * len(wire.TYPES) - 2)


def test_what_is_valid_is_let_in_by_every_type() -> None:
    """Else the malformed streams would get no further than the first look at them."""
    with servers.serving_with("threads") as server:
        connections = servers.Connections(100)
        for mechanism in ("NULL", "PLAIN"):
            for kind in wire.TYPES[:-1]:
                connection = connections.begin(server.addresses[f"{mechanism} {kind} ipc"])
                for index, chunk in enumerate(wire.handshake(mechanism, wire.PEERS[kind])):
                    connection.sendall(chunk)
                    assert servers.hear(connection, index, servers.LIMIT), f"{mechanism} {kind}"
        connections.close()
        assert servers.look(server, "") == ""
        assert server.ask()["events"]["HANDSHAKE_SUCCEEDED"] >= 2 * (len(wire.TYPES) - 1)


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("__import__('os').abort()", "SIGABRT"),
        ("__import__('os').kill(__import__('os').getpid(), 9)", "SIGKILL"),
        ("__import__('time').sleep(1000)", "hang"),
        ("exec('raise SystemError(1)')", "SystemError"),
        ("exec('raise SystemExit(1)')", "SystemExit"),
    ],
)
def test_a_line_that_ends_the_process_is_seen_and_found(line: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "LIMIT", 1.0)
    before, after = sequences.sequence("7", "threads", 12), sequences.sequence("8", "threads", 12)
    lines = [*before, line, *after]
    outcome = watching.run_lines("threads", [lines], HERE)
    assert outcome.kind.startswith(kind) and outcome.step == len(before)

    def fails(some: list[str]) -> bool:
        return watching.run_lines("threads", [some], HERE).kind == outcome.kind

    if kind != "hang":
        assert watching.shrink(lines, fails) == [line]


def test_shrinking_keeps_what_is_needed_together() -> None:
    assert watching.shrink([str(n) for n in range(100)], lambda some: {"3", "57", "98"} <= set(some)) == [
        "3",
        "57",
        "98",
    ]


def test_a_loop_finds_what_lies_behind_two_branches() -> None:
    from zmq.utils import z85

    def target(data: bytes) -> None:
        try:
            z85.decode(data)
        except ValueError as error:
            # Behind the check of the length, and in the second five characters.
            assert "position 7 " not in str(error)

    with pytest.raises(AssertionError):
        parsers.run_loop(target, [b"Hello"], "suite", 20_000, lambda data: None)


def test_changes_stay_within_their_size() -> None:
    random_ = random.Random(1)
    for _ in range(500):
        assert len(parsers.change(random_, [bytes(parsers.LARGEST), b"", b"a"])) <= parsers.LARGEST
