"""What tests share and what is no test: the rooms of it, and where things are.

For every test
    `front_ends` has threads, gevent and eventlet as a test needs them: start something, wait, give up. Those with a hub
    are in `on_gevent`, `on_eventlet` and `on_toy`.
    `programs` runs the text of a program in a process of its own, on any front-end; `watchdog` ends one in time.
    `interruptions` raises before any bytecode of a call. `load` has processes that compute beside.
Hubs and waiting
    `fake_hub` is a hub in which nothing happens by itself; `acting` does something in the midst of what one does.
    `waits` has every way to wait for a socket, and what ends the wait.
    `foreign_code` takes messages behind the back of the package, as code in C can.
    `every_loop` has the event loops that futures and streams wait in; `awaiting` and `streams` what their tests share.
Subjects
    `device_ways` starts devices in every way there is.
    `native_states` brings native descriptors into every state.
    `auth_kit` has the security mechanisms with right and wrong logins.
Servers of other projects
    `own_servers` starts one on a loopback port; `ssh_server` and `kerberos_server` say which.
Folders
    `greenness_table` says of every public call whether it may wait.
    `monkey` is what monkeypatched programs need.
    `preload` has libraries in C that stand before libzmq or the C library.

Imports neither zmq nor a framework: programs that patch them import this first.
"""

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

#: What a program that a test starts puts on its path, to import this package.
TESTS = Path(__file__).resolve().parents[1]
ROOT = TESTS.parent
PRELOAD = TESTS / "support" / "preload"


@contextmanager
def tool(name: str, folder: str = "tools") -> Iterator[ModuleType]:
    """Import a program of tools/, or of another folder, which may import its neighbours.

    It is there by its name meanwhile, as dataclasses need it, and no more afterwards.
    """
    spec = importlib.util.spec_from_file_location(name, ROOT / folder / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    path, sys.modules[name] = [*sys.path], module
    sys.path.insert(0, str(ROOT / folder))
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path[:] = path
        del sys.modules[name]
