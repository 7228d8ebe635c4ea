"""A pytest plugin that prepares a process for a mode of `run.py`, before the tests import anything.

`CONFORMANCE_MODE` says which.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import types

MODE = os.environ["CONFORMANCE_MODE"]

if MODE == "monkey":
    import gevent.monkey

    gevent.monkey.patch_all()

    import zmq

    if hasattr(zmq, "greenzmq_version"):
        importlib.import_module("zmq.green.monkey").patch_all()

# Modules that the tests' conftest imports; as long as they are not written yet their names are classes of no use.
for name in ("zmq.asyncio",):
    if importlib.util.find_spec(name) is None:
        module = sys.modules[name] = types.ModuleType(name, "Not there yet.")
        module.__getattr__ = lambda name: type(name, (), {})  # type: ignore[method-assign]

if MODE == "green":
    import zmq.green

    # What the tests reach as ``zmq.x`` after ``import zmq.x``, which the rewriting took apart.
    vars(zmq.green)["asyncio"] = importlib.import_module("zmq.asyncio")
    if not hasattr(zmq, "greenzmq_version"):
        # PyZMQ's own green module lacks a few names that these tests use; without them none of its files can be run.
        for name in dir(zmq):
            if not hasattr(zmq.green, name):
                setattr(zmq.green, name, getattr(zmq, name))
elif MODE != "eventlet":
    import zmq

    vars(zmq)["asyncio"] = importlib.import_module("zmq.asyncio")
