/* An engine of libzmq that has something to send asks epoll for EPOLLOUT, writes, is told at once that it may write,
   has nothing more, and takes EPOLLOUT back: three system calls for what goes out, beside the one that writes it.
   Here it is told without them; an engine that then still wants to write waits in the kernel.

   epoll.cpp of libzmq is compiled with -Depoll_ctl=zmq_epoll_ctl and -Depoll_wait=zmq_epoll_wait, and nothing in it
   is changed. Engines are told so where it may not be true, and take EAGAIN for an answer when they write. But EPOLLOUT
   also says that a connection is made: therefore it comes from the kernel until libzmq has once taken it back, as
   whoever connects does not do before that. */

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

/* A descriptor in an epoll set. */
struct registration {
    epoll_data_t data;
    uint32_t asked;       /* the events that the kernel is asked for */
    int next;             /* in the list of those that are to be changed: 1 + its descriptor, or 0 */
    unsigned known : 1;   /* it is in the set, and `data` and `asked` are right */
    unsigned changed : 1; /* EPOLLOUT is wanted if it is not asked for, and the other way round */
    unsigned listed : 1;
    unsigned served : 1; /* EPOLLOUT was asked of the kernel, and taken back */
    unsigned told : 1;   /* since it is wanted, and not by the kernel */
};

/* A thread that waits in an epoll set, of which it alone changes what is in this. */
struct poller {
    int set;
    int first; /* in the list of those that are to be changed */
    int size;
    struct registration *registrations; /* by descriptor */
};

static __thread struct poller *mine;
static pthread_key_t end_of_thread;
static int has_key;

static void end(void *poller)
{
    free(((struct poller *)poller)->registrations);
    free(poller);
}

__attribute__((constructor)) static void begin(void)
{
    has_key = pthread_key_create(&end_of_thread, end) == 0;
}

/* Where there is no memory for it the kernel is asked for everything. */
static struct poller *poller_of(int set)
{
    if (mine == NULL && has_key) {
        struct poller *poller = calloc(1, sizeof *poller);
        if (poller != NULL && pthread_setspecific(end_of_thread, poller) == 0) {
            poller->set = set;
            mine = poller;
        } else
            free(poller);
    }
    return mine != NULL && mine->set == set ? mine : NULL;
}

static struct registration *registration_of(struct poller *poller, int fd)
{
    if (fd < 0)
        return NULL;
    if (fd >= poller->size) {
        int size = fd + fd / 2 + 64;
        struct registration *more = realloc(poller->registrations, size * sizeof *more);
        if (more == NULL)
            return NULL;
        memset(more + poller->size, 0, (size - poller->size) * sizeof *more);
        poller->registrations = more;
        poller->size = size;
    }
    return &poller->registrations[fd];
}

/* Let the next wait do what is left to do, and say whether it can. */
static int is_left_to_wait(struct poller *poller, struct registration *of, int fd, const struct epoll_event *event)
{
    uint32_t change = event->events ^ of->asked;
    if (!of->known || (change != 0 && !(change == EPOLLOUT && of->served)))
        return 0;
    of->data = event->data;
    of->changed = change != 0;
    if (!(event->events & EPOLLOUT))
        of->told = 0;
    if (of->changed && !of->listed) {
        of->listed = 1;
        of->next = poller->first;
        poller->first = fd + 1;
    }
    return 1;
}

int zmq_epoll_ctl(int set, int operation, int fd, struct epoll_event *event)
{
    struct registration *of = mine != NULL && mine->set == set ? registration_of(mine, fd) : NULL;
    if (of != NULL && operation == EPOLL_CTL_MOD && is_left_to_wait(mine, of, fd, event))
        return 0;
    int result = epoll_ctl(set, operation, fd, event);
    if (result == 0 && of != NULL) {
        int taken_back = of->known && (of->asked & EPOLLOUT) && !(event->events & EPOLLOUT);
        of->served = operation == EPOLL_CTL_MOD && (of->served || taken_back);
        of->known = operation != EPOLL_CTL_DEL;
        of->data = event->data;
        of->asked = event->events;
        of->changed = of->told = 0;
    }
    return result;
}

int zmq_epoll_wait(int set, struct epoll_event *events, int size, int timeout)
{
    struct poller *poller = poller_of(set);
    int count = 0;
    int *link = poller != NULL ? &poller->first : NULL;
    while (link != NULL && *link != 0) {
        int fd = *link - 1;
        struct registration *of = &poller->registrations[fd];
        struct epoll_event wanted = {of->asked ^ EPOLLOUT, of->data};
        if (of->known && of->changed && (wanted.events & EPOLLOUT) && !of->told) {
            if (count == size)
                break;
            of->told = 1;
            events[count].events = EPOLLOUT;
            events[count++].data = of->data;
            link = &of->next;
            continue;
        }
        *link = of->next;
        of->listed = 0;
        if (of->known && of->changed) {
            if (epoll_ctl(set, EPOLL_CTL_MOD, fd, &wanted) != 0)
                return -1;
            of->asked = wanted.events;
            of->changed = of->told = 0;
        }
    }
    return count != 0 ? count : epoll_wait(set, events, size, timeout);
}
