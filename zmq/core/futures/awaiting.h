/* How an object is awaited without a generator, and without an exception for each result.

   A coroutine that awaits asks the object for more by `am_send`, up to CPython 3.11, or by `tp_iternext`, which since
   3.12 is the only one. The former returns the result. The latter must raise StopIteration with it, which takes longer
   than all the rest: so one StopIteration is kept and used again as long as nobody else has it. */
#ifndef GREENZMQ_AWAITING_H
#define GREENZMQ_AWAITING_H

#include "Python.h"

/* 1: finished, with the result; 0: waits, with what the event loop shall see; -1: an exception is set. */
typedef int (*greenzmq_step)(PyObject *awaited, PyObject **result);

static greenzmq_step greenzmq_one_step;

static PySendResult greenzmq_am_send(PyObject *awaited, PyObject *sent, PyObject **result) {
    int status = greenzmq_one_step(awaited, result);
    (void) sent;
    if (status < 0) {
        *result = NULL;
        return PYGEN_ERROR;
    }
    return status ? PYGEN_RETURN : PYGEN_NEXT;
}

#if PY_VERSION_HEX >= 0x030C0000
static PyObject *greenzmq_stop; /* the StopIteration that is used again */

/* Raise StopIteration with a value, to which the reference is stolen. */
static void greenzmq_raise_stop(PyObject *value) {
    PyStopIterationObject *stop = (PyStopIterationObject *) greenzmq_stop;
    if (stop != NULL && Py_REFCNT(stop) == 1 && stop->traceback == NULL && stop->context == NULL && stop->dict == NULL) {
        PyObject *before = stop->value;
        stop->value = value;
        Py_INCREF(stop);
        PyErr_SetRaisedException((PyObject *) stop);
        Py_XDECREF(before);
        return;
    }
    stop = (PyStopIterationObject *) PyObject_CallOneArg(PyExc_StopIteration, value);
    Py_DECREF(value);
    if (stop != NULL) {
        /* `args` holds the value too; nobody looks there. */
        Py_XSETREF(stop->args, PyTuple_New(0));
        Py_INCREF(stop);
        Py_XSETREF(greenzmq_stop, (PyObject *) stop);
        PyErr_SetRaisedException((PyObject *) stop);
    }
}

/* The StopIteration that is kept shall not keep a value which nobody has any more. */
static void greenzmq_forget_value(PyObject *value) {
    PyStopIterationObject *stop = (PyStopIterationObject *) greenzmq_stop;
    if (stop != NULL && stop->value == value && Py_REFCNT(stop) == 1) {
        stop->value = NULL;
        Py_DECREF(value);
    }
}
#else
static void greenzmq_raise_stop(PyObject *value) {
    PyObject *stop = PyObject_CallOneArg(PyExc_StopIteration, value);
    Py_DECREF(value);
    if (stop != NULL) {
        PyErr_SetObject(PyExc_StopIteration, stop);
        Py_DECREF(stop);
    }
}

static void greenzmq_forget_value(PyObject *value) {
    (void) value;
}
#endif

static PyObject *greenzmq_iternext(PyObject *awaited) {
    PyObject *result = NULL;
    int status = greenzmq_one_step(awaited, &result);
    if (status < 0) return NULL;
    if (status == 0) return result;
    if (result == Py_None) {
        /* An iterator that ends without an exception returns None. */
        Py_DECREF(result);
        return NULL;
    }
    greenzmq_raise_stop(result);
    return NULL;
}

/* Have the objects of a class awaited by `step`. */
static int greenzmq_await_by(PyTypeObject *type, greenzmq_step step) {
    /* What is called by its name shall be the same. */
    PyObject *model = PyObject_GetAttrString((PyObject *) &PySeqIter_Type, "__next__");
    PyObject *next = NULL;
    int failed;
    if (model != NULL && Py_IS_TYPE(model, &PyWrapperDescr_Type)) {
        next = PyDescr_NewWrapper(type, ((PyWrapperDescrObject *) model)->d_base, (void *) greenzmq_iternext);
    }
    Py_XDECREF(model);
    if (next == NULL) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_SystemError, "this Python's __next__ is something else");
        return -1;
    }
    failed = PyDict_SetItemString(type->tp_dict, "__next__", next);
    Py_DECREF(next);
    if (failed) return -1;
    greenzmq_one_step = step;
    type->tp_as_async->am_send = greenzmq_am_send;
    type->tp_iternext = greenzmq_iternext;
    PyType_Modified(type);
    return 0;
}
#endif
