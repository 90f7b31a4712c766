#include "tool/doctor_address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/memory.h"

/* ---- resolution with a limit ----------------------------------------------------- */

/* Shared by the caller and the thread; the last one frees it. */
struct lookup {
    pthread_mutex_t lock;
    pthread_cond_t done;
    int references; /* protected by lock, as the members below */
    bool is_done;
    int code; /* of getaddrinfo() */
    int code_errno;
    struct fr_doctor_addresses addresses;
    char *name;
    char port[8];
};

static void lookup_unref(struct lookup *lookup)
{
    bool is_last;

    pthread_mutex_lock(&lookup->lock);
    is_last = --lookup->references == 0;
    pthread_mutex_unlock(&lookup->lock);
    if (!is_last)
        return;
    pthread_cond_destroy(&lookup->done);
    pthread_mutex_destroy(&lookup->lock);
    free(lookup->name);
    free(lookup);
}

static void lookup_copy(struct fr_doctor_addresses *addresses, const struct addrinfo *list)
{
    for (; list != NULL && addresses->count < FR_DOCTOR_ADDRESSES_MAX; list = list->ai_next)
        if (list->ai_addrlen <= sizeof *addresses->list)
            memcpy(&addresses->list[addresses->count++], list->ai_addr, list->ai_addrlen);
}

static void *lookup_run(void *argument)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct fr_doctor_addresses addresses = {0};
    struct lookup *lookup = argument;
    struct addrinfo *list = NULL;
    int code = getaddrinfo(lookup->name, lookup->port, &hints, &list), code_errno = errno;

    if (code == 0) {
        lookup_copy(&addresses, list);
        freeaddrinfo(list);
    }
    pthread_mutex_lock(&lookup->lock);
    lookup->code = code;
    lookup->code_errno = code_errno;
    lookup->addresses = addresses;
    lookup->is_done = true;
    pthread_cond_signal(&lookup->done);
    pthread_mutex_unlock(&lookup->lock);
    lookup_unref(lookup);
    return NULL;
}

static struct lookup *lookup_new(const char *name, uint16_t port)
{
    struct lookup *lookup = fr_calloc(1, sizeof *lookup);
    pthread_condattr_t attributes;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&lookup->lock, NULL);
    pthread_cond_init(&lookup->done, &attributes);
    pthread_condattr_destroy(&attributes);
    lookup->references = 1;
    lookup->name = fr_strdup(name);
    snprintf(lookup->port, sizeof lookup->port, "%u", port);
    return lookup;
}

static int lookup_result(const struct lookup *lookup, int64_t limit_ms,
                         struct fr_doctor_addresses *addresses, struct fr_error *error)
{
    if (!lookup->is_done)
        return fr_error_set(error, "the name server did not answer within %lld s",
                            (long long)(limit_ms / 1000));
    if (lookup->code == EAI_SYSTEM)
        return fr_error_set(error, "%s", strerror(lookup->code_errno));
    if (lookup->code != 0)
        return fr_error_set(error, "%s", gai_strerror(lookup->code));
    if (lookup->addresses.count == 0)
        return fr_error_set(error, "the name has no address");
    *addresses = lookup->addresses;
    return 0;
}

int fr_doctor_resolve(const char *name, uint16_t port, int64_t limit_ms,
                      struct fr_doctor_addresses *addresses, struct fr_error *error)
{
    struct lookup *lookup = lookup_new(name, port);
    struct timespec end = fr_monotonic_after(limit_ms);
    pthread_t thread;
    int status, code;

    lookup->references++;
    code = pthread_create(&thread, NULL, lookup_run, lookup);
    if (code != 0) {
        lookup->references--;
        lookup_unref(lookup);
        return fr_error_set(error, "no thread for the name: %s", strerror(code));
    }
    pthread_detach(thread);
    pthread_mutex_lock(&lookup->lock);
    while (!lookup->is_done && pthread_cond_timedwait(&lookup->done, &lookup->lock, &end) == 0)
        ;
    status = lookup_result(lookup, limit_ms, addresses, error);
    pthread_mutex_unlock(&lookup->lock);
    lookup_unref(lookup);
    return status;
}

/* ---- kinds of addresses ---------------------------------------------------------- */

void fr_doctor_address_text(const struct sockaddr_storage *address,
                            char text[FR_DOCTOR_ADDRESS_SIZE])
{
    const void *bytes = address->ss_family == AF_INET6
                            ? (const void *)&((const struct sockaddr_in6 *)address)->sin6_addr
                            : (const void *)&((const struct sockaddr_in *)address)->sin_addr;

    if (inet_ntop(address->ss_family, bytes, text, FR_DOCTOR_ADDRESS_SIZE) == NULL)
        snprintf(text, FR_DOCTOR_ADDRESS_SIZE, "an unknown address");
}

/* Source: the IANA registries of special-purpose addresses. */
static bool address_is_private4(uint32_t a)
{
    return a >> 24 == 0 || a >> 24 == 10 || a >> 24 == 127 || a >> 20 == 0xac1 ||
           a >> 16 == 0xc0a8 || a >> 16 == 0xa9fe || a >> 22 == 0x191;
}

bool fr_doctor_address_is_private(const struct sockaddr_storage *address)
{
    const struct in6_addr *six;

    if (address->ss_family == AF_INET)
        return address_is_private4(ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr));
    six = &((const struct sockaddr_in6 *)address)->sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(six)) {
        uint32_t four;

        memcpy(&four, six->s6_addr + 12, sizeof four);
        return address_is_private4(ntohl(four));
    }
    return IN6_IS_ADDR_UNSPECIFIED(six) || IN6_IS_ADDR_LOOPBACK(six) ||
           IN6_IS_ADDR_LINKLOCAL(six) || (six->s6_addr[0] & 0xfe) == 0xfc;
}

static bool address_is_same(const struct sockaddr *a, const struct sockaddr_storage *b)
{
    if (a == NULL || a->sa_family != b->ss_family)
        return false;
    if (a->sa_family == AF_INET)
        return ((const struct sockaddr_in *)a)->sin_addr.s_addr ==
               ((const struct sockaddr_in *)b)->sin_addr.s_addr;
    return a->sa_family == AF_INET6 &&
           memcmp(&((const struct sockaddr_in6 *)a)->sin6_addr,
                  &((const struct sockaddr_in6 *)b)->sin6_addr, sizeof(struct in6_addr)) == 0;
}

bool fr_doctor_address_is_own(const struct sockaddr_storage *address)
{
    struct ifaddrs *interfaces;
    bool is_own = false;

    if (getifaddrs(&interfaces) != 0)
        return false;
    for (const struct ifaddrs *i = interfaces; i != NULL && !is_own; i = i->ifa_next)
        is_own = address_is_same(i->ifa_addr, address);
    freeifaddrs(interfaces);
    return is_own;
}

/* ---- connections ----------------------------------------------------------------- */

static int address_await(int fd, int64_t limit_ms)
{
    struct pollfd poller = {.fd = fd, .events = POLLOUT};
    int code = 0, ready;
    socklen_t size = sizeof code;

    ready = poll(&poller, 1, (int)limit_ms);
    if (ready == 0)
        code = ETIMEDOUT;
    else if (ready < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &size) != 0)
        code = errno;
    errno = code;
    return code == 0 ? 0 : -1;
}

int fr_doctor_connect(const struct sockaddr_storage *address, int64_t limit_ms)
{
    socklen_t size =
        address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), code;

    if (fd < 0)
        return -1;
    if (connect(fd, (const struct sockaddr *)address, size) == 0 ||
        (errno == EINPROGRESS && address_await(fd, limit_ms) == 0))
        return fd;
    code = errno;
    close(fd);
    errno = code;
    return -1;
}
