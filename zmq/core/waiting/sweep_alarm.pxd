# Nothing for other modules: it is called from Python.
