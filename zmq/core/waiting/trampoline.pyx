"""Greenlets and futures that wait for 0MQ sockets: queues of waiters, and the baton.

Lives here: the one place that is told whenever a socket's ZMQ_FD rings or may have been stilled, and decides who goes
on. What must not: attempts to send and receive, and any framework. Called by sockets, and by pollers and streams that
subscribe. Others that watch the descriptor ask here for it: plain threads (`zmq.core.waiting.wakeable_threads`) and
sets of pollers (`zmq.core.polling`). Waiters, handing over and routed senders are in files of their own, which are
parts of this module because their classes and the trampoline's refer to one another.

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

I1  While somebody is parked the descriptor is watched before the hub sleeps: at once, or by the call that I10 asks for.
I2  After any operation on a socket with somebody parked, either nobody parked could proceed, or a wake-up is
    scheduled: a callback of the hub's, or a place in the queue of its next turns (`zmq.core.waiting.deferred_turns`).
I3  A greenlet is in at most one queue and leaves it exactly once, also when it is killed or timed out. If it had
    been chosen already, it hands its turn on.
I4  Nothing switches greenlets between a successful attempt and its return.
I5  After close nobody is parked and nothing is armed; those who were got ZMQError(ENOTSOCK). After term
    they got ContextTerminated.
I6  First come, first served; one is woken per readiness.
I7  Only the trampoline reads ZMQ_FD.
I8  A socket belongs to no hub until somebody waits on it.
I9  Nothing is armed when nobody waits, and no timer runs but for those who wait; that of a turn may outlast them until
    that turn begins.
I10 Where somebody parked without an attempt before, EVENTS is read before the hub sleeps.
I11 All who are parked wait in one hub, whichever thread runs it. Only while that hub runs is another one that would
    wait refused, and another thread that operates. A close is never refused. Who waits in a hub that has stopped, was
    closed or has lost its thread is given up as soon as anybody notices, and holds nothing meanwhile. Who was given up
    runs no more, whichever hub runs; what he had been told, whoever takes the socket over looks for; and who is refused
    tells those who wait what he saw.

When POLLOUT lies
-----------------
For most sockets EVENTS tells the whole truth. For a ROUTER it does not: with ROUTER_MANDATORY, POLLOUT is set while any
peer at all has room, and a message to one whose pipe is full still meets EAGAIN (router_t::xhas_out, xsend); an XPUB or
a RADIO with XPUB_NODROP is alike, and so are SERVER and PEER (server_t::xhas_out, xsend), which are drafts as RADIO is.
Whether such a message can go is known only by trying, and a try may itself swallow the bell for another one. Looping on
EVENTS would spin; waiting for the bell alone may wait for ever. So those senders are tried when the bell rings, a
millisecond after any operation that may have swallowed it, and then at intervals that double up to the sweep's; one
that gets through hands on to the next for the same peer. Those for a peer that is not stalled never queue at all.

The alarm
---------
While anybody is parked, one timer per hub (`zmq.core.waiting.hub`) looks every few seconds for readiness that nobody
was told of. It never should find any. If it does it wakes the greenlet, counts it in ``statistics()["missed"]`` and
warns. It looks at the sockets that are marked, and now and then at the others (`zmq.core.waiting.sweep_alarm`). Whoever
parks marks the socket, and so does whatever makes an attempt or reads EVENTS while anybody waits or has subscribed.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.errno cimport EBUSY, EINTR, EINVAL, errno
from libc.string cimport memcmp

cimport cython

import weakref

from zmq.core.constants import Errno, SocketType
from zmq.core.error import Again, ZMQError, ZMQVersionError
from zmq.core.waiting.who_waits import call_at_the_end

from zmq.core.check cimport raise_errno
from zmq.core.libzmq cimport (
    ENOTSOCK,
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
from zmq.core.waiting cimport budget, fork_generation
from zmq.core.waiting.clock cimport monotonic
from zmq.core.waiting.counters cimport count_again, count_wait, way_of
from zmq.core.waiting.hub cimport Hub, report, this_thread
from zmq.core.waiting.sleeper cimport refuel
from zmq.core.waiting.deferred_turns cimport must_wait

cdef enum:
    HANDOVERS = 256    # switches past the hub in a row
    PENALTY = 16        # times that the hub must find a partner before its bell is looked at again that was silent

# Handovers to the same partner, until they are made without an attempt before.
cdef int trusted_after = 8

# Draft sockets, which not every zmq.h knows.
cdef int SERVER = SocketType.SERVER, PEER = SocketType.PEER, RADIO = SocketType.RADIO

cdef double HANDOVER_SECONDS = 0.001
cdef double FIRST_LOOK = 0.001
cdef double LAST_LOOK = 3.0

cdef long count_parked = 0, count_woken = 0, count_expired = 0, count_vain = 0

# Weak references to trampolines by the address of their socket, so that a shadow finds that of the original.
# The sockets hold them, and watchers that are armed.
cdef dict trampolines = {}
# Those whose hub will close the handle, in another thread.
cdef set closing = set()


def counts():
    """Return how many waiters parked, were chosen, ran out of time, were chosen in vain.

    Returns
    -------
    dict of str to int
    """
    return {"parked": count_parked, "woken": count_woken, "expired": count_expired, "vain": count_vain}


def waiters(sockets):
    """List the waiters of all trampolines.

    Parameters
    ----------
    sockets : dict of int to Socket
        Each by the address of its handle.

    Returns
    -------
    list of dict
        ``waiter``, a greenlet or future; ``thread``, that of its hub; ``action``; ``waits_for``, the socket; ``fd``,
        ``events``, ``route`` and ``seconds``, as `zmq.statistics` has them.
    """
    cdef Trampoline trampoline
    now = monotonic()
    found = []
    for address, reference in trampolines.copy().items():
        trampoline = reference()
        if trampoline is None or trampoline.born != fork_generation.current or trampoline.parked == 0:
            continue
        # In one that ended nobody waits any more, whoever was forgotten there.
        if trampoline.hub.is_alive():
            found.extend(trampoline.describe(now, sockets.get(address)))
    return found


def _set_trusted_after(int handovers):
    """For tests that cannot wait until two sockets trust each other; return what was set before."""
    global trusted_after
    before = trusted_after
    trusted_after = handovers
    return before


def _ends():
    """For tests: return of how many addresses of inproc it is known who is there."""
    return len(ends)


include "waiters.pxi"
include "subscriptions.pxi"
include "handover.pxi"
include "routed_senders.pxi"


@cython.final
cdef class Trampoline:
    """All that waits for one socket handle."""

    def __cinit__(self):
        self.born = fork_generation.current
        self.receivers = Queue()
        self.senders = Queue()
        self.pollers = Queue()
        self.subscriptions = []
        self.handover = Handover()
        self.more = -1
        self.weak = weakref.ref(self)

    def __dealloc__(self):
        cdef size_t address = <size_t> self.handle
        if self.handle == NULL or self.born != fork_generation.current or trampolines is None:
            return
        reference = trampolines.get(address)
        if reference is not None:
            # It is this one still, or nobody's if the garbage collector was first.
            found = reference()
            if found is None or found is self:
                del trampolines[address]

    def describe(self, double now, socket):
        """Yield what `zmq.statistics` shows of each waiter."""
        cdef Waiter waiter
        for queue in (self.receivers, self.senders, self.pollers):
            for waiter in queue:
                if waiter.events & POLLER:
                    action = "poll"
                else:
                    action = "receive" if waiter.events == ZMQ_POLLIN else "send"
                yield {
                    "waiter": waiter.greenlet,
                    "thread": waiter.hub.thread,
                    "action": action,
                    "waits_for": socket,
                    "fd": self.fd,
                    "events": waiter.events & ~POLLER,
                    "route": waiter.route,
                    "seconds": now - waiter.since,
                }

    # What libzmq knows.

    cdef int read_events(self) noexcept:
        """Read EVENTS, which stills the bell; -1 on an error."""
        cdef int events = 0
        cdef size_t size = sizeof(int)
        if self.owner is not None:
            return 0
        if self.born != fork_generation.current:
            # libzmq would say EINTR for ever: signaler.cpp, wait.
            (&errno)[0] = ENOTSOCK
            return -1
        self.marked = True
        self.handover.unheard = False
        if self.bell != NULL:
            bell_still(self.bell)
        while zmq_getsockopt(self.handle, ZMQ_EVENTS, &events, &size) != 0:
            if zmq_errno() != EINTR:
                return -1
        return events | ZMQ_POLLIN if self.returned else events

    # Wake-ups.

    cdef void choose(self, int events, bint rang) noexcept:
        """Choose the waiters that can proceed. If the bell `rang`, that may have been for any sender."""
        cdef Waiter waiter
        cdef Subscription subscription
        for subscription in self.subscriptions:
            # Also a subscription that watches the bell in its own way: it is still now.
            subscription.ready(events)
        if self.parked == 0:
            return
        waiter = self.pollers.head
        while waiter is not None:
            if waiter.state == PARKED and waiter.events & events:
                waiter.choose(CHOSEN)
            waiter = waiter.after
        waiter = self.receivers.head
        if waiter is not None and waiter.state == PARKED and events & ZMQ_POLLIN:
            waiter.choose(CHOSEN)
        waiter = self.senders.head
        if waiter is not None and events & ZMQ_POLLOUT:
            if self.routed is None:
                if waiter.state == PARKED:
                    waiter.choose(CHOSEN)
            elif rang or events < 0:
                self.routed.choose_all()

    cpdef on_readable(self):
        """The bell rang."""
        if self.born != fork_generation.current or self.handle == NULL:
            # The child of a fork shares the descriptor and must leave it alone.
            self.watcher.stop()
            self.armed = False
            return
        if self.routed is not None and self.senders.head is not None:
            self.routed.look_soon(self.hub)
        cdef Subscription subscription
        for subscription in self.subscriptions:
            subscription.touched()
        # That runs code of others, who may wait no more, or have closed the socket.
        if self.hub is not None:
            self.hub.handovers = 0
            self.hub.thread = this_thread()
            self.go_on(self.answer())

    cdef int go_on(self, Waiter waiter) except -1:
        """Switch to whoever was chosen, None for nobody, in this turn of the hub or a later one."""
        if waiter is not None:
            # Not this one's: where all have left, whom others closed or gave up meanwhile, there is none.
            if must_wait(waiter.hub, waiter):
                # Who has parked since has nothing to do with it.
                waiter.hub.last = None
            elif self.hub is not None:
                remember(self)
                waiter.resume()
        return 0

    cdef Waiter answer(self):
        """The bell rang: choose the waiters that can proceed; return one of them, to be switched to at once."""
        cdef Waiter waiter
        self.answering = True
        self.choose(self.read_events(), True)
        self.answering = False
        waiter = self.next
        self.next = None
        return waiter

    cpdef on_unheard(self):
        """A waiter may have parked without an attempt, and the hub is about to sleep."""
        cdef Waiter waiter
        cdef Handover handover = self.handover
        cdef Hub hub = handover.looking_in
        if hub is None or not hub.is_in(this_thread()):
            # Called by a hub in which nobody waits here any more.
            return
        handover.looking_in = None
        if self.hub is not hub or self.parked == 0 or self.handle == NULL or self.born != fork_generation.current:
            return
        waiter = None
        if handover.unheard:
            waiter = self.answer()
            if waiter is None and hub.handovers < HANDOVERS:
                # The partner did something else than to answer.
                handover.reset(0)
        if waiter is None and not self.armed and self.hub is hub:
            try:
                self.arm()
            except BaseException:
                # It makes its attempt, arms for itself, and hears of what goes wrong.
                waiter = self.receivers.head
                if waiter is not None and waiter.state == PARKED:
                    waiter.choose(CHOSEN)
                raise
        self.go_on(waiter)

    cdef void notify(self) noexcept:
        """After an operation while `interest` is not 0: it may have changed what others wait for."""
        cdef Subscription subscription
        if self.born != fork_generation.current:
            return
        self.marked = True
        for subscription in self.subscriptions:
            subscription.touched()
        if self.parked:
            self.events_were_read(self.read_events())

    cdef bint is_waited_for(self) noexcept:
        """Tell whether a greenlet waits, in a queue or by a subscription."""
        cdef Subscription subscription
        if self.parked:
            return True
        for subscription in self.subscriptions:
            if subscription.waits():
                return True
        return False

    cdef void events_were_read(self, int events) noexcept:
        """EVENTS was read by an operation, which stilled the bell: pass the news on, and try routed senders soon."""
        cdef RoutedSenders routed = self.routed
        self.choose(events, False)
        if routed is not None and self.senders.head is not None and routed.delay > FIRST_LOOK and not self.trying:
            routed.look_soon(self.hub)

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
        """Before an operation while `interest` is not 0: refuse it while a hub of another thread waits."""
        self.marked = True
        self.check_process()
        if self.parked and not self.hub.is_in(this_thread()):
            self.enter_from_elsewhere()
        return 0

    cdef int check_process(self) except -1:
        """Raise in the child of a fork, where those go on who waited in the parent."""
        if self.born != fork_generation.current:
            raise ZMQError(
                Errno.ENOTSOCK, "this socket was made before a fork: make a new Context and Socket in the child"
            )
        return 0

    cdef int enter_from_elsewhere(self) except -1:
        """The waiters are in a hub that another thread runs, or ran when it was last seen."""
        if not self.hub.is_alive():
            self.abandon()
        elif self.hub.is_elsewhere():
            raise RuntimeError(
                "This socket is waited for by a greenlet of another thread. Sockets are not thread-safe: "
                "give each thread a socket of its own."
            )
        return 0

    cdef int watch(self, get_hub, bint later) except -1:
        """One more is parked: watch the descriptor in the hub; `later`, if `on_unheard` will be called."""
        cdef Hub hub = self.watched_hub
        if hub is None or not hub.is_found(get_hub):
            hub = get_hub()
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
                later = False
                self.forget_watcher()
                self.watcher = hub.watcher(self.fd, ZMQ_POLLIN)
                self.watched_hub = hub
                self.callback = self.on_readable
            self.hub = hub
            self.parked = 1
        else:
            later = False
            self.parked += 1
        try:
            if not later and not self.armed:
                self.arm()
            if self.parked == 1:
                hub.watch(self.weak)
            if self.handle == NULL:
                # The handler of a signal closed it, or a finalizer, in what the hub runs for it.
                raise ZMQError(Errno.ENOTSOCK)
        except BaseException:
            self.unwatch()
            if self.handle == NULL:
                self.forget_watcher()
            raise
        return 0

    cdef int arm(self) except -1:
        """Have the hub call `on_readable` when the bell rings."""
        cdef Hub hub = self.watched_hub
        watcher = self.watcher
        if watcher is None:
            raise ZMQError(Errno.ENOTSOCK)
        try:
            self.armed = True
            watcher.start(self.callback)
        except BaseException:
            self.disarm()
            raise
        if self.watcher is not watcher:
            # The handler of a signal closed the socket in the midst of that.
            hub.disarm(watcher)
            forget_watcher(hub, watcher)
        return 0

    cdef void disarm(self) noexcept:
        if self.armed:
            self.armed = False
            if self.watched_hub is not None:
                self.watched_hub.disarm(self.watcher)

    cpdef rearm(self):
        """Watch the descriptor again, if it should be watched: the hub may have stopped that because of an error."""
        if self.armed and self.born == fork_generation.current:
            self.hub.stop(self.watcher)
            self.watcher.start(self.callback)

    cdef void abandon(self) noexcept:
        """Give up the waiters, which are parked in a hub that does not run any more."""
        cdef Hub hub = self.hub
        cdef Queue queue
        cdef Waiter waiter
        cdef Subscription subscription
        cdef list given_up = []
        for queue in (self.receivers, self.senders, self.pollers):
            waiter = queue.head
            while waiter is not None:
                # It is not to be woken because another one leaves.
                waiter.inside = False
                waiter = waiter.after
            while queue.head is not None:
                waiter = queue.head
                given_up.append(waiter.greenlet)
                waiter.leave()
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
        if self.born == fork_generation.current:
            self.abandon()
            if self.closing:
                self.close_here()
            else:
                self.forget_watcher()

    cdef void forget_watcher(self) noexcept:
        """The watcher is not armed, or its hub does not run: have it closed."""
        cdef Hub hub = self.watched_hub
        watcher = self.watcher
        self.watcher = self.watched_hub = self.callback = None
        if watcher is not None:
            forget_watcher(hub, watcher)

    cdef void unwatch(self) noexcept:
        """One less is parked."""
        self.parked -= 1
        if self.parked:
            return
        self.disarm()
        self.hub.unwatch(self.weak)
        if self.routed is not None:
            self.routed.stop()
            self.routed.delay = FIRST_LOOK
        self.hub = None

    # Waiting.

    cdef Queue queue_of(self, int events):
        if events & POLLER:
            return self.pollers
        return self.receivers if events == ZMQ_POLLIN else self.senders

    cdef bint must_queue(self, int events, const void *route, size_t size) noexcept:
        """Tell whether others were first, so that not even an attempt is allowed."""
        if events == ZMQ_POLLIN:
            return self.receivers.head is not None
        if self.routed is not None:
            return self.routed.must_queue(route, size)
        return self.senders.head is not None

    cdef Waiter join(self, get_hub, int events, const void *route, size_t size, double timeout, bint untried):
        """Queue behind those who wait for the same events; `timeout` in seconds, negative for none.

        One that is `untried` has to make its attempt, or to see to it that `on_unheard` is called, before the hub runs.
        """
        cdef Waiter waiter = Waiter.__new__(Waiter)
        if self.routed is not None and self.routed.by_peer and events == ZMQ_POLLOUT and route != NULL:
            waiter.route = PyBytes_FromStringAndSize(<const char *> route, size)
        self.watch(get_hub, untried)
        waiter.hub = self.hub
        waiter.events = events
        waiter.untried = untried
        waiter.since = monotonic()
        waiter.trampoline = self
        self.marked = True
        self.interest += 1
        self.queue_of(events).append(waiter)
        try:
            waiter.greenlet = self.hub.current()
            if timeout >= 0:
                waiter.timer = self.hub.call_at(waiter.since + timeout, waiter.expire)
            if self.routed is not None and events == ZMQ_POLLOUT and self.routed.timer is None:
                self.routed.look_later(self.hub)
        except BaseException:
            waiter.leave()
            raise
        return waiter

    cdef int poll(self, get_hub, int events, double timeout) except -1:
        """Wait until EVENTS has one of `events`; return them, or 0 after `timeout` seconds.

        Where there are no `events` a wait without a time-out, which would never end, is none.
        """
        cdef int found
        cdef long before
        cdef Waiter waiter = None
        budget.fuel -= 1
        if budget.fuel <= 0 and timeout != 0:
            refuel(get_hub)
            if self.owner is not None:
                raise ZMQError(EBUSY, "a proxy that runs has this socket to itself")
        try:
            while True:
                self.enter()
                found = self.read_events()
                if found < 0:
                    raise_errno(zmq_errno())
                if self.interest:
                    self.events_were_read(found)
                if found & events or timeout == 0 or (timeout < 0 and not events):
                    return found & events
                if waiter is None:
                    before = budget.stirred()
                    waiter = self.join(get_hub, events | POLLER, NULL, 0, timeout, False)
                    if budget.stirred() != before:
                        # The handler of a signal used sockets meanwhile.
                        self.events_were_read(self.read_events())
                else:
                    waiter.park_again()
                try:
                    waiter.wait()
                except Again:
                    timeout = 0
        finally:
            if waiter is not None:
                waiter.leave()

    # Subscriptions.

    cdef int subscribe(self, Subscription subscription) except -1:
        self.subscriptions.append(subscription)
        subscription.trampoline = self
        self.interest += 1
        return 0

    cdef void unsubscribe(self, Subscription subscription) noexcept:
        if subscription.trampoline is not self:
            return
        self.disarm_for(subscription)
        subscription.trampoline = None
        self.interest -= 1
        try:
            # A caller may be going through the list.
            self.subscriptions = [other for other in self.subscriptions if other is not subscription]
        except MemoryError:
            self.subscriptions.remove(subscription)

    cdef int arm_for(self, Subscription subscription, get_hub) except -1:
        if not subscription.armed:
            self.watch(get_hub, False)
            self.marked = True
            subscription.armed = True
        return 0

    cdef void disarm_for(self, Subscription subscription) noexcept:
        if subscription.armed:
            subscription.armed = False
            self.unwatch()

    # The end.

    cdef bint close(self) noexcept:
        """The handle is about to be closed: disarm and send everybody home.

        False says that the hub which watches its descriptor runs in another thread: it will close the handle.
        """
        cdef Hub hub = self.watched_hub
        if self.handle == NULL:
            return True
        if self.closing:
            return False
        forget(self)
        if hub is not None and (self.parked or hub.lingers) and hub.is_elsewhere():
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
        if self.closing and self.born == fork_generation.current:
            self.closing = False
            self.end()
            self.handle = NULL
            if handle != NULL:
                closer(handle)

    cdef void lose(self) noexcept:
        """As `close`, but the handle was closed before, by another one without a word, and may be another socket's."""
        self.close()
        self.handle = NULL

    cdef void end(self) noexcept:
        """Send everybody home."""
        cdef Waiter waiter
        cdef Subscription subscription
        cdef Queue queue
        cdef Hub hub = self.hub
        cdef list calls = []
        for subscription in list(self.subscriptions):
            self.unsubscribe(subscription)
            subscription.gone()
        self.returned = None
        part(self)
        self.handover.partner = None
        self.handover.reset(0)
        if self.parked:
            if not hub.is_running():
                self.abandon()
            for queue in (self.receivers, self.senders, self.pollers):
                while queue.head is not None:
                    waiter = queue.head
                    queue.remove(waiter)
                    if waiter.is_call:
                        waiter.state = CLOSED
                        calls.append(waiter)
                    else:
                        waiter.choose(CLOSED)
        self.disarm()
        self.forget_watcher()
        if self.bell != NULL:
            bell_close(self.bell)
            self.bell = NULL
        for waiter in calls:
            # Who closes a socket finds that its futures are cancelled.
            try:
                waiter.resume()
            except BaseException as error:
                waiter.hub.retry(error, (<object> waiter).resume)

    # The alarm.

    cdef bint can_be_swept(self) noexcept:
        return self.handle != NULL and self.fd >= 0 and self.owner is None and self.born == fork_generation.current

    cdef bint is_lost(self) noexcept:
        cdef int number
        cdef size_t size = sizeof(int)
        return self.can_be_swept() and zmq_getsockopt(self.handle, ZMQ_TYPE, &number, &size) != 0

    cdef bint look(self) noexcept:
        # After a park without an attempt it is no surprise.
        cdef bint unheard = self.handover.unheard
        cdef int events = self.read_events()
        cdef bint found = not unheard and self.overlooks(events)
        # Before others run, who may leave one.
        self.marked = False
        self.choose(events, False)
        return found

    cdef bint overlooks(self, int events) noexcept:
        """Tell whether anybody waits for one of `events` who was not chosen, or told."""
        cdef Subscription subscription
        cdef Waiter waiter = self.receivers.head
        if waiter is not None and waiter.state == PARKED and events & ZMQ_POLLIN:
            return True
        waiter = self.senders.head
        if waiter is not None and waiter.state == PARKED and events & ZMQ_POLLOUT and self.routed is None:
            return True
        waiter = self.pollers.head
        while waiter is not None:
            if waiter.state == PARKED and waiter.events & events:
                return True
            waiter = waiter.after
        for subscription in self.subscriptions:
            if events > 0 and subscription.overlooks(events):
                return True
        return False


include "which_trampoline.pxi"


cdef bint same(bytes route, const void *other, size_t size) noexcept:
    if route is None or other == NULL:
        return route is None and other == NULL
    return <size_t> PyBytes_GET_SIZE(route) == size and memcmp(PyBytes_AS_STRING(route), other, size) == 0
