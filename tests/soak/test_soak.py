"""A short soak on each framework, and what ``make soak`` judges by."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from support.front_ends import LIMIT

SOAK = Path(__file__).resolve().parent
sys.path.insert(0, str(SOAK))

import soak  # noqa: E402


@pytest.mark.parametrize("name", soak.FRONT_ENDS)
def test_what_is_promised_holds_in_a_storm(name: str, tmp_path: Path) -> None:
    short = soak.Soak("suite", 12, str(tmp_path), [name])
    try:
        short.run()
        # So short a time says nothing of growth, but for what is lost with every message: a worker that was killed
        # and is not back yet makes a difference of several descriptors.
        short.judge(more_memory=16, more_descriptors=20)
    finally:
        short.close()
    assert short.failures == []


#: Of a stall: for how many seconds the hub computed, and the garbage collector worked.
BUSY = (0.012, 0.003)


def report(**changed: Any) -> dict[str, Any]:
    counts = dict.fromkeys(
        ("answers", "pipeline", "pushed", "news", "forks", "monitors", "full queues", "cancelled", "time-outs"), 1
    )
    right = {
        "time": 1.0,
        "resident": 100 << 20,
        "descriptors": 40,
        "missed": 0,
        "stalls": [],
        "counts": counts,
        "wrong": [],
    }
    return {**right, "last": False, **changed}


def judged(*reports: dict[str, Any], stops: Any = (), pauses: Any = ()) -> list[str]:
    """Return what a soak with one process finds wrong in its reports."""
    one = soak.Actor.__new__(soak.Actor)
    one.name, one.reports, one.stops = "broker", list(reports), list(stops)
    found = soak.Soak.__new__(soak.Soak)
    found.failures, found.gone, found.workers, found.clients, found.brokers = [], [], [], [], [one]
    found.settled = 0.0
    found.witness = soak.Witness.__new__(soak.Witness)
    found.witness.pauses = list(pauses)
    found.judge(more_memory=1)
    return found.failures


def test_nothing_is_wrong_where_nothing_is() -> None:
    assert judged(report(), report(), report()) == []


@pytest.mark.parametrize(
    ("last", "said"),
    [
        ({"missed": 1}, "missed"),
        ({"resident": 110 << 20}, "memory grew"),
        ({"descriptors": 50}, "descriptors"),
        ({"wrong": ["news: 1 after 2"]}, "news: 1 after 2"),
        ({"stalls": [(10.0, 10.06, 0.0, *BUSY)]}, "for 60 ms, of which it computed 12 and collected garbage 3"),
        ({"counts": {**report()["counts"], "pushed": 2}}, "2 sent, 1 came"),
        ({"counts": {**report()["counts"], "forks": 0}}, "no forks"),
    ],
)
def test_what_is_wrong_is_found(last: dict[str, Any], said: str) -> None:
    found = judged(report(), report(), report(**last))
    assert len(found) == 1 and said in found[0]


def test_what_others_had_of_the_processor_holds_up_no_hub() -> None:
    assert judged(report(), report(), report(stalls=[(10.0, 10.06, 0.02, *BUSY)])) == []
    assert judged(report(), report(stalls=[(10.0, 10.06, 0.0, *BUSY)]), stops=[soak.Stop(9.9, 10.02)]) == []


def test_where_the_machine_stood_still_no_hub_was_held_up() -> None:
    late = report(stalls=[(10.0, 11.0, 0.0, *BUSY)])
    assert judged(report(), late, pauses=[soak.Stop(9.995, 10.99)]) == []
    assert len(judged(report(), late, pauses=[soak.Stop(9.995, 10.5)])) == 1


def test_the_witness_ends_with_who_asked() -> None:
    witness = soak.Witness()
    with witness.process as process:
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(LIMIT) == 0


def test_the_witness_tells_when_it_was_stopped() -> None:
    witness = soak.Witness()
    try:
        begun = time.monotonic()
        while not witness.pauses:
            assert time.monotonic() - begun < LIMIT
            witness.process.send_signal(signal.SIGSTOP)
            time.sleep(0.1)
            witness.process.send_signal(signal.SIGCONT)
            time.sleep(0.1)
        assert witness.pauses[0].end - witness.pauses[0].begin > 0.1
    finally:
        witness.kill()
