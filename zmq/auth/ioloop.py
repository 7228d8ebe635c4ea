"""`IOLoopAuthenticator`: an authenticator in a tornado IOLoop."""

from __future__ import annotations

import logging
import warnings
from typing import Any

from zmq.auth.asyncio import AsyncioAuthenticator as AsyncioAuthenticator
from zmq.core.context import Context

__all__ = ["IOLoopAuthenticator"]


class IOLoopAuthenticator(AsyncioAuthenticator):
    """An `AsyncioAuthenticator`: tornado's loops are those of asyncio.

    Parameters
    ----------
    context, encoding, log
        As of `AsyncioAuthenticator`.
    io_loop : IOLoop, optional
        Deprecated: the loop that runs when it is started is used.
    """

    def __init__(
        self,
        context: Context[Any] | None = None,
        encoding: str = "utf-8",
        log: logging.Logger | None = None,
        io_loop: Any = None,
    ) -> None:
        loop = None
        if io_loop is not None:
            warnings.warn(
                "IOLoopAuthenticator(io_loop) is deprecated: the loop that runs is used",
                DeprecationWarning,
                stacklevel=2,
            )
            loop = io_loop.asyncio_loop
        super().__init__(context, loop=loop, encoding=encoding, log=log)
