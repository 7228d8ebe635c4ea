"""The loop that moves messages between two sockets: C, without the GIL.

Lives here: what moves, waits and obeys commands until something ends it. What must not: Python, and whose the sockets
are. Called by `zmq.core.relays.running`.

It does what zmq_proxy(3) does, by our own attempts (`zmq.core.messages.whole_message_attempts`), because libzmq's loop
cannot be stopped but by ending its context or by a message, ends the process on a command that it does not know, spins
while one side is full and loses the message it has taken when a signal interrupts it.

A burst of messages is taken from one side only when the other, and the capture socket, say that they have room. What
finds no room after all, because the burst has filled them or because they lied (see "When POLLOUT lies" in
`zmq.core.waiting.trampoline`), is held, in that direction alone, and tried again.
"""

from libc.errno cimport EAGAIN, EHOSTUNREACH, EINTR, EINVAL, ENOMEM
from libc.stdint cimport uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memset
from posix.unistd cimport write

from zmq.core.libzmq cimport (
    ENOTSOCK,
    ENOTSUP,
    ETERM,
    ZMQ_DONTWAIT,
    ZMQ_EVENTS,
    ZMQ_FD,
    ZMQ_POLLIN,
    ZMQ_POLLOUT,
    ZMQ_REP,
    ZMQ_SNDMORE,
    ZMQ_TYPE,
    zmq_errno,
    zmq_getsockopt,
    zmq_msg_close,
    zmq_msg_data,
    zmq_msg_init,
    zmq_msg_move,
    zmq_msg_send,
    zmq_msg_size,
    zmq_msg_t,
    zmq_poll,
    zmq_pollitem_t,
    zmq_send,
)
from zmq.core.messages.whole_message_attempts cimport (
    Incoming,
    Outgoing,
    Part,
    discard,
    expect,
    prepare_all,
    release,
    try_recv,
    try_send,
)
from zmq.core.waiting.counters cimport Way, count_alone

cdef extern from "<pthread.h>" nogil:
    int pthread_join(pthread_t thread, void **result)

cdef extern from "waiting/quiet_threads.h" nogil:
    int start_thread "greenzmq_start_thread"(pthread_t *thread, void *(*run)(void *) noexcept nogil, void *argument)

cdef enum:
    BURST = 100         # messages that one direction moves before the other has its turn
    ROUNDS = 256        # turns between two looks at signals
    FIRST_RETRY = 1     # milliseconds until a message that met EAGAIN though there was room is tried again
    LAST_RETRY = 128


cdef inline void count_message(Way *way, size_t size) noexcept nogil:
    """A message went this way; nobody else counts there while the loop runs."""
    count_alone(&way.messages, 1)
    count_alone(&way.bytes, size)


cdef inline int events_of(void *socket) noexcept nogil:
    """Read EVENTS; -1, which has all of them, on an error."""
    cdef int events = 0
    cdef size_t size = sizeof(int)
    while zmq_getsockopt(socket, ZMQ_EVENTS, &events, &size) != 0:
        if zmq_errno() != EINTR:
            return -1
    return events


cdef inline int find_room(void *socket) noexcept nogil:
    """Return 0 when a message can be sent, EAGAIN when not, or an error code, such as that its context has ended."""
    cdef int events = events_of(socket)
    if events < 0:
        return zmq_errno()
    return 0 if events & ZMQ_POLLOUT else EAGAIN


cdef int pass_on(Incoming *message, void *target, const char *prefix, size_t prefix_size) noexcept nogil:
    """Send a message whole, after a prefix that may be NULL, and keep it. Returns 0 or an error code."""
    cdef Part few[5]
    cdef Part *parts = few
    cdef Outgoing out
    cdef size_t i
    cdef size_t before = 1 if prefix != NULL else 0
    cdef int err
    if message.count + before > 5:
        parts = <Part *> malloc((message.count + before) * sizeof(Part))
        if parts == NULL:
            return ENOMEM
    if prefix != NULL:
        parts[0].source = NULL
        parts[0].data = prefix
        parts[0].size = prefix_size
    for i in range(message.count):
        parts[before + i].source = &message.frames[i]
    out.parts = parts
    out.count = out.ready = message.count + before
    out.more = 0
    out.drops = True
    # Only this loop has the messages.
    out.shares = False
    err = prepare_all(&out, out.count)
    if not err:
        err = try_send(target, &out, ZMQ_DONTWAIT)
    if err:
        discard(&out)
    if parts != few:
        free(parts)
    return err


cdef int send_held(Direction *way, void *capture, Way *copied) noexcept nogil:
    """Send the held message to the capture socket, then on. Returns 0 when none is held any more."""
    cdef size_t i, size = 0
    cdef int err
    for i in range(way.message.count):
        size += zmq_msg_size(&way.message.frames[i])
    if capture != NULL and not way.captured:
        err = pass_on(&way.message, capture, way.prefix, way.prefix_size)
        if err:
            return err
        way.captured = True
        count_message(copied, size + (way.prefix_size if way.prefix != NULL else 0))
    if way.message.count == 1:
        # What cannot be sent stays as it is.
        err = EINTR
        while err == EINTR:
            err = 0 if zmq_msg_send(&way.message.frames[0], way.target, ZMQ_DONTWAIT) >= 0 else zmq_errno()
        if err == 0:
            way.message.count = 0
    else:
        err = pass_on(&way.message, way.target, NULL, 0)
    if err in (EAGAIN, ETERM, ENOTSOCK):
        # It can still go somewhere else.
        return err
    way.captured = False
    way.retry = 0
    release(&way.message)
    if err == EHOSTUNREACH:
        # No peer can be reached by that name any more: only this message is lost, as in libzmq's loop.
        return 0
    if err == 0:
        way.counts.messages += 1
        way.counts.bytes += size
        count_message(way.given, size)
    return err


cdef void swap(zmq_msg_t *one, zmq_msg_t *other) noexcept nogil:
    cdef zmq_msg_t between
    zmq_msg_init(&between)
    zmq_msg_move(&between, one)
    zmq_msg_move(one, other)
    zmq_msg_move(other, &between)
    zmq_msg_close(&between)


cdef int move(Direction *way, void *capture, Way *copied) noexcept nogil:
    """Move a burst of messages. Returns 0, also when there is nothing to do, or an error code."""
    cdef int i, err
    if way.message.count == 0 and not events_of(way.source) & ZMQ_POLLIN:
        return 0
    for i in range(BURST):
        if way.message.count == 0:
            # Once a burst, for EVENTS costs a system call. What then finds no room after all is held until there
            # is some. One socket for both may be able to send only once it has received, as a REP is.
            if i == 0:
                err = 0 if way.target == way.source else find_room(way.target)
                if not err and capture != NULL:
                    err = find_room(capture)
                if err:
                    return 0 if err == EAGAIN else err
            expect(&way.message, True)
            err = try_recv(way.source, &way.message, ZMQ_DONTWAIT)
            if err:
                return 0 if err == EAGAIN else err
            count_message(way.taken, way.message.bytes)
            if way.swaps and way.message.count > 1:
                swap(&way.message.frames[0], &way.message.frames[1])
        err = send_held(way, capture, copied)
        if err:
            return 0 if err == EAGAIN else err
    return 0


cdef int await_work(Relay *relay) noexcept nogil:
    """Wait until a direction may go on, a command came or the loop must end. Returns 0 or an error code.

    EINTR where the caller should look at signals.
    """
    cdef zmq_pollitem_t items[6]
    cdef int i, way, ready, timeout = -1
    cdef bint glances = False
    cdef size_t size = sizeof(int)
    cdef void *blocked
    cdef Direction *direction
    memset(items, 0, sizeof(items))
    for i in range(4):
        items[i].fd = -1
    items[0].socket = relay.directions[0].source
    items[1].socket = relay.directions[0].target
    items[2].socket = relay.capture
    items[3].socket = relay.control
    items[4].fd = relay.stop
    items[4].events = ZMQ_POLLIN
    items[5].fd = relay.signals
    items[5].events = ZMQ_POLLIN
    items[3].events = ZMQ_POLLIN
    for way in range(0 if relay.paused else relay.ways):
        direction = &relay.directions[way]
        blocked = NULL
        if relay.capture != NULL and not direction.captured and not events_of(relay.capture) & ZMQ_POLLOUT:
            blocked = relay.capture
        elif (
            (direction.message.count or direction.target != direction.source)
            and not events_of(direction.target) & ZMQ_POLLOUT
        ):
            blocked = direction.target
        elif direction.message.count:
            direction.retry = min(2 * direction.retry, LAST_RETRY) if direction.retry else FIRST_RETRY
            timeout = direction.retry if timeout < 0 else min(timeout, direction.retry)
            continue
        for i in range(3):
            if items[i].socket != NULL:
                if blocked == NULL and items[i].socket == direction.source:
                    items[i].events |= ZMQ_POLLIN
                elif blocked != NULL and items[i].socket == blocked:
                    items[i].events |= ZMQ_POLLOUT
    for i in range(4):
        if items[i].socket != NULL and not items[i].events:
            # Nothing is wanted of it, but that it tells when its context ends: by its descriptor, which zmq_poll would
            # leave out, and which is quiet once EVENTS was read.
            if events_of(items[i].socket) < 0:
                return zmq_errno()
            if zmq_getsockopt(items[i].socket, ZMQ_FD, &items[i].fd, &size) != 0:
                if zmq_errno() != EINVAL:
                    return zmq_errno()
                # A thread-safe one, of libzmq's draft, has none.
                continue
            items[i].socket = NULL
            items[i].events = ZMQ_POLLIN
    # zmq_poll takes an item without a socket for a descriptor.
    cdef zmq_pollitem_t wanted[6]
    cdef zmq_pollitem_t *stopped = NULL
    cdef zmq_pollitem_t *heard = NULL
    cdef int count = 0
    for i in range(6):
        if items[i].events and (items[i].socket != NULL or items[i].fd >= 0):
            wanted[count] = items[i]
            if i == 4:
                stopped = &wanted[count]
            elif i == 5:
                heard = &wanted[count]
            count += 1
    if relay.glance >= 0 and not 0 <= timeout <= relay.glance:
        timeout = relay.glance
        glances = True
    ready = zmq_poll(wanted, count, timeout)
    if ready < 0:
        return zmq_errno()
    if stopped != NULL and stopped.revents:
        return STOPPED
    if heard != NULL and heard.revents or glances and ready == 0:
        return EINTR
    return 0


cdef inline int send_frame(Relay *relay, const void *data, size_t size, int flags) noexcept nogil:
    """Send a frame of an answer to the control socket."""
    while zmq_send(relay.control, data, size, flags | ZMQ_DONTWAIT) < 0:
        if zmq_errno() != EINTR:
            return zmq_errno()
    count_alone(&relay.answers.bytes, size)
    count_alone(&relay.answers.messages, not flags)
    return 0


cdef int answer_command(Relay *relay, bint statistics) noexcept nogil:
    """Answer a command. Returns 0 or an error code."""
    cdef uint64_t numbers[8]
    cdef int i, err, control_type = 0
    cdef size_t size = sizeof(int)
    if not statistics:
        if zmq_getsockopt(relay.control, ZMQ_TYPE, &control_type, &size) == 0 and control_type == ZMQ_REP:
            return send_frame(relay, NULL, 0, 0)
        return 0
    cdef Counts *forth = &relay.directions[0].counts
    cdef Counts *back = &relay.directions[relay.ways - 1].counts
    numbers[0] = numbers[6] = forth.messages
    numbers[1] = numbers[7] = forth.bytes
    numbers[2] = numbers[4] = back.messages
    numbers[3] = numbers[5] = back.bytes
    for i in range(8):
        err = send_frame(relay, &numbers[i], sizeof(uint64_t), ZMQ_SNDMORE if i < 7 else 0)
        if err:
            # No peer reads the answers, or the control socket only receives.
            return 0 if err in (EAGAIN, ENOTSUP) else err
    return 0


cdef inline bint is_command(Incoming *message, const char *word, size_t size) noexcept nogil:
    return (
        message.count == 1
        and zmq_msg_size(&message.frames[0]) == size
        and memcmp(zmq_msg_data(&message.frames[0]), word, size) == 0
    )


cdef int obey_command(Relay *relay) noexcept nogil:
    """Carry out what the control socket says. Returns 0, STOPPED, BAD_COMMAND or an error code."""
    cdef Incoming command
    cdef int err
    expect(&command, True)
    err = try_recv(relay.control, &command, ZMQ_DONTWAIT)
    if err:
        return 0 if err == EAGAIN else err
    count_message(relay.commands, command.bytes)
    if is_command(&command, b"PAUSE", 5):
        relay.paused = True
    elif is_command(&command, b"RESUME", 6):
        relay.paused = False
    elif is_command(&command, b"TERMINATE", 9):
        err = STOPPED
    elif is_command(&command, b"STATISTICS", 10):
        release(&command)
        return answer_command(relay, True)
    else:
        err = BAD_COMMAND
    release(&command)
    answer_command(relay, False)
    return err


cdef int run(Relay *relay) noexcept nogil:
    """Move messages until something ends it. Returns what did."""
    cdef int way, err, rounds = 0
    while True:
        rounds += 1
        if rounds == ROUNDS and relay.interruptible:
            return EINTR
        for way in range(0 if relay.paused else relay.ways):
            err = move(&relay.directions[way], relay.capture, relay.copied)
            if err:
                return err
        err = await_work(relay)
        if err == EINTR and not relay.interruptible:
            continue
        if err:
            return err
        if relay.control != NULL:
            err = obey_command(relay)
            if err:
                return err


cdef void *run_in_thread(void *argument) noexcept nogil:
    cdef Relay *relay = <Relay *> argument
    relay.result = run(relay)
    write(relay.done, b"x", 1)
    return NULL


cdef void end_thread(Relay *relay) noexcept nogil:
    """Wait until the thread of a loop that is done has let go of all it had, which takes it no time."""
    pthread_join(relay.thread, NULL)


cdef int begin_thread(Relay *relay) noexcept nogil:
    """Start the loop in a native thread, which no signal shall disturb. Returns 0 or an error code."""
    return start_thread(&relay.thread, run_in_thread, relay)
