/*
 * slow_names.so - a name server that does not answer: preloaded into the daemon, it makes
 * getaddrinfo() of names that end with ".slow" fail after 3 s.
 */
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>

#define SECONDS 3

typedef int lookup(const char *, const char *, const struct addrinfo *, struct addrinfo **);

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **found)
{
    const char *end = name != NULL ? strrchr(name, '.') : NULL;

    if (end == NULL || strcmp(end, ".slow") != 0)
        return ((lookup *)dlsym(RTLD_NEXT, "getaddrinfo"))(name, service, hints, found);
    sleep(SECONDS);
    return EAI_AGAIN;
}
