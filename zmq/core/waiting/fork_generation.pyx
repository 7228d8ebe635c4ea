"""In which process this is: after a fork the child has descriptors, threads and handles that are not its own.

Lives here: a number that is another one in every child. Called by all that is made in a process and is of no use in its
child.
"""

import os

current = 0


def _forked():
    global current
    current += 1


os.register_at_fork(after_in_child=_forked)
