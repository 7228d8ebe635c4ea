"""``python -m zmq.green.monkey program``: what the interpreter itself would give the program, but green."""

from __future__ import annotations

import py_compile
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import pytest

from support import TESTS
from support.monkey.monkeyed import FRAMEWORKS, GEVENT, LIMIT, Framework, show

#: A program for threads. It can tell that it is green: its threads are none, and tick while it waits.
PROGRAM = """
    import os
    import sys
    import threading
    import time

    import zmq

    def native_threads():
        return len(os.listdir("/proc/self/task"))

    ticks = []

    def tick():
        while len(ticks) < 5:
            time.sleep(0.001)
            ticks.append(1)
        a.send(b"1")

    with zmq.Context() as context, context.socket(zmq.PAIR) as a, context.socket(zmq.PAIR) as b:
        a.bind("inproc://pair")
        b.connect("inproc://pair")
        before = native_threads()
        thread = threading.Thread(target=tick)
        thread.start()
        # One by which it was found out that libzmq can start its own may end meanwhile.
        assert native_threads() <= before, "a native thread"
        assert b.recv() == b"1" and len(ticks) == 5
        thread.join()
    print("green", sys.argv[1:])
"""

#: What a program can find out about how it was started.
LOOK = """
    import pickle
    import sys

    class Here:
        attribute: int

    main = sys.modules["__main__"]
    print(sys.argv)
    print(sys.path)
    print(main.__name__, main.__file__, repr(main.__package__), main.__cached__)
    print(main.__spec__ and main.__spec__.name, type(main.__loader__).__name__)
    print(sorted({*vars(main)} - {"__annotations__"}), Here.__annotations__)
    print(vars(main) is globals(), type(pickle.loads(pickle.dumps(Here()))) is Here)
"""


@pytest.fixture(params=FRAMEWORKS, ids=lambda framework: framework.name)
def framework(request: pytest.FixtureRequest) -> Framework:
    return request.param


def start(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-X", "faulthandler", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, cwd=folder, stdin=subprocess.DEVNULL)


def write(path: Path, program: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(program))


@pytest.mark.parametrize("how", [["program.py"], ["-m", "program"]], ids=["script", "module"])
def test_a_program_is_green_from_its_first_line_on(framework: Framework, how: list[str], tmp_path: Path) -> None:
    write(tmp_path / "program.py", PROGRAM)
    done = start(tmp_path, "-W", "error", "-m", framework.monkey_module, *how, "--some", "arguments")
    assert (done.returncode, done.stdout, done.stderr) == (0, "green ['--some', 'arguments']\n", ""), show(done)


def test_the_end_of_the_first_child_is_heard_of_however_soon_it_comes(framework: Framework, tmp_path: Path) -> None:
    """Also where the child has ended before `os.fork` returns in its parent."""
    program = """
        import os, sys, threading
        sys.path.insert(0, TESTS)
        from support.watchdog import limit
        limit(10)
        os.register_at_fork(after_in_parent=lambda: os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT))

        def fork():
            child = os.fork()
            if child == 0:
                os._exit(7)
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

        if sys.argv[1:]:
            thread = threading.Thread(target=fork)
            thread.start()
            thread.join()
        else:
            fork()
    """
    write(tmp_path / "program.py", program.replace("TESTS", repr(str(TESTS))))
    for arguments in [], ["in a greenlet"]:
        done = start(tmp_path, "-W", "ignore:This process", "-m", framework.monkey_module, "program.py", *arguments)
        assert (done.returncode, done.stdout, done.stderr) == (0, "7\n", ""), show(done)


def test_descriptors_of_a_wait_are_closed_when_it_is_over(framework: Framework, tmp_path: Path) -> None:
    """gevent's `os.close` closes what it is given when the hub runs next."""
    program = """
        import os, threading, time, zmq

        def descriptors():
            return len(os.listdir("/proc/self/fd"))

        def receive():
            time.sleep(0.01)
            b.recv()

        with zmq.Context() as context, context.socket(zmq.PAIR) as a, context.socket(zmq.PAIR) as b:
            a.bind("inproc://pair")
            b.connect("inproc://pair")
            found = []
            for _ in range(3):
                thread = threading.Thread(target=receive)
                time.sleep(0.01)
                before = descriptors()
                thread.start()
                a.send(bytes(100_000), copy=False, track=True).wait(10)
                found.append(descriptors() - before)
                thread.join()
        # The first wait in a hub may open what stays.
        print(found[1:])
    """
    write(tmp_path / "program.py", program)
    done = start(tmp_path, "-m", framework.monkey_module, "program.py")
    assert (done.returncode, done.stdout, done.stderr) == (0, "[0, 0]\n", ""), show(done)


@pytest.mark.parametrize("framework", [GEVENT], ids=["gevent"])
def test_a_program_that_its_framework_starts_may_patch_the_rest_itself(framework: Framework, tmp_path: Path) -> None:
    patch = f"import {framework.monkey_module} as monkey\nmonkey.patch_all()\n"
    write(tmp_path / "program.py", patch + textwrap.dedent(PROGRAM))
    done = start(tmp_path, "-m", f"{framework.name}.monkey", "program.py", "x")
    assert (done.returncode, done.stdout, done.stderr) == (0, "green ['x']\n", ""), show(done)


WAYS: dict[str, list[str]] = {
    "script": ["look.py", "a", "-b"],
    "script in a folder": ["package/look.py"],
    "link to a script": ["link.py"],
    "compiled script": ["compiled.pyc", "a"],
    "folder": ["folder", "a"],
    "archive": ["archive.zip", "a"],
    "module": ["-m", "look", "a"],
    "module of a package": ["-m", "package.look"],
    "package": ["-m", "package", "a"],
}


#: Ways and options of the interpreter's.
STARTS = [*((way, "") for way in WAYS), ("script", "-P"), ("archive", "-P"), ("module", "-P"), ("script", "-I")]


@pytest.mark.parametrize(("way", "option"), STARTS, ids=[f"{way} {option}".strip() for way, option in STARTS])
def test_a_program_finds_what_the_interpreter_itself_would_give_it(
    framework: Framework, way: str, option: str, tmp_path: Path
) -> None:
    if option == "-P" and sys.version_info < (3, 11):
        pytest.skip("came with Python 3.11")
    for name in ("look.py", "package/look.py", "package/__main__.py", "folder/__main__.py"):
        write(tmp_path / name, LOOK)
    write(tmp_path / "package" / "__init__.py", "")
    (tmp_path / "link.py").symlink_to("package/look.py")
    py_compile.compile(str(tmp_path / "look.py"), str(tmp_path / "compiled.pyc"))
    with zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive:
        archive.write(tmp_path / "look.py", "__main__.py")
    options = [option] if option else []
    expected = start(tmp_path, *options, *WAYS[way])
    done = start(tmp_path, *options, "-m", framework.monkey_module, *WAYS[way])
    assert done.stdout.splitlines() == expected.stdout.splitlines(), show(done)
    assert done.returncode == expected.returncode


ENDS = {
    "it ends": "",
    "it has sockets open": "import zmq; context = zmq.Context(); socket = context.socket(zmq.PULL)",
    "exit with a status": "import sys; sys.exit(3)",
    "exit with a text": "import sys; sys.exit('that went wrong')",
    "exit at once": "import os; os._exit(4)",
    "an error": "raise ValueError('x')",
    "a syntax error": "1 +",
    "interrupted": "import time; time.sleep(0.001); raise KeyboardInterrupt",
}


@pytest.mark.parametrize("end", ENDS)
def test_a_program_ends_as_if_the_interpreter_itself_had_started_it(
    framework: Framework, end: str, tmp_path: Path
) -> None:
    write(tmp_path / "program.py", ENDS[end])
    expected = start(tmp_path, "program.py")
    for how in (["program.py"], ["-m", "program"]):
        done = start(tmp_path, "-m", framework.monkey_module, *how)
        assert (done.returncode, done.stdout) == (expected.returncode, expected.stdout), show(done)
        assert done.stderr.splitlines()[-1:] == expected.stderr.splitlines()[-1:]


def test_threads_that_go_on_when_the_program_ends_find_its_names(framework: Framework, tmp_path: Path) -> None:
    if not framework.awaits_threads:
        pytest.skip("patched threads end with the main one")
    program = """
        import threading, time

        def late():
            time.sleep(0.02)
            print(number)

        number = 3
        threading.Thread(target=late).start()
    """
    write(tmp_path / "program.py", program)
    for how in (["program.py"], ["-m", "program"]):
        done = start(tmp_path, "-m", framework.monkey_module, *how)
        assert (done.returncode, done.stdout, done.stderr) == (0, "3\n", ""), show(done)


@pytest.mark.parametrize("missing", [["missing.py"], ["-m", "missing"], ["-m", "missing.missing"]], ids=" ".join)
def test_a_program_that_is_not_there_is_reported_as_the_interpreter_does(
    framework: Framework, missing: list[str], tmp_path: Path
) -> None:
    expected = start(tmp_path, *missing)
    done = start(tmp_path, "-m", framework.monkey_module, *missing)
    assert done.returncode == expected.returncode, show(done)
    assert "Traceback" not in done.stderr
    assert missing[-1] in done.stderr


@pytest.mark.parametrize("arguments", [[], ["-m"], ["-x"], ["-c", "pass"]], ids=" ".join)
def test_a_wrong_command_shows_the_usage(framework: Framework, arguments: list[str], tmp_path: Path) -> None:
    done = start(tmp_path, "-m", framework.monkey_module, *arguments)
    assert (done.returncode, done.stdout) == (2, ""), show(done)
    assert done.stderr.startswith(f"usage: python -m {framework.monkey_module} "), show(done)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_is_no_error(framework: Framework, option: str, tmp_path: Path) -> None:
    done = start(tmp_path, "-m", framework.monkey_module, option)
    assert (done.returncode, done.stderr) == (0, ""), show(done)
    assert done.stdout.startswith(f"usage: python -m {framework.monkey_module} ")


def test_the_module_that_is_run_and_the_one_that_is_imported_agree(framework: Framework, tmp_path: Path) -> None:
    program = f"""
        import {framework.monkey_module} as monkey

        assert monkey.is_patched()
        monkey.unpatch_all()
        assert not monkey.is_patched()
    """
    write(tmp_path / "program.py", program)
    done = start(tmp_path, "-m", framework.monkey_module, "program.py")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), show(done)
