/* Has the counters of GCC written also where a process ends, or becomes another program, without the ends of libraries.
   That of a program that Ctrl-C has ended is one: CPython kills itself when it has ended the interpreter.

   Compiled twice: into the library of the extension modules (IN_LIBRARY), where it tells how counters are written, and
   as a library that LD_PRELOAD has loaded first, in the place of the C library's functions. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

struct counters {
    void (*write)(void);
    void (*begin)(void);
    pid_t process;
};

#ifdef IN_LIBRARY

extern struct counters greenzmq_counters __attribute__((weak));
extern void __gcov_dump(void);
extern void __gcov_reset(void);
extern int Py_AtExit(void (*function)(void));

/* What is counted after this is written by the ends of libraries, where these are run. */
static void interpreter_ended(void)
{
    __gcov_dump();
    __gcov_reset();
}

static void forked(void)
{
    greenzmq_counters.process = getpid();
}

__attribute__((constructor)) static void tell(void)
{
    /* Also in programs that have another library loaded in the place of this one. */
    Py_AtExit(interpreter_ended);
    if (&greenzmq_counters) {
        greenzmq_counters.write = __gcov_dump;
        greenzmq_counters.begin = __gcov_reset;
        forked();
        pthread_atfork(NULL, NULL, forked);
    }
}

#else

struct counters greenzmq_counters;

/* The child of a vfork has its parent's memory, and what it wrote the parent would not write any more. */
static int keep(void)
{
    if (!greenzmq_counters.write || greenzmq_counters.process != getpid())
        return 0;
    greenzmq_counters.write();
    return 1;
}

static void go_on(int kept)
{
    if (kept)
        greenzmq_counters.begin();
}

void _exit(int status)
{
    keep();
    syscall(SYS_exit_group, status);
    __builtin_unreachable();
}

int execve(const char *path, char *const arguments[], char *const variables[])
{
    int kept = keep();
    syscall(SYS_execve, path, arguments, variables);
    go_on(kept);
    return -1;
}

int execv(const char *path, char *const arguments[])
{
    return execve(path, arguments, environ);
}

int kill(pid_t process, int number)
{
    int kept = process == getpid() && number ? keep() : 0;
    int result = (int)syscall(SYS_kill, process, number);
    go_on(kept);
    return result;
}

#endif
