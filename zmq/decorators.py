"""Decorators that hand contexts and sockets to a function, and end them when it returns.

Lives here: `context` and `socket`, for every front-end. Those of this module make `zmq.Context` as it is when the
function is called.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import zmq
from zmq.core import context as _context

T = TypeVar("T")
Decorator = Callable[[Callable[..., T]], Callable[..., T]]


class Decorators:
    """The functions of this module, which make contexts of a front-end's class."""

    def __init__(self, context_class: Callable[[], type[Any]]) -> None:
        self._context_class = context_class

    def context(self, *args: Any, **kwargs: Any) -> Decorator[Any]:
        """Call a function with a new context, which is destroyed when it returns or raises.

        Parameters
        ----------
        name : str, optional
            By which keyword the function gets the context; the first argument, or a keyword. Without a name the context
            is the last of the positional arguments.
        *args, **kwargs
            For `zmq.Context`.

        Returns
        -------
        callable
            The decorator.

        Raises
        ------
        TypeError
            The name is no str or given twice, or the parentheses of the decorator were forgotten.

        Notes
        -----
        The context is gone when the function returns, so a generator or a coroutine can do nothing with it.

        Examples
        --------
        >>> @context(io_threads=2)
        ... @socket(zmq.PUSH)
        ... def send(message, context, push):
        ...     push.connect("tcp://127.0.0.1:5555")
        ...     push.send(message)
        >>> send(b"hello")
        """
        name, args = _take_name("context", args, kwargs)
        return _decorator(name, lambda called, keywords: self._context_class()(*args, **kwargs))

    def socket(self, *args: Any, **kwargs: Any) -> Decorator[Any]:
        """Call a function with a new socket, which is closed when it returns or raises.

        The socket is made from the context that the function is called with: the keyword argument `context_name` if
        that is a context, else the first positional argument that is one, else `zmq.Context.instance`. A green context,
        or one of asyncio, makes sockets of its kind.

        Parameters
        ----------
        name : str, optional
            By which keyword the function gets the socket; the first argument, or a keyword. Without a name the socket
            is the last of the positional arguments.
        context_name : str
            Keyword only: the name under which a context may be found, ``"context"`` when left out.
        *args, **kwargs
            For `Context.socket`: the type of the socket.

        Returns
        -------
        callable
            The decorator.

        Raises
        ------
        TypeError
            A name is no str or given twice, or the parentheses of the decorator were forgotten. The function raises it
            too, when the type of the socket is missing.

        Notes
        -----
        The socket is closed when the function returns, so a generator or a coroutine can do nothing with it.

        Examples
        --------
        >>> @socket("reply", zmq.REP)
        ... def serve(address, reply):
        ...     reply.bind(address)
        """
        context_name = kwargs.pop("context_name", "context")
        if not isinstance(context_name, str):
            raise TypeError(f"context_name must be str, not {type(context_name).__name__}")
        name, args = _take_name("socket", args, kwargs)

        def make(called: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
            for candidate in (keywords.get(context_name), *called):
                if isinstance(candidate, _context.Context):
                    return candidate.socket(*args, **kwargs)
            return self._context_class().instance().socket(*args, **kwargs)

        return _decorator(name, make)


def _take_name(decorator: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[str | None, tuple[Any, ...]]:
    """Take the name out of the arguments of a decorator."""
    name = kwargs.pop("name", None)
    if name is not None and not isinstance(name, str):
        raise TypeError(f"name must be str, not {type(name).__name__}")
    if args and isinstance(args[0], str):
        if name is not None:
            raise TypeError(f"the name is given twice, as {args[0]!r} and as {name!r}")
        name, args = args[0], args[1:]
    if args and callable(args[0]):
        raise TypeError(f"write @{decorator}() with parentheses, and what {decorator} needs between them")
    return name, args


def _decorator(name: str | None, make: Callable[[tuple[Any, ...], dict[str, Any]], Any]) -> Decorator[Any]:
    """Return a decorator that adds one argument to a call: what `make` returns for the others."""

    def decorate(function: Callable[..., T]) -> Callable[..., T]:
        if not callable(function):
            raise TypeError(f"what is decorated must be a function, not {type(function).__name__}")

        @wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> T:
            with make(args, kwargs) as made:
                if name is None:
                    return function(*args, made, **kwargs)
                return function(*args, **kwargs, **{name: made})

        return wrapper

    return decorate


_plain = Decorators(lambda: zmq.Context)
context = _plain.context
socket = _plain.socket

__all__ = ["context", "socket"]
