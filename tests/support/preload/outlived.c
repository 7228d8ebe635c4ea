/* Has a process outlive its interpreter for a moment, and native threads do then what they otherwise do just before. So
 * whatever of Python they touch is gone. Built and preloaded by test_program_ends.py. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

enum { MOMENT = 1000, GIVEN_UP = 500 };     /* microseconds; moments, after which a thread goes on in any case */

typedef struct { unsigned char content[64]; } msg_t;
typedef struct { void *(*run)(void *); void *argument; } start_t;

static int holds_starts, fails_frame;
static volatile int gone, held;

/* New threads start later, and the frame with this number, from 1, of what is sent fails later, as where a pipe dies. */
void hold(int starts, int frame) {
    holds_starts = starts;
    fails_frame = frame;
}

static void await_end(void) {
    int moments;
    held++;
    for (moments = 0; !gone && moments < GIVEN_UP; moments++) usleep(MOMENT);
}

static void *start_later(void *argument) {
    start_t start = *(start_t *) argument;
    free(argument);
    await_end();
    return start.run(start.argument);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument) {
    int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) =
        (int (*)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *)) dlsym(RTLD_NEXT, "pthread_create");
    start_t *start = holds_starts ? malloc(sizeof(start_t)) : NULL;
    if (start == NULL) return real(thread, attributes, run, argument);
    start->run = run;
    start->argument = argument;
    return real(thread, attributes, start_later, start);
}

int zmq_msg_send(msg_t *msg, void *socket, int flags) {
    if (fails_frame && --fails_frame == 0) {
        await_end();
        errno = EAGAIN;
        return -1;
    }
    return ((int (*)(msg_t *, void *, int)) dlsym(RTLD_NEXT, "zmq_msg_send"))(msg, socket, flags);
}

int is_held(void) { return held; }

/* Behind the interpreter's end, before the process's. */
__attribute__((destructor)) static void end(void) {
    gone = 1;
    usleep(200 * MOMENT);
}
