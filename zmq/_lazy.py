"""Names that a package has without having loaded the modules that they are in.

Lives here: the `__getattr__` and `__dir__` of such packages (PEP 562), so that a program does not wait at its start for
what it may never use. Called by the packages themselves.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

TYPE_CHECKING = False  # `typing` takes longer to import than all the rest

if TYPE_CHECKING:
    from typing import Any


def attach(package: str, places: dict[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return a package's `__getattr__` and `__dir__`, which import what is asked for when it first is.

    Parameters
    ----------
    package : str
        Its ``__name__``.
    places : dict of str to str
        For each name the module that it is in; the name itself, below the package, where that is a module.
    """
    namespace = vars(sys.modules[package])

    def __getattr__(name: str) -> Any:
        place = places.get(name)
        if place is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        __import__(place)
        module = sys.modules[place]
        namespace[name] = found = module if place == f"{package}.{name}" else getattr(module, name)
        return found

    def __dir__() -> list[str]:
        return sorted({*namespace, *places})

    return __getattr__, __dir__
