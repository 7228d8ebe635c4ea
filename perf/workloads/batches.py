"""Many messages in one call, which PyZMQ has not: compared with our own single calls (`OF_OURS` in targets.py).

There are no such calls yet; the functions of every front-end go here, as in `"gevent": {"batches-inproc": ...}`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .common import Result

FUNCTIONS: dict[str, dict[str, Callable[[Any, float], Result]]] = {}
