"""The sweep alarm: a look every few seconds for wake-ups that were missed, of which there should be none.

Lives here: the look at all that waits in a hub, the count, and the warning. What must not: timers, which `Hub` sets
while anybody waits. Called by `Hub`, and by polls that block a thread.
"""

import warnings

#: Seconds between two looks.
SWEEP_SECONDS = 3.0

cdef long count_missed = 0


def missed():
    """Return how many wake-ups only the alarm noticed."""
    return count_missed


def note_missed(long found):
    """Count, and report, wake-ups that only the alarm noticed.

    Parameters
    ----------
    found : int
        How many; 0 is no news.
    """
    global count_missed
    if found:
        count_missed += found
        warnings.warn(
            f"{found} wake-up(s) of those who wait for 0MQ sockets were missed and made up for by the sweep alarm; "
            "please report this",
            RuntimeWarning,
            stacklevel=2,
        )


def _reset_missed(long count=0):
    """For the tests of the alarm itself."""
    global count_missed
    count_missed = count


def look_at(set watched):
    """Wake all that could go on and was not woken, and count it.

    Parameters
    ----------
    watched : set
        Weak references to trampolines and poll sets; those to what is gone are taken out.

    Returns
    -------
    int
    """
    cdef long found = 0
    for reference in list(watched):
        waiting = reference()
        if waiting is None:
            watched.discard(reference)
        else:
            found += waiting.sweep()
    return found
