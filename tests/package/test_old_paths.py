"""Import paths of other versions of PyZMQ: each leads to what `zmq` has."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import zmq as plain
from support import ROOT
from zmq import eventlet, green
from zmq.sugar.attrsettr import AttributeSetter

#: The modules, and what each has of the names of `zmq`.
PATHS = {
    "zmq.core.constants": "PUSH SNDMORE SocketOption",
    "zmq.core.context": "Context",
    "zmq.core.device": "device proxy proxy_steerable",
    "zmq.core.error": "Again ContextTerminated NotDone ZMQBaseError ZMQBindError ZMQError ZMQVersionError",
    "zmq.core.message": "Frame Message MessageTracker",
    "zmq.core.poll": "Poller select zmq_poll",
    "zmq.core.socket": "Socket",
    "zmq.core.stopwatch": "Stopwatch",
    "zmq.core.tracker": "MessageTracker _FINISHED_TRACKER",
    "zmq.core.version": "pyzmq_version zmq_version zmq_version_info",
    "zmq.sugar": (
        "Again Context ContextTerminated DeviceType DraftFDWarning Frame InterruptedSystemCall Message MessageTracker "
        "NotDone Poller Socket Stopwatch SyncContext SyncSocket ZMQBaseError ZMQBindError ZMQError ZMQVersionError "
        "_FINISHED_TRACKER __revision__ __version__ device error proxy pyzmq_version pyzmq_version_info select "
        "zmq_version zmq_version_info"
    ),
    "zmq.sugar.constants": "NOBLOCK NULL POLLIN PUSH REQ SocketType",
    "zmq.sugar.context": "Context ContextOption Errno Socket SocketOption SyncContext SyncSocket ZMQError",
    "zmq.sugar.frame": "Frame Message",
    "zmq.sugar.poll": "POLLERR POLLIN POLLOUT Poller select zmq_poll",
    "zmq.sugar.socket": "Poller Socket SocketOption SocketType SyncSocket ZMQBindError ZMQError",
    "zmq.sugar.stopwatch": "Stopwatch",
    "zmq.sugar.tracker": "Frame MessageTracker NotDone _FINISHED_TRACKER",
    "zmq.sugar.version": ("__revision__ __version__ pyzmq_version pyzmq_version_info zmq_version zmq_version_info"),
    "zmq.backend.cython.constants": "NOBLOCK PUSH",
}
PATHS["zmq.core"] = " ".join(
    name for path, names in PATHS.items() if path.startswith("zmq.core.") for name in names.split() if name != "device"
).replace("_FINISHED_TRACKER", "NOBLOCK")
BACKEND = (
    "Context Frame IPC_PATH_MAX_LEN Message PYZMQ_DRAFT_API Socket curve_keypair curve_public has proxy "
    "proxy_steerable strerror zmq_errno zmq_poll zmq_version_info"
)
PATHS |= dict.fromkeys(["zmq.backend", "zmq.backend.cython", "zmq.backend.cython._zmq"], BACKEND)


@pytest.mark.parametrize("path", PATHS)
def test_a_path_leads_to_the_same_things(path: str) -> None:
    module = import_module(path)
    for name in PATHS[path].split():
        assert getattr(module, name) == getattr(plain, name), name
        if not name.startswith("Sync"):
            assert getattr(module, name) is getattr(plain, name), name


@pytest.mark.parametrize("path", [path for path in PATHS if not path.startswith("zmq.core")])
def test_a_star_gives_what_there_is(path: str) -> None:
    module = import_module(path)
    for name in module.__all__:
        assert getattr(module, name) is not None


@pytest.mark.parametrize("path", PATHS)
def test_a_path_is_found_by_a_fresh_interpreter(path: str) -> None:
    """However it is reached first."""
    subprocess.run([sys.executable, "-W", "error", "-c", f"import {path}"], check=True, timeout=30)


@pytest.mark.parametrize("path", ["hub Hub", "native NativeThread", "pending Listener"])
def test_where_modules_were_in_version_0_1(path: str) -> None:
    module, name = path.split()
    assert isinstance(getattr(import_module(f"zmq.core.{module}"), name), type)
    assert getattr(plain.core, module) is import_module(f"zmq.core.{module}")


def test_packages_are_there_at_once() -> None:
    """Tests of programs look at `zmq.backend` and reset `zmq.sugar.context.Context._instance`."""
    program = "import zmq; print(zmq.backend.Socket.__module__); zmq.sugar.context.Context._instance = None"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout == "zmq.core.socket\n"


def test_bases() -> None:
    from zmq.sugar import context, frame, socket

    assert issubclass(plain.Context, context.ContextBase)
    assert issubclass(plain.Frame, frame.FrameBase)
    assert issubclass(plain.Socket, socket.SocketBase)
    assert issubclass(green.Socket, socket.SocketBase)


def test_versions() -> None:
    from zmq.sugar import version

    numbers = (version.VERSION_MAJOR, version.VERSION_MINOR, version.VERSION_PATCH)
    assert numbers == version.version_info == plain.pyzmq_version_info()
    assert plain.pyzmq_version() == plain.__version__ == ".".join(map(str, numbers)) + version.VERSION_EXTRA


def test_choosing_a_backend() -> None:
    from zmq.backend.select import public_api, select_backend

    for path in ("zmq.backend", "zmq.backend.cython", "zmq"):
        assert select_backend(path) == {name: getattr(plain, name) for name in BACKEND.split()}
    assert sorted(public_api) == sorted(BACKEND.split())
    with pytest.raises(ImportError):
        select_backend("zmq.backend.cffi")
    with pytest.raises(AttributeError):
        select_backend("json")


class Options(AttributeSetter):
    attribute = 0

    def get(self, option: int) -> Any:
        return option

    def set(self, option: int, value: Any) -> None:
        type(self).attribute = (option, value)  # type: ignore[assignment]


def test_options_as_attributes() -> None:
    options = Options()
    assert options.linger is options.LINGER is options.Linger is plain.LINGER
    assert options.io_threads is plain.IO_THREADS and options.more is plain.MORE
    options.rcvhwm = 5
    assert options.attribute == (plain.RCVHWM, 5)
    options.attribute = 7
    assert options.attribute == 7 and Options.attribute != 7
    for name in ("nothing", "push", "_linger", "SocketOption"):
        with pytest.raises(AttributeError, match="no such option"):
            getattr(options, name)
        with pytest.raises(AttributeError, match="no such option"):
            setattr(options, name, 1)
    for use in (lambda: AttributeSetter().linger, lambda: setattr(AttributeSetter(), "linger", 1)):
        with pytest.raises(NotImplementedError):
            use()


def test_old_names() -> None:
    assert plain.core.device.device is plain.device
    assert plain.core.poll._poll is plain.zmq_poll
    assert plain.core.error.strerror(plain.EAGAIN) == plain.error.strerror(plain.EAGAIN) == plain.strerror(plain.EAGAIN)
    for module in (green, eventlet):
        assert (module.core._Socket, module.core._Context) == (module.Socket, module.Context)
        assert module.poll._Poller is module.Poller
        with module.core._Context() as context, context.socket(plain.PAIR) as socket:
            assert type(socket) is module.core._Socket


ALIASES = sorted(path for folder in ("sugar", "backend") for path in (ROOT / "zmq" / folder).rglob("*.py"))


@pytest.mark.parametrize("path", ALIASES, ids=lambda path: str(path.relative_to(ROOT / "zmq")))
def test_nothing_is_defined_there(path: Path) -> None:
    found = {type(node) for node in ast.parse(path.read_text()).body}
    if path.name in ("attrsettr.py", "select.py"):  # what has no other home
        found -= {ast.ClassDef, ast.FunctionDef}
    assert found <= {ast.Expr, ast.ImportFrom, ast.Assign}


def test_the_old_paths_of_cython(tmp_path: Path) -> None:
    pytest.importorskip("Cython")
    source = tmp_path / "extension.pyx"
    source.write_text(
        "from zmq.backend.cython cimport Context, Frame, Socket, libzmq\n"
        "from zmq.backend.cython._zmq cimport Socket as Same\n"
        "from zmq.backend.cython.libzmq cimport ZMQ_PUSH, zmq_msg_t\n"
        "cdef zmq_msg_t message\n"
        "cdef Same socket = Socket(Context(), ZMQ_PUSH + libzmq.ZMQ_PULL)\n"
        "cdef void *handle = socket.handle\n"
    )
    command = [sys.executable, "-m", "cython", "-3", "-I", str(ROOT), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert source.with_suffix(".c").stat().st_size


def test_there_is_no_other_backend() -> None:
    with pytest.raises(ImportError):
        import_module("zmq.backend.cffi")
