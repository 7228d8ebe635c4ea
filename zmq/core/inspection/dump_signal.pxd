# Nothing of C: what is here is called from Python. The handler of the signal is in dump_signal.h.
