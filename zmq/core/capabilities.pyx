"""What this build, and the libzmq in use, can do: `has`, `DRAFT_API`, `IPC_PATH_MAX_LEN`.

What must not live here: versions (`zmq.core.version`). Called by users.
"""

from zmq.core.libzmq cimport GREENZMQ_DRAFT, GREENZMQ_IPC_PATH_MAX, zmq_has

#: Whether this build knows libzmq's draft API.
DRAFT_API = bool(GREENZMQ_DRAFT)
#: The same by PyZMQ's name.
PYZMQ_DRAFT_API = DRAFT_API

#: The longest path of an ipc address, in bytes.
IPC_PATH_MAX_LEN = GREENZMQ_IPC_PATH_MAX


def has(str capability):
    """Tell whether libzmq was built with a capability.

    Parameters
    ----------
    capability : str
        Such as ``"ipc"``, ``"curve"``, ``"gssapi"``, ``"draft"``.

    Returns
    -------
    bool

    Notes
    -----
    Source: zmq_has(3).
    """
    return bool(zmq_has(capability.encode("utf-8")))
