"""`received_class`: futures of messages, which go back to their socket if the program does not want them any more.

Lives here: when the program has seen a message. What must not: receiving (`zmq.core.futures.receives`). Called by
`zmq.asyncio`. How a message goes back: `zmq.core.messages.returned`.
"""

from zmq.core.futures.receives cimport PendingReceive
from zmq.core.messages.returned cimport RETURNED, UNSEEN, Delivery


def received_class(future_class):
    """Return the class of the futures of receives.

    Parameters
    ----------
    future_class : type
        asyncio's `Future`, or a subclass.

    Returns
    -------
    type
        A subclass.
    """
    cancel, cancelled = future_class.cancel, future_class.cancelled
    result, exception = future_class.result, future_class.exception
    await_future = future_class.__await__

    class Received(future_class):
        """The future of a message, which goes back to its socket if it is not wanted any more.

        As any future it can be cancelled until those who wait for it were told that it is done. If the message had been
        received by then, the next receive gets it. A later `cancel` returns False, as it has to; but if the program has
        not seen the message yet, the next receive gets it as well, unless the program asks for the result first.
        """

        __slots__ = ("_delivery", "_call")

        def cancel(self, msg=None):
            cdef Delivery delivery
            if not self.done():
                # Set for those that receive into a buffer.
                call = getattr(self, "_call", None)
                if call is not None:
                    (<PendingReceive> call).let_go()
                return cancel(self, msg)
            delivery = self._delivery
            return delivery is not None and delivery.state == UNSEEN and delivery.give_back()

        def cancelled(self):
            return is_returned(self._delivery) or cancelled(self)

        def result(self):
            take(self, self._delivery)
            return result(self)

        def exception(self):
            if is_returned(self._delivery):
                raise self._make_cancelled_error()
            return exception(self)

        def __await__(self):
            if self.done():
                take(self, self._delivery)
            return await_future(self)

        __iter__ = __await__

    return Received


cdef bint is_returned(Delivery delivery) noexcept:
    return delivery is not None and delivery.state == RETURNED


cdef int take(future, Delivery delivery) except -1:
    """The program sees the message of a future, if it has one."""
    if delivery is not None and not delivery.take():
        raise future._make_cancelled_error()
    return 0
