"""Waiting for 0MQ sockets without blocking a thread.

Lives here: hubs and the trampolines that greenlets, futures and pollers park on. What must not: anything of a socket
but its handle. Called by everything in `zmq.core` that may have to wait.

- `trampoline`: all that waits for one socket, and in which hub that may be. Its parts are in ``waiters.pxi``,
  ``subscriptions.pxi``, ``handover.pxi``, ``routed_senders.pxi`` and ``which_trampoline.pxi``.
- `hub`: what a framework supplies, and what it does again after a signal's handler raised in its midst.
- `sweep_alarm`: the look for wake-ups that were missed; ``bell.h`` tells these from what comes while one looks.
- `pipes`: how other threads and signals wake a hub.
- `interrupts`: Ctrl-C, which is for the main greenlet.
- ``quiet_threads.h``: native threads that no signal disturbs.
- ``gil.h``: the GIL for code that runs with it or without, also when the interpreter is gone.
- `wakeable_threads`: plain threads that wait, and how they are let out when a socket is closed (``waker.h``).
- `signal_watch`: a signal ends the wait of the main thread, whenever it comes and to whichever thread.
- `sleeper`: greenlets that wait for a descriptor or for some time.
- `budget`: calls that never wait let the hub run.
- `deferred_turns`: who is woken in a turn of the hub that has no time left.
- `owner_interface`: sockets that belong to a proxy alone.
- `who_waits`: threads that are blocked and greenlets that are parked for no single socket, for `zmq.statistics`.
- `counters`: what went through a socket so far, and how its calls had to wait.
- `fork_generation`, `clock` (``clock.h``): in which process this is, and when.
"""
