"""`MessageTracker`: whether libzmq is done with messages that it was lent.

Lives here: the one public class. How the news travels is the business of `zmq.core.messages.lent_memory`.
"""

import time

from zmq.core.error import NotDone
from zmq.core.messages.lent_memory cimport Release


cdef class MessageTracker:
    """MessageTracker(*towatch)
--

    Tell when libzmq is done with one or more messages.

    Trackers come from `Socket.send` and `Socket.send_multipart` with ``copy=False, track=True`` and from
    `Frame`; combine several by making one of them.

    Parameters
    ----------
    *towatch : Frame, MessageTracker or event
        What to watch. An event is anything with `is_set` and `wait`, such as `threading.Event`.

    Raises
    ------
    TypeError
        For anything else.
    ValueError
        For a frame that was made without ``track=True``.

    Examples
    --------
    >>> tracker = socket.send(big, copy=False, track=True)
    >>> tracker.wait(timeout=5)
    """

    #: Returns the hub to park in; None blocks the thread.
    _get_hub = None

    def __init__(self, *towatch):
        self.events = set()
        self.peers = set()
        for item in towatch:
            if isinstance(item, MessageTracker):
                self.peers.add(item)
            elif isinstance(item, Release) or (hasattr(item, "is_set") and hasattr(item, "wait")):
                self.events.add(item)
            elif hasattr(item, "tracker"):
                if not item.tracker:
                    raise ValueError("Not a tracked message: make the Frame with track=True")
                self.peers.add(item.tracker)
            else:
                raise TypeError(f"Require Events or Message Frames, not {type(item)}")

    @property
    def done(self):
        """bool : whether libzmq is done with everything that is watched."""
        return all(event.is_set() for event in self.events) and all(peer.done for peer in self.peers)

    def wait(self, timeout=-1):
        """Wait until libzmq is done.

        Parameters
        ----------
        timeout : float, optional
            Seconds; negative or None to wait for ever.

        Raises
        ------
        NotDone
            The time ran out.
        """
        if timeout is None or timeout < 0:
            timeout = None
            deadline = None
        else:
            deadline = time.monotonic() + timeout
        for event in self.events:
            left = None if deadline is None else max(0, deadline - time.monotonic())
            if isinstance(event, Release):
                event.wait(left, self._get_hub)
            else:
                event.wait(left)
            if not event.is_set():
                raise NotDone
        for peer in self.peers:
            peer.wait(None if deadline is None else max(0, deadline - time.monotonic()))


_FINISHED_TRACKER = MessageTracker()
