"""JSON as `Socket.send_json` and `Socket.recv_json` use it: from and to bytes."""

from __future__ import annotations

import json
from typing import Any

jsonmod = json


def dumps(o: Any, **kwargs: Any) -> bytes:
    """Return an object as JSON in UTF-8.

    Parameters
    ----------
    o : object
    **kwargs
        For `json.dumps`.

    Returns
    -------
    bytes
    """
    return json.dumps(o, **kwargs).encode("utf-8")


def loads(s: str | bytes, **kwargs: Any) -> Any:
    """Return the object that JSON stands for.

    Parameters
    ----------
    s : str or bytes
    **kwargs
        For `json.loads`.

    Returns
    -------
    object
    """
    return json.loads(s.decode("utf-8") if isinstance(s, bytes) else s, **kwargs)


__all__ = ["dumps", "jsonmod", "loads"]
