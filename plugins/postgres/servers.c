#include "postgres/servers.h"

#include <arpa/inet.h>
#include <event2/dns.h>
#include <event2/util.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEYWORDS_MAX 64 /* keywords of libpq, and those that are added */
#define SERVERS_MAX 16
#define ADDRESSES_MAX 8 /* of one name */
#define POLL_MS 10
#define SYSTEM_CAS "/etc/ssl/certs/ca-certificates.crt"

/* A name that is being resolved. libevent's DNS client cannot be freed in its own callback, nor between
 * a cancellation and its callback. It has therefore an event base of its own, whose events are handled
 * every POLL_MS, and at once after a cancellation. */
struct resolution {
    struct servers *servers; /* NULL: no longer awaited */
    struct event_base *base; /* owned */
    struct evdns_base *dns;  /* owned */
    struct event *poll;      /* of the sink's event base */
    struct evdns_getaddrinfo_request *request;
    bool done;
    int error;
};

struct servers {
    PQconninfoOption *options; /* libpq's; owned */
    struct event_base *base;
    struct resolution *resolution; /* of the current name; NULL: none runs; owned */
    void (*ready)(void *ctx, const char *why);
    void *ctx;
    char *lists[3];                          /* copies of host, hostaddr and port; owned */
    const char *hosts[SERVERS_MAX];          /* ""  : the default */
    const char *host_addresses[SERVERS_MAX]; /* "": the name is resolved */
    const char *ports[SERVERS_MAX];
    size_t count, current; /* of the names */
    char addresses[ADDRESSES_MAX][INET6_ADDRSTRLEN];
    size_t address_count, address; /* of the current name; `address` is the current one */
    bool started;
    char text[400];
};

/* ---- the connection string ------------------------------------------------------- */

static PQconninfoOption *servers_option(PQconninfoOption *options, const char *keyword)
{
    for (PQconninfoOption *o = options; o->keyword != NULL; o++)
        if (strcmp(o->keyword, keyword) == 0)
            return o;
    return NULL;
}

static const char *servers_value(PQconninfoOption *options, const char *keyword)
{
    const PQconninfoOption *o = servers_option(options, keyword);

    return o != NULL && o->val != NULL ? o->val : "";
}

static PQconninfoOption *servers_parse(const char *connection, char *why, size_t why_size)
{
    char *error = NULL;
    PQconninfoOption *options = PQconninfoParse(connection, &error);

    if (options == NULL) {
        snprintf(why, why_size, "%.*s", error != NULL ? (int)strcspn(error, "\n") : 9,
                 error != NULL ? error : "no memory");
        PQfreemem(error);
    }
    return options;
}

/* Split a list of libpq at its commas. Returns the number of words, or SERVERS_MAX + 1. */
static size_t servers_split(char *list, const char *words[SERVERS_MAX])
{
    size_t count = 0;

    if (list[0] == '\0')
        return 0;
    for (char *at = list; at != NULL; count++) {
        char *comma = strchr(at, ',');

        if (count == SERVERS_MAX)
            return SERVERS_MAX + 1;
        words[count] = at;
        if (comma != NULL)
            *comma++ = '\0';
        at = comma;
    }
    return count;
}

/* Fill the servers from the options. NULL, or a mistake. */
static const char *servers_list(struct servers *s)
{
    static const char *const keywords[] = {"host", "hostaddr", "port"};
    const char **words[] = {s->hosts, s->host_addresses, s->ports};
    size_t counts[3];

    for (int i = 0; i < 3; i++) {
        s->lists[i] = strdup(servers_value(s->options, keywords[i]));
        if (s->lists[i] == NULL)
            return "no memory";
        counts[i] = servers_split(s->lists[i], words[i]);
        if (counts[i] > SERVERS_MAX)
            return "at most 16 servers are supported";
    }
    s->count = counts[0] > counts[1] ? counts[0] : counts[1];
    s->count = s->count != 0 ? s->count : 1;
    if (counts[0] != 0 && counts[1] != 0 && counts[0] != counts[1])
        return "host and hostaddr must have the same number of words";
    if (counts[2] > 1 && counts[2] != s->count)
        return "port must have one word, or one for each host";
    for (size_t i = 0; i < s->count; i++) {
        s->hosts[i] = counts[0] != 0 ? s->hosts[i] : "";
        s->host_addresses[i] = counts[1] != 0 ? s->host_addresses[i] : "";
        s->ports[i] = counts[2] == 0 ? "" : counts[2] == 1 ? s->ports[0] : s->ports[i];
    }
    return NULL;
}

struct servers *servers_new(const char *connection, struct event_base *base, char *why,
                            size_t why_size)
{
    struct servers *s = calloc(1, sizeof *s);
    const char *mistake = "no memory";

    if (s != NULL && (s->options = servers_parse(connection, why, why_size)) == NULL) {
        servers_free(s);
        return NULL;
    }
    if (s != NULL && (mistake = servers_list(s)) == NULL) {
        s->base = base;
        return s;
    }
    snprintf(why, why_size, "%s", mistake);
    servers_free(s);
    return NULL;
}

/* Not in a callback of the DNS client. NULL is allowed. */
static void servers_free_resolution(struct resolution *r)
{
    if (r == NULL)
        return;
    r->servers = NULL;
    if (r->request != NULL && !r->done) {
        evdns_getaddrinfo_cancel(r->request);
        for (int i = 0; i < 10 && !r->done; i++)
            event_base_loop(r->base, EVLOOP_NONBLOCK);
    }
    if (r->poll != NULL)
        event_free(r->poll);
    if (r->dns != NULL)
        evdns_base_free(r->dns, 0);
    if (r->base != NULL)
        event_base_free(r->base);
    free(r);
}

void servers_free(struct servers *s)
{
    if (s == NULL)
        return;
    servers_free_resolution(s->resolution);
    for (int i = 0; i < 3; i++)
        free(s->lists[i]);
    PQconninfoFree(s->options);
    free(s);
}

bool servers_mistake(const char *connection, char *why, size_t why_size)
{
    struct servers *s = servers_new(connection, NULL, why, why_size);
    bool password = s != NULL && servers_value(s->options, "password")[0] != '\0';
    bool none = s != NULL && servers_value(s->options, "dbname")[0] == '\0' &&
                servers_value(s->options, "service")[0] == '\0';
    bool found = s == NULL || password || none;

    if (password)
        snprintf(why, why_size,
                 "a password does not belong here: use `password_file:` or passfile");
    else if (none)
        snprintf(why, why_size, "dbname is missing, such as dbname=fleetroute");
    servers_free(s);
    return found;
}

/* ---- names ----------------------------------------------------------------------- */

static bool servers_is_address(const char *text)
{
    unsigned char address[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, text, address) == 1 || inet_pton(AF_INET6, text, address) == 1;
}

static bool servers_is_socket(const char *host)
{
    return host[0] == '\0' || host[0] == '/' || host[0] == '@';
}

static void servers_take_addresses(struct servers *s, const struct evutil_addrinfo *list)
{
    s->address_count = s->address = 0;
    for (const struct evutil_addrinfo *a = list; a != NULL && s->address_count < ADDRESSES_MAX;
         a = a->ai_next)
        if (getnameinfo(a->ai_addr, a->ai_addrlen, s->addresses[s->address_count],
                        sizeof s->addresses[0], NULL, 0, NI_NUMERICHOST) == 0)
            s->address_count++;
}

static void servers_report(struct servers *s, int error)
{
    char why[400];

    snprintf(why, sizeof why, "%.250s: %s (check the host in `connection:`)", s->hosts[s->current],
             error != 0 ? evutil_gai_strerror(error) : "no address");
    s->ready(s->ctx, s->address_count != 0 ? NULL : why);
}

static void servers_resolved(int error, struct evutil_addrinfo *list, void *ctx)
{
    struct resolution *r = ctx;

    r->done = true;
    r->error = error;
    if (r->servers != NULL)
        servers_take_addresses(r->servers, list);
    if (list != NULL)
        evutil_freeaddrinfo(list);
}

static void servers_poll(evutil_socket_t fd, short what, void *ctx)
{
    struct servers *s = ctx;
    struct resolution *r = s->resolution;
    int error;

    (void)fd, (void)what;
    event_base_loop(r->base, EVLOOP_NONBLOCK);
    if (!r->done)
        return;
    error = r->error;
    s->resolution = NULL;
    servers_free_resolution(r);
    servers_report(s, error);
}

static bool servers_prepare_resolution(struct servers *s, struct resolution *r)
{
    r->base = event_base_new();
    /* New for each resolution, because resolv.conf may have changed. */
    r->dns = r->base != NULL ? evdns_base_new(r->base, 0) : NULL;
    r->poll = event_new(s->base, -1, EV_PERSIST, servers_poll, s);
    return r->dns != NULL && r->poll != NULL &&
           event_add(r->poll, &(struct timeval){0, POLL_MS * 1000}) == 0;
}

static void servers_resolve(struct servers *s)
{
    const struct evutil_addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct resolution *r = calloc(1, sizeof *r);

    if (r == NULL || !servers_prepare_resolution(s, r)) {
        servers_free_resolution(r);
        servers_report(s, EVUTIL_EAI_MEMORY);
        return;
    }
    r->servers = s;
    s->resolution = r;
    evdns_base_resolv_conf_parse(r->dns, DNS_OPTIONS_ALL, "/etc/resolv.conf");
    evdns_base_set_option(r->dns, "timeout", "2");
    evdns_base_set_option(r->dns, "attempts", "2");
    r->request = evdns_getaddrinfo(r->dns, s->hosts[s->current], NULL, &hints, servers_resolved, r);
}

static void servers_name(struct servers *s)
{
    const char *host = s->hosts[s->current], *port = s->ports[s->current];

    if (host[0] == '\0')
        host = s->host_addresses[s->current];
    snprintf(s->text, sizeof s->text, "%.250s%s%.10s/%.64s",
             host[0] != '\0' ? host : "the default server", port[0] != '\0' ? ":" : "", port,
             servers_value(s->options, "dbname"));
}

void servers_next(struct servers *s, void (*ready)(void *, const char *), void *ctx)
{
    const char *host;

    servers_free_resolution(s->resolution);
    s->resolution = NULL;
    if (s->address + 1 < s->address_count) {
        s->address++;
        ready(ctx, NULL);
        return;
    }
    s->current = s->started ? (s->current + 1) % s->count : 0;
    s->started = true;
    s->address_count = s->address = 0;
    servers_name(s);
    host = s->hosts[s->current];
    /* Without a host, libpq's environment or service file names it. */
    if (s->host_addresses[s->current][0] != '\0' || servers_is_socket(host) ||
        servers_is_address(host)) {
        ready(ctx, NULL);
        return;
    }
    s->ready = ready;
    s->ctx = ctx;
    servers_resolve(s);
}

bool servers_has_more(const struct servers *s)
{
    return s->current + 1 < s->count || s->address + 1 < s->address_count;
}

/* ---- connecting ------------------------------------------------------------------ */

static bool servers_is_loopback(const char *host)
{
    return strcmp(host, "localhost") == 0 || strcmp(host, "::1") == 0 ||
           strncmp(host, "127.", 4) == 0;
}

struct keywords {
    const char *names[KEYWORDS_MAX], *values[KEYWORDS_MAX];
    size_t count;
};

static void servers_add_keyword(struct keywords *k, const char *name, const char *value)
{
    if (k->count < KEYWORDS_MAX - 1 && value != NULL && value[0] != '\0') {
        k->names[k->count] = name;
        k->values[k->count++] = value;
    }
}

/* Add a keyword that the connection string does not have. */
static void servers_add_default(const struct servers *s, struct keywords *k, const char *name,
                                const char *value)
{
    if (servers_value(s->options, name)[0] == '\0')
        servers_add_keyword(k, name, value);
}

static bool servers_is_local(const struct servers *s)
{
    const char *host = s->hosts[s->current], *address = s->host_addresses[s->current];

    if (servers_value(s->options, "service")[0] != '\0')
        return false;
    return address[0] != '\0'
               ? servers_is_loopback(address) && (servers_is_loopback(host) || host[0] == '\0')
               : servers_is_socket(host) || servers_is_loopback(host);
}

static void servers_add_tls(const struct servers *s, struct keywords *k)
{
    const char *mode = servers_value(s->options, "sslmode");

    if (mode[0] == '\0' && !servers_is_local(s))
        servers_add_keyword(k, "sslmode", mode = "verify-full");
    if (strncmp(mode, "verify", 6) == 0 && access(SYSTEM_CAS, R_OK) == 0)
        servers_add_default(s, k, "sslrootcert", SYSTEM_CAS);
}

PGconn *servers_connect(const struct servers *s, const char *password)
{
    struct keywords k = {.count = 0};
    const char *address = s->host_addresses[s->current];

    for (const PQconninfoOption *o = s->options; o->keyword != NULL; o++)
        if (strcmp(o->keyword, "host") != 0 && strcmp(o->keyword, "hostaddr") != 0 &&
            strcmp(o->keyword, "port") != 0)
            servers_add_keyword(&k, o->keyword, o->val);
    servers_add_keyword(&k, "host", s->hosts[s->current]);
    servers_add_keyword(&k, "hostaddr", s->address_count != 0 ? s->addresses[s->address] : address);
    servers_add_keyword(&k, "port", s->ports[s->current]);
    servers_add_keyword(&k, "password", password);
    servers_add_keyword(&k, "client_encoding", "UTF8");
    servers_add_tls(s, &k);
    servers_add_default(s, &k, "gssencmode", "disable"); /* Kerberos would block the thread */
    servers_add_default(s, &k, "target_session_attrs", "read-write");
    servers_add_default(s, &k, "application_name", "fleetroute");
    return PQconnectStartParams(k.names, k.values, 0);
}

const char *servers_address(const struct servers *s)
{
    return s->text;
}
