"""An import path of PyZMQ; see `zmq.core.poll`."""

from zmq.core.constants import POLLERR as POLLERR
from zmq.core.constants import POLLIN as POLLIN
from zmq.core.constants import POLLOUT as POLLOUT
from zmq.core.poll import Poller, select
from zmq.core.poll import zmq_poll as zmq_poll

__all__ = ["Poller", "select"]
