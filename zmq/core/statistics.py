"""What the waiting greenlets and threads of this process do, for whoever looks for what holds a program up.

Lives here: `statistics`, put together of what every part counts and lists. Called by users.
"""

from __future__ import annotations

from typing import Any

from zmq.core.sockets.life import living_sockets
from zmq.core.waiting import budget, sweep_alarm, trampoline, who_waits


def statistics() -> dict[str, Any]:
    """Count what the waiting greenlets of this process did so far, and list those that wait now.

    Returns
    -------
    dict
        ``parked``, ``woken``, ``expired``: greenlets that began to wait, were woken, ran out of time.
        ``vain``: wake-ups after which the attempt still had to wait. ``yields``: blocking calls that let the hub
        run because their budget was used up. ``missed``: wake-ups that only the sweep alarm noticed, within 3
        seconds, or a minute where code of others swallowed them; a number other than 0 is a bug, if there is no
        such code. ``waiting``: one dict for each greenlet that is parked now, in this thread or
        another, with ``greenlet``, for how many ``seconds``, and ``waits_for``: the Socket; a list of what it polls or
        relays; the Context that is to end; or what was lent to libzmq. For a single socket it has also ``fd``, its
        descriptor, ``events``, `POLLIN` or `POLLOUT`, and ``route``, the peer that a message is for, where that
        matters. ``blocked``: one dict for each plain call that blocks its native thread now, with ``thread``,
        ``seconds`` and ``waits_for``; in a program of greenlets there should be none.
    """
    sockets = {socket.underlying: socket for socket in living_sockets() if not socket.closed}
    return {
        **trampoline.counts(),
        "yields": budget.yields(),
        "missed": sweep_alarm.missed(),
        "waiting": [*who_waits.parked_greenlets(), *trampoline.waiters(sockets)],
        "blocked": who_waits.blocked_threads(),
    }
