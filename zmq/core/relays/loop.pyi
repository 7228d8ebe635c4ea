# Nothing for Python code: the loop is C.
