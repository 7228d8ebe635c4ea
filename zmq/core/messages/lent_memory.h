/* Python objects lent to libzmq, and how they come back.

   zmq_free_fn is called on libzmq's I/O threads, perhaps while one of libzmq's mutexes is held. It must not want
   the GIL: whoever holds the GIL may be waiting for that very mutex. So it only puts the loan on a list. Three
   parties take loans off the list with the GIL held: the next call that lends, whoever asks whether a loan has come
   back, and a native thread of our own, which waits a moment for the others to do it and then does it itself, so that
   an object is released even if the program makes no further call. No Python-level thread stands behind it: under
   monkeypatching that would be a greenlet.

   They take one loan at a time, and release it at once. Its object's finalizer may give the GIL up, for as long as it
   likes; what is still on the list meanwhile is released by whoever asks for it. A finalizer that lends in its turn
   takes nothing off the list, nor does one that asks take more than the loan it asks for: each of those might have a
   finalizer that does the same, and no stack is deep enough for all of them.

   The mutex is never held while anything else is waited for. */
#ifndef GREENZMQ_LENT_H
#define GREENZMQ_LENT_H

#include <Python.h>
#include <errno.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "waiting/quiet_threads.h"

typedef struct greenzmq_loan {
    Py_buffer view;                     /* the export, held until libzmq is done */
    void *release;                      /* a new reference to a Release, or NULL */
    int *done;                          /* its `returned` */
    struct greenzmq_loan *before, *after; /* in the list of the loans that are out */
    struct greenzmq_loan *next;         /* in the list of those that came back */
} greenzmq_loan;

typedef struct greenzmq_alert {
    int *done;                          /* what is waited for */
    int fd;                             /* written to when it comes true */
    struct greenzmq_alert *next;
} greenzmq_alert;

static pthread_mutex_t greenzmq_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t greenzmq_returned_cond = PTHREAD_COND_INITIALIZER;
static greenzmq_loan *greenzmq_out = NULL;
static greenzmq_loan *greenzmq_returned = NULL;
static greenzmq_alert *greenzmq_alerts = NULL;
static pthread_t greenzmq_collector;
static int greenzmq_collecting = 0, greenzmq_stopping = 0;

#define GREENZMQ_COLLECT_NS 20000000L

/* Both lists are looked at without the mutex, to find out whether it need be taken. */
#define GREENZMQ_SET(list, loan) __atomic_store_n(&(list), (loan), __ATOMIC_RELAXED)
#define GREENZMQ_IS_EMPTY(list) (!__atomic_load_n(&(list), __ATOMIC_RELAXED))

/* Without the mutex, too. */
static int greenzmq_is_done(const int *done) {
    return __atomic_load_n(done, __ATOMIC_ACQUIRE);
}

/* With the mutex held. */
static void greenzmq_take_out(greenzmq_loan *loan) {
    if (loan->before) loan->before->after = loan->after;
    else GREENZMQ_SET(greenzmq_out, loan->after);
    if (loan->after) loan->after->before = loan->before;
}

static void greenzmq_give_back(void *data, void *hint) {
    greenzmq_loan *loan = (greenzmq_loan *) hint;
    greenzmq_alert *alert;
    (void) data;
    pthread_mutex_lock(&greenzmq_lock);
    greenzmq_take_out(loan);
    for (alert = loan->done ? greenzmq_alerts : NULL; alert; alert = alert->next)
        if (alert->done == loan->done) {
            ssize_t written = write(alert->fd, "", 1);
            (void) written;
        }
    loan->next = greenzmq_returned;
    GREENZMQ_SET(greenzmq_returned, loan);
    /* Last: who sees it, without the mutex, then finds the loan on the list. */
    if (loan->done) __atomic_store_n(loan->done, 1, __ATOMIC_RELEASE);
    if (!loan->next) pthread_cond_signal(&greenzmq_returned_cond);
    pthread_mutex_unlock(&greenzmq_lock);
}

/* Take one loan that came back off the list: any, or that of which `done` tells. */
static greenzmq_loan *greenzmq_take_returned(const int *done) {
    greenzmq_loan **link, *loan;
    if (GREENZMQ_IS_EMPTY(greenzmq_returned)) return NULL;
    pthread_mutex_lock(&greenzmq_lock);
    for (link = &greenzmq_returned; (loan = *link) && done && loan->done != done; link = &loan->next) {}
    if (loan) GREENZMQ_SET(*link, loan->next);
    pthread_mutex_unlock(&greenzmq_lock);
    return loan;
}

/* With the GIL held. Release what came back: all of it; or within the release of another one only the loan of which
   `done` tells, and none where that is NULL. */
static void greenzmq_settle(const int *done) {
    static __thread int settling = 0;
    greenzmq_loan *loan;
    if (settling && !done) return;
    if (!settling) done = NULL;
    settling += 1;
    while ((loan = greenzmq_take_returned(done))) {
        PyBuffer_Release(&loan->view);
        Py_XDECREF((PyObject *) loan->release);
        free(loan);
    }
    settling -= 1;
}

static void *greenzmq_collect(void *unused) {
    struct timespec pause = {0, GREENZMQ_COLLECT_NS};
    (void) unused;
    for (;;) {
        int stopping;
        pthread_mutex_lock(&greenzmq_lock);
        while (!greenzmq_returned && !greenzmq_stopping)
            pthread_cond_wait(&greenzmq_returned_cond, &greenzmq_lock);
        stopping = greenzmq_stopping;
        pthread_mutex_unlock(&greenzmq_lock);
        if (stopping) return NULL;
        nanosleep(&pause, NULL);
        if (!GREENZMQ_IS_EMPTY(greenzmq_returned)) {
            PyGILState_STATE state = PyGILState_Ensure();
            greenzmq_settle(NULL);
            PyGILState_Release(state);
        }
    }
}

/* The child of a fork has neither the collector nor libzmq's threads: what was lent stays lent. */
static void greenzmq_lent_child(void) {
    pthread_mutex_init(&greenzmq_lock, NULL);
    pthread_cond_init(&greenzmq_returned_cond, NULL);
    greenzmq_out = greenzmq_returned = NULL;
    greenzmq_alerts = NULL;
    greenzmq_collecting = 0;
}

/* With the GIL held. Not once the interpreter ends: no thread may ask it for the GIL when it is gone. What comes back then
   is released by whoever lends next, or not at all. */
static int greenzmq_start_collecting(void) {
    static int registered = 0;
    int rc = 0;
    if (greenzmq_collecting || greenzmq_stopping) return 0;
    if (!registered) {
        rc = pthread_atfork(NULL, NULL, greenzmq_lent_child);
        if (rc) return rc;
        registered = 1;
    }
    rc = greenzmq_start_thread(&greenzmq_collector, greenzmq_collect, NULL);
    if (!rc) greenzmq_collecting = 1;
    return rc;
}

/* Before the interpreter goes, for good; without the GIL, which the collector may be waiting for. `collecting` is
   `greenzmq_collecting`, which is read and written with the GIL: the caller takes it back afterwards. */
static void greenzmq_stop_collecting(int collecting) {
    pthread_mutex_lock(&greenzmq_lock);
    greenzmq_stopping = 1;
    pthread_cond_signal(&greenzmq_returned_cond);
    pthread_mutex_unlock(&greenzmq_lock);
    if (collecting) pthread_join(greenzmq_collector, NULL);
}

static void greenzmq_hand_out(greenzmq_loan *loan) {
    pthread_mutex_lock(&greenzmq_lock);
    loan->before = NULL;
    loan->after = greenzmq_out;
    if (greenzmq_out) greenzmq_out->before = loan;
    GREENZMQ_SET(greenzmq_out, loan);
    pthread_mutex_unlock(&greenzmq_lock);
}

static void greenzmq_take_back(greenzmq_loan *loan) {
    pthread_mutex_lock(&greenzmq_lock);
    greenzmq_take_out(loan);
    pthread_mutex_unlock(&greenzmq_lock);
}

static int greenzmq_is_lent(const void *data) {
    greenzmq_loan *loan;
    int found = 0;
    if (GREENZMQ_IS_EMPTY(greenzmq_out)) return 0;
    pthread_mutex_lock(&greenzmq_lock);
    for (loan = greenzmq_out; loan && !found; loan = loan->after)
        found = loan->view.buf == data;
    pthread_mutex_unlock(&greenzmq_lock);
    return found;
}

/* With the GIL held: count what is lent or has come back and is not released yet, and list up to `room` of it, the
   address of each loan and a new reference to the object. */
static size_t greenzmq_list_lent(void **loans, PyObject **objects, size_t room) {
    greenzmq_loan *lists[2], *loan;
    size_t count = 0;
    int i;
    pthread_mutex_lock(&greenzmq_lock);
    lists[0] = greenzmq_out;
    lists[1] = greenzmq_returned;
    for (i = 0; i < 2; i++)
        for (loan = lists[i]; loan; loan = i ? loan->next : loan->after) {
            if (count < room) {
                loans[count] = loan;
                objects[count] = Py_NewRef(loan->view.obj);
            }
            count++;
        }
    pthread_mutex_unlock(&greenzmq_lock);
    return count;
}

/* Returns 0 when it has come true already; the alert is then not registered. */
static int greenzmq_add_alert(greenzmq_alert *alert) {
    int pending;
    pthread_mutex_lock(&greenzmq_lock);
    pending = !greenzmq_is_done(alert->done);
    if (pending) {
        alert->next = greenzmq_alerts;
        greenzmq_alerts = alert;
    }
    pthread_mutex_unlock(&greenzmq_lock);
    return pending;
}

static void greenzmq_remove_alert(greenzmq_alert *alert) {
    greenzmq_alert **link;
    pthread_mutex_lock(&greenzmq_lock);
    for (link = &greenzmq_alerts; *link; link = &(*link)->next)
        if (*link == alert) {
            *link = alert->next;
            break;
        }
    pthread_mutex_unlock(&greenzmq_lock);
}

#endif
