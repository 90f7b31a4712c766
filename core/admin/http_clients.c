#include "admin/http_clients.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "util/address.h"
#include "util/counters.h"
#include "util/log.h"

/* The inode of a socket, unique among open sockets; 0: `fd` is not open. A descriptor that evhttp
 * closed may be a file of another thread by now. ThreadSanitizer takes fstat() for a use of that file,
 * but not statx(). */
static ino_t clients_inode(int fd)
{
    struct statx file;

    return fd >= 0 && statx(fd, "", AT_EMPTY_PATH, STATX_INO, &file) == 0 ? file.stx_ino : 0;
}

/* Remove the connections that evhttp has closed. */
static void clients_prune(struct fr_http_clients *clients)
{
    size_t open = 0;

    for (size_t i = 0; i < clients->count; i++)
        if (clients_inode(clients->list[i].fd) == clients->list[i].inode)
            clients->list[open++] = clients->list[i];
    clients->count = open;
}

static void clients_remove(struct fr_http_clients *clients, size_t index)
{
    clients->count--;
    memmove(&clients->list[index], &clients->list[index + 1],
            (clients->count - index) * sizeof *clients->list);
}

/* The number of connections of the same source as `like`; *oldest is the index of the oldest. */
static size_t clients_count_source(const struct fr_http_clients *clients,
                                   const struct fr_http_client *like, size_t *oldest)
{
    size_t count = 0;

    for (size_t i = 0; i < clients->count; i++)
        if (clients->list[i].source == like->source && clients->list[i].local == like->local &&
            count++ == 0)
            *oldest = i;
    return count;
}

int fr_http_clients_victim(const struct fr_http_clients *clients)
{
    size_t oldest = 0, remote = 0, oldest_remote = 0;

    /* Only the source of the newest connection can exceed its maximum. */
    if (clients->count != 0 && clients_count_source(clients, &clients->list[clients->count - 1],
                                                    &oldest) > FR_HTTP_CLIENTS_SOURCE_MAX)
        return (int)oldest;
    for (size_t i = 0; i < clients->count; i++)
        if (!clients->list[i].local && remote++ == 0)
            oldest_remote = i;
    if (remote > FR_HTTP_CLIENTS_REMOTE_MAX)
        return (int)oldest_remote;
    return clients->count > FR_HTTP_CLIENTS_MAX ? 0 : -1;
}

static void clients_close(struct fr_http_clients *clients, size_t index)
{
    fr_count(FR_COUNT_ADMIN_CLOSED);
    shutdown(clients->list[index].fd, SHUT_RDWR);
    clients_remove(clients, index);
}

void fr_http_clients_release(struct fr_http_clients *clients, int fd)
{
    for (size_t i = 0; i < clients->count; i++)
        if (clients->list[i].fd == fd) {
            clients_remove(clients, i);
            return;
        }
}

void fr_http_clients_shed(struct fr_http_clients *clients, size_t count)
{
    clients_prune(clients);
    for (; count > 0 && clients->count > 0; count--)
        clients_close(clients, 0);
}

void fr_http_clients_add(struct fr_http_clients *clients, int fd)
{
    static struct fr_log_limit limit;
    struct sockaddr_storage address = {.ss_family = AF_UNIX};
    socklen_t len = sizeof address;
    int victim;

    clients_prune(clients);
    getpeername(fd, (struct sockaddr *)&address, &len);
    clients->list[clients->count++] = (struct fr_http_client){
        .fd = fd,
        .inode = clients_inode(fd),
        .source = fr_address_source(&address),
        .local = fr_address_is_local(&address),
    };
    while ((victim = fr_http_clients_victim(clients)) >= 0) {
        fr_log_limited(
            &limit, FR_LOG_WARNING,
            "admin: an idle connection is closed for a new one: the maximum is %d connections "
            "from one address and %d in all; check which clients use the ports of `admin:` and "
            "`status:`",
            FR_HTTP_CLIENTS_SOURCE_MAX, FR_HTTP_CLIENTS_MAX);
        clients_close(clients, (size_t)victim);
    }
}
