"""Messages through a proxy: libzmq's own in a native thread, and the device of `zmq.green` in a greenlet."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import ModuleType
from typing import Any

import zmq

from .common import Result, bind, measure, sockets
from .frontends import FrontEnd, together
from .messages import receive_all, send_all


def through(front_end: FrontEnd, seconds: float, middle: ModuleType, start: Callable[[Any, Any], Any]) -> Result:
    """One operation is a message over tcp from one greenlet to another, through what `start` starts.

    What it returns ends the proxy; the ends are the same whatever the proxy is.
    """
    with sockets(front_end.zmq) as open_end, sockets(middle) as open_middle:
        front, back = open_middle(zmq.PULL), open_middle(zmq.PUSH)
        push, pull = open_end(zmq.PUSH), open_end(zmq.PULL)
        push.connect(bind(front, "tcp"))
        pull.connect(bind(back, "tcp"))
        end = start(front, back)
        try:
            return measure(together(front_end, partial(send_all, push), partial(receive_all, pull)), seconds)
        finally:
            end()


def native(front_end: FrontEnd, seconds: float) -> Result:
    """The proxy is `zmq.proxy_steerable` in a native thread: that is `zmq.proxy`, but for its end."""

    def start(front: Any, back: Any) -> Callable[[], None]:
        context = zmq.Context.instance()
        ours, its = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
        ours.connect(bind(its, "inproc"))
        thread = threading.Thread(target=zmq.proxy_steerable, args=(front, back, None, its))
        thread.start()

        def end() -> None:
            ours.send(b"TERMINATE")
            thread.join()
            ours.close()
            its.close()

        return end

    return through(front_end, seconds, zmq, start)


def green(front_end: FrontEnd, seconds: float) -> Result:
    """The proxy is `zmq.green.device` in a greenlet."""
    import gevent

    def start(front: Any, back: Any) -> Callable[[], None]:
        greenlet = gevent.spawn(front_end.zmq.device, zmq.STREAMER, front, back)

        def end() -> None:
            with suppress(Exception):  # in PyZMQ its own greenlets are left to the end of the process
                greenlet.kill()

        return end

    return through(front_end, seconds, front_end.zmq, start)
