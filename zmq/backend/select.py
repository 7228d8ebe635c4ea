"""An import path of PyZMQ. There is one binding here, and nothing to choose from."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from zmq.backend.cython import __all__ as public_api


def select_backend(name: str) -> dict[str, Any]:
    """Return what a module offers of the names that `zmq.backend` has.

    Parameters
    ----------
    name : str
        The dotted name of the module.

    Returns
    -------
    dict
        From names to what they stand for.

    Raises
    ------
    ImportError
        There is no such module.
    AttributeError
        It lacks one of the names.
    """
    module = import_module(name)
    return {public: getattr(module, public) for public in public_api}


__all__ = ["public_api", "select_backend"]
