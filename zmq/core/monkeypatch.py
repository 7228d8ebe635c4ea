"""Make the plain classes green, and plain again, under the feet of code that has imported them.

Lives here: what `zmq.green.monkey` and `zmq.eventlet.monkey` share. What must not: anything of their frameworks, and
the command line by which programs are run patched (`zmq.core.command_line`).

Green is what has a `_get_hub`, and subclasses inherit it, so nothing is replaced: names that were imported before,
classes that were derived before and the sockets that there are see the same classes as ever.
"""

from __future__ import annotations

import signal
import sys
import warnings
from collections.abc import Callable

from zmq.core.command_line import run as run
from zmq.core.context import Context
from zmq.core.message import Frame
from zmq.core.poll import Poller
from zmq.core.socket import Socket
from zmq.core.sockets.life import living_sockets
from zmq.core.tracker import MessageTracker
from zmq.core.waiting.hub import Hub
from zmq.core.waiting.interrupts import Interrupts
from zmq.core.waiting.who_waits import blocked_threads

GetHub = Callable[[], Hub]

#: Whatever may wait. `select`, `zmq_poll`, `proxy` and `device` wait as these do.
CLASSES = (Context, Frame, MessageTracker, Poller, Socket)


def set_hub(get_hub: GetHub | None) -> None:
    for cls in CLASSES:
        cls._get_hub = None if get_hub is None else staticmethod(get_hub)
    for socket in living_sockets():
        socket._choose_hub()


def patch(get_hub: GetHub) -> None:
    """Let plain sockets, contexts and pollers, those that there are included, wait in a hub.

    Parameters
    ----------
    get_hub : callable
        Returns the `Hub` of the running thread.

    Raises
    ------
    RuntimeError
        They wait in the hubs of another framework already.

    Warns
    -----
    RuntimeWarning
        Other threads are blocked by 0MQ calls now. These stay blocked until they have what they wait for.
    """
    current = Socket._get_hub
    if current is not None and current is not get_hub:
        raise RuntimeError(f"zmq is patched already, by {current.__module__}; unpatch_all() there first")
    set_hub(get_hub)
    blocked = blocked_threads()
    if blocked:
        calls = "; ".join(
            f"thread {call['thread']}, for {call['seconds']:.1f} s, on {call['waits_for']}" for call in blocked
        )
        warnings.warn(
            "0MQ calls that other threads began before zmq was patched go on blocking those threads, and the sockets "
            f"must not be used by greenlets until they have returned: {calls}",
            RuntimeWarning,
            stacklevel=3,
        )


def unpatch(get_hub: GetHub) -> None:
    """Undo `patch`. What is parked now stays parked.

    Parameters
    ----------
    get_hub : callable
        That of `patch`; if the classes wait elsewhere nothing is done.
    """
    if is_patched(get_hub):
        set_hub(None)


def is_patched(get_hub: GetHub) -> bool:
    """Tell whether plain sockets wait in these hubs."""
    return Socket._get_hub is get_hub


def interrupt_main(current: Callable[[], object], get_hub: GetHub, framework: str) -> Interrupts:
    """Have Ctrl-C end the main greenlet, as it ends the main thread: by KeyboardInterrupt, whichever greenlet runs.

    Python's own handler raises it in the greenlet that runs, and would end that one. Ours takes its place, also by its
    name in `signal`; handlers of the program's and where SIGINT is ignored nothing changes. Signals wake the hub up.

    Parameters
    ----------
    current : callable
        Returns the greenlet that runs, which is the main one now.
    get_hub : callable
        Returns the `Hub` of the running thread.
    framework : str
        The package whose hub that is. Its code, and the adapter's, is never left alone in its midst.

    Returns
    -------
    Interrupts
        ``watch()`` is to be called in each hub of the main thread, before that sleeps; ``leave()`` when the program has
        ended.
    """

    class InterruptsOfFramework(Interrupts):
        frameworks = Interrupts.frameworks | {framework, get_hub.__module__.partition(".")[0]}

    handler = InterruptsOfFramework(current, get_hub)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, handler)
    signal.default_int_handler = handler  # type: ignore[assignment]
    signal.set_wakeup_fd = handler.wakeup_fd
    sys.unraisablehook = handler.unraisable
    handler.open()
    return handler
