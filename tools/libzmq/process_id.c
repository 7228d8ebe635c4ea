/* The process id, asked of the system once and once more in each child of fork. libzmq asks for it at every signal that
   it sends or takes, to notice that it is in a child, which is half of the system calls of a round trip over inproc.

   libzmq is compiled with -Dgetpid=zmq_process_id, and nothing in it is changed. A child that came about without fork
   (a bare clone, _Fork, vfork) has the id of its parent here: such a child may only start another program. */

#include <pthread.h>
#include <sys/types.h>
#include <unistd.h>

static pid_t known;

static void ask(void)
{
    known = getpid();
}

/* Before any constructor of libzmq's. */
__attribute__((constructor(101))) static void begin(void)
{
    ask();
    pthread_atfork(NULL, NULL, ask);
}

pid_t zmq_process_id(void)
{
    return known;
}
