"""Which `zmq` this is: ours is in a folder of its own, which has to come before PyZMQ's on `sys.path`.

Where Python reads .pth files that is so, and nobody needs this package. Elsewhere (``python -S``, ``pip --target``)
`activate` does it, and whoever imports PyZMQ's after this package is told. ``python -m greenzmq doctor`` looks at the
whole environment. Imports next to nothing: from Python 3.15 on every process imports it.
"""

from __future__ import annotations

import os
import sys

__all__ = ["Active", "activate", "active"]

_HERE = os.path.dirname(os.path.abspath(__file__))
#: The folder that has our `zmq`: one of its own where we are installed, the working tree where that is.
_HOME = os.path.join(os.path.dirname(_HERE), "_greenzmq")
if not os.path.isdir(_HOME):
    _HOME = os.path.dirname(_HERE)


class Active:
    """What ``import zmq`` gives, or has given, in this process.

    Attributes
    ----------
    name : str
        ``"greenzmq"``, ``"PyZMQ"``, ``"unknown"``, or ``""`` where there is none.
    folder : str
        Where it is.
    ours : bool
        Whether it is the one that was installed with this package.
    imported : bool
        Whether it is imported already.
    """

    def __init__(self, folder: str, imported: bool) -> None:
        self.folder = folder
        self.imported = imported
        self.ours = bool(folder) and os.path.realpath(folder) == os.path.realpath(os.path.join(_HOME, "zmq"))
        if not folder:
            self.name = ""
        elif self.ours or os.path.exists(os.path.join(folder, "core", "socket.pyi")):
            self.name = "greenzmq"
        elif os.path.exists(os.path.join(folder, "sugar", "version.py")):
            self.name = "PyZMQ"
        else:
            self.name = "unknown"

    def __str__(self) -> str:
        if not self.name:
            return "there is no zmq"
        return f"zmq {'is' if self.imported else 'will be'} {self.name}, {self.folder}"

    def __repr__(self) -> str:
        return f"<{self}>"


def active() -> Active:
    """Tell which `zmq` is imported, or where none is yet, which one would be.

    Returns
    -------
    Active
        Its name and folder.
    """
    module = sys.modules.get("zmq")
    if module is None:
        finders = (finder for finder in sys.meta_path if finder is not _Watch)
        spec = next(filter(None, (finder.find_spec("zmq", None) for finder in finders)), None)
    else:
        spec = getattr(module, "__spec__", None)
    if spec is None:
        return Active("", imported=module is not None)
    places = list(spec.submodule_search_locations or [])
    return Active(places[0] if places else spec.origin or "", imported=module is not None)


def activate() -> None:
    """Make ``import zmq`` give ours in this process, whatever comes first on `sys.path`. Does nothing where it is.

    Call it before anything imports `zmq`.

    Raises
    ------
    RuntimeError
        Another `zmq` is imported already.
    """
    found = active()
    if found.imported:
        if found.ours:
            return
        raise RuntimeError(f"{found}, and it is imported already: call greenzmq.activate() before anything imports zmq")
    if not found.ours:
        sys.path[:] = [_HOME, *(path for path in sys.path if path != _HOME)]
    _watch_no_more()


def _move_before_site_packages() -> None:
    """Put our folder before the one with `greenzmq.start`, which names this function for Python 3.15 and later."""
    for index, path in enumerate(sys.path):
        if path == _HOME:
            return
        if os.path.exists(os.path.join(path, "greenzmq.start")):
            if _HOME in sys.path:
                sys.path.remove(_HOME)
            sys.path.insert(index, _HOME)
            return


class _Watch:
    """Warns when a `zmq` is imported that is not ours. It finds nothing."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> None:
        if name == "zmq":
            _watch_no_more()
            found = active()
            if found.name and not found.ours:
                _warn(found, stacklevel=3)


def _watch_no_more() -> None:
    sys.meta_path[:] = [finder for finder in sys.meta_path if finder is not _Watch]


def _warn(found: Active, stacklevel: int) -> None:
    import warnings

    message = f"{found}, though greenzmq is installed: call greenzmq.activate() before anything imports zmq"
    warnings.warn(message, RuntimeWarning, stacklevel=stacklevel)


def _notice() -> None:
    if "zmq" in sys.modules:
        found = active()
        if not found.ours:
            _warn(found, stacklevel=4)
    elif _HOME not in sys.path:
        sys.meta_path.insert(0, _Watch)


_notice()
