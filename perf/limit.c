/* What libzmq itself reaches, without Python: limit NAME [SECONDS [LIMIT]] does what the workload of that name does,
   with plain blocking calls in two threads, or in two processes where the name ends in -2p, or in one thread where
   sockets are polled, and prints the line that worker.py prints. Built and run by bench.py. */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#define SIZE 32
#define LENGTH(array) ((int)(sizeof(array) / sizeof *(array)))

/* As in workloads/series.py. */
static const long sizes[] = {1, 8, 32, 128, 512, 2048, 8192, 32768, 131072, 524288, 1048576};
static const double percentiles[] = {1, 10, 25, 50, 75, 90, 95, 99, 99.5, 99.9};

typedef struct {
    long count, size;
    char endpoint[256];
} order;

static double seconds = 1.0;
static void *context, *socket_of_runs; /* what the runs below receive from, or ask */
static int orders[2];
static int bells; /* an epoll set of those of the sockets that are polled */
static order sent; /* the order that the sender gets, but for the count */

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

static void *open_socket(void *in, int kind, long size)
{
    long most = (16 << 20) / size;
    int mark = most < 4 ? 4 : most > 1000 ? 1000 : (int)most, linger = 0;
    void *socket = zmq_socket(in, kind);
    require(socket && zmq_setsockopt(socket, ZMQ_SNDHWM, &mark, sizeof mark) == 0 &&
                zmq_setsockopt(socket, ZMQ_RCVHWM, &mark, sizeof mark) == 0 &&
                zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger) == 0,
            "socket");
    return socket;
}

static void bind_socket(void *socket, const char *endpoint, char bound[256])
{
    size_t length = 256;
    require(zmq_bind(socket, endpoint) == 0, "bind");
    require(zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, bound, &length) == 0, "last endpoint");
}

/* The sender, in a thread or process of its own: for every order that comes send so many messages. */
static void send_orders(void *in)
{
    order order, last = {0, 0, ""};
    void *push = NULL;
    char *payload = calloc(1, 1 << 20);
    while (read(orders[0], &order, sizeof order) == (ssize_t)sizeof order) {
        if (strcmp(order.endpoint, last.endpoint) != 0) {
            if (push)
                zmq_close(push);
            push = open_socket(in, ZMQ_PUSH, order.size);
            require(zmq_connect(push, order.endpoint) == 0, "connect");
            last = order;
        }
        for (long i = 0; i < order.count; i++)
            require(zmq_send(push, payload, (size_t)order.size, 0) == order.size, "send");
    }
    zmq_close(push);
    free(payload);
}

static void *sending_thread(void *in)
{
    send_orders(in);
    return NULL;
}

static void receive(void)
{
    static char message[1 << 20];
    require(zmq_recv(socket_of_runs, message, sizeof message, 0) == sent.size, "recv");
}

/* Have `count` messages sent after a first one; return the seconds from the first to the last. */
static double run_of_messages(long count)
{
    order order = sent;
    order.count = count + 1;
    require(write(orders[1], &order, sizeof order) == (ssize_t)sizeof order, "order");
    receive();
    double start = now();
    for (long i = 0; i < count; i++)
        receive();
    return now() - start;
}

/* Answer until an empty message comes. */
static void *answering_thread(void *socket)
{
    char message[SIZE];
    int size;
    while ((size = zmq_recv(socket, message, sizeof message, 0)) > 0)
        require(zmq_send(socket, message, (size_t)size, 0) == size, "answer");
    zmq_close(socket);
    return NULL;
}

static void ask(void)
{
    char message[SIZE] = "";
    require(zmq_send(socket_of_runs, message, SIZE, 0) == SIZE, "ask");
    require(zmq_recv(socket_of_runs, message, SIZE, 0) == SIZE, "answer");
}

static double run_of_round_trips(long count)
{
    double start = now();
    for (long i = 0; i < count; i++)
        ask();
    return now() - start;
}

/* As in workloads/common.py: doubling up to a quarter of the time is the warm-up, then such goes are added up. */
static double cost(double (*run)(long), double whole)
{
    long count = 1, operations = 0;
    double total = 0;
    while (run(count) < whole / 4)
        count *= 2;
    while (total < whole) {
        total += run(count);
        operations += count;
    }
    return total / (double)operations * 1e9;
}

static void print(double ns)
{
    int major, minor, patch;
    zmq_version(&major, &minor, &patch);
    printf("{\"unit\": \"ns\", \"cost\": %.1f, \"libzmq\": \"%d.%d.%d\"", ns, major, minor, patch);
}

static void push_pull(const char *endpoint)
{
    sent.size = SIZE;
    socket_of_runs = open_socket(context, ZMQ_PULL, SIZE);
    bind_socket(socket_of_runs, endpoint, sent.endpoint);
    print(cost(run_of_messages, seconds));
    zmq_close(socket_of_runs);
}

static void all_sizes(void)
{
    double ns[LENGTH(sizes)];
    for (int i = 0; i < LENGTH(sizes); i++) {
        sent.size = sizes[i];
        socket_of_runs = open_socket(context, ZMQ_PULL, sizes[i]);
        bind_socket(socket_of_runs, "tcp://127.0.0.1:*", sent.endpoint);
        ns[i] = cost(run_of_messages, 2 * seconds / LENGTH(sizes));
        zmq_close(socket_of_runs);
    }
    print(ns[0]);
    printf(", \"points\": {");
    for (int i = 0; i < LENGTH(sizes); i++)
        printf("%s\"%ld\": %.1f", i ? ", " : "", sizes[i], ns[i]);
    printf("}");
}

static void *proxying_thread(void *ends)
{
    zmq_proxy(((void **)ends)[0], ((void **)ends)[1], NULL);
    zmq_close(((void **)ends)[0]);
    zmq_close(((void **)ends)[1]);
    return NULL;
}

static void proxy(void)
{
    void *middle = zmq_ctx_new();
    void *ends[] = {open_socket(middle, ZMQ_PULL, SIZE), open_socket(middle, ZMQ_PUSH, SIZE)};
    char back[256];
    pthread_t thread;
    sent.size = SIZE;
    bind_socket(ends[0], "tcp://127.0.0.1:*", sent.endpoint);
    bind_socket(ends[1], "tcp://127.0.0.1:*", back);
    socket_of_runs = open_socket(context, ZMQ_PULL, SIZE);
    require(zmq_connect(socket_of_runs, back) == 0, "connect");
    require(pthread_create(&thread, NULL, proxying_thread, ends) == 0, "thread");
    print(cost(run_of_messages, seconds));
    zmq_ctx_shutdown(middle);
    pthread_join(thread, NULL);
    zmq_ctx_term(middle);
    zmq_close(socket_of_runs);
}

static int longer(const void *a, const void *b)
{
    return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

static void latencies(void)
{
    long room = 1 << 20, count = 0;
    double *took = malloc((size_t)room * sizeof *took), total = 0;
    run_of_round_trips(100);
    while (total < 2 * seconds && count < room) {
        double start = now();
        ask();
        total += took[count++] = now() - start;
    }
    qsort(took, (size_t)count, sizeof *took, longer);
    print(took[count / 2] * 1e9);
    printf(", \"points\": {");
    for (int i = 0; i < LENGTH(percentiles); i++)
        printf("%s\"%g\": %.0f", i ? ", " : "", percentiles[i],
               took[(long)((double)count * percentiles[i] / 100)] * 1e9);
    printf("}");
    free(took);
}

static void req_rep(const char *endpoint, int each)
{
    char bound[256];
    pthread_t thread;
    void *rep = open_socket(context, ZMQ_REP, SIZE);
    bind_socket(rep, endpoint, bound);
    socket_of_runs = open_socket(context, ZMQ_REQ, SIZE);
    require(zmq_connect(socket_of_runs, bound) == 0, "connect");
    require(pthread_create(&thread, NULL, answering_thread, rep) == 0, "thread");
    if (each)
        latencies();
    else
        print(cost(run_of_round_trips, seconds));
    require(zmq_send(socket_of_runs, "", 0, 0) == 0, "end");
    pthread_join(thread, NULL);
    zmq_close(socket_of_runs);
}

/* The same in one thread, by the calls that a hub cannot do without: wait for either bell, read EVENTS of the socket that
   rang, receive and send, and receive in vain before the next wait. */
static struct {
    void *req, *rep;
    long left; /* round trips */
} hub;

static int events_of(void *socket)
{
    int events;
    size_t length = sizeof events;
    require(zmq_getsockopt(socket, ZMQ_EVENTS, &events, &length) == 0, "events");
    return events;
}

static void go_on(void *socket)
{
    char message[SIZE];
    while (zmq_recv(socket, message, SIZE, ZMQ_DONTWAIT) == SIZE)
        if (socket == hub.rep || --hub.left > 0)
            require(zmq_send(socket, message, SIZE, ZMQ_DONTWAIT) == SIZE, "send");
}

static double run_in_hub(long count)
{
    char message[SIZE] = "";
    struct epoll_event rung[2];
    double start = now();
    hub.left = count;
    require(zmq_send(hub.req, message, SIZE, ZMQ_DONTWAIT) == SIZE, "ask");
    go_on(hub.req);
    while (hub.left > 0)
        for (int i = epoll_wait(bells, rung, 2, -1); i > 0; i--)
            if (events_of(rung[i - 1].data.ptr) & ZMQ_POLLIN)
                go_on(rung[i - 1].data.ptr);
    return now() - start;
}

static void watch(void *socket, uint32_t events, epoll_data_t data)
{
    int bell;
    size_t length = sizeof bell;
    struct epoll_event event = {events, data};
    require(zmq_getsockopt(socket, ZMQ_FD, &bell, &length) == 0, "bell");
    require(epoll_ctl(bells, EPOLL_CTL_ADD, bell, &event) == 0, "epoll");
    events_of(socket);
}

static void req_rep_in_hub(const char *endpoint)
{
    char bound[256];
    hub.rep = open_socket(context, ZMQ_REP, SIZE);
    bind_socket(hub.rep, endpoint, bound);
    hub.req = open_socket(context, ZMQ_REQ, SIZE);
    require(zmq_connect(hub.req, bound) == 0, "connect");
    bells = epoll_create1(0);
    require(bells >= 0, "epoll");
    watch(hub.req, EPOLLIN, (epoll_data_t){.ptr = hub.req});
    watch(hub.rep, EPOLLIN, (epoll_data_t){.ptr = hub.rep});
    print(cost(run_in_hub, seconds));
    zmq_close(hub.req);
    zmq_close(hub.rep);
    close(bells);
}

/* One operation: a send to one of `count` sockets, a look at who has rung, and the recv, by the calls that cannot be done
   without: EVENTS of the one that rang, and EVENTS of the one before, for it tells of what comes only when it was seen
   to be empty. */
static struct {
    void *push, *pull;
} pairs[1000];
static int count_of_pairs;

static double run_of_polls(long count)
{
    char message[SIZE] = "";
    struct epoll_event rung[2];
    double start = now();
    for (long i = 0, at = 0, before = -1; i < count; i++, before = at, at = (at + 389) % count_of_pairs) {
        require(zmq_send(pairs[at].push, message, SIZE, ZMQ_DONTWAIT) == SIZE, "send");
        int found = epoll_wait(bells, rung, 2, 0);
        if (before >= 0 && before != at)
            require(events_of(pairs[before].pull) == 0, "nothing");
        require(found == 1 && rung[0].data.u32 == (unsigned)at && events_of(pairs[at].pull) & ZMQ_POLLIN, "news");
        require(zmq_recv(pairs[at].pull, message, SIZE, ZMQ_DONTWAIT) == SIZE, "recv");
    }
    for (int i = 0; i < count_of_pairs; i++)
        events_of(pairs[i].pull);
    return now() - start;
}

static void poll_many(int count)
{
    struct epoll_event event;
    char endpoint[256];
    count_of_pairs = count;
    bells = epoll_create1(0);
    require(bells >= 0, "epoll");
    for (int i = 0; i < count; i++) {
        pairs[i].pull = open_socket(context, ZMQ_PULL, SIZE);
        pairs[i].push = open_socket(context, ZMQ_PUSH, SIZE);
        snprintf(endpoint, sizeof endpoint, "inproc://limit-%d", i);
        require(zmq_bind(pairs[i].pull, endpoint) == 0, "bind");
        require(zmq_connect(pairs[i].push, endpoint) == 0, "connect");
        watch(pairs[i].pull, EPOLLIN | EPOLLET, (epoll_data_t){.u32 = (unsigned)i});
    }
    epoll_wait(bells, &event, 1, 0);
    print(cost(run_of_polls, seconds));
    for (int i = 0; i < count; i++) {
        zmq_close(pairs[i].push);
        zmq_close(pairs[i].pull);
    }
    close(bells);
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    size_t length = strlen(name);
    int processes = length > 3 && strcmp(name + length - 3, "-2p") == 0 ? 2 : 1;
    int limit = argc > 3 ? atoi(argv[3]) : 60, status = 0;
    pid_t child = 0;
    pthread_t sender;
    struct rlimit descriptors;
    if (argc > 2)
        seconds = atof(argv[2]);
    require(seconds > 0 && limit > 0, "SECONDS and LIMIT must be positive");

    /* Both processes end when the limit is over. The fork comes before any context: contexts do not survive it. */
    require(pipe(orders) == 0, "pipe");
    if (processes == 2)
        child = fork();
    require(child >= 0, "fork");
    alarm((unsigned)limit);
    getrlimit(RLIMIT_NOFILE, &descriptors);
    descriptors.rlim_cur = descriptors.rlim_max;
    setrlimit(RLIMIT_NOFILE, &descriptors);
    context = zmq_ctx_new();
    zmq_ctx_set(context, ZMQ_MAX_SOCKETS, 8192);
    if (processes == 2 && child == 0) {
        close(orders[1]);
        send_orders(context);
        zmq_ctx_term(context);
        return 0;
    }
    if (processes == 1)
        require(pthread_create(&sender, NULL, sending_thread, context) == 0, "thread");

    if (strcmp(name, "push-pull-inproc") == 0)
        push_pull("inproc://limit");
    else if (strcmp(name, "push-pull-tcp-2p") == 0)
        push_pull("tcp://127.0.0.1:*");
    else if (strcmp(name, "sizes-tcp-2p") == 0)
        all_sizes();
    else if (strcmp(name, "req-rep-inproc") == 0)
        req_rep("inproc://limit", 0);
    else if (strcmp(name, "req-rep-tcp") == 0)
        req_rep("tcp://127.0.0.1:*", 0);
    else if (strcmp(name, "req-rep-inproc-hub") == 0)
        req_rep_in_hub("inproc://limit");
    else if (strcmp(name, "req-rep-tcp-hub") == 0)
        req_rep_in_hub("tcp://127.0.0.1:*");
    else if (strcmp(name, "latency-tcp") == 0)
        req_rep("tcp://127.0.0.1:*", 1);
    else if (strcmp(name, "proxy-native") == 0)
        proxy();
    else if (strncmp(name, "poller-", 7) == 0 && atoi(name + 7) > 0 && atoi(name + 7) <= LENGTH(pairs))
        poll_many(atoi(name + 7));
    else {
        fprintf(stderr, "limit: nothing is called '%s'\n", name);
        _exit(2);
    }
    printf("}\n");

    close(orders[1]);
    if (processes == 2)
        require(waitpid(child, &status, 0) == child && status == 0, "sending process");
    else
        pthread_join(sender, NULL);
    zmq_ctx_term(context);
    return 0;
}
