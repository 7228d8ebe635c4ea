"""Run programs that use PyZMQ, unmodified, once with PyZMQ and once with this package in its place, side by side.

``make clients`` prepares what this needs and shows every test that ends differently; one that passes with PyZMQ and not
here fails the run. ``make clients CLIENTS="kernel zerorpc"`` runs only these, ``CLIENTS=--list`` lists them, and
``CLIENTS=--help`` tells the rest.

What is run are a program's own tests, from its source archive, or where these do not need PyZMQ or are not published,
the checks of this folder: `checks/check_*.py`, with the small programs that they start. Both are copied into a folder
that is thrown away, so that nothing of this project but the package is there. Each program has two environments, with
the versions of `versions.txt`, which pins all there is; they are kept, and made again where that file changed. PyZMQ is
in both, since the programs require it; in one this package is installed beside it, as its users do, and PyZMQ raises in
every process that imports it there all the same.

Tests run in one process, as their developers run them, which writes down every outcome at once. Where a test crashes
it, or nothing happens for a while, that test has failed, and another process runs what is left. A program that can't be
installed or run fails, and the next one is run. Everything is bounded in time. What a run leaves behind is ended: this
process adopts all orphans of its children, so that it knows their numbers, and collects those that end by themselves.
Checks listen on the loopback alone, on ports that are free.

`differences.json` lists what differs deliberately, and what is left to chance with PyZMQ too, with the reasons. The
latter has three attempts, here and there.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import ctypes
import fcntl
import fnmatch
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import traceback
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "conformance"))

from outcomes import Results, run_pytest  # noqa: E402

VERSIONS = HERE / "versions.txt"
OUTCOMES = ("passed", "failed", "skipped")
#: The two that are compared. Also what their environments are called.
HERE_AND_THERE = ("here", "pyzmq")
WITH = {"here": "with this package", "pyzmq": "with PyZMQ"}
#: The folder of site-packages that `zmq` is imported from.
FOLDERS = {"here": "_greenzmq/zmq", "pyzmq": "zmq"}
#: What PyZMQ is replaced by where it must not be used. Not an ImportError, with which programs reckon.
TRAP = 'raise RuntimeError("this is PyZMQ, where greenzmq should be")\n'
#: Prints the folder of site-packages that `zmq` is imported from, and on the next line what it is.
WHICH = """
import os, sysconfig, zmq
print(os.path.relpath(os.path.dirname(zmq.__file__), sysconfig.get_path("platlib")))
ours = getattr(zmq, "greenzmq_version", None)
print(f"greenzmq {ours()}" if ours else f"PyZMQ {zmq.__version__}", f"libzmq {zmq.zmq_version()}", sep=", ")
"""
#: Seconds that pip may take.
INSTALLED_WITHIN = 1200
#: What stands for the end of the process that runs the tests.
END = "(end)"
#: How often a test is run whose outcome depends on chance; the reason stands in `differences.json`.
ATTEMPTS = 3
#: How many times the tests of a program are taken up again after one that crashed or hung. The rest then has not run.
MOST_INTERRUPTED = 30
#: Seconds between two lines that tell how far a program is.
TOLD_EVERY = 30
#: For all processes: nothing of the user's own settings, and no proxy before a local server.
VARIABLES = {"LANG": "C.UTF-8", "no_proxy": "*", "PYTHONDONTWRITEBYTECODE": "1"}
PR_SET_CHILD_SUBREAPER = 36


class Program(NamedTuple):
    """What is installed, and which of its tests are run.

    `archive` names the package whose source archive has the tests, which are at `tests` there, and need what is at
    `within` around them; without it `tests` are files of `checks`. `limit` is for all of them, in seconds, and
    `stalled` for one.
    """

    packages: tuple[str, ...]
    tests: tuple[str, ...]
    archive: str = ""
    options: tuple[str, ...] = ()
    within: str = ""
    limit: float = 600
    stalled: float = 120


#: For tests that take minutes on an idle machine.
LONG = 1800
CHECKED = ("pytest", "pytest-timeout")
#: For pytest-asyncio, which warns without, where its users make an error of a warning.
FIXTURES = ("-o", "asyncio_default_fixture_loop_scope=function")
PROGRAMS = {
    "kernel": Program(("ipykernel", "jupyter_client", *CHECKED), ("check_kernel.py",)),
    "lab": Program(("jupyterlab", *CHECKED), ("check_lab.py",)),
    "jupyter_client": Program(("jupyter_client[test]",), ("tests",), "jupyter_client", limit=LONG),
    "ipykernel": Program(
        ("ipykernel", "ipyparallel", "flaky", "matplotlib", "psutil", "pytest-asyncio", "pytest-cov", "trio", *CHECKED),
        ("tests",),
        "ipykernel",
        FIXTURES,
        limit=LONG,
    ),
    "zerorpc": Program(("zerorpc", *CHECKED), ("check_zerorpc.py",)),
    "locust": Program(("locust", *CHECKED), ("check_locust.py",)),
    "circus": Program(("circus", "gevent", *CHECKED), ("check_circus.py",)),
    "web": Program(("uvicorn", "uvloop", "aiohttp", *CHECKED), ("check_web.py",)),
    "gunicorn": Program(("gunicorn", "gevent", *CHECKED), ("check_gunicorn.py",)),
    "socketio": Program(("python-socketio[client]", "eventlet", *CHECKED), ("check_socketio.py",)),
    "parsl": Program(("parsl", *CHECKED), ("check_parsl.py",)),
    # Its processes import the tests as a part of it.
    "ipyparallel": Program(
        ("ipyparallel[test]", "pytest-timeout"),
        ("ipyparallel/tests",),
        "ipyparallel",
        FIXTURES,
        within="ipyparallel/",
        limit=LONG,
    ),
    "nbclient": Program(("nbclient[test]", "pytest-timeout"), ("tests",), "nbclient", FIXTURES, limit=LONG),
    "pyleco": Program(("pyleco", *CHECKED), ("tests",), "pyleco"),
    # Its tests of calls are written for an asyncio that had generators as coroutines.
    "aiozmq": Program(
        ("aiozmq", "msgpack", *CHECKED),
        ("tests",),
        "aiozmq",
        ("-o", "python_files=*_test.py", "--ignore=tests/rpc_test.py"),
    ),
    # They import each other as a part of it.
    "txzmq": Program(("txzmq", *CHECKED), ("txzmq/test",), "txzmq", within="txzmq/"),
    "logbook": Program(("logbook", *CHECKED), ("tests",), "logbook", ("-k", "zeromq")),
    "zmq_tubes": Program(("zmq_tubes", "PyYAML", "pytest-asyncio", *CHECKED), ("tests",), "zmq_tubes"),
    "zmq-anyio": Program(("zmq-anyio", "trio", *CHECKED), ("tests",), "zmq-anyio"),
    # They import each other as a part of it.
    "supvisors": Program(
        ("supvisors", "supervisor", "psutil", "pytest-asyncio", "pytest-mock", *CHECKED),
        ("supvisors/tests/test_supvisorszmq.py", "supvisors/tests/test_zmqsubscriber.py"),
        "supvisors",
        FIXTURES,
        within="supvisors/",
    ),
    "zprocess": Program(("zprocess", *CHECKED), ("tests",), "zprocess", ("-o", "addopts=")),
}


class Difference(NamedTuple):
    """A test that ends differently, perhaps with the reason why it should."""

    test: str
    here: str
    there: str
    reason: str
    text: str

    @property
    def is_wrong(self) -> bool:
        return self.there == "passed" and not self.reason


def compare(program: str, here: Results, there: Results, deliberate: dict[str, str]) -> list[Difference]:
    """Return every test of a program that ends differently here and there; one that was not run has that outcome."""
    found = []
    for test in sorted({*here, *there}):
        ours, text = here.get(test, ("not run", ""))
        theirs, _ = there.get(test, ("not run", ""))
        if ours != theirs:
            found.append(Difference(f"{program} {test}", ours, theirs, find(deliberate, f"{program} {test}"), text))
    return found


def failed_with_both(program: str, pair: dict[str, Results]) -> list[str]:
    """Return the tests of a program that say nothing of either."""
    return sorted(
        f"{program} {test}"
        for test, (outcome, _) in pair["here"].items()
        if outcome == "failed" and pair["pyzmq"].get(test, ("", ""))[0] == "failed"
    )


def find(listed: dict[str, str], key: str) -> str:
    """Return the reason that is listed for a test, by its name or a pattern."""
    return listed.get(key) or next((why for pattern, why in listed.items() if fnmatch.fnmatchcase(key, pattern)), "")


def unused(listed: dict[str, str], keys: set[str]) -> list[str]:
    """Return what is listed for tests that do not exist."""
    return sorted(pattern for pattern in listed if not any(find({pattern: "x"}, key) for key in keys))


# Environments


def pip(environment: Path, *arguments: str | Path) -> None:
    subprocess.run(
        [environment / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "-qq", *arguments],
        check=True,
        stdin=subprocess.DEVNULL,
        timeout=INSTALLED_WITHIN,
    )


def ask(environment: Path, program: str) -> str:
    """Return what a program prints in an environment."""
    command = [str(environment / "bin" / "python"), "-c", program]
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd="/", env=variables, timeout=60)
    return done.stdout.strip()


def put_in_place(environment: Path, wheel: Path) -> None:
    """Install this package beside PyZMQ, and set the trap."""
    pip(environment, "install", "--no-deps", "--force-reinstall", wheel)
    packages = Path(ask(environment, "import sysconfig; print(sysconfig.get_path('platlib'))"))
    (packages / FOLDERS["pyzmq"] / "__init__.py").write_text(TRAP)


def which(environment: Path, who: str) -> str:
    """Return what an environment imports as `zmq`, which has to be the one of the two that is meant."""
    folder, versions = ask(environment, WHICH).splitlines()
    if folder != FOLDERS[who]:
        raise RuntimeError(f"{environment} imports {folder}, {versions}")
    return versions


def prepare(folder: Path, name: str, who: str, wheel: Path) -> Path:
    """Make an environment if it is not there as it should be, and return it."""
    environment, packages = folder / f"{name}-{who}", PROGRAMS[name].packages
    wanted = hashlib.sha256(f"{sys.version} {packages} {VERSIONS.read_text()}".encode()).hexdigest()
    stamp = environment / ".installed"
    if not is_stamped(stamp, wanted):
        print(f"{name}: installing it {WITH[who]}", flush=True)
        venv.create(environment, clear=True, with_pip=True)
        pip(environment, "install", "--constraint", VERSIONS, "pyzmq", *packages)
        stamp.write_text(wanted)
    if who == "here":
        stamp, wanted = environment / ".in-place", hashlib.sha256(wheel.read_bytes()).hexdigest()
        if not is_stamped(stamp, wanted):
            put_in_place(environment, wheel)
            stamp.write_text(wanted)
    return environment


def is_stamped(stamp: Path, wanted: str) -> bool:
    return stamp.exists() and stamp.read_text() == wanted


def version_of(package: str) -> str:
    """Return what `versions.txt` says of a package."""
    for line in VERSIONS.read_text().splitlines():
        name, _, version = line.partition("==")
        if canonical(name) == canonical(package):
            return version
    raise LookupError(f"no version of {package} in {VERSIONS}")


def canonical(package: str) -> str:
    """Return a package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", package).lower()


def download(folder: Path, environment: Path, package: str) -> Path:
    """Return the source archive of a package, downloaded once."""
    version = version_of(package)
    place = folder / f"{package}-{version}"
    if not place.exists():
        with tempfile.TemporaryDirectory(dir=folder) as unfinished:
            source = ["download", "--no-deps", "--no-binary", package, "--dest", unfinished, f"{package}=={version}"]
            pip(environment, *source)
            os.rename(unfinished, place)
            os.mkdir(unfinished)
    (archive,) = place.glob("*.tar.gz")
    return archive


def lay_out(folder: Path, program: Program, archive: Path | None) -> None:
    """Put the tests of a program into a folder."""
    if archive is None:
        shutil.copytree(HERE / "checks", folder, ignore=shutil.ignore_patterns("__pycache__"))
        return
    with tarfile.open(archive) as source:
        for member in source.getmembers():
            _, _, path = member.name.partition("/")
            # The package itself is the one that is installed, as a rule.
            if member.isfile() and path.startswith((program.within or program.tests[0], "pyproject.toml")):
                content = source.extractfile(member)
                assert content is not None
                target = folder / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content.read())


# Processes


def adopt_orphans() -> None:
    """Become the parent of each process that loses its own, where the system knows of that (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def reap_orphans(tests: int) -> None:
    """Collect what has ended of those adopted, but not the process of the tests, for which others wait.

    As the system's first process does: who ends a daemon waits until it is gone.
    """
    for process in children_by_parent()[os.getpid()]:
        if process != tests:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(process, os.WNOHANG)


def children_by_parent() -> collections.defaultdict[int, list[int]]:
    children = collections.defaultdict(list)
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            # The name, which is in brackets, may contain anything.
            words = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        children[int(words[1])].append(int(entry.name))
    return children


def descendants() -> Iterator[int]:
    """Yield the processes below this one, children after their parents."""
    children = children_by_parent()
    found = list(children[os.getpid()])
    for process in found:
        yield process
        found.extend(children[process])


def end_descendants() -> int:
    """End every process that is left, by its number. Return how many there were."""
    ended: set[int] = set()
    # One that was just killed may have started others.
    while alive := list(descendants()):
        for process in alive:
            ended.add(process)
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        for process in alive:
            # One that is the child of another is ours as soon as that has ended.
            with contextlib.suppress(ChildProcessError):
                os.waitpid(process, os.WNOHANG)
        time.sleep(0.01)
    return len(ended)


class Progress:
    """Tells now and then how far a program is, and how long it took."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.begun = self.told = time.monotonic()

    def __call__(self, results: Results) -> None:
        if time.monotonic() - self.told >= TOLD_EVERY:
            self.told = time.monotonic()
            passed, failed, skipped = count(results)
            print(
                f"{self.title}: {passed} passed, {failed} failed, {skipped} skipped after {self.seconds()}", flush=True
            )

    def seconds(self) -> str:
        return f"{time.monotonic() - self.begun:.0f} s"


def run(
    environment: Path, program: Program, archive: Path | None, title: str, select: str = "", tests: tuple[str, ...] = ()
) -> Results:
    """Run the tests of a program in one of its environments: all, what pytest's -k selects, or some."""
    results: Results = {}
    end = time.monotonic() + program.limit
    progress = Progress(title)
    with tempfile.TemporaryDirectory(prefix="clients-") as place:
        folder, home, temporary = (Path(place, name) for name in ("tests", "home", "tmp"))
        lay_out(folder, program, archive)
        home.mkdir()
        temporary.mkdir()
        skip = Path(place, "skip")
        path = os.pathsep.join([str(environment / "bin"), os.environ.get("PATH", os.defpath)])
        variables = {**VARIABLES, "HOME": str(home), "TMPDIR": str(temporary), "PATH": path}
        variables["CONFORMANCE_SKIP"] = str(skip)
        options = [*program.options] if archive else ["-c", os.devnull, "--rootdir", str(folder), "-o", "timeout=90"]
        arguments = [*options, *(["-k", select] if select else []), *(tests or program.tests)]
        for _ in range(MOST_INTERRUPTED):
            skip.write_text("\n".join(results))
            try:
                found, ended, output = run_pytest(
                    (environment / "bin" / "python").absolute(),
                    arguments,
                    folder,
                    variables,
                    limit=max(1.0, end - time.monotonic()),
                    stalled=program.stalled,
                    tell=lambda new: progress({**results, **new}),
                    meanwhile=reap_orphans,
                )
            finally:
                end_descendants()
            interrupted = [test for test, (outcome, _) in found.items() if outcome == "running"]
            for test in interrupted:
                found[test] = ("failed", f"{ended or 'did not finish'}\n{output}")
            results.update(found)
            if not interrupted or time.monotonic() > end:
                # A process that does not end, or crashes while it ends, is no test's failure.
                results[END] = ("failed", f"{ended}\n{output}") if ended else ("passed", "")
                break
    passed, failed, skipped = count(results)
    print(f"{title}: {passed} passed, {failed} failed, {skipped} skipped in {progress.seconds()}", flush=True)
    return results


def run_again(results: Results, name: str, chance: dict[str, str], again: tuple[Path, Program, Path | None]) -> None:
    """Give those tests another try that failed and of which is known that they may."""
    for test, (outcome, _) in list(results.items()):
        reason = find(chance, f"{name} {test}")
        for _ in range(1, ATTEMPTS if reason and outcome == "failed" else 1):
            results[test] = run(*again, f"{name}, again: {test}", tests=(test,)).get(test, results[test])
            if results[test][0] == "passed":
                print(f"{name} {test} failed before it passed: {reason}", flush=True)
                break


def count(results: Results) -> list[int]:
    counts = collections.Counter(outcome for outcome, _ in results.values())
    return [counts[outcome] for outcome in OUTCOMES]


def something_passed(results: Results) -> bool:
    return any(outcome == "passed" for test, (outcome, _) in results.items() if test != END)


# What is shown


def rows(name: str, here: Results, there: Results) -> Iterator[tuple[str, str, str]]:
    """Yield the table of a program: a line for each check, or for each file of its own tests, and the sums."""
    tests = list({**there, **here})
    if not PROGRAMS[name].archive:
        for test in tests:
            ours, theirs = (each.get(test, ("not run", ""))[0] for each in (here, there))
            yield f"  {test.partition('::')[2] or test}", ours, theirs
    else:
        for file in dict.fromkeys(file_of(test) for test in tests):
            ours, theirs = (
                show({test: each[test] for test in each if file_of(test) == file}) for each in (here, there)
            )
            yield f"  {file}", ours, theirs
    yield f"  {name}, passed/failed/skipped", show(here), show(there)


def file_of(test: str) -> str:
    return test.partition("::")[0]


def show(results: Results) -> str:
    return "/".join(f"{number:4}" for number in count(results))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wheel", type=Path, required=True, help="this package, built")
    parser.add_argument("--build", type=Path, required=True, metavar="FOLDER", help="where environments are kept")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all results there")
    parser.add_argument(
        "-k", dest="select", default="", metavar="EXPRESSION", help="only tests that pytest's -k selects"
    )
    parser.add_argument("--only", choices=HERE_AND_THERE, help="only with this package, or only with PyZMQ")
    parser.add_argument("--list", action="store_true", help="list the programs and their versions")
    parser.add_argument("--verbose", action="store_true", help="show how tests failed that pass with PyZMQ")
    parser.add_argument("programs", nargs="*", metavar="PROGRAM", help=f"only these: {', '.join(PROGRAMS)}")
    options = parser.parse_args()
    if unknown := set(options.programs) - set(PROGRAMS):
        parser.error(f"no such programs: {', '.join(sorted(unknown))}; there are {', '.join(PROGRAMS)}")
    if options.list:
        for name, program in PROGRAMS.items():
            packages = (package.partition("[")[0] for package in program.packages if package not in CHECKED)
            versions = ", ".join(f"{package} {version_of(package)}" for package in packages)
            print(f"{name:16} {'its own tests' if program.archive else 'checks':14} {versions}")
        return 0

    folder = options.build.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w") as lock:
        # Another run would change the environments of this one.
        fcntl.flock(lock, fcntl.LOCK_EX)
        return run_and_compare(options, folder)


def run_and_compare(options: argparse.Namespace, folder: Path) -> int:
    """Run programs and show how their tests end. Return the exit status."""
    known = json.loads((HERE / "differences.json").read_text())
    deliberate: dict[str, str] = known["deliberate"]
    chance: dict[str, str] = known["left to chance"]
    adopt_orphans()
    # Ctrl-C and SIGTERM end all that runs, also where the one that started this ignores them; children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    everything: dict[str, dict[str, Results]] = {}
    imported: dict[str, dict[str, str]] = {}
    not_run: list[str] = []
    differing: list[Difference] = []
    begun = time.monotonic()
    sides = [options.only] if options.only else HERE_AND_THERE
    names = options.programs or list(PROGRAMS)
    for number, name in enumerate(names, 1):
        program, pair = PROGRAMS[name], everything.setdefault(name, {})
        for who in sides:
            title = f"{name} {WITH[who]}, {number} of {len(names)}"
            try:
                environment = prepare(folder, name, who, options.wheel.absolute())
                imported.setdefault(name, {})[who] = which(environment, who)
                archive = download(folder, environment, program.archive) if program.archive else None
                pair[who] = run(environment, program, archive, title, options.select)
                run_again(pair[who], name, chance, (environment, program, archive))
            except Exception as error:
                traceback.print_exc()
                not_run.append(f"{name} {WITH[who]}: {error!r}")
                pair.setdefault(who, {})
            if options.json:
                options.json.write_text(json.dumps({"zmq": imported, "results": everything}, indent=1))
        if not options.only:
            differing += compare(name, pair["here"], pair["pyzmq"], deliberate)

    print(f"\n{'':72}{'this package':>18}{'PyZMQ':>18}")
    for name, pair in everything.items():
        print(f"\n{name} ({'; '.join(imported.get(name, {}).values())})")
        for row in rows(name, pair.get("here", {}), pair.get("pyzmq", {})):
            print(f"{row[0]:72}{row[1]:>18}{row[2]:>18}")
    print(f"\nAll of it took {(time.monotonic() - begun) / 60:.0f} minutes.")
    if not_run:
        print("\nNot run:", *not_run, sep="\n  ")
    if options.only:
        failed = [
            (f"{name} {test}", text)
            for name, pair in everything.items()
            for test, (outcome, text) in pair[options.only].items()
            if outcome == "failed"
        ]
        for test, text in failed:
            print(f"\n-- {test}\n{text}" if options.verbose else test)
        return 1 if failed or not_run else 0

    print("\n== failed with both")
    both = [test for name, pair in everything.items() for test in failed_with_both(name, pair)]
    print("\n".join(both) or "none")
    print("\n== differences")
    for each in differing:
        print(f"{each.test}: {each.here} here, {each.there} with PyZMQ{'; ' + each.reason if each.reason else ''}")
    if not differing:
        print("none")
    wrong = [each for each in differing if each.is_wrong]
    if options.verbose:
        for each in wrong:
            print(f"\n-- {each.test}: {each.here}\n{each.text}")
    # A comparison with nothing would never fail.
    if empty := [name for name, pair in everything.items() if not something_passed(pair["pyzmq"])]:
        print("\nNothing passed with PyZMQ:", *empty, sep="\n  ")
        return 1
    if not_run:
        return 1
    tests = {f"{name} {test}" for name, pair in everything.items() for results in pair.values() for test in results}
    if not options.programs and not options.select and (stale := unused({**deliberate, **chance}, tests)):
        print("\nListed in differences.json, and not run at all:", *stale, sep="\n  ")
        return 1
    if wrong:
        print(
            f"\n{len(wrong)} tests that pass with PyZMQ do not pass here:", *(each.test for each in wrong), sep="\n  "
        )
        return 1
    print("\nEvery test that passes with PyZMQ passes here, but for the deliberate differences.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
