/* What libzmq is trained with, and what its instructions are counted of:

       train                 everything, for the profile that the compiler reads
       train NAME ROUNDS     one workload, so many times; one named inproc-... runs in one thread of its own
       train names           the names

   Messages have 32 bytes, but for some that are too long to be inside zmq_msg_t or come without a copy. */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#define SIZE 32
#define LENGTH(array) ((int)(sizeof(array) / sizeof *(array)))

static void *context;
static char text[70000];
static char endpoint[256]; /* where the socket that was bound last is */
static int mark = 1000;    /* the high water mark of what is opened; 0 for none */

static void require(int ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "train: %s: %s\n", what, zmq_strerror(zmq_errno()));
        exit(1);
    }
}

static void set(void *socket, int option, int value)
{
    require(zmq_setsockopt(socket, option, &value, sizeof value) == 0, "setsockopt");
}

static void *opened(int kind)
{
    void *socket = zmq_socket(context, kind);
    require(socket != NULL, "socket");
    set(socket, ZMQ_LINGER, 0);
    set(socket, ZMQ_SNDHWM, mark);
    set(socket, ZMQ_RCVHWM, mark);
    set(socket, ZMQ_RCVTIMEO, 20000);
    set(socket, ZMQ_SNDTIMEO, 20000);
    return socket;
}

static void bind_to(void *socket, const char *transport)
{
    static int names;
    size_t length = sizeof endpoint;
    char name[64];
    if (strcmp(transport, "tcp") == 0)
        snprintf(name, sizeof name, "tcp://127.0.0.1:*");
    else if (strcmp(transport, "ipc") == 0)
        snprintf(name, sizeof name, "ipc://*");
    else
        snprintf(name, sizeof name, "inproc://%d", ++names);
    require(zmq_bind(socket, name) == 0, "bind");
    require(zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, endpoint, &length) == 0, "last endpoint");
}

static void *bound(int kind, const char *transport)
{
    void *socket = opened(kind);
    bind_to(socket, transport);
    return socket;
}

static void *connected(int kind)
{
    void *socket = opened(kind);
    require(zmq_connect(socket, endpoint) == 0, "connect");
    return socket;
}

static void send_message(void *socket, int size, int flags)
{
    zmq_msg_t message;
    require(zmq_msg_init_size(&message, (size_t)size) == 0, "init");
    memcpy(zmq_msg_data(&message), text, (size_t)size);
    require(zmq_msg_send(&message, socket, flags) >= 0, "send");
}

/* Returns whether more frames follow. */
static int receive_message(void *socket)
{
    zmq_msg_t message;
    int more;
    zmq_msg_init(&message);
    require(zmq_msg_recv(&message, socket, 0) >= 0, "receive");
    more = zmq_msg_more(&message);
    zmq_msg_close(&message);
    return more;
}

static void receive_whole(void *socket)
{
    while (receive_message(socket))
        ;
}

/* One after the other: what two sockets do in one thread. */

static void push_pull(void *push, void *pull, int rounds, int size)
{
    while (rounds--) {
        send_message(push, size, 0);
        receive_message(pull);
    }
}

/* With buffers of the caller's. */
static void copy(void *push, void *pull, int rounds)
{
    char buffer[SIZE];
    while (rounds--) {
        require(zmq_send(push, text, SIZE, 0) == SIZE, "send");
        require(zmq_recv(pull, buffer, SIZE, 0) == SIZE, "receive");
    }
}

static void multipart(void *push, void *pull, int rounds)
{
    while (rounds--) {
        send_message(push, 5, ZMQ_SNDMORE);
        send_message(push, 0, ZMQ_SNDMORE);
        send_message(push, SIZE, 0);
        receive_whole(pull);
    }
}

static void ask_and_answer(void *req, void *rep, int rounds)
{
    while (rounds--) {
        send_message(req, SIZE, 0);
        receive_message(rep);
        send_message(rep, SIZE, 0);
        receive_message(req);
    }
}

/* The ROUTER answers with the identity that it got. */
static void route(void *dealer, void *router, int rounds)
{
    while (rounds--) {
        zmq_msg_t identity;
        zmq_msg_init(&identity);
        send_message(dealer, SIZE, 0);
        require(zmq_msg_recv(&identity, router, 0) >= 0, "identity");
        receive_message(router);
        require(zmq_msg_send(&identity, router, ZMQ_SNDMORE) >= 0, "route");
        send_message(router, SIZE, 0);
        receive_message(dealer);
    }
}

/* Fill the queues, then empty them. */
static void burst(void *push, void *pull, int rounds)
{
    for (int done = 0; done < rounds; done += 500) {
        for (int i = 0; i < 500; i++)
            send_message(push, SIZE, 0);
        for (int i = 0; i < 500; i++)
            receive_message(pull);
    }
}

/* What a binding does beside: asks what is there, and tries what has to fail. */
static void look(void *push, void *pull, int rounds)
{
    zmq_pollitem_t items[] = {{pull, 0, ZMQ_POLLIN, 0}, {push, 0, ZMQ_POLLOUT, 0}};
    while (rounds--) {
        int events;
        size_t length = sizeof events;
        zmq_msg_t message;
        zmq_msg_init(&message);
        require(zmq_msg_recv(&message, pull, ZMQ_DONTWAIT) < 0, "nothing");
        zmq_msg_close(&message);
        send_message(push, SIZE, ZMQ_DONTWAIT);
        require(zmq_poll(items, LENGTH(items), 1000) > 0, "poll");
        require(zmq_getsockopt(pull, ZMQ_EVENTS, &events, &length) == 0, "events");
        receive_message(pull);
    }
}

/* To a few that take each message at once, as to some more that take eight at a time. */
static void publish(const char *transport, int rounds, int readers, int burst)
{
    void *pub = opened(ZMQ_XPUB), *subs[10];
    /* It drops what it has no room for, and hears late of room. */
    set(pub, ZMQ_SNDHWM, 0);
    bind_to(pub, transport);
    for (int i = 0; i < readers; i++) {
        subs[i] = opened(ZMQ_SUB);
        set(subs[i], ZMQ_RCVHWM, 0);
        require(zmq_connect(subs[i], endpoint) == 0, "connect");
        require(zmq_setsockopt(subs[i], ZMQ_SUBSCRIBE, text, (size_t)i) == 0, "subscribe");
        /* It is heard of where it is new. */
        receive_message(pub);
    }
    for (int done = 0; done < rounds; done += burst) {
        for (int i = 0; i < burst; i++)
            send_message(pub, SIZE, 0);
        for (int i = 0; i < readers * burst; i++)
            receive_message(subs[i / burst]);
    }
    for (int i = 0; i < readers; i++)
        zmq_close(subs[i]);
    zmq_close(pub);
}

typedef void (*work)(void *, void *, int);

static void push_pull_small(void *push, void *pull, int rounds)
{
    push_pull(push, pull, rounds, SIZE);
}

static void push_pull_medium(void *push, void *pull, int rounds)
{
    push_pull(push, pull, rounds, 1000);
}

static void push_pull_large(void *push, void *pull, int rounds)
{
    push_pull(push, pull, rounds, (int)sizeof text);
}

static const struct {
    const char *name;
    int one, other;
    work work;
    int share; /* of the rounds */
} workloads[] = {
    {"pair", ZMQ_PAIR, ZMQ_PAIR, push_pull_small, 1},
    {"push-pull", ZMQ_PUSH, ZMQ_PULL, push_pull_small, 1},
    {"push-pull-1000", ZMQ_PUSH, ZMQ_PULL, push_pull_medium, 2},
    {"push-pull-70000", ZMQ_PUSH, ZMQ_PULL, push_pull_large, 20},
    {"copy", ZMQ_PUSH, ZMQ_PULL, copy, 2},
    {"burst", ZMQ_PUSH, ZMQ_PULL, burst, 1},
    {"multipart", ZMQ_PUSH, ZMQ_PULL, multipart, 2},
    {"req-rep", ZMQ_REQ, ZMQ_REP, ask_and_answer, 2},
    {"dealer-router", ZMQ_DEALER, ZMQ_ROUTER, route, 2},
    {"dealer-dealer", ZMQ_DEALER, ZMQ_DEALER, push_pull_small, 2},
    {"look", ZMQ_PUSH, ZMQ_PULL, look, 4},
};

static const char *const transports[] = {"inproc", "tcp", "ipc"};

static void run(int index, const char *transport, int rounds)
{
    void *other = bound(workloads[index].other, transport), *one = connected(workloads[index].one);
    workloads[index].work(one, other, rounds);
    zmq_close(one);
    zmq_close(other);
}

/* As run, but one socket is in a thread of its own. */
struct side {
    int kind, rounds;
    char endpoint[256];
};

static void *send_many(void *argument)
{
    struct side *side = argument;
    void *push = opened(side->kind);
    require(zmq_connect(push, side->endpoint) == 0, "connect");
    for (int i = 0; i < side->rounds; i++)
        send_message(push, SIZE, 0);
    set(push, ZMQ_LINGER, 20000);
    zmq_close(push);
    return NULL;
}

static void threads(const char *transport, int rounds)
{
    void *pull = bound(ZMQ_PULL, transport);
    struct side side = {ZMQ_PUSH, rounds, ""};
    pthread_t thread;
    memcpy(side.endpoint, endpoint, sizeof endpoint);
    require(pthread_create(&thread, NULL, send_many, &side) == 0, "thread");
    for (int i = 0; i < rounds; i++)
        receive_message(pull);
    pthread_join(thread, NULL);
    zmq_close(pull);
}

/* Both sides of a connection that is encrypted; nobody is asked who may come in. */
static void curve(int rounds)
{
    char public[41], secret[41];
    void *pull = opened(ZMQ_PULL), *push = opened(ZMQ_PUSH);
    size_t length = sizeof endpoint;
    if (!zmq_has("curve") || zmq_curve_keypair(public, secret) != 0)
        return;
    set(pull, ZMQ_CURVE_SERVER, 1);
    require(zmq_setsockopt(pull, ZMQ_CURVE_SECRETKEY, secret, sizeof secret) == 0, "secret key");
    require(zmq_setsockopt(push, ZMQ_CURVE_SERVERKEY, public, sizeof public) == 0, "server's key");
    require(zmq_setsockopt(push, ZMQ_CURVE_PUBLICKEY, public, sizeof public) == 0, "public key");
    require(zmq_setsockopt(push, ZMQ_CURVE_SECRETKEY, secret, sizeof secret) == 0, "secret key");
    require(zmq_bind(pull, "tcp://127.0.0.1:*") == 0, "bind");
    require(zmq_getsockopt(pull, ZMQ_LAST_ENDPOINT, endpoint, &length) == 0, "last endpoint");
    require(zmq_connect(push, endpoint) == 0, "connect");
    burst(push, pull, rounds);
    zmq_close(push);
    zmq_close(pull);
}

static int one(const char *name, int rounds)
{
    for (int t = 0; t < LENGTH(transports); t++) {
        size_t length = strlen(transports[t]);
        if (strncmp(name, transports[t], length) != 0 || name[length] != '-')
            continue;
        if (strcmp(name + length + 1, "pub-sub") == 0)
            return publish(transports[t], rounds, 3, 1), 1;
        if (strcmp(name + length + 1, "pub-sub-10") == 0)
            return publish(transports[t], rounds, 10, 8), 1;
        if (strcmp(name + length + 1, "threads") == 0)
            return threads(transports[t], rounds), 1;
        for (int i = 0; i < LENGTH(workloads); i++)
            if (strcmp(name + length + 1, workloads[i].name) == 0)
                return run(i, transports[t], rounds), 1;
    }
    return strcmp(name, "tcp-curve") == 0 && (curve(rounds), 1);
}

int main(int count, char **arguments)
{
    if (count == 2 && strcmp(arguments[1], "names") == 0) {
        for (int t = 0; t < LENGTH(transports); t++) {
            for (int i = 0; i < LENGTH(workloads); i++)
                printf("%s-%s\n", transports[t], workloads[i].name);
            printf("%s-pub-sub\n%s-pub-sub-10\n%s-threads\n", transports[t], transports[t], transports[t]);
        }
        printf("tcp-curve\n");
        return 0;
    }
    context = zmq_ctx_new();
    if (count == 3) {
        if (!one(arguments[1], atoi(arguments[2]))) {
            fprintf(stderr, "train: there is no %s\n", arguments[1]);
            return 2;
        }
    } else {
        for (int t = 0; t < LENGTH(transports); t++) {
            int rounds = t == 0 ? 40000 : 8000;
            for (int i = 0; i < LENGTH(workloads); i++) {
                run(i, transports[t], rounds / workloads[i].share);
                /* Where nothing limits a queue another branch is taken for every message. */
                mark = 0;
                run(i, transports[t], rounds / workloads[i].share / 2);
                mark = 1000;
            }
            publish(transports[t], rounds / 2, 3, 1);
            publish(transports[t], rounds / 2, 10, 8);
            threads(transports[t], rounds * 5);
        }
        curve(4000);
        /* What happens seldom: sockets and contexts come and go. */
        for (int i = 0; i < 200; i++)
            run(i % LENGTH(workloads), transports[i % LENGTH(transports)], 1);
    }
    zmq_ctx_term(context);
    return 0;
}
