/* The limit of libzmq itself: PUSH/PULL of 32 B over tcp on 127.0.0.1 between two processes, without Python.
   Prints the line that worker.py prints for gevent-push-pull-tcp. Run by bench.py: limit [SECONDS [LIMIT]]. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#define SIZE 32

static void require(int ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "limit: %s: %s\n", what, zmq_strerror(zmq_errno()));
        exit(1);
    }
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* The child: for every number read from `orders` send so many messages. */
static void send_batches(int orders, const char *endpoint)
{
    char payload[SIZE];
    memset(payload, 'x', SIZE);
    void *context = zmq_ctx_new();
    void *push = zmq_socket(context, ZMQ_PUSH);
    require(push && zmq_connect(push, endpoint) == 0, "connect");
    long count;
    while (read(orders, &count, sizeof count) == (ssize_t)sizeof count)
        for (long i = 0; i < count; i++)
            require(zmq_send(push, payload, SIZE, 0) == SIZE, "send");
    zmq_close(push);
    zmq_ctx_term(context);
}

static void receive(void *pull)
{
    char message[2 * SIZE];
    require(zmq_recv(pull, message, sizeof message, 0) == SIZE, "recv");
}

/* Have `count` messages sent after a first one; return the seconds from the first to the last. */
static double run(void *pull, int orders, long count)
{
    long all = count + 1;
    require(write(orders, &all, sizeof all) == (ssize_t)sizeof all, "order");
    receive(pull);
    double start = now();
    for (long i = 0; i < count; i++)
        receive(pull);
    return now() - start;
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : 1.0;
    int limit = argc > 2 ? atoi(argv[2]) : 60;
    require(seconds > 0 && limit > 0, "SECONDS and LIMIT must be positive");

    /* Both processes end when the limit is over. The fork comes before any context: contexts do not survive it. */
    int to_sender[2];
    require(pipe(to_sender) == 0, "pipe");
    pid_t child = fork();
    require(child >= 0, "fork");
    alarm((unsigned)limit);
    if (child == 0) {
        char endpoint[256];
        close(to_sender[1]);
        require(read(to_sender[0], endpoint, sizeof endpoint) == (ssize_t)sizeof endpoint, "endpoint");
        send_batches(to_sender[0], endpoint);
        return 0;
    }
    close(to_sender[0]);

    char endpoint[256] = "";
    size_t length = sizeof endpoint;
    void *context = zmq_ctx_new();
    void *pull = zmq_socket(context, ZMQ_PULL);
    require(pull && zmq_bind(pull, "tcp://127.0.0.1:*") == 0, "bind");
    require(zmq_getsockopt(pull, ZMQ_LAST_ENDPOINT, endpoint, &length) == 0, "last endpoint");
    require(write(to_sender[1], endpoint, sizeof endpoint) == (ssize_t)sizeof endpoint, "endpoint");

    /* As in workloads.py: doubling up to a quarter of the time is the warm-up, then such goes are added up. */
    long count = 1, operations = 0;
    double total = 0;
    while (run(pull, to_sender[1], count) < seconds / 4)
        count *= 2;
    while (total < seconds) {
        total += run(pull, to_sender[1], count);
        operations += count;
    }

    int status = 1;
    close(to_sender[1]);
    require(waitpid(child, &status, 0) == child && status == 0, "sending process");
    zmq_close(pull);
    zmq_ctx_term(context);

    int major, minor, patch;
    zmq_version(&major, &minor, &patch);
    printf("{\"workload\": \"gevent-push-pull-tcp\", \"operations\": %ld, \"seconds\": %.6f, \"ns_per_op\": %.1f, "
           "\"implementation\": \"C\", \"libzmq\": \"%d.%d.%d\"}\n",
           operations, total, total / (double)operations * 1e9, major, minor, patch);
    return 0;
}
