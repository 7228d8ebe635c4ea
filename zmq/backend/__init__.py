"""Import paths of PyZMQ's binding to libzmq: aliases and nothing else."""

from zmq.backend.cython import *  # noqa: F403
from zmq.backend.cython import __all__ as __all__
from zmq.backend.cython import monitored_queue as monitored_queue
from zmq.backend.select import public_api as public_api
from zmq.backend.select import select_backend as select_backend
