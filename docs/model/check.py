"""Search every state of the model with SPIN, and see that each of its mistakes is caught.

``python check.py`` prints a table and fails if the rule breaks, a search was cut short, or a mistake was not caught as
expected. ``python check.py NO_BATON`` shows the shortest way in which a mistake does harm.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

MODEL = Path(__file__).with_name("trampoline.pml")
MEMORY = 2000  # megabytes that a search may use
DEPTH = 200_000  # steps; a search that goes deeper is cut short, and fails
SECONDS = 120  # for each program that is run

HOLDS = "holds"


class Case(NamedTuple):
    title: str
    expected: str = HOLDS
    mistake: str = ""
    callers: int = 3
    senders: int = 1
    pollers: int = 1
    sets: int = 0
    hubs: int = 1
    few: bool = False
    defers: bool = False
    threads: bool = False
    cycles: bool = True  # look for runs that never end, too

    def defines(self) -> list[str]:
        found = [
            f"-D{name.upper()}={getattr(self, name)}" for name in ("callers", "senders", "pollers", "sets", "hubs")
        ]
        found += [f"-D{name.upper()}" for name in ("few", "defers", "threads") if getattr(self, name)]
        if self.cycles:
            found.append("-DSPINS")
        if self.mistake:
            # Without the end of the context the shortest counterexample is about messages and room.
            found += [f"-D{self.mistake}", "-DENDLESS"]
        return found

    def names(self) -> list[str]:
        """Return what the greenlets are called, by number."""
        found: list[str] = []
        for name, count in (
            ("sender", self.senders),
            ("receiver", self.callers - self.senders),
            ("poller", self.pollers),
            ("Poller", self.sets),
        ):
            found += [f"{name} {i + 1}" if count > 1 else name for i in range(count)]
        return found


RULE = [
    Case("2 receivers, a sender, a poll"),
    Case("a receiver, 2 senders, a poll", senders=2),
    Case("a receiver, a sender, a poll, a Poller of few", callers=2, sets=1, few=True),
    Case("a receiver, a sender, a poll, a Poller of many", callers=2, sets=1),
    Case("a receiver, a poll, a Poller of few, one of many", callers=1, senders=0, sets=2, few=True),
    Case("a receiver, a poll, 2 Pollers of many", callers=1, senders=0, sets=2),
    Case("2 hubs: 2 receivers", callers=2, senders=0, pollers=0, hubs=2),
    Case("2 hubs: a receiver, a sender, a poll", callers=2, hubs=2, cycles=False),
    Case("2 threads: 2 receivers", callers=2, senders=0, pollers=0, hubs=2, threads=True, cycles=False),
    Case("2 threads: a receiver, a sender", callers=2, pollers=0, hubs=2, threads=True, cycles=False),
    Case("later turns: 2 receivers, a sender", pollers=0, defers=True, cycles=False),
    Case("later turns: a receiver, a sender, a poll", callers=2, defers=True),
    Case("later turns: a receiver, a poll, a Poller of many", callers=1, senders=0, sets=1, defers=True),
    Case("later turns: 2 hubs, 2 receivers", callers=2, senders=0, pollers=0, hubs=2, defers=True, cycles=False),
]


def mistake(name: str, expected: str, *, cycles: bool = False, **greenlets: int) -> Case:
    return Case(name, expected, name, cycles=cycles, **greenlets)  # type: ignore[arg-type]


MISTAKES = [
    mistake("NO_BATON", "poller sleeps on"),
    mistake("OWN_WATCHER", "receiver sleeps on"),
    mistake("NO_HAND_ON", "receiver sleeps on"),
    mistake("STALE_EAGAIN", "EAGAIN with room there"),
    mistake("NOTIFY_FIRST", "sender sleeps on"),
    mistake("VAIN_ALONE", "sender sleeps on"),
    mistake("SWITCH_AT_ONCE", "message lost"),
    mistake("NO_LOOK", "armed and parked differ", callers=2),
    mistake("HEARD_UNARMED", "armed and parked differ", callers=2),
    mistake("LEFT_ARMED", "armed and parked differ"),
    mistake("LEFT_PARKED", "parked after the end"),
    mistake("SET_UNTOLD", "set sleeps on", callers=1, senders=0, sets=2, pollers=0),
    mistake("POLLOUT_LIES", "spins", callers=1, cycles=True),
    mistake("STILL_INSIDE", "given up one runs", callers=2, senders=0, hubs=2),
    mistake("MOVED_ALONE", "receiver sleeps on", callers=2, senders=0, hubs=2),
    mistake("OLD_WATCHER", "receiver sleeps on", callers=2, senders=0, pollers=0, hubs=2),
    mistake("NOT_REFUSED", "given up while it runs", callers=2, senders=0, pollers=0, hubs=2),
    mistake("LATE_GIVE_UP", "given up while it runs", callers=2, senders=0, pollers=0, hubs=2),
    mistake("REFUSED_UNTOLD", "sender sleeps on", callers=2, pollers=0, hubs=2),
    mistake("UNSEEN", "receiver sleeps on", callers=2, senders=0, pollers=0, hubs=2),
    mistake("SERVED_ONCE", "chosen one never runs", callers=2, senders=0, defers=True),
    mistake("NOT_ENTERED", "receiver sleeps on", callers=2, senders=0, pollers=0, hubs=2, threads=True),
    mistake("NOTED_ALONE", "receiver sleeps on", callers=2, senders=0, pollers=0, hubs=2, threads=True),
    mistake("LOOKS_WHERE_NOTED", "armed and parked differ", callers=2, senders=0, pollers=0, hubs=2, threads=True),
    mistake("NO_CLOSE_HERE", "parked after the end", callers=2, senders=0, pollers=0, hubs=2),
]


class Failure(Exception):
    """A search could not be made."""


def run(command: list[str], folder: str) -> str:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        raise Failure(f"{command[0]} took more than {SECONDS} seconds") from None
    if done.returncode != 0:
        raise Failure(f"{' '.join(command)} failed: {(done.stdout + done.stderr).strip()}")
    return done.stdout


def search(case: Case, folder: str) -> tuple[int, str]:
    """Return how many states were looked at, and what was found."""
    shutil.copy(MODEL, folder)
    run(["spin", *case.defines(), "-a", MODEL.name], folder)
    options = ["-DNP"] if case.cycles else ["-DSAFETY"]
    if case.mistake and not case.cycles:
        # Breadth first finds the shortest counterexample.
        options.append("-DBFS")
    run(["gcc", "-w", "-DNOFAIR", f"-DMEMLIM={MEMORY}", *options, "-o", "pan", "pan.c"], folder)
    output = run(["./pan", f"-m{DEPTH}", *(["-l"] if case.cycles else [])], folder)
    states = re.search(r"(\d+) states, stored", output)
    errors = re.search(r"errors: (\d+)", output)
    if states is None or errors is None:
        raise Failure(f"the search ended early: {output.strip()}")
    if errors[1] != "0":
        violated = re.search(r"assertion violated (.*) \(at depth", output)
        if violated is not None:
            found = re.sub(r"^ *!\((\w+)\)$", r"\1", violated[1]).replace("_", " ")
        elif "non-progress cycle" in output:
            found = "spins"
        else:
            found = output.strip().splitlines()[0]
    elif cut := re.search(r".*(not completed|depth too small|MEMLIM|out of memory|truncated|aborted).*", output):
        raise Failure(f"not every state was searched: {cut[0].strip()}")
    else:
        found = HOLDS
    return int(states[1]), found


def check(cases: list[Case]) -> bool:
    """Print a table; tell whether everything is as expected."""
    good = True
    print(f"{'':48} {'states':>9}  seconds")
    for case in cases:
        begun = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            try:
                states, found = search(case, folder)
            except Failure as failure:
                print(f"{case.title:48} {failure}")
                good = False
                continue
        text = found if found == HOLDS else f"caught: {found}"
        if found != case.expected:
            text = ("BROKEN: " + found if case.expected == HOLDS else text) + f", but expected: {case.expected}"
            good = False
        print(f"{case.title:48} {states:9,} {time.monotonic() - begun:8.1f}  {text}", flush=True)
    return good


def show(case: Case) -> None:
    """Print what happens until the harm is done."""
    names = [*case.names(), *[""] * 4]
    with tempfile.TemporaryDirectory() as folder:
        _, found = search(case, folder)
        trace = run(["spin", *case.defines(), "-t", "-T", "-B", MODEL.name], folder)
    for line in trace.splitlines():
        if not line.startswith("spin:"):
            print(re.sub(r"<(\d)>", lambda match: f"the {names[int(match[1])] or 'hub'}", line))
    print(f"=> {found}")


def main(arguments: list[str]) -> int:
    for program in ("spin", "gcc"):
        if shutil.which(program) is None:
            print(f"There is no {program}. Install it: apt-get install spin gcc; or see spinroot.com.", file=sys.stderr)
            return 2
    if not arguments:
        return 0 if check(RULE + MISTAKES) else 1
    for case in MISTAKES:
        if case.mistake == arguments[0]:
            show(case)
            return 0
    print(f"{arguments[0]} is none of {', '.join(case.mistake for case in MISTAKES)}.", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
