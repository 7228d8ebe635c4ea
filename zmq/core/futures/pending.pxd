# Nothing for other modules: what waits with a future in the place of a greenlet is called from Python.
