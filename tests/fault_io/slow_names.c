/*
 * slow_names.so - simulates a name server that does not answer. When it is preloaded into the
 * daemon (LD_PRELOAD), getaddrinfo() of names that end with ".slow" fails after 3 s.
 */
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>

#define DELAY_S 3

typedef int lookup(const char *, const char *, const struct addrinfo *, struct addrinfo **);

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **result)
{
    const char *end = name != NULL ? strrchr(name, '.') : NULL;

    if (end == NULL || strcmp(end, ".slow") != 0)
        return ((lookup *)dlsym(RTLD_NEXT, "getaddrinfo"))(name, service, hints, result);
    sleep(DELAY_S);
    return EAI_AGAIN;
}
