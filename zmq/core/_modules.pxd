# Nothing of C: what is here is called from Python.
