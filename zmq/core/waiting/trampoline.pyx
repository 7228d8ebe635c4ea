"""Greenlets that wait for 0MQ sockets: queues of parked greenlets, the baton, the sweep alarm.

This is the only file that knows that ZMQ_FD is edge-triggered, and the only one that reads it to wait.
Called by the sockets through the contract in `zmq.core.waiting.wait`, and by pollers and streams that subscribe.

The facts
---------
ZMQ_FD is not a descriptor of messages. It is the doorbell of the socket's mailbox, into which the I/O threads
and the peers in this process put commands (signaler_t, mailbox_t): a pipe was attached, a pipe has something to
read, a pipe has room again. The bell rings only when a command finds the mailbox asleep, and
socket_base_t::process_commands, which every operation may run, empties the mailbox and stills the bell, for
whatever reason it was called. So whoever operates on a socket may hear the bell in the place of those who wait
for it: a send may swallow the news that a message came. Waiting on the descriptor alone loses wake-ups.

What follows
------------
Nobody waits on the descriptor alone. Whoever waits for a socket is known to the socket's one trampoline, and
every operation on the socket, successful or not, ends here when anybody waits. EVENTS is then read, and whoever
could go on is woken: that is the baton. These invariants hold, and the tests check them on a hub of their own:

I1  While somebody is parked the descriptor is watched.
I2  After any operation on a socket with somebody parked, either nobody parked could proceed, or a wake-up is
    scheduled.
I3  A greenlet is in at most one queue and leaves it exactly once, also when it is killed or timed out. If it had
    been chosen already, it hands its turn on.
I4  Nothing switches greenlets between a successful attempt and its return.
I5  After close nobody is parked and nothing is armed; those who were got ZMQError(ENOTSOCK). After term
    they got ContextTerminated.
I6  First come, first served; one is woken per readiness.
I7  Only the trampoline reads ZMQ_FD.
I8  A socket belongs to no hub until somebody waits on it.
I9  Nothing is armed when nobody waits, and no timer runs but for those who wait.
I10 Where somebody parked without an attempt before, EVENTS is read before the hub sleeps.
I11 All who are parked wait in one hub, whichever thread runs it. Only while that hub runs is another one that would
    wait refused, and another thread that operates. A close is never refused. Who waits in a hub that has stopped, was
    closed or has lost its thread is given up as soon as anybody notices, and holds nothing meanwhile. Who was given up
    runs no more, whichever hub runs; what he had been told, whoever takes the socket over looks for; and who is refused
    tells those who wait what he saw.

When POLLOUT lies
-----------------
For most sockets EVENTS tells the whole truth. For a ROUTER it does not: POLLOUT is always set, and with
ROUTER_MANDATORY a message to a peer whose pipe is full still meets EAGAIN (router_t::xsend); an XPUB with
XPUB_NODROP is alike. Whether such a message can go is known only by trying, and a try may itself swallow the
bell for another one. Looping on EVENTS would spin; waiting for the bell alone may wait for ever. So those
senders are tried when the bell rings, a millisecond after any operation that may have swallowed it, and
then at intervals that double up to the sweep's; one that gets through hands on to the next for the same peer.
Those for a peer that is not stalled never queue at all.

The alarm
---------
While anybody is parked, one timer per hub (`zmq.core.waiting.hub`) looks every few seconds for readiness that nobody
was told of. It never should find any. If it does it wakes the greenlet, counts it in ``statistics()["missed"]`` and
warns.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.errno cimport EINTR, EINVAL
from libc.string cimport memcmp

import weakref

from zmq.core.waiting import hub as hub_module
from zmq.core.waiting import wait as wait_module
from zmq.core.constants import Errno
from zmq.core.error import Again, ZMQError, ZMQVersionError

from zmq.core.libzmq cimport (
    ENOTSUP,
    ZMQ_EVENTS,
    ZMQ_FD,
    ZMQ_POLLIN,
    ZMQ_POLLOUT,
    ZMQ_PUB,
    ZMQ_ROUTER,
    ZMQ_STREAM,
    ZMQ_TYPE,
    ZMQ_XPUB,
    bell_close,
    bell_new,
    bell_still,
    zmq_errno,
    zmq_getsockopt,
)
from zmq.core.check cimport raise_errno
from zmq.core.waiting.hub cimport Hub, report, this_thread
from zmq.core.waiting cimport wait
from zmq.core.waiting.wait cimport Turn, Waiter

cdef extern from * nogil:
    """
    #include <time.h>

    static double greenzmq_monotonic(void) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (double) now.tv_sec + 1e-9 * (double) now.tv_nsec;
    }

    /* When the slice of time that the running thread may use before its hub must run began. */
    static __thread double greenzmq_slice = 0;
    """
    double greenzmq_monotonic()
    double greenzmq_slice

cdef extern from "waiting/bell.h" nogil:
    enum:
        GREENZMQ_RINGS
    int listen_to "greenzmq_listen"(int bell)
    bint heard "greenzmq_heard"(int ear)


cdef double monotonic() noexcept nogil:
    return greenzmq_monotonic()


cdef enum:
    HANDOVERS = 32      # switches past the hub in a row
    DEBT = 16           # times that the hub must find a partner before one is looked at that was looked at in vain

# Handovers to the same partner, until they are made without an attempt before.
cdef int sure = 8

cdef double HANDOVER_SECONDS = 0.001
cdef double FIRST_LOOK = 0.001
cdef double LAST_LOOK = 3.0
cdef double budget = 0.005

cdef long count_parked = 0, count_woken = 0, count_expired = 0, count_vain = 0, count_yields = 0

# Weak references to trampolines by the address of their socket, so that a shadow finds that of the original.
# The sockets hold them, and watchers that are armed.
cdef dict trampolines = {}
# Those whose hub will close the handle, in another thread.
cdef set closing = set()


def statistics():
    """Count what the waiting greenlets of this process did so far, and list those that wait now.

    Returns
    -------
    dict
        ``parked``, ``woken``, ``expired``: greenlets that began to wait, were woken, ran out of time.
        ``vain``: wake-ups after which the attempt still had to wait. ``yields``: blocking calls that let the hub
        run because their budget was used up. ``missed``: wake-ups that only the sweep alarm noticed; a number
        other than 0 is a bug. ``waiting``: one dict for each greenlet that is parked now, in this thread or
        another, with ``greenlet``, for how many ``seconds``, and ``waits_for``: the Socket; a list of what it polls or
        relays; the Context that is to end; or what was lent to libzmq. For a single socket it has also ``fd``, its
        descriptor, ``events``, `POLLIN` or `POLLOUT`, and ``route``, the peer that a message is for, where that
        matters. ``blocked``: one dict for each plain call that blocks its native thread now, with ``thread``,
        ``seconds`` and ``waits_for``; in a program of greenlets there should be none.
    """
    from zmq.core.socket import living_sockets

    now = monotonic()
    waiting = wait_module.parked_greenlets()
    cdef Trampoline trampoline
    sockets = {socket.underlying: socket for socket in living_sockets() if not socket.closed}
    for address, reference in list(trampolines.items()):
        trampoline = reference()
        if trampoline is not None and trampoline.born == wait.generation:
            waiting.extend(trampoline.describe(now, sockets.get(address)))
    return {
        "parked": count_parked,
        "woken": count_woken,
        "expired": count_expired,
        "vain": count_vain,
        "yields": count_yields,
        "missed": hub_module.missed(),
        "waiting": waiting,
        "blocked": wait_module.blocked_threads(),
    }


def get_budget():
    """Return for how many seconds blocking calls that need not wait may keep the hub from running."""
    return budget


def set_budget(double seconds):
    """Set for how long blocking calls that never have to wait may keep the hub from running.

    Parameters
    ----------
    seconds : float
        After this time the next blocking send, receive or poll lets the hub run once; 0 turns that off. In
        `zmq.asyncio` the next that is awaited ends in the next turn of the event loop.
        NOBLOCK calls never yield. The default is 0.005.

    Raises
    ------
    ValueError
        `seconds` is negative.
    """
    global budget
    if not seconds >= 0:
        raise ValueError(f"a budget is 0 or more seconds, got {seconds!r}")
    budget = seconds


def _set_sure(int handovers):
    """For tests that cannot wait until two sockets trust each other; return what was set before."""
    global sure
    before = sure
    sure = handovers
    return before


cdef class Parked(Turn):
    """A greenlet that waits for one socket."""

    cdef int wait(self) except -1:  # no-cython-lint
        global count_parked, count_woken
        cdef Parked next
        count_parked += 1
        while self.state == PARKED:
            self.inside = True
            try:
                next = self.owner.partner_turn(self.untried)
                if next is not None:
                    next.resume()
                elif self.untried:
                    count_parked -= 1
                    return 0
                else:
                    self.hub.park()
            finally:
                self.inside = False
        if self.state == CHOSEN:
            count_woken += 1
            return 0
        if self.state == EXPIRED and self.untried:
            # There is time for the first attempt.
            return 0
        if self.state == EXPIRED:
            raise Again()
        raise ZMQError(Errno.ENOTSOCK, "the socket was closed while this call waited for it")

    cdef void choose(self, int state) noexcept:
        """Wake the greenlet soon; at once when the bell rang and nobody else is woken."""
        cdef Parked other
        self.state = state
        if self.inside:
            if self.owner.ringing:
                other = self.owner.first
                self.owner.first = self
                if other is None:
                    return
                self = other
            self.hub.soon(self.resume)

    cpdef resume(self):
        # The greenlet may have left meanwhile and wait for something else by now.
        if self.inside and self.state != PARKED:
            self.greenlet.switch()

    cpdef expire(self):
        global count_expired
        self.timer = None
        if self.state == PARKED:
            count_expired += 1
            self.state = EXPIRED
            self.resume()
        else:
            self.overdue = True

    cdef void again(self) noexcept:
        global count_vain
        cdef Trampoline owner = self.owner
        if self.state == CHOSEN:
            count_vain += 1
        else:
            # Its first attempt.
            owner.unheard = False
        self.untried = False
        if self.guessed_by is not None:
            self.guessed_by.distrust(0)
            self.guessed_by = None
        self.park_again()
        if owner.interest > 1:
            # The attempt may have swallowed the bell for the others.
            owner.changed(owner.read_events(), False)

    cdef void park_again(self) noexcept:
        """The attempt was in vain: wait on, unless the time was over meanwhile."""
        global count_expired
        if self.state == CHOSEN:
            self.state = PARKED
            if self.overdue:
                count_expired += 1
                self.state = EXPIRED

    cdef void leave(self) noexcept:
        cdef Trampoline owner = self.owner
        if owner is None:
            return
        self.owner = None
        if self.timer is not None:
            self.hub.cancel(self.timer)
            self.timer = None
        if self.state != CLOSED:
            owner.queue_of(self.events).remove(self)
        owner.interest -= 1
        owner.unmoor()
        if owner.interest and owner.handle != NULL:
            owner.notify()
            if self.state == CHOSEN and self.events == ZMQ_POLLOUT and owner.routed:
                # It got through, or did not try: the next one on its route may.
                owner.try_route(self.route)


cdef class Queue:
    """Parked greenlets in the order they came."""

    cdef void append(self, Parked turn) noexcept:
        turn.before = self.tail
        turn.after = None
        if self.tail is None:
            self.head = turn
        else:
            self.tail.after = turn
        self.tail = turn

    cdef void remove(self, Parked turn) noexcept:
        if turn.before is None:
            self.head = turn.after
        else:
            turn.before.after = turn.after
        if turn.after is None:
            self.tail = turn.before
        else:
            turn.after.before = turn.before
        turn.before = turn.after = None

    def __iter__(self):
        cdef Parked turn = self.head
        while turn is not None:
            yield turn
            turn = turn.after


cdef class Subscription:
    """Somebody who wants to hear of changes and does not queue: a poller, a stream.

    `touched` is called after every operation on the socket. `ready` is called whenever EVENTS was read, by
    whomever, with what it said; -1 stands for an error, which the next operation on the socket will report. `gone` is
    called when the socket closes; `abandoned` when it was armed in a hub that does not run any more.
    `waits` tells whether a greenlet waits by it now. None of them may switch greenlets.
    """

    cdef void touched(self) noexcept:
        pass

    cdef void ready(self, int events) noexcept:
        pass

    cdef void gone(self) noexcept:
        pass

    cdef void abandoned(self, Hub hub) noexcept:
        pass

    cdef bint waits(self) noexcept:
        return self.armed


cdef class Trampoline(Waiter):
    """All the greenlets that wait for one socket."""

    def __cinit__(self):
        self.fd = -1
        self.born = wait.generation
        self.receivers = Queue()
        self.senders = Queue()
        self.pollers = Queue()
        self.subscriptions = []
        self.look_delay = FIRST_LOOK
        self.more = -1
        self.weak = weakref.ref(self)

    def __dealloc__(self):
        cdef size_t address = <size_t> self.handle
        if self.handle == NULL or self.born != wait.generation or trampolines is None:
            return
        reference = trampolines.get(address)
        if reference is not None:
            # It is this one still, or nobody's if the garbage collector was first.
            found = reference()
            if found is None or found is self:
                del trampolines[address]

    def describe(self, double now, socket):
        for queue in (self.receivers, self.senders, self.pollers):
            for turn in queue:
                yield {
                    "greenlet": (<Parked> turn).greenlet,
                    "seconds": now - turn.since,
                    "waits_for": socket,
                    "fd": self.fd,
                    "events": turn.events & ~POLLER,
                    "route": turn.route,
                }

    # What libzmq knows.

    cdef int read_events(self) noexcept:
        """Read EVENTS, which stills the bell; -1 on an error."""
        cdef int events = 0
        cdef size_t size = sizeof(int)
        if self.held_by is not None:
            return 0
        self.unheard = False
        if self.bell != NULL:
            bell_still(self.bell)
        while zmq_getsockopt(self.handle, ZMQ_EVENTS, &events, &size) != 0:
            if zmq_errno() != EINTR:
                return -1
        return events | ZMQ_POLLIN if self.returned else events

    # Wake-ups.

    cdef void changed(self, int events, bint look) noexcept:
        """Choose whoever can proceed. With `look` the bell may have rung for any sender."""
        cdef Parked turn
        cdef Subscription subscription
        for subscription in self.subscriptions:
            # Also one that watches the bell in its own way: it is still now.
            subscription.ready(events)
        if self.parked == 0:
            return
        turn = self.pollers.head
        while turn is not None:
            if turn.state == PARKED and turn.events & events:
                turn.choose(CHOSEN)
            turn = turn.after
        turn = self.receivers.head
        if turn is not None and turn.state == PARKED and events & ZMQ_POLLIN:
            turn.choose(CHOSEN)
        turn = self.senders.head
        if turn is not None and events & ZMQ_POLLOUT:
            if not self.routed:
                if turn.state == PARKED:
                    turn.choose(CHOSEN)
            elif look or events < 0:
                self.try_senders()

    cdef void try_senders(self) noexcept:
        """Choose the first sender of every route."""
        cdef Parked turn = self.senders.head
        cdef Parked first
        while turn is not None:
            first = self.senders.head
            while first.route != turn.route:
                first = first.after
            if first is turn and turn.state == PARKED:
                turn.choose(CHOSEN)
            turn = turn.after

    cdef void try_route(self, bytes route) noexcept:
        """Choose the first sender of one route."""
        cdef Parked turn = self.senders.head
        while turn is not None and turn.route != route:
            turn = turn.after
        if turn is not None and turn.state == PARKED:
            turn.choose(CHOSEN)

    cdef void look_again(self) noexcept:
        """Try the senders of a routed socket after `look_delay`."""
        if self.look_timer is not None:
            self.hub.cancel(self.look_timer)
            self.look_timer = None
        try:
            self.set_look_timer()
        except BaseException as error:
            self.hub.retry(error, self.set_look_timer)

    cpdef set_look_timer(self):
        self.look_timer = self.hub.call_at(monotonic() + self.look_delay, self.on_look)

    cpdef on_look(self):
        self.look_timer = None
        if self.senders.head is None or self.handle == NULL or self.born != wait.generation:
            return
        self.look_delay = min(2 * self.look_delay, LAST_LOOK)
        self.look_again()
        self.changed(self.read_events(), True)

    cpdef on_readable(self):
        """The bell rang."""
        if self.born != wait.generation or self.handle == NULL:
            # The child of a fork shares the descriptor and must leave it alone.
            self.watcher.stop()
            self.armed = False
            return
        if self.routed and self.senders.head is not None:
            self.look_delay = FIRST_LOOK
            self.look_again()
        cdef Subscription subscription
        for subscription in self.subscriptions:
            subscription.touched()
        self.hub.handovers = 0
        self.hub.thread = this_thread()
        cdef Parked turn = self.answer()
        if turn is not None:
            self.learn()
            turn.resume()

    cdef Parked answer(self):
        """Choose whoever can proceed; return one of them, to be switched to at once."""
        cdef Parked turn
        self.ringing = True
        self.changed(self.read_events(), True)
        self.ringing = False
        turn = self.first
        self.first = None
        return turn

    # Handing over. When two greenlets of a hub talk to each other, each parks only to have the hub find out, by a
    # system call and two switches, that the bell of the other rings. So a trampoline learns who was woken after
    # somebody parked on it. If that was the same one twice, the next to park looks at that bell first and switches
    # straight to the greenlet. The hub runs after HANDOVERS of these, or HANDOVER_SECONDS, at the latest.
    #
    # If that went well `sure` times, nobody needs the bells any more: who receives after a send switches to the partner
    # before it has made an attempt itself, and without a look at the partner's bell. A pipe that was never found empty
    # sends no commands, so both spare all system calls. But then the bell says nothing: whatever happens, EVENTS has to
    # be read before the hub sleeps, and `on_unheard` is called in the hub for that.

    cdef void learn(self) noexcept:
        """The hub woke somebody here: tell the trampoline on which somebody parked last."""
        cdef Trampoline last
        if self.hub.last is None:
            return
        last = self.hub.last()
        self.hub.last = None
        if last is None:
            return
        if last.partner is self:
            last.trust += 1
        else:
            last.partner = self
            last.distrust(0)

    cdef void distrust(self, int debt) noexcept:
        self.trust = -debt
        self.trusts = False

    cdef bint hands_over(self) noexcept:
        cdef Trampoline partner = self.partner
        cdef Parked turn
        if not self.trusts or partner is None or partner.partner is not self or self.returned is not None:
            return False
        turn = partner.receivers.head
        return turn is not None and turn.state == PARKED and turn.hub.handovers < HANDOVERS

    cdef Parked partner_turn(self, bint untried):
        """Return a greenlet that waits for the partner's bell, which rings, or None.

        Of one that is `untried`: who waits for the partner, which is as good as sure to be able to go on.
        """
        cdef Trampoline partner = self.partner
        cdef Parked turn = None
        self.hub.last = self.weak
        if self.trust <= 0 or partner.hub is not self.hub or partner is self or self.hub.handovers >= HANDOVERS:
            return None
        if self.hub.handovers == 0:
            self.hub.since = monotonic()
        elif budget != 0 and monotonic() - self.hub.since > HANDOVER_SECONDS:
            self.hub.handovers = HANDOVERS
            return None
        if partner.subscriptions or partner.handle == NULL or partner.born != wait.generation:
            return None
        if partner.routed and partner.senders.head is not None:
            return None
        if untried:
            turn = partner.receivers.head
            if turn is None or turn.state != PARKED or not turn.inside:
                return None
            if self.looking_in is not self.hub:
                self.hub.call_soon(self.on_unheard)
                self.looking_in = self.hub
            self.unheard = True
            turn.guessed_by = self
            turn.state = CHOSEN
            self.hub.handovers += 1
            return turn
        self.hub.handovers += 1
        turn = partner.answer()
        if turn is None:
            # An I/O thread is between them, as a rule.
            self.distrust(DEBT)
        else:
            self.trust += 1
            self.trusts = self.trust >= sure
        return turn

    cpdef on_unheard(self):
        """Somebody may have parked without an attempt, and the hub is about to sleep."""
        cdef Parked turn
        if self.looking_in is None or self.looking_in.thread != this_thread():
            # Called by a hub in which nobody waits here any more.
            return
        self.looking_in = None
        if not self.unheard or self.parked == 0 or self.handle == NULL or self.born != wait.generation:
            return
        turn = self.answer()
        if turn is None:
            if self.hub.handovers < HANDOVERS:
                # The partner did something else than to answer.
                self.distrust(0)
        else:
            self.learn()
            turn.resume()

    cdef void notify(self) noexcept:
        cdef Subscription subscription
        for subscription in self.subscriptions:
            subscription.touched()
        if self.parked:
            self.stilled(self.read_events())

    cdef bint is_waited_for(self) noexcept:
        """Tell whether a greenlet waits, in a queue or by a subscription."""
        cdef Subscription subscription
        if self.parked:
            return True
        for subscription in self.subscriptions:
            if subscription.waits():
                return True
        return False

    cdef void stilled(self, int events) noexcept:
        """EVENTS was read by somebody who operated: pass the news on, and try routed senders soon."""
        self.changed(events, False)
        if self.routed and self.senders.head is not None and self.look_delay > FIRST_LOOK and not self.trying:
            self.look_delay = FIRST_LOOK
            self.look_again()

    # Threads and hubs.

    cdef int descriptor(self) except -1:
        """Return the bell."""
        cdef size_t size = sizeof(int)
        if self.fd < 0 and zmq_getsockopt(self.handle, ZMQ_FD, &self.fd, &size) != 0:
            if zmq_errno() != EINVAL:
                raise_errno(zmq_errno())
            self.bell = bell_new(self.handle, &self.fd)
            if self.bell == NULL:
                if zmq_errno() == ENOTSUP:
                    raise ZMQVersionError("4.3.2", "The descriptor of a thread-safe socket")
                raise_errno(zmq_errno())
        return self.fd

    cdef int enter(self) except -1:
        cdef unsigned long thread
        if self.parked:
            thread = this_thread()
            if self.hub.thread != thread:
                self.enter_from(thread)
        return 0

    cdef int enter_from(self, unsigned long thread) except -1:
        """Somebody waits in a hub that another thread has run."""
        if not self.hub.is_alive():
            self.abandon()
        elif self.hub.is_elsewhere():
            raise RuntimeError(
                "This socket is waited for by a greenlet of another thread. Sockets are not thread-safe: "
                "give each thread a socket of its own."
            )
        elif self.hub.is_running():
            # An event loop is run by whichever thread likes.
            self.hub.thread = thread
        return 0

    cdef int moor(self, get_hub) except -1:
        """One more is parked: watch the descriptor in the hub."""
        cdef Hub hub = get_hub()
        if self.handle == NULL:
            raise ZMQError(Errno.ENOTSOCK)
        if self.parked and self.hub is not hub:
            self.enter()
            if self.parked and self.hub.is_running():
                raise RuntimeError("This socket is waited for in another event loop of this thread.")
            self.abandon()
        if self.parked == 0:
            self.descriptor()
            if self.watched_hub is not hub:
                self.forget_watcher()
                self.watcher = hub.watcher(self.fd, ZMQ_POLLIN)
                self.watched_hub = hub
                self.ring = self.on_readable
            self.hub = hub
            self.parked = 1
            try:
                self.armed = True
                self.watcher.start(self.ring)
                hub.watch(self.weak)
            except BaseException:
                self.unmoor()
                raise
            return 0
        self.parked += 1
        return 0

    cpdef rearm(self):
        """Watch the descriptor again, if it should be watched: the hub may have stopped that because of an error."""
        if self.armed and self.parked and self.born == wait.generation:
            self.hub.stop(self.watcher)
            self.watcher.start(self.ring)

    cdef void abandon(self) noexcept:
        """Give up those who are parked in a hub that does not run any more."""
        cdef Hub hub = self.hub
        cdef Queue queue
        cdef Parked turn
        cdef Subscription subscription
        cdef list given_up = []
        for queue in (self.receivers, self.senders, self.pollers):
            turn = queue.head
            while turn is not None:
                # It is not to be woken because another one leaves.
                turn.inside = False
                turn = turn.after
            while queue.head is not None:
                turn = queue.head
                given_up.append(turn.greenlet)
                turn.leave()
        for subscription in list(self.subscriptions):
            if subscription.armed:
                self.disarm_for(subscription)
                subscription.abandoned(hub)
        for parked in given_up:
            try:
                hub.give_up(parked)
            except BaseException as error:
                report(error)

    def abandon_all(self):
        """Give up those who are parked: their hub ends."""
        if self.born == wait.generation and self.parked:
            self.abandon()
            self.forget_watcher()

    cdef void forget_watcher(self) noexcept:
        """The watcher is not armed, or its hub does not run: have it closed."""
        cdef Hub hub = self.watched_hub
        watcher = self.watcher
        self.watcher = self.watched_hub = self.ring = None
        if watcher is None:
            return
        try:
            hub.forget(watcher)
        except BaseException as error:
            hub.retry(error, hub.forget, watcher)

    cdef void unmoor(self) noexcept:
        """One less is parked."""
        self.parked -= 1
        if self.parked:
            return
        if self.armed:
            self.armed = False
            self.hub.disarm(self.watcher)
        self.hub.unwatch(self.weak)
        if self.look_timer is not None:
            self.hub.cancel(self.look_timer)
            self.look_timer = None
        self.look_delay = FIRST_LOOK
        self.hub = None

    # Waiting.

    cdef Queue queue_of(self, int events):
        if events & POLLER:
            return self.pollers
        return self.receivers if events == ZMQ_POLLIN else self.senders

    cdef bint must_queue(self, int events, const void *route, size_t size) noexcept:
        cdef Parked turn
        if events == ZMQ_POLLIN:
            return self.receivers.head is not None
        turn = self.senders.head
        if turn is None or not self.routes:
            return turn is not None
        while turn is not None:
            if same(turn.route, route, size):
                return True
            turn = turn.after
        return False

    cdef Turn join(self, get_hub, int events, const void *route, size_t size, double timeout):
        cdef Parked turn = Parked.__new__(Parked)
        if self.routes and events == ZMQ_POLLOUT and route != NULL:
            turn.route = PyBytes_FromStringAndSize(<const char *> route, size)
        self.moor(get_hub)
        turn.hub = self.hub
        turn.events = events
        turn.since = monotonic()
        turn.owner = self
        self.interest += 1
        self.queue_of(events).append(turn)
        try:
            turn.greenlet = self.hub.current()
            if timeout >= 0:
                turn.timer = self.hub.call_at(turn.since + timeout, turn.expire)
            if self.routed and events == ZMQ_POLLOUT and self.look_timer is None:
                self.look_again()
        except BaseException:
            turn.leave()
            raise
        return turn

    cdef int poll(self, get_hub, int events, double timeout) except -1:
        """Wait until EVENTS has one of `events`; return them, or 0 after `timeout` seconds."""
        cdef int found
        cdef long before
        cdef Parked turn = None
        wait.fuel -= 1
        if wait.fuel <= 0 and timeout != 0:
            refuel(get_hub)
        try:
            while True:
                self.enter()
                found = self.read_events()
                if found < 0:
                    raise_errno(zmq_errno())
                if self.interest:
                    self.stilled(found)
                if found & events or timeout == 0:
                    return found & events
                if turn is None:
                    before = wait.stirred()
                    turn = self.join(get_hub, events | POLLER, NULL, 0, timeout)
                    if wait.stirred() != before:
                        # The handler of a signal used sockets meanwhile.
                        self.stilled(self.read_events())
                else:
                    turn.park_again()
                try:
                    turn.wait()
                except Again:
                    timeout = 0
        finally:
            if turn is not None:
                turn.leave()

    # Subscriptions.

    cdef int subscribe(self, Subscription subscription) except -1:
        self.subscriptions.append(subscription)
        subscription.owner = self
        self.interest += 1
        return 0

    cdef void unsubscribe(self, Subscription subscription) noexcept:
        if subscription.owner is not self:
            return
        self.disarm_for(subscription)
        subscription.owner = None
        self.interest -= 1
        try:
            # Somebody may be going through the list.
            self.subscriptions = [other for other in self.subscriptions if other is not subscription]
        except MemoryError:
            self.subscriptions.remove(subscription)

    cdef int arm_for(self, Subscription subscription, get_hub) except -1:
        if not subscription.armed:
            self.moor(get_hub)
            subscription.armed = True
        return 0

    cdef void disarm_for(self, Subscription subscription) noexcept:
        if subscription.armed:
            subscription.armed = False
            self.unmoor()

    # The end.

    cdef bint close(self) noexcept:
        cdef Hub hub = self.watched_hub
        if self.handle == NULL:
            return True
        if self.closing:
            return False
        forget(self)
        if hub is not None and (self.armed or hub.lingers) and hub.is_elsewhere():
            # No other thread may touch what a loop watches while it runs. And the descriptor must be there until then:
            # the next one that is opened gets its number.
            try:
                self.closing = True
                closing.add(self)
                hub.call_soon_threadsafe(self.close_here)
                return False
            except BaseException as error:
                self.closing = False
                closing.discard(self)
                if hub.is_alive():
                    report(error)
        self.end()
        self.handle = NULL
        return True

    def close_here(self):
        """Close the handle, which another thread would have: in the thread of the hub."""
        cdef void *handle = self.handle
        closing.discard(self)
        if self.closing and self.born == wait.generation:
            self.closing = False
            self.end()
            self.handle = NULL
            if handle != NULL:
                wait.closer(handle)

    cdef void lose(self) noexcept:
        """As `close`, but the handle was closed before, by somebody who did not say so, and may be another socket's."""
        self.close()
        self.handle = NULL

    cdef void end(self) noexcept:
        """Send everybody home."""
        cdef Parked turn
        cdef Subscription subscription
        cdef Queue queue
        cdef Hub hub = self.hub
        for subscription in list(self.subscriptions):
            self.unsubscribe(subscription)
            subscription.gone()
        self.returned = None
        self.partner = None
        self.distrust(0)
        if self.parked:
            if not hub.is_running():
                self.abandon()
            for queue in (self.receivers, self.senders, self.pollers):
                while queue.head is not None:
                    turn = queue.head
                    queue.remove(turn)
                    turn.choose(CLOSED)
        if self.armed:
            self.armed = False
            self.watched_hub.disarm(self.watcher)
        self.forget_watcher()
        if self.bell != NULL:
            bell_close(self.bell)
            self.bell = NULL

    cdef bint missed(self, int mask) noexcept:
        """Tell subscribers whether one of these events is true; return whether the bell should have said so."""
        cdef int events
        cdef int ear = listen_to(self.fd)
        if ear == GREENZMQ_RINGS:
            return False
        events = self.read_events()
        self.changed(events, False)
        return ear >= 0 and not heard(ear) and events > 0 and events & mask

    def sweep(self):
        """Wake those whom the bell should have woken; tell whether there were any."""
        cdef int events
        cdef Parked turn
        cdef bint found = False
        cdef int ear
        if self.handle == NULL or self.born != wait.generation:
            return False
        if self.unheard:
            # That is no surprise.
            self.changed(self.read_events(), False)
            return False
        ear = listen_to(self.fd)
        if ear == GREENZMQ_RINGS:
            return False
        events = self.read_events()
        turn = self.receivers.head
        if turn is not None and turn.state == PARKED and events & ZMQ_POLLIN:
            found = True
        turn = self.senders.head
        if turn is not None and turn.state == PARKED and events & ZMQ_POLLOUT and not self.routed:
            found = True
        turn = self.pollers.head
        while turn is not None:
            if turn.state == PARKED and turn.events & events:
                found = True
            turn = turn.after
        self.changed(events, False)
        # Without an ear, or where the bell rang after all, nobody can say that it was missed.
        return ear >= 0 and not heard(ear) and found


cdef class Sleeper:
    """A greenlet that waits for something that is no socket."""

    cdef Hub hub
    cdef object greenlet
    cdef object watcher, timer
    cdef bint inside, woken
    cdef readonly bint expired

    def __init__(self, Hub hub not None):
        self.hub = hub
        self.greenlet = hub.current()

    def wake(self):
        self.woken = True
        if self.inside:
            self.greenlet.switch()

    def expire(self):
        self.expired = True
        self.wake()

    def leave(self, hub):
        """The hub ends: watch nothing in it for this greenlet, which will not wake any more."""
        if self.hub is not hub:
            return False
        self.inside = False
        self.stop()
        return True

    cdef void stop(self) noexcept:
        timer, watcher = self.timer, self.watcher
        self.timer = self.watcher = None
        if timer is not None:
            self.hub.cancel(timer)
        if watcher is not None:
            self.hub.started.pop(watcher, None)
            self.hub.end(watcher)

    cdef int sleep(self) except -1:
        while not self.woken:
            self.inside = True
            try:
                self.hub.park()
            finally:
                self.inside = False
        return 0


cpdef int let_run(Hub hub, double seconds=0) except -1:
    """Let the hub run once, or for some time: descriptors, timers, everybody.

    Parameters
    ----------
    hub : Hub
        Of this thread.
    seconds : float
        For how long; 0 for once.
    """
    cdef Sleeper sleeper = Sleeper(hub)
    timer = hub.call_at(monotonic() + seconds, sleeper.wake)
    try:
        sleeper.sleep()
    finally:
        hub.cancel(timer)
    return 0


cdef bint is_time_to_yield() noexcept:
    """When `wait.fuel` ran out: tell whether the hub has not run for so long that others must have their turn."""
    global greenzmq_slice
    cdef double now
    wait.fuel = FUEL
    if budget == 0:
        return False
    now = monotonic()
    if greenzmq_slice == 0:
        greenzmq_slice = now
    return now - greenzmq_slice >= budget


cdef int refuel(get_hub) except -1:
    """Before a blocking call when `wait.fuel` ran out: let the hub run if it is time."""
    global count_yields, greenzmq_slice
    cdef double now
    cdef Hub hub
    if is_time_to_yield():
        hub = get_hub()
        if hub.is_current():
            return 0
        count_yields += 1
        now = monotonic()
        let_run(hub)
        # Whoever comes back first from this run of the hub starts a new slice, the others share it.
        if greenzmq_slice < now:
            greenzmq_slice = monotonic()
    return 0


cpdef bint wait_readable(Hub hub, int fd, double timeout, what=None) except -1:
    """Park until a descriptor is readable.

    Parameters
    ----------
    hub : Hub
        Of this thread.
    fd : int
        The descriptor.
    timeout : float
        Seconds; negative to wait for ever.
    what : object, optional
        What that stands for, as `statistics` shall show it.

    Returns
    -------
    bool
        False when the time ran out.
    """
    cdef Sleeper sleeper = Sleeper(hub)
    sleeper.watcher = hub.watcher(fd, ZMQ_POLLIN)
    try:
        hub.started[sleeper.watcher] = sleeper.wake
        sleeper.watcher.start(sleeper.wake)
        if timeout >= 0:
            sleeper.timer = hub.call_at(monotonic() + timeout, sleeper.expire)
        wait.park(sleeper.greenlet, fd if what is None else what, sleeper)
        sleeper.sleep()
    finally:
        wait.unpark(sleeper.greenlet)
        sleeper.stop()
    return not sleeper.expired


cdef Trampoline trampoline_of(void *handle):
    """Return the one trampoline of a socket."""
    cdef Trampoline trampoline = known_trampoline(handle)
    cdef int socket_type = -1
    cdef size_t size = sizeof(int)
    if trampoline is None or trampoline.born != wait.generation:
        trampoline = Trampoline.__new__(Trampoline)
        trampoline.handle = handle
        zmq_getsockopt(handle, ZMQ_TYPE, &socket_type, &size)
        trampoline.routes = socket_type in (ZMQ_ROUTER, ZMQ_STREAM)
        trampoline.routed = trampoline.routes or socket_type in (ZMQ_PUB, ZMQ_XPUB)
        trampolines[<size_t> handle] = trampoline.weak
    return trampoline


cdef Trampoline known_trampoline(void *handle):
    """Return the trampoline of a socket if it has one, perhaps because of a shadow, else None."""
    reference = trampolines.get(<size_t> handle)
    return None if reference is None else reference()


cdef void forget(Trampoline trampoline) noexcept:
    if trampolines.get(<size_t> trampoline.handle) is trampoline.weak:
        del trampolines[<size_t> trampoline.handle]


cdef void close_left() noexcept:
    """Close the handles that a hub was to close which does not run any more."""
    cdef Trampoline trampoline
    for trampoline in list(closing):
        if trampoline.watched_hub is None or not trampoline.watched_hub.is_elsewhere():
            trampoline.close_here()


cdef bint same(bytes route, const void *other, size_t size) noexcept:
    if route is None or other == NULL:
        return route is None and other == NULL
    return <size_t> PyBytes_GET_SIZE(route) == size and memcmp(PyBytes_AS_STRING(route), other, size) == 0
