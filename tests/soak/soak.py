"""Have brokers, workers and clients run for long, while everything happens to them that can.

``make soak`` does so for 30 minutes and ends with a table; it fails where something was lost or doubled, a wake-up was
missed, memory or descriptors grew, or a hub was held up. docs/reliability.md says what that covers, and what it found.

    make soak SOAK="--minutes 5 --seed 7"

`cast` has the processes, which end calls, fill queues, reconnect, fork and monitor by themselves. From here workers are
killed and started again, and all of them are stopped for a moment now and then. The seed decides all of that; when it
happens, the machine decides too.

How long a hub was held up is what its ticks were late, without what is not the hub's: the time that the process was
stopped, that in which it could have run and others had the processor, which the kernel counts (schedstat), and that in
which the whole machine stood still, which it does not: a process that does nothing but look at the clock tells of it.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
#: Seconds between two lines that tell how far it is.
TOLD_EVERY = 15
#: Seconds to the first report of a process, to each of the next, and to its last one.
BEGINS_WITHIN, REPORTS_WITHIN, ENDS_WITHIN = 30.0, 20.0, 90.0
#: Seconds that a hub may be held up.
LONGEST_STALL = 0.05
#: Seconds after which all that connects at the beginning has done so.
SETTLES_WITHIN = 2.0
#: Seconds for which a process is not quite itself after it was stopped.
AFTER_STOP = 0.02
FRONT_ENDS = ("gevent", "eventlet")


class Stop(NamedTuple):
    begin: float
    end: float


class Stall(NamedTuple):
    """For how many seconds a hub was held up; for how many of these it computed, and the garbage collector worked."""

    seconds: float
    computed: float = 0.0
    collected: float = 0.0

    def __str__(self) -> str:
        seconds, computed, collected = (1000 * each for each in self)
        return f"{seconds:.0f} ms, of which it computed {computed:.0f} and collected garbage {collected:.0f}"


class Actor:
    """A process, and what it told."""

    def __init__(
        self, role: str, front_end: str, folder: str, seed: str, number: int, brokers: Sequence[str] = FRONT_ENDS
    ) -> None:
        self.role, self.front_end, self.number = role, front_end, number
        self.name = f"{role} {number}, {front_end}"
        self.reports: list[dict[str, Any]] = []
        self.stops: list[Stop] = []
        self.heard = time.monotonic()
        self.printed = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, HERE / "cast.py", role, front_end, folder, seed, str(number), *brokers],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.printed,
            start_new_session=True,
        )
        self.thread = threading.Thread(target=self.listen, daemon=True)
        self.thread.start()

    def listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            try:
                self.reports.append(json.loads(line))
            except ValueError:
                continue  # the last one of a process that was killed meanwhile
            self.heard = time.monotonic()

    def stop(self, seconds: float) -> None:
        begin = time.monotonic()
        self.process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self.process.send_signal(signal.SIGCONT)
        self.stops.append(Stop(begin, time.monotonic() + AFTER_STOP))

    def longest_stall(self, pauses: Sequence[Stop] = ()) -> Stall:
        """Return for how long its hub was held up at most, but for the pauses of the machine."""
        longest = Stall(0.0)
        stops = [*self.stops, *pauses]
        for report in self.reports:
            for begin, end, stolen, computed, collected in report["stalls"]:
                stopped = sum(max(0.0, min(end, stop.end) - max(begin, stop.begin)) for stop in stops)
                longest = max(longest, Stall(end - begin - stolen - stopped, computed, collected))
        return longest

    def finish(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"f")
        self.process.stdin.flush()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.thread.join(10)
        for file in (self.process.stdin, self.process.stdout):
            assert file is not None
            file.close()

    def problem(self) -> str:
        """Return why it can't be counted on any more, if so."""
        if self.process.poll() is not None:
            self.printed.seek(0)
            return f"{self.name} ended with {self.process.returncode}\n{self.printed.read()[-3000:]}"
        if self.reports and self.reports[-1]["last"]:
            return ""
        silent = time.monotonic() - self.heard
        if silent > (REPORTS_WITHIN if self.reports else BEGINS_WITHIN):
            self.process.send_signal(signal.SIGABRT)
            self.process.wait(10)
            self.printed.seek(0)
            return f"{self.name} says nothing for {silent:.0f} s\n{self.printed.read()[-3000:]}"
        return ""


class Witness:
    """A process that tells when the machine stood still."""

    def __init__(self) -> None:
        self.pauses: list[Stop] = []
        self.process = subprocess.Popen(
            [sys.executable, HERE / "cast.py", "witness"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.thread = threading.Thread(target=self.listen, daemon=True)
        self.thread.start()

    def listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            begin, end = json.loads(line)
            self.pauses.append(Stop(begin, end + AFTER_STOP))

    def kill(self) -> None:
        with self.process:
            self.process.kill()
            self.thread.join(10)


class Growth(NamedTuple):
    """Medians of the first and the last third."""

    first: float
    last: float


def thirds(values: list[float]) -> Growth:
    third = max(1, len(values) // 3)
    return Growth(statistics.median(values[:third]), statistics.median(values[-third:]))


def steal() -> float:
    """Return the seconds that other machines had of this one's processors."""
    return int(Path("/proc/stat").read_text().split("\n")[0].split()[8]) / os.sysconf("SC_CLK_TCK")


class Soak:
    """All processes of a soak, with brokers of these front-ends and two workers and clients."""

    def __init__(self, seed: str, seconds: float, folder: str, front_ends: Sequence[str] = FRONT_ENDS) -> None:
        self.front_ends = front_ends
        self.seed, self.seconds, self.folder = seed, seconds, folder
        self.random = random.Random(seed)
        self.numbers = iter(range(1 << 30))
        self.failures: list[str] = []
        self.killed = self.stopped = 0
        #: When all had begun; what was before says nothing of growth.
        self.settled = 0.0
        #: Of workers that were killed.
        self.gone: list[Actor] = []
        self.brokers = [self.actor("broker", front_end) for front_end in front_ends]
        two = [front_ends[0], front_ends[-1]]
        self.workers = [self.actor("worker", front_end) for front_end in two]
        self.clients = [self.actor("client", front_end) for front_end in two]
        self.witness = Witness()

    def actor(self, role: str, front_end: str) -> Actor:
        return Actor(role, front_end, self.folder, self.seed, next(self.numbers), self.front_ends)

    @property
    def all(self) -> list[Actor]:
        return self.brokers + self.workers + self.clients

    def run(self) -> None:
        begun = told = time.monotonic()
        while not all(actor.reports for actor in self.all):
            self.look()
            if self.failures:
                return
            time.sleep(0.05)
        self.settled = time.monotonic() + SETTLES_WITHIN
        while time.monotonic() - begun < self.seconds and not self.failures:
            time.sleep(self.random.uniform(0.1, 1.0))
            self.happen()
            self.look()
            if time.monotonic() - told > TOLD_EVERY:
                told = time.monotonic()
                print(f"{told - begun:.0f} of {self.seconds:.0f} s: {self.told()}", flush=True)
        for actors in (self.clients, self.brokers):
            for actor in actors:
                if actor.process.poll() is None:
                    actor.finish()
            self.await_last(actors)

    def happen(self) -> None:
        """Have something happen to a process."""
        if self.random.random() < 0.3:
            at = self.random.randrange(len(self.workers))
            worker = self.workers[at]
            worker.kill()
            self.gone.append(worker)
            self.killed += 1
            self.workers[at] = self.actor("worker", worker.front_end)
        else:
            self.random.choice(self.all).stop(self.random.choice([0.01, 0.05, 0.2, 0.5]))
            self.stopped += 1

    def look(self) -> None:
        self.failures += [problem for actor in self.all if (problem := actor.problem())]

    def await_last(self, actors: list[Actor]) -> None:
        end = time.monotonic() + ENDS_WITHIN
        while not all(actor.reports and actor.reports[-1]["last"] for actor in actors):
            self.look()
            if self.failures:
                return
            if time.monotonic() > end:
                self.failures.append(f"{', '.join(actor.name for actor in actors)}: not at an end")
                return
            time.sleep(0.05)

    def counts(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for actor in self.all + self.gone:
            for what, number in (actor.reports[-1]["counts"] if actor.reports else {}).items():
                found[what] = found.get(what, 0) + number
        return found

    def told(self) -> str:
        counts = self.counts()
        done = f"{counts.get('answers', 0):,} answers, {counts.get('pipeline', 0):,} of the pipeline"
        return f"{done}, {counts.get('news', 0):,} news, {self.killed} killed, {self.stopped} stopped"

    def judge(self, more_memory: float, more_descriptors: int = 3) -> None:
        """See what was lost or doubled, missed, grown or held up."""
        for actor in self.all + self.gone:
            for report in actor.reports:
                if report["missed"]:
                    self.failures.append(f"{actor.name}: {report['missed']} wake-ups were missed")
                    break
            if actor.reports:
                self.failures += [f"{actor.name}: {what}" for what in actor.reports[-1]["wrong"]]
            longest = actor.longest_stall(self.witness.pauses)
            if longest.seconds > LONGEST_STALL:
                self.failures.append(f"{actor.name}: its hub was held up for {longest}")
        counts = self.counts()
        if counts.get("pushed", 0) != counts.get("pipeline", 0):
            self.failures.append(f"pipeline: {counts.get('pushed', 0)} sent, {counts.get('pipeline', 0)} came")
        for what in ("answers", "pipeline", "news", "forks", "monitors", "full queues", "cancelled", "time-outs"):
            if not counts.get(what):
                self.failures.append(f"there were no {what}")
        for actor in self.brokers + self.clients:
            if not actor.reports:
                continue
            memory, descriptors = self.growth(actor)
            if memory.last - memory.first > max(more_memory, 0.03 * memory.first):
                self.failures.append(f"{actor.name}: memory grew from {memory.first:.1f} to {memory.last:.1f} MiB")
            if descriptors.last - descriptors.first > more_descriptors:
                self.failures.append(f"{actor.name}: {descriptors.first:.0f} descriptors, later {descriptors.last:.0f}")

    def growth(self, actor: Actor) -> tuple[Growth, Growth]:
        settled = [each for each in actor.reports if each["time"] >= self.settled and not each["last"]]
        running = settled or actor.reports
        memory = [report["resident"] / 2**20 for report in running]
        return thirds(memory), thirds([float(report["descriptors"]) for report in running])

    def table(self) -> str:
        lines = [f"{'':22}{'MiB first':>11}{'last':>8}{'open first':>12}{'last':>6}{'missed':>8}{'longest stall':>15}"]
        for actor in self.brokers + self.clients:
            if actor.reports:
                memory, descriptors = self.growth(actor)
                lines.append(
                    f"{actor.name:22}{memory.first:11.1f}{memory.last:8.1f}{descriptors.first:12.0f}"
                    f"{descriptors.last:6.0f}{actor.reports[-1]['missed']:8}"
                    f"{1000 * actor.longest_stall(self.witness.pauses).seconds:12.0f} ms"
                )
        workers = self.workers + self.gone
        longest = max((actor.longest_stall(self.witness.pauses).seconds for actor in workers), default=0.0)
        missed = sum(actor.reports[-1]["missed"] for actor in workers if actor.reports)
        lines.append(f"{f'{len(workers)} workers':22}{'':37}{missed:8}{1000 * longest:12.0f} ms")
        return "\n".join(lines)

    def close(self) -> None:
        for actor in self.all:
            actor.kill()
        self.witness.kill()
        for actor in self.all + self.gone:
            actor.printed.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30, help="how long (%(default)s)")
    parser.add_argument("--seed", default="1", help="what decides what happens (%(default)s)")
    parser.add_argument("--memory", type=float, default=1.0, metavar="MIB", help="by which a process may grow, or 3 %%")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was found there")
    options = parser.parse_args()
    print(f"The seed is {options.seed}.", flush=True)
    begun, stolen = time.monotonic(), steal()
    with tempfile.TemporaryDirectory() as folder:
        soak = Soak(options.seed, 60 * options.minutes, folder)
        try:
            soak.run()
            soak.judge(options.memory)
            counts = soak.counts()
            involuntary = sum(actor.reports[-1]["involuntary"] for actor in soak.all + soak.gone if actor.reports)
        finally:
            soak.close()
    for failure in soak.failures:
        print(f"\n== {failure}")
    print(f"\n{soak.table()}\n")
    counts |= {"killed": soak.killed, "stopped": soak.stopped, "failures": len(soak.failures)}
    counts |= {"involuntary switches": involuntary, "seconds stolen by other machines": round(steal() - stolen)}
    print("\n".join(f"{what:34}{number:12,}" for what, number in counts.items()))
    print(f"{'seconds':34}{time.monotonic() - begun:12,.0f}", flush=True)
    if options.json:
        options.json.write_text(json.dumps({"counts": counts, "failures": soak.failures}, indent=1) + "\n")
    return bool(soak.failures)


if __name__ == "__main__":
    sys.exit(main())
