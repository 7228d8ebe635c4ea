"""Import paths of PyZMQ's binding to libzmq: aliases and nothing else."""

from zmq.backend.cython import *  # noqa: F403
from zmq.backend.cython import __all__ as __all__
