/* Starts and ends the servers that are measured. A failure ends the benchmark with a message. */
#ifndef BENCH_SERVERS_H
#define BENCH_SERVERS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct server_settings {
    const char *name;    /* folder of its files below bench.folder; at most 15 bytes */
    const char *routing; /* text of routing.yaml */
    const char *journal; /* value of `journal:` */
    bool file, kafka;    /* which sinks exist: archive, kafka */
    bool one_file;       /* archive does not rotate its file */
    bool keep_files;     /* start with the journal and the archive of the former server */
};

struct server {
    pid_t pid;
    uint16_t port;
    bool is_floor;
    char name[16];
};

/* Start fleetrouted, with an empty journal unless keep_files; `port` 0: any. The file sink writes
 * TYPE.jsonl into its folder. Returns when its port is open. */
struct server server_start(const struct server_settings *settings, uint16_t port);

/* The two halves of server_start(): start the process, and wait until its port is open. */
struct server server_launch(const struct server_settings *settings, uint16_t port);
void server_await(struct server server);

/* Start the server of floor_server.h in a child process; `port` 0: any. */
struct server server_start_floor(uint16_t port);

/* End a server with SIGTERM or with SIGKILL. */
void server_stop(struct server server);
void server_kill(struct server server);

/* The path of a file in the server's folder. The caller frees it. */
char *server_path(struct server server, const char *file);

/* The reply of fleetrouted to the control command `status`; the caller releases it. NULL: no reply
 * within 10 s, or the floor. */
json_t *server_status(struct server server);

/* Delete a folder with all that it contains. No effect if it does not exist. */
void server_delete_folder(const char *path);

#endif
