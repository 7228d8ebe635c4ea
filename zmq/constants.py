"""The constants of `zmq.core.constants`, by their public path."""

from zmq.core.constants import *  # noqa: F403
from zmq.core.constants import __all__ as __all__
from zmq.core.constants import _OptType as _OptType
