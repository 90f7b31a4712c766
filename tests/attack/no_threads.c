/*
 * no_threads.so - preloaded into the daemon. The first FR_THREADS threads start; every further
 * pthread_create(3) fails with EAGAIN, as at a limit of the system, and does not change errno.
 */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

static _Atomic long started;

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *),
                   void *argument)
{
    static int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    const char *max = getenv("FR_THREADS");

    if (max != NULL && atomic_fetch_add(&started, 1) >= strtol(max, NULL, 10))
        return EAGAIN;
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
    return real(thread, attributes, start, argument);
}
