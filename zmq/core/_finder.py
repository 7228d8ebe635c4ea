"""Has Python find the compiled modules of `zmq.core`, which are all in one library.

Lives here: the finder, put in place when this is imported, which `zmq.core` does before all else. What must not: which
modules those are (`zmq.core._modules`).
"""

from __future__ import annotations

import sys
from importlib.machinery import ExtensionFileLoader, ModuleSpec

from zmq.core import _modules


class Finder:
    """A finder of modules, as the entries of `sys.meta_path` are."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Return how a module is loaded; None if it is in another file. Source: `importlib.abc.MetaPathFinder`."""
        if name not in _modules.NAMES:
            return None
        found = ModuleSpec(name, ExtensionFileLoader(name, _modules.__file__), origin=_modules.__file__)
        found.has_location = True
        return found


# Before the one that looks into folders, which would look for each in vain.
sys.meta_path.insert(0, Finder)
