"""All compiled modules are in one library, where each is found by its own name."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

from support import ROOT
from zmq.core import _modules

SOURCES = sorted((ROOT / "zmq" / "core").rglob("*.pyx"))
NAMES = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in SOURCES]

# In a child for each, before which nothing was imported.
EACH_FIRST = """
import importlib, os, sys
for name in sys.argv[1:]:
    child = os.fork()
    if not child:
        module = importlib.import_module(name)
        right = module.__name__ == module.__spec__.name == name and module.__file__ == module.__spec__.origin
        os._exit(0 if right and sys.modules["zmq.core._modules"].__file__ == module.__file__ else 2)
    if os.waitpid(child, 0)[1] != 0:
        print(name)
"""


def test_every_module_is_in_it() -> None:
    assert sorted(_modules.NAMES) == NAMES


def test_each_module_can_be_the_first_that_is_imported() -> None:
    done = subprocess.run(
        [sys.executable, "-c", EACH_FIRST, *NAMES], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


@pytest.mark.parametrize("name", ["zmq.core.no_such_module", "zmq.core.futures.socket", "zmq.core.waiting.Socket"])
def test_what_is_not_in_it_is_not_found(name: str) -> None:
    assert importlib.util.find_spec(name) is None
    with pytest.raises(ModuleNotFoundError, match=name):
        importlib.import_module(name)
