# Nothing for other modules: the class is made in Python.
