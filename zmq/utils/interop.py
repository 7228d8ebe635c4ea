"""The address of an object of libzmq that another binding of it holds.

Called with what `Context.shadow` and `Socket.shadow` get from programs that use ctypes or cffi.
"""

from __future__ import annotations

import operator
import sys
from typing import Any

from zmq.core._text import describe


def cast_int_addr(n: Any) -> int:
    """Return a pointer as an integer.

    Parameters
    ----------
    n : int, ctypes pointer or cffi pointer
        The address.

    Returns
    -------
    int
        0 for a NULL pointer.

    Raises
    ------
    ValueError
        For anything else.
    """
    try:
        return operator.index(n)
    except TypeError:
        pass
    # Who has such a pointer has loaded the module that made it. Modules that cffi generated load only its backend.
    ctypes = sys.modules.get("ctypes")
    if ctypes is not None and isinstance(n, (ctypes.c_void_p, ctypes._Pointer)):
        return ctypes.cast(n, ctypes.c_void_p).value or 0
    cffi = sys.modules.get("_cffi_backend")
    if cffi is not None and isinstance(n, cffi._CDataBase):
        ffi = cffi.FFI()
        if ffi.typeof(n).kind == "pointer":
            return int(ffi.cast("uintptr_t", n))
    raise ValueError(f"an address is an int, a ctypes pointer or a cffi pointer, not {describe(n)}")


__all__ = ["cast_int_addr"]
