"""`monitored_queue`, in the place where programs look for it."""

from zmq.core.device import monitored_queue

__all__ = ["monitored_queue"]
