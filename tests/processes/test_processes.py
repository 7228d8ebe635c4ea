"""What an import loads and in which layers, processes of one program, the end of the interpreter, the version."""

from __future__ import annotations

import ast
import importlib.metadata
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from toy.package import generate_frameworks

import zmq
from support import ROOT
from support.front_ends import FrontEnd


def run(program: str, module: str = "zmq") -> str:
    command = [sys.executable, "-X", "faulthandler", "-W", "error", "-W", "ignore:Using fork", "-c"]
    program = f"import {module} as zmq\n{textwrap.dedent(program)}"
    done = subprocess.run([*command, program], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return done.stdout


def test_a_child_gets_a_clear_error_at_once(front_end: FrontEnd) -> None:
    """What was inherited is refused and left alone; the parent loses nothing."""
    run(
        """
        import os, gc
        context = zmq.Context.instance()
        a, b = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
        a.bind("inproc://x")
        b.connect("inproc://x")
        a.send(b"1")
        a.poll(0)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                for use in (
                    lambda: a.send(b"2"), lambda: b.recv(), lambda: b.recv(zmq.NOBLOCK), lambda: b.poll(0),
                    lambda: a.linger, lambda: a.send_multipart([b"2"]), lambda: context.socket(zmq.PAIR),
                    lambda: context.get(zmq.IO_THREADS), lambda: b.recv_into(bytearray(1)),
                ):
                    try:
                        use()
                    except zmq.ZMQError as error:
                        assert "fork" in str(error), error
                    else:
                        raise AssertionError("allowed in the child")
                assert zmq.Context.instance() is not context
                with zmq.Context.instance() as own:
                    c, d = own.socket(zmq.PAIR), own.socket(zmq.PAIR)
                    c.bind("inproc://x")
                    d.connect("inproc://x")
                    c.send(b"3")
                    assert d.recv() == b"3"
                    c.close()
                    d.close()
                a.close()
                context.term()
                del a, context
                gc.collect()
                status = 0
            finally:
                os._exit(status)
        while True:
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid:
                break
            b.poll(5)
            if b.poll(0):
                assert b.recv() == b"1"
        assert status == 0
        a.send(b"4")
        assert b.recv() == b"4"
        a.close()
        b.close()
        context.term()
        """,
        front_end.zmq.__name__,
    )


def test_what_a_function_sent_arrives_although_the_program_ends(front_end: FrontEnd, tmp_path: Path) -> None:
    with zmq.Context() as context, context.socket(zmq.PULL) as pull:
        pull.bind(f"ipc://{tmp_path}/end")
        run(
            f"""
            import warnings
            warnings.simplefilter("ignore")
            def send():
                push = zmq.Context().socket(zmq.PUSH)
                push.connect("ipc://{tmp_path}/end")
                for i in range(200):
                    push.send(b"%d" % i)
            send()
            """,
            front_end.zmq.__name__,
        )
        pull.rcvtimeo = 10_000
        assert [int(pull.recv()) for _ in range(200)] == list(range(200))


def test_the_end_of_the_interpreter_waits_for_nobody_for_ever(front_end: FrontEnd) -> None:
    run(
        """
        import warnings
        from zmq.core import context
        context.EXIT_LINGER = 0.1
        warnings.simplefilter("ignore")
        context = zmq.Context()
        push = context.socket(zmq.PUSH)
        push.connect("tcp://127.0.0.1:1")
        push.send(bytes(100_000), copy=False)
        pull = context.socket(zmq.PULL)
        pull.poll(1)
        """,
        front_end.zmq.__name__,
    )


def test_import_loads_no_framework() -> None:
    loaded = run("import sys; print(*sys.modules)").split()
    assert not {"gevent", "eventlet", "tornado", "asyncio", "greenlet", "numpy"} & set(loaded)
    # What takes long, and few programs need for what they do with sockets.
    assert not {"logging", "typing", "pickle", "json", "zmq.sugar", "zmq.backend"} & set(loaded)


@pytest.mark.parametrize(("framework", "module"), [("gevent", "zmq.green"), ("eventlet", "zmq.eventlet")])
def test_green_sockets_say_what_is_missing_without_the_framework(framework: str, module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.modules['{framework}'] = None; import {module}"],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 1 and framework in done.stderr.splitlines()[-1]


CORE = ROOT / "zmq" / "core"
CORE_SOURCES = sorted(path for path in CORE.rglob("*") if path.suffix in {".py", ".pyi", ".pyx", ".pxd"})


@pytest.mark.parametrize("path", CORE_SOURCES, ids=lambda path: str(path.relative_to(CORE)))
def test_the_core_imports_nothing_from_above(path: Path) -> None:
    text = path.read_text()
    imported = re.findall(r"^\s*(?:from|import)\s+([\w.]+)", text, re.M)
    allowed = {"zmq.core", "zmq.utils"}  # jsonapi, which is public there
    frameworks = {"gevent", "eventlet", "tornado", "asyncio", "greenlet"}
    if path.parent.name == "futures":
        # Whoever imports that uses asyncio: see `test_import_loads_no_framework`.
        frameworks.remove("asyncio")
    for module in imported:
        assert not module.startswith("zmq") or ".".join(module.split(".")[:2]) in allowed, module
        assert module.split(".")[0] not in frameworks, module


FRAMEWORKS = {
    each.name: [*(f"{each.folder.name}/{name}" for name in generate_frameworks.BY_HAND), f"demo/on_{each.name}.py"]
    for each in (generate_frameworks.MODEL, *generate_frameworks.FRAMEWORKS)
}


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_only_the_adapter_imports_the_framework(framework: str) -> None:
    for path in (ROOT / "zmq").rglob("*.py"):
        imported = [
            name
            for node in ast.walk(ast.parse(path.read_text()))
            for name in (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
        ]
        if path.relative_to(ROOT / "zmq").as_posix() not in FRAMEWORKS[framework]:
            assert not any(name.split(".")[0] == framework for name in imported), path


def test_the_version_is_said_once() -> None:
    version = zmq.greenzmq_version()
    assert importlib.metadata.version("greenzmq") == version
    assert f"\n## [{version}] - " in (ROOT / "CHANGELOG.md").read_text()
    said = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "pyproject.toml", ROOT / "setup.py", ROOT / "Makefile", *(ROOT / "zmq").rglob("*.p*"))
        if path.suffix != ".pyc" and f'"{version}"' in path.read_text()
    ]
    assert said == ["zmq/core/version.pyx"]


def test_a_build_without_libzmq_names_the_packages(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "setup.py", "build_ext", "--build-lib", str(tmp_path), "--build-temp", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "ZMQ_PREFIX": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.returncode == 1
    for package in ("libzmq3-dev", "zeromq-devel", "brew install zeromq", "ZMQ_PREFIX"):
        assert package in done.stderr
    assert "Traceback" not in done.stderr
