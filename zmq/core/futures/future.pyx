"""`Outcome`: what a call of an asynchronous socket returns: a future of asyncio's, in C.

Lives here: awaiting, cancelling and callbacks, and when a program has seen a message. What must not: sending, receiving
and polling, which `Work` stands for; event loops. Called by everything else in `zmq.core.futures`, by
`zmq.core.polling.with_future` and `zmq.asyncio`.

Most calls need not wait, and an object that is made and awaited once is all that there is to do for them beside the
call itself. So an outcome is its own iterator, knows no event loop until there is need of one, and has libzmq's message
as it is until the program asks for it. Until then the message can go back to the socket; see "Cancelling" in
docs/design.md.

It is a future to asyncio: `isinstance` says so, and all that asyncio itself asks of futures is there. It has a `throw`,
so that what is thrown into a coroutine is raised where that waits; but neither `send` nor `close`, with which it would
count as a coroutine.
"""

from asyncio import CancelledError, Future, InvalidStateError, _get_running_loop
from asyncio.log import logger
from contextvars import copy_context

cimport cython
from cpython.ref cimport Py_INCREF, PyObject
from libc.errno cimport EAGAIN

from zmq.core.futures cimport loop_hub
from zmq.core.futures.loop_hub cimport call_soon_of
from zmq.core.libzmq cimport zmq_msg_close, zmq_msg_init, zmq_msg_move, zmq_msg_t
from zmq.core.messages.whole_message_attempts cimport release
from zmq.core.messages.deliveries cimport RETURNED, UNSEEN, Delivery
from zmq.core.socket cimport Socket
from zmq.core.waiting cimport trampoline as trampolines
from zmq.core.waiting.counters cimport count_again, way_of
from zmq.core.waiting.trampoline cimport CHOSEN, CLOSED, EXPIRED, POLLER, Trampoline, Waiter

from zmq.core.error import Again

cdef extern from "futures/awaiting.h":
    int await_by "greenzmq_await_by"(type awaited, int (*step)(PyObject *, PyObject **) except -1) except -1
    void forget_value "greenzmq_forget_value"(PyObject *value)

cdef tuple STATES = ("PENDING", "FINISHED", "FINISHED", "CANCELLED")


cdef class Work:
    """What a call does that can't be done at once, and what becomes of a message.

    One may serve many outcomes, where there is nothing to remember for a single one. `may_fail` tells whether what
    makes the result of a message may raise; `takes_message`, whether the result has libzmq's message.
    """

    cdef int attempt(self, Outcome outcome) except -1:
        """Make the call without waiting. Returns 0, or libzmq's error: EAGAIN says that it would have to wait."""
        return EAGAIN

    cdef object make(self, Outcome outcome):
        """Make of the outcome's message, which stays, what the program gets."""
        return None

    cdef int expire(self, Outcome outcome) except -1:
        """The time is over."""
        return outcome.fail(Again())

    cdef void withdraw(self, Outcome outcome) noexcept:
        """The outcome waits no more."""


@cython.final
cdef class UnseenError:
    """An error that nobody has asked for yet; if that stays so, the event loop is told when the future is gone.

    An object of its own, as only what is finalized may say so: the garbage collector finalizes all that it has found
    before it clears any of it. In `Outcome.__dealloc__` the error could have been cleared in part, and showing it would
    crash the process.
    """

    def __del__(self):
        if self.error is not None:
            complain(self.error, self.loop)


@cython.final
@cython.freelist(64)
cdef class Outcome:
    """What a call of an asynchronous socket or poller returns: a future, which is done if the call need not wait.

    As any future it can be cancelled until those who wait for it were told that it is done. If a message was received
    by then, the next receive gets it. A later `cancel` returns False, as it has to; but if the program has not seen
    the message yet, the next receive gets it as well, unless the program asks for the result first.
    """

    def __dealloc__(self):
        if self.value is not None:
            forget_value(<PyObject *> self.value)
        if self.is_in_msg:
            zmq_msg_close(&self.msg)

    # Which loop.

    cdef object its_loop(self):
        if self.loop is None:
            loop_hub.is_over = self.state != PENDING
            try:
                self.loop = self.owner._get_loop()
            finally:
                loop_hub.is_over = False
            if self.unseen is not None:
                self.unseen.loop = self.loop
        return self.loop

    def get_loop(self):
        """Return the event loop."""
        return self.its_loop()

    @property
    def _loop(self):
        return self.its_loop()

    # The state, as asyncio's own functions look at it.

    @property
    def __class__(self):
        return Future

    @property
    def _asyncio_future_blocking(self):
        return bool(self.blocks)

    @_asyncio_future_blocking.setter
    def _asyncio_future_blocking(self, value):
        self.blocks = value

    @property
    def _state(self):
        return "CANCELLED" if self.cancelled() else STATES[self.state]

    @property
    def _result(self):
        return self.value if self.state == FINISHED else None

    @property
    def _exception(self):
        return self.value if self.state == FAILED else None

    @property
    def _callbacks(self):
        if self.callback is None:
            return None
        return [(self.callback, self.context), *(self.others or ())]

    @property
    def _log_traceback(self):
        return self.unseen is not None

    @_log_traceback.setter
    def _log_traceback(self, value):
        if value:
            raise ValueError("_log_traceback can only be set to False")
        self.saw_error()

    @property
    def _cancel_message(self):
        return self.detail if self.cancelled() else None

    @property
    def _source_traceback(self):
        return None

    def __repr__(self):
        shown = f" exception={self.value!r}" if self.state == FAILED else ""
        return f"<Future {self._state.lower()}{shown}>"

    def done(self):
        """Tell whether the call has ended, or was cancelled."""
        return self.state != PENDING

    def cancelled(self):
        """Tell whether the call was cancelled, or its message went to another receive."""
        return self.state == CANCELLED or self.delivery is not None and self.delivery.state == RETURNED

    def _make_cancelled_error(self):
        return CancelledError() if self.detail is None else CancelledError(self.detail)

    # The result.

    def result(self):
        """Return what the call returned, or raise what it raised."""
        return self.outcome()

    def exception(self):
        """Return what the call raised, or None."""
        if self.state == PENDING:
            raise InvalidStateError("Exception is not set.")
        if self.cancelled():
            raise self._make_cancelled_error()
        if self.has_message and self.work.may_fail:
            # The program has not seen the message by that.
            self.try_to_make()
            if self.cancelled():
                # By what it is made with.
                raise self._make_cancelled_error()
        if self.state == FINISHED:
            return None
        self.saw_error()
        return self.value

    cdef object outcome(self):
        if self.state == FINISHED:
            if self.has_message:
                self.see()
                if self.state == FAILED:
                    return self.outcome()
            elif self.delivery is not None and self.delivery.state == RETURNED:
                raise self._make_cancelled_error()
            return self.value
        if self.state == FAILED:
            self.saw_error()
            raise self.value.with_traceback(self.detail)
        if self.state == CANCELLED:
            raise self._make_cancelled_error()
        raise InvalidStateError("Result is not set.")

    cdef zmq_msg_t *first_frame(self) noexcept:
        """Return the message, or its first frame."""
        return &self.msg if self.is_in_msg else self.delivery.incoming.frames

    cdef int try_to_make(self) except -1:
        """Make the result of the message, which stays; an error is the result too.

        Where memory is short the program may ask again, unless what is made would have taken the message with it.
        """
        if self.is_made:
            return 0
        try:
            value = self.work.make(self)
        except Exception as error:
            if isinstance(error, MemoryError) and not self.work.takes_message:
                raise
            if not self.has_message:
                # What ran there gave it back: it is the next receive's.
                return 0
            self.drop_message()
            self.state = FAILED
            self.value = without_stop(error)
            self.detail = error.__traceback__
            return 0
        if self.has_message:
            # Nobody gave it back meanwhile.
            self.value = value
            self.is_made = True
        return 0

    cdef int see(self) except -1:
        """The program sees the message."""
        if self.delivery is not None and not self.delivery.take():
            raise self._make_cancelled_error()
        # What is made of it may cancel the task that is to have it.
        self.is_seen = True
        try:
            self.try_to_make()
        except BaseException:
            self.is_seen = False
            raise
        self.drop_message()
        return 0

    cdef void drop_message(self) noexcept:
        cdef Delivery delivery = self.delivery
        self.has_message = False
        if self.is_in_msg:
            self.is_in_msg = False
            zmq_msg_close(&self.msg)
        elif delivery is not None:
            self.delivery = None
            # If it was offered to the next receive that ends.
            if delivery.take():
                release(&delivery.incoming)

    # Cancelling.

    def cancel(self, msg=None):
        """Cancel the call, if those who wait for it were not told of its end; tell whether that was so.

        Parameters
        ----------
        msg : object, optional
            What the `asyncio.CancelledError` has.
        """
        self.saw_error()
        if self.state != PENDING:
            if self.state == FINISHED and self.has_message and not self.is_seen and self.give_back():
                self.detail = msg
                return True
            return False
        self.state = CANCELLED
        self.detail = msg
        self.withdraw()
        self.tell()
        return True

    cdef bint give_back(self) noexcept:
        """The message is not wanted; tell whether it is surely the next receive's now."""
        cdef Delivery delivery = self.delivery
        if delivery is None:
            delivery = Delivery.__new__(Delivery)
            zmq_msg_init(&delivery.incoming.few[0])
            zmq_msg_move(&delivery.incoming.few[0], &self.msg)
            zmq_msg_close(&self.msg)
            self.is_in_msg = False
            delivery.incoming.count = 1
            self.delivery = delivery
        if delivery.state != UNSEEN:
            return False
        delivery.trampoline = (<Socket> self.owner).trampoline
        delivery.number = self.number
        delivery.announced = self.is_announced
        if not delivery.give_back():
            return False
        self.has_message = False
        self.value = None
        return True

    # The end.

    def set_result(self, result, /):
        """End with a result."""
        self.check_pending()
        self.withdraw()
        self.finish(result)

    def set_exception(self, exception, /):
        """End with an error."""
        self.check_pending()
        if isinstance(exception, type):
            exception = exception()
        if isinstance(exception, StopIteration):
            raise TypeError("StopIteration interacts badly with generators and cannot be raised into a Future")
        self.leave()
        self.fail(exception)

    def check_pending(self):
        """Raise if it has ended."""
        if self.state != PENDING:
            raise InvalidStateError(f"{self._state}: {self!r}")

    cdef int finish(self, value) except -1:
        if self.state != PENDING:
            # What ran until it was to end has cancelled it.
            return 0
        self.value = value
        self.state = FINISHED
        return self.tell()

    cdef int fail(self, error) except -1:
        cdef Work work = self.work
        if work is not None:
            work.withdraw(self)
        if self.state != PENDING:
            # As in `finish`.
            return 0
        self.value = without_stop(error)
        self.detail = error.__traceback__
        self.state = FAILED
        self.unseen = UnseenError.__new__(UnseenError)
        self.unseen.error = self.value
        self.unseen.loop = self.loop
        return self.tell()

    cdef void saw_error(self) noexcept:
        """The program has asked for the error, if there is one."""
        cdef UnseenError unseen = self.unseen
        if unseen is not None:
            unseen.error = None
            self.unseen = None

    cdef int settle(self, result) except -1:
        """End with what a call returned, or with an error."""
        if isinstance(result, Exception):
            return self.fail(result)
        return self.finish(result)

    cdef int end(self) except -1:
        """An attempt succeeded: end with what it left here, or give that back."""
        if self.state == PENDING:
            self.state = FINISHED
            return self.tell()
        if self.has_message:
            # It was cancelled by what ran meanwhile.
            self.give_back()
        return 0

    # Callbacks.

    cdef int tell(self) except -1:
        """It has ended: have the callbacks called."""
        if self.callback is None:
            self.is_announced = True
            return 0
        others = self.others
        self.others = None
        try:
            call_soon_of(self.loop)(announce, self, context=self.context)
        except BaseException:
            # The handler of a signal: to announce it twice does no harm.
            self.loop.call_soon_threadsafe(announce, self, context=self.context)
            raise
        if others is not None:
            for callback, context in others:
                call_soon_of(self.loop)(callback, self, context=context)
        return 0

    def add_done_callback(self, fn, /, *, context=None):
        """Have a function called with this in the event loop, when it is done."""
        if self.state != PENDING:
            call_soon_of(self.its_loop())(fn, self, context=context)
            return
        if context is None:
            context = copy_context()
        if self.callback is None:
            self.its_loop()
            self.callback = fn
            self.context = context
        elif self.others is None:
            self.others = [(fn, context)]
        else:
            self.others.append((fn, context))

    def remove_done_callback(self, fn, /):
        """Do not have a function called any more; returns how often it would have been."""
        before = self._callbacks
        if before is None:
            return 0
        left = [(callback, context) for callback, context in before if callback != fn]
        self.callback, self.context = left.pop(0) if left else (None, None)
        self.others = left or None
        return len(before) - len(left) - (self.callback is not None)

    # Awaiting.

    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        # Never called: `awaiting.h` has what is.
        raise NotImplementedError

    def throw(self, kind, value=None, traceback=None, /):
        """Raise in the coroutine that awaits."""
        if isinstance(kind, BaseException):
            if value is not None:
                raise TypeError("instance exception may not have a separate value")
            value = kind
        elif value is None:
            value = kind()
        elif not isinstance(value, BaseException):
            value = kind(value)
        raise value if traceback is None else value.with_traceback(traceback)

    # Waiting: the trampoline switches to whoever waits, and this takes the place of a greenlet.

    def switch(self):
        """Go on: the trampoline chose this call, its time is over, or the socket is being closed."""
        cdef Waiter waiter = self.waiter
        if waiter is None:
            return
        if self.state != PENDING:
            self.leave()
        elif waiter.state == CLOSED:
            self.leave()
            self.cancel()
        elif waiter.state == EXPIRED:
            self.expire()
        else:
            trampolines.count_woken += waiter.state == CHOSEN
            self.try_parked()

    cdef int try_parked(self) except -1:
        """Make an attempt from the place in the queue."""
        cdef Waiter waiter = self.waiter
        cdef Trampoline trampoline = waiter.trampoline
        cdef int err
        trampoline.trying = True
        try:
            try:
                err = self.work.attempt(self)
            finally:
                trampoline.trying = False
            if err and err != EAGAIN:
                (<Socket> self.owner).failed(err, waiter.events)
        except Exception as error:
            self.leave()
            if self.state == PENDING:
                self.fail(error)
            return 0
        if err == 0:
            # First: what runs when it leaves may cancel it, and a send is made.
            try:
                self.end()
            finally:
                self.leave()
        elif self.makes_last_attempt:
            count_again(way_of((<Socket> self.owner).traffic, waiter.events))
            self.leave()
            self.fail(Again())
        elif waiter.trampoline is not None:
            waiter.again()
            if waiter.state == EXPIRED:
                # Its time was over while it was to be tried.
                self.expire()
        return 0

    cdef int expire(self) except -1:
        """The time is over."""
        if not self.waiter.events & POLLER:
            count_again(way_of((<Socket> self.owner).traffic, self.waiter.events))
        self.leave()
        return self.work.expire(self)

    cdef bint will_announce(self) noexcept:
        """Tell whether the first callback will be called in the loop's next turn."""
        return self.state != PENDING and not self.is_announced

    cdef void leave(self) noexcept:
        """Leave the queue, and hand the turn on."""
        cdef Waiter waiter = self.waiter
        self.waiter = None
        if waiter is not None:
            waiter.inside = False
            waiter.greenlet = None
            waiter.leave()

    cdef void withdraw(self) noexcept:
        """Wait no more, for whatever."""
        cdef Work work = self.work
        self.leave()
        if work is not None:
            work.withdraw(self)


def announce(Outcome outcome):
    """Call the first callback; called in the event loop."""
    cdef Trampoline unheard = outcome.unheard
    callback = outcome.callback
    outcome.callback = outcome.context = None
    outcome.is_announced = True
    if unheard is None:
        if callback is not None:
            callback(outcome)
        return
    outcome.unheard = None
    if unheard.handover.looking_in is not None:
        # The loop has turned.
        unheard.handover.looking_in.handovers = 0
    try:
        if callback is not None:
            callback(outcome)
    finally:
        unheard.on_unheard()


cdef Outcome outcome_of(owner, Work work):
    """Return one that is pending."""
    cdef Outcome outcome = Outcome.__new__(Outcome)
    outcome.owner = owner
    outcome.work = work
    return outcome


cdef int one_step(PyObject *this, PyObject **result) except -1:
    """Go on with an `await`; see `awaiting.h`."""
    cdef Outcome self = <Outcome> this
    if self.state == FINISHED and not self.has_message and self.delivery is None:
        Py_INCREF(self.value)
        result[0] = <PyObject *> self.value
        return 1
    if self.state == PENDING:
        if self.blocks:
            raise RuntimeError("await wasn't used with future")
        self.blocks = True
        Py_INCREF(self)
        result[0] = this
        return 0
    value = self.outcome()
    Py_INCREF(value)
    result[0] = <PyObject *> value
    return 1


await_by(Outcome, &one_step)


cdef object without_stop(error):
    """Return an error that can be raised in a coroutine."""
    if isinstance(error, StopIteration):
        other = RuntimeError(f"what makes the result of a message raised {type(error).__name__}")
        other.__cause__ = error
        return other
    return error


cdef void complain(error, loop) noexcept:
    """Nobody asked for an error: tell the event loop, as asyncio's futures do."""
    cdef Outcome shown
    message = "Future exception was never retrieved"
    try:
        if loop is None:
            loop = _get_running_loop()
        shown = Outcome.__new__(Outcome)
        shown.state = FAILED
        shown.value = error
        shown.loop = loop
        if loop is None:
            logger.error("%s: %r", message, error, exc_info=(type(error), error, error.__traceback__))
        else:
            loop.call_exception_handler({"message": message, "exception": error, "future": shown})
    except Exception:
        # At the end of the interpreter.
        pass
