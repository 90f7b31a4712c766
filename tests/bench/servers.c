#include "servers.h"

#include <arpa/inet.h>
#include <ftw.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "floor_server.h"
#include "ingest/tls.h"
#include "tool/control_client.h"
#include "util/memory.h"

#define BACKLOG 1024
#define DESCRIPTORS 20000 /* of a server, at most */
#define CONNECTIONS 18000 /* limits.connections: the descriptors less those for other uses */
#define FIRST_PORT 15000  /* below the kernel's range for outgoing connections */
#define PORTS 16000
#define STATUS_LIMIT_MS 10000

/* ---- files ----------------------------------------------------------------------- */

static int servers_delete_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

void server_delete_folder(const char *path)
{
    nftw(path, servers_delete_one, 16, FTW_DEPTH | FTW_PHYS);
}

char *server_path(struct server server, const char *file)
{
    return fr_asprintf("%s/%s/%s", bench.folder, server.name, file);
}

static void servers_write_file(struct server server, const char *name, const char *text)
{
    char *path = server_path(server, name);
    FILE *file = fopen(path, "w");

    if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0) {
        perror(path);
        exit(EXIT_FAILURE);
    }
    free(path);
}

static void servers_prepare_folder(struct server server, bool keep_files)
{
    char *path = server_path(server, "");

    if (!keep_files)
        server_delete_folder(path);
    mkdir(path, 0755);
    free(path);
}

/* ---- ports ----------------------------------------------------------------------- */

static struct sockaddr_in servers_address(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static uint16_t servers_free_port(void)
{
    static unsigned offset;

    for (;;) {
        uint16_t port = (uint16_t)(FIRST_PORT + ((unsigned)getpid() * 7 + offset++) % PORTS);
        struct sockaddr_in address = servers_address(port);
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        int status = bind(fd, (struct sockaddr *)&address, sizeof address);

        close(fd);
        if (status == 0)
            return port;
    }
}

void server_await(struct server server)
{
    struct sockaddr_in address = servers_address(server.port);

    for (int i = 0; i < 3000; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        int status = connect(fd, (struct sockaddr *)&address, sizeof address);

        close(fd);
        if (status == 0)
            return;
        if (waitpid(server.pid, NULL, WNOHANG) == server.pid)
            break;
        usleep(10000);
    }
    fprintf(stderr, "the server does not answer on port %u\n", server.port);
    exit(EXIT_FAILURE);
}

/* ---- fleetrouted ----------------------------------------------------------------- */

static char *servers_sinks(const struct server_settings *s)
{
    char *file =
             fr_asprintf("  archive: {plugin: file, options: {path: \"%s/%s/%%{type}.jsonl\"%s}}\n",
                         bench.folder, s->name, s->one_file ? ", rotate_size: 0" : ""),
         *kafka = fr_asprintf("  kafka: {plugin: kafka, options: {brokers: \"%s\"}}\n",
                              bench.kafka != NULL ? bench.kafka : ""),
         *both = fr_asprintf("%s%s", s->file ? file : "", s->kafka ? kafka : "");

    free(file);
    free(kafka);
    return both;
}

static char *servers_config(struct server server, const struct server_settings *s)
{
    char *sinks = servers_sinks(s);
    char *text = fr_asprintf(
        "listen: {address: 127.0.0.1, port: %u}\n"
        "tls: {certificate: ../server.pem, key: ../server.key, vehicle_ca: ../vehicle-ca.pem}\n"
        "limits: {connections: %d}\n"
        "control: control.sock\nstate: state\njournal: %s\nplugin_dir: %s/.libs\n"
        "log: {level: warning}\nsinks:\n%s",
        server.port, CONNECTIONS, s->journal, getcwd((char[512]){0}, 512), sinks);

    free(sinks);
    return text;
}

static void servers_limit_descriptors(void)
{
    struct rlimit files = {DESCRIPTORS, DESCRIPTORS};

    setrlimit(RLIMIT_NOFILE, &files);
}

struct server server_launch(const struct server_settings *settings, uint16_t port)
{
    struct server server = {.port = port != 0 ? port : servers_free_port()};
    char *config, *path;

    snprintf(server.name, sizeof server.name, "%s", settings->name);
    config = servers_config(server, settings);
    path = server_path(server, "fleetroute.yaml");
    servers_prepare_folder(server, settings->keep_files);
    servers_write_file(server, "fleetroute.yaml", config);
    servers_write_file(server, "routing.yaml", settings->routing);
    server.pid = fork();
    if (server.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        servers_limit_descriptors();
        execl("./fleetrouted", "fleetrouted", "-c", path, (char *)NULL);
        perror("./fleetrouted");
        _exit(127);
    }
    free(path);
    free(config);
    return server;
}

struct server server_start(const struct server_settings *settings, uint16_t port)
{
    struct server server = server_launch(settings, port);

    server_await(server);
    return server;
}

json_t *server_status(struct server server)
{
    char *path = server_path(server, "control.sock");
    struct fr_error error;
    json_t *status =
        server.is_floor ? NULL : fr_control_ask(path, "status", STATUS_LIMIT_MS, &error);

    free(path);
    return status;
}

/* ---- the floor ------------------------------------------------------------------- */

static void servers_run_floor(uint16_t port)
{
    char *certificate = fr_asprintf("%s/server.pem", bench.folder),
         *key = fr_asprintf("%s/server.key", bench.folder),
         *ca = fr_asprintf("%s/vehicle-ca.pem", bench.folder);
    struct sockaddr_in address = servers_address(port);
    struct fr_tls_files files = {certificate, key, ca, NULL};
    struct fr_error error;
    SSL_CTX *context = fr_tls_context(&files, &error);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGTERM, SIG_DFL);
    servers_limit_descriptors();
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (context != NULL && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
        listen(fd, BACKLOG) == 0)
        floor_serve(fd, context);
    perror("floor");
    _exit(EXIT_FAILURE);
}

struct server server_start_floor(uint16_t port)
{
    struct server server = {.port = port != 0 ? port : servers_free_port(), .is_floor = true};

    server.pid = fork();
    if (server.pid == 0)
        servers_run_floor(server.port);
    server_await(server);
    return server;
}

void server_stop(struct server server)
{
    kill(server.pid, SIGTERM);
    waitpid(server.pid, NULL, 0);
}

void server_kill(struct server server)
{
    kill(server.pid, SIGKILL);
    waitpid(server.pid, NULL, 0);
}
