/*
 * slow_names.so - simulates a name server that does not answer. When it is preloaded into the
 * daemon (LD_PRELOAD), getaddrinfo() of names that end with ".slow" fails after 3 s, of names that end
 * with ".stuck" after a minute.
 */
#include <dlfcn.h>
#include <netdb.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#define DELAY_S 3
#define STUCK_S 60

typedef int lookup(const char *, const char *, const struct addrinfo *, struct addrinfo **);

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **result)
{
    const char *end = name != NULL ? strrchr(name, '.') : NULL;

    bool is_stuck = end != NULL && strcmp(end, ".stuck") == 0;

    if (end == NULL || (strcmp(end, ".slow") != 0 && !is_stuck))
        return ((lookup *)dlsym(RTLD_NEXT, "getaddrinfo"))(name, service, hints, result);
    sleep(is_stuck ? STUCK_S : DELAY_S);
    return EAI_AGAIN;
}
