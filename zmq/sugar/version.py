"""An import path of PyZMQ; see `zmq.core.version`. The numbers are those of the PyZMQ that this is a drop-in for."""

from zmq.core.version import PYZMQ_API as __version__
from zmq.core.version import pyzmq_version, pyzmq_version_info, zmq_version, zmq_version_info

VERSION_MAJOR, VERSION_MINOR, VERSION_PATCH = version_info = pyzmq_version_info()
VERSION_EXTRA = __revision__ = ""

__all__ = [
    "__revision__",
    "__version__",
    "pyzmq_version",
    "pyzmq_version_info",
    "zmq_version",
    "zmq_version_info",
]
