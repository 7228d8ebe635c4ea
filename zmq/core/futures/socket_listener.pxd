# Nothing for other modules: a listener is made in Python.
