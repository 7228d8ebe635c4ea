/* The GIL for code that runs with it or without, in a thread of Python's.

   PyGILState_Ensure crashes when the interpreter is gone, which a thread that waits in C may outlive: it gives the
   thread a new state then, of no interpreter. This asks for the state that the thread has. What wants the GIL when the
   interpreter ends does not come back, as everywhere in CPython. */
#ifndef GREENZMQ_GIL_H
#define GREENZMQ_GIL_H

#include <Python.h>

enum { GREENZMQ_NO_GIL, GREENZMQ_HELD, GREENZMQ_TAKEN };

/* GREENZMQ_NO_GIL: the interpreter is gone. */
static inline int greenzmq_take_gil(void) {
    PyThreadState *own = PyGILState_GetThisThreadState(), *current;
    if (own == NULL) return GREENZMQ_NO_GIL;
#if PY_VERSION_HEX >= 0x030D0000
    current = PyThreadState_GetUnchecked();
#else
    current = _PyThreadState_UncheckedGet();
#endif
    if (current == own) return GREENZMQ_HELD;
    PyEval_RestoreThread(own);
    return GREENZMQ_TAKEN;
}

static inline void greenzmq_leave_gil(int taken) {
    if (taken == GREENZMQ_TAKEN) PyEval_SaveThread();
}

#endif
