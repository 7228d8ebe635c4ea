/* Methods that a class inherits and has as its own all the same, because CPython specializes calls of those alone.
 *
 * A program may put another method into the class that they are inherited from, as tests do. So each call looks first
 * whether that class is as it was, which its version says: one comparison.
 */
#ifndef GREENZMQ_INHERITED_METHODS_H
#define GREENZMQ_INHERITED_METHODS_H

#include <Python.h>

typedef PyObject *(*greenzmq_method_t)(PyObject *, PyObject *const *, Py_ssize_t, PyObject *);

typedef struct {
    PyTypeObject *cls;          /* which has it as its own */
    PyTypeObject *base;         /* whose method it is */
    PyObject *name;
    PyObject *descriptor;       /* what is found there by that name, unless somebody replaced it */
    greenzmq_method_t call;     /* what that does */
    unsigned int version;       /* of `base` when it was looked at last and was as ever; 0: look again */
    PyMethodDef own;            /* of the copy */
} greenzmq_inherited_t;

static inline unsigned int greenzmq_version_of(PyTypeObject *type)
{
#if PY_VERSION_HEX < 0x030B0000
    if (!PyType_HasFeature(type, Py_TPFLAGS_VALID_VERSION_TAG))
        return 0;
#endif
    return type->tp_version_tag;
}

/* Tell whether nothing comes between the class and the one it inherits from, as a mixin of a subclass may. */
static inline int greenzmq_follows(greenzmq_inherited_t *method, PyTypeObject *type)
{
    PyObject *order = type->tp_mro;
    Py_ssize_t i;
    if (type == method->cls)
        return 1;
    for (i = 0; i + 1 < PyTuple_GET_SIZE(order); i++)
        if (PyTuple_GET_ITEM(order, i) == (PyObject *)method->cls)
            return PyTuple_GET_ITEM(order, i + 1) == (PyObject *)method->base;
    return 0;
}

/* Call what is there by now, which may be as ever: whatever else of the class was changed, its version is another. */
static PyObject *greenzmq_look_and_call(greenzmq_inherited_t *method, PyObject *self, PyObject *const *args,
                                        Py_ssize_t count, PyObject *names)
{
    PyObject *super, *bound, *result;
    if (greenzmq_follows(method, Py_TYPE(self))
        && _PyType_Lookup(method->base, method->name) == method->descriptor) {
        method->version = greenzmq_version_of(method->base);
        return method->call(self, args, count, names);
    }
    super = PyObject_CallFunctionObjArgs((PyObject *)&PySuper_Type, (PyObject *)method->cls, self, NULL);
    if (super == NULL)
        return NULL;
    bound = PyObject_GetAttr(super, method->name);
    Py_DECREF(super);
    if (bound == NULL)
        return NULL;
    result = PyObject_Vectorcall(bound, args, (size_t)count, names);
    Py_DECREF(bound);
    return result;
}

static inline PyObject *greenzmq_call_inherited(greenzmq_inherited_t *method, PyObject *self, PyObject *const *args,
                                                Py_ssize_t count, PyObject *names)
{
    unsigned int version = method->version;
    if (version != 0 && version == greenzmq_version_of(method->base) && greenzmq_follows(method, Py_TYPE(self)))
        return method->call(self, args, count, names);
    return greenzmq_look_and_call(method, self, args, count, names);
}

/* A function has nothing but its address to know its method by, so there is one for each. */
#define GREENZMQ_EACH(do)                                                                                             \
    do(0) do(1) do(2) do(3) do(4) do(5) do(6) do(7) do(8) do(9) do(10) do(11) do(12) do(13) do(14) do(15)             \
    do(16) do(17) do(18) do(19) do(20) do(21) do(22) do(23)
#define GREENZMQ_INHERITED 24

static greenzmq_inherited_t greenzmq_inherited[GREENZMQ_INHERITED];

#define GREENZMQ_FUNCTION(i)                                                                                          \
    static PyObject *greenzmq_inherited_##i(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names) \
    {                                                                                                                 \
        return greenzmq_call_inherited(&greenzmq_inherited[i], self, args, count, names);                             \
    }
GREENZMQ_EACH(GREENZMQ_FUNCTION)

#define GREENZMQ_ADDRESS(i) greenzmq_inherited_##i,
static const greenzmq_method_t greenzmq_functions[GREENZMQ_INHERITED] = { GREENZMQ_EACH(GREENZMQ_ADDRESS) };

/* Return a method for `cls` that does what `descriptor` does, which `base` has by that name; NULL with an error. */
static PyObject *greenzmq_inherit(int number, PyTypeObject *cls, PyTypeObject *base, PyObject *name,
                                  PyObject *descriptor)
{
    greenzmq_inherited_t *method = &greenzmq_inherited[number];
    Py_INCREF(cls);
    Py_INCREF(base);
    Py_INCREF(name);
    Py_INCREF(descriptor);
    method->cls = cls;
    method->base = base;
    method->name = name;
    method->descriptor = descriptor;
    method->own = *((PyMethodDescrObject *)descriptor)->d_method;
    method->call = (greenzmq_method_t)(void (*)(void))method->own.ml_meth;
    method->own.ml_meth = (PyCFunction)(void (*)(void))greenzmq_functions[number];
    return PyDescr_NewMethod(cls, &method->own);
}

static int greenzmq_takes_fast_calls(PyObject *descriptor)
{
    return ((PyMethodDescrObject *)descriptor)->d_method->ml_flags == (METH_FASTCALL | METH_KEYWORDS);
}

#endif
