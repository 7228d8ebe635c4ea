# Nothing for other modules: native threads and their locks are used from Python.
