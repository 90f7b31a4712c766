/*
 * Runs the real sink (core/sink, core/route and the journal) in virtual time, with a plugin that
 * prints its deliveries. property.py generates the cases and compares the output with its model.
 *
 * Input, one item on each line; a YAML text of BYTES bytes follows its line:
 *   case SINKS MODE RESTORE JOURNAL     sinks s0, s1, …; MODE log or latest; RESTORE and JOURNAL 0 or 1
 *   routing BYTES
 *   MS record VIN CREATED_MS RESEND FIELD:MEMBER:VALUE…     CREATED_MS -: no creation time
 *   MS reload BYTES
 *   MS rewind SEQ
 *   MS restart                          stop the sink as a reload does, and start it again
 *   MS down, MS up                      between them the plugin completes with FR_RETRY
 *   MS end
 * Output, for each sink of each case:
 *   sink NAME
 *   MS received TOTAL                   records that have passed the routes so far
 *   MS value VIN FIELD NAME UNIT FLAGS CREATED_MS TEXT
 *   MS done                             the windows are flushed and all values are delivered
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/routing_config.h"
#include "config/server_config.h"
#include "journal/journal.h"
#include "journal/last_values.h"
#include "sim/sim_message.h"
#include "sink/sink.h"
#include "sink/sink_state.h"
#include "util/log.h"
#include "util/memory.h"
#include "virtual_time.h"

#define ACTIONS_MAX 4096
#define DATA_MAX 32

static struct {
    char *lines[ACTIONS_MAX];
    int64_t at[ACTIONS_MAX];
    char *text[ACTIONS_MAX]; /* the YAML text of a reload */
    size_t count, next;
    unsigned sinks;
    bool latest, restore, journal_on;
    char *routing_text;
} script;

static struct {
    char folder[64];
    struct fr_server_config *config;
    struct fr_diagnostics diagnostics;
    struct fr_routing *routing;
    struct fr_journal *journal;
    struct fr_values *values;
    struct fr_sink *sink;
    size_t index; /* of the sink */
    bool down;
    bool main_acts; /* the main thread stops the sink; the virtual clock stands still */
    uint64_t received, received_before; /* records, in all runs of the sink and before this run */
    sem_t main_wanted;
} run;

static void fail(const char *message)
{
    fprintf(stderr, "drive: %s\n", message);
    exit(2);
}

/* ---- the plugin ------------------------------------------------------------------ */

static const struct fr_host *host;
static struct fr_virtual_script virtual_script;

static void *plugin_open(struct fr_sink *sink, const struct fr_host *functions)
{
    host = functions;
    fr_virtual_enter(&virtual_script);
    return sink;
}

static void print_delivery(struct fr_sink *sink, const struct fr_delivery *d)
{
    size_t len;
    const char *text = host->value(sink, d, &len);

    printf("%" PRId64 " value %s %u %s %s %u %" PRId64 " %.*s\n", fr_virtual_now(), d->vin,
           d->field, d->name, d->unit[0] != '\0' ? d->unit : "-", d->flags,
           d->created_ms == 0 ? 0 : d->created_ms - FR_VIRTUAL_WALL_MS, (int)len, text);
}

static void plugin_deliver(void *state, struct fr_delivery *const *deliveries, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!run.down)
            print_delivery(state, deliveries[i]);
        host->done(state, deliveries[i], run.down ? FR_RETRY : FR_DONE);
    }
}

static void plugin_close(void *state)
{
    (void)state;
}

static const struct fr_plugin plugin = {
    FR_PLUGIN_HEADER,      .name = "recorder",
    .version = "1",        .summary = "prints its deliveries",
    .open = plugin_open,   .deliver = plugin_deliver,
    .close = plugin_close,
};

/* ---- actions --------------------------------------------------------------------- */

static struct fr_routing *parse_routing(const char *text)
{
    static const char *const names[] = {"s0", "s1", "s2", "s3"};
    struct fr_routing *routing =
        fr_routing_parse(text, strlen(text), "routing", names, script.sinks, &run.diagnostics);

    if (routing == NULL) {
        fr_diagnostics_print(&run.diagnostics, stderr);
        fail("the routing has errors");
    }
    return routing;
}

/* The texts of the data point into `text`, which is modified. */
static size_t parse_data(char *text, struct fr_sim_datum *data)
{
    size_t n = 0;

    for (char *word = strtok(text, " "); word != NULL; word = strtok(NULL, " ")) {
        struct fr_sim_datum *d = &data[n++];
        int at;

        if (n > DATA_MAX || sscanf(word, "%u:%u:%n", &d->field, &d->member, &at) < 2)
            fail("a datum is malformed");
        d->text = d->member == 1 ? word + at : NULL;
        if (d->member == 7)
            sscanf(word + at, "%lf,%lf", &d->real, &d->real2);
        else if (d->member == 5)
            d->real = strtod(word + at, NULL);
        else if (d->member != 1)
            d->integer = strtoll(word + at, NULL, 10);
    }
    return n;
}

static void enqueue(struct fr_record *record)
{
    struct fr_queue_entry entry = {record, false};

    if (run.journal == NULL) {
        fr_sink_enqueue(run.sink, &entry, 1);
        return;
    }
    fr_journal_enqueue(run.journal, &entry, 1);
}

/* On a thread in virtual time the deadline of fr_values_sync() is computed from the virtual clock,
 * which is behind the real one, so the call may time out at once. */
static void sync_values(void)
{
    while (run.values != NULL && !fr_values_sync(run.values, 1000))
        usleep(100);
}

/* "VIN CREATED RESEND DATA…" */
static void act_record(const char *line)
{
    char *text = fr_strdup(line);
    struct fr_sim_datum data[DATA_MAX] = {0};
    struct fr_buffer payload = {0};
    struct fr_record_source source = {
        .topic = (const uint8_t *)"V", .topic_len = 1, .client_version = ""};
    char vin[32], created[32], txid[32];
    struct fr_error error;
    static unsigned number;
    int resend, at;
    size_t count;
    struct fr_record *record;

    if (sscanf(text, "%31s %31s %d %n", vin, created, &resend, &at) < 3)
        fail("a record is malformed");
    count = parse_data(text + at, data);
    fr_sim_payload(&payload, data, count, vin,
                   created[0] == '-' && created[1] == '\0'
                       ? 0
                       : (strtoll(created, NULL, 10) + FR_VIRTUAL_WALL_MS) * 1000000,
                   resend != 0);
    source.vin = vin;
    source.txid = (const uint8_t *)txid;
    source.txid_len = (size_t)snprintf(txid, sizeof txid, "t%u", number++);
    source.payload = payload.bytes;
    source.payload_len = payload.len;
    source.received_ms = FR_VIRTUAL_WALL_MS + fr_virtual_now();
    record = fr_record_new(&source, &error);
    if (record == NULL)
        fail(error.text);
    fr_buffer_free(&payload);
    free(text);
    enqueue(record);
}

static int64_t script_next(void *ctx)
{
    (void)ctx;
    if (run.main_acts)
        return INT64_MIN;
    return script.next < script.count ? script.at[script.next] : INT64_MAX;
}

static bool is_action(const char *line, const char *word)
{
    return strncmp(line, word, strlen(word)) == 0;
}

/* Records of the same time are enqueued at once. Returns whether the sink's thread is woken. */
static bool script_act(void *ctx)
{
    int64_t now = script.at[script.next];
    const char *line = script.lines[script.next];

    (void)ctx;
    if (run.main_acts)
        return true;
    if (is_action(line, "record")) {
        /* Under load the sink's timer is set for the next records, and they wake no thread. */
        bool timer_set = atomic_load(&run.sink->thread.wake_pending);

        while (script.next < script.count && script.at[script.next] == now &&
               is_action(script.lines[script.next], "record"))
            act_record(script.lines[script.next++] + strlen("record "));
        while (run.journal != NULL && !fr_journal_flush(run.journal, 1000))
            usleep(100);
        return !timer_set;
    }
    if (is_action(line, "reload")) {
        struct fr_routing *routing = parse_routing(script.text[script.next++]);

        fr_routing_unref(run.routing);
        run.routing = routing;
        sync_values();
        fr_sink_reroute(run.sink, routing, run.index);
        return true;
    }
    if (is_action(line, "rewind")) {
        fr_sink_rewind(run.sink, strtoull(line + strlen("rewind "), NULL, 10));
        script.next++;
        return true;
    }
    if (is_action(line, "down") || is_action(line, "up")) {
        run.down = is_action(line, "down");
        host->health(run.sink, run.down ? FR_HEALTH_DOWN : FR_HEALTH_UP, "as in the script");
        script.next++;
        return false;
    }
    run.main_acts = true; /* restart, end */
    sem_post(&run.main_wanted);
    return true;
}

static void script_idle(void *ctx, int64_t now_ms)
{
    struct fr_sink_status status;

    (void)ctx;
    fr_sink_status(run.sink, &status);
    if (status.received + run.received_before != run.received) {
        run.received = status.received + run.received_before;
        printf("%" PRId64 " received %" PRIu64 "\n", now_ms, run.received);
    }
}

/* ---- one sink of a case ---------------------------------------------------------- */

static void write_config(void)
{
    char path[96];
    FILE *file;

    snprintf(path, sizeof path, "%s/fleetroute.yaml", run.folder);
    file = fopen(path, "w");
    if (file == NULL)
        fail("cannot write the configuration");
    fprintf(file,
            "tls: {certificate: fleetroute.yaml, key: fleetroute.yaml, vehicle_ca: "
            "fleetroute.yaml}\nrouting: fleetroute.yaml\nstate: %s\nsinks:\n",
            run.folder);
    for (unsigned i = 0; i < script.sinks; i++)
        fprintf(file, "  s%u: {plugin: recorder, delivery: %s, restore: %s}\n", i,
                script.latest ? "latest" : "log", script.restore ? "true" : "false");
    fclose(file);
    run.config = fr_server_config_load(path, &run.diagnostics);
    if (run.config == NULL || run.diagnostics.errors != 0) {
        fr_diagnostics_print(&run.diagnostics, stderr);
        fail("the configuration has errors");
    }
}

static void start_journal(void)
{
    char path[96];
    struct fr_journal_settings settings = {
        .path = path,
        .size = 64 << 20,
        .retention_ms = INT64_C(1) << 40,
        .commit_records = 1000,
        .duplicates = 0,
    };
    struct fr_error error;

    if (!script.journal_on)
        return;
    snprintf(path, sizeof path, "%s/journal", run.folder);
    run.journal = fr_journal_start(&settings, NULL, NULL, &error);
    if (run.journal == NULL)
        fail(error.text);
    run.values = fr_values_start(run.journal, 3600000, &error);
    if (run.values == NULL)
        fail(error.text);
}

static void ignore_writable(void *ctx)
{
    (void)ctx;
}

static void start_sink(void)
{
    struct fr_yaml_file file = {"config", &run.diagnostics};
    struct fr_sink_env env = {.journal = run.journal,
                              .values = run.values,
                              .dead_letters = run.folder,
                              .on_writable = ignore_writable};
    struct fr_options *options =
        fr_options_read("recorder", NULL, &file, NULL, run.config->sinks[run.index].node);
    struct fr_error error;

    run.sink = fr_sink_new(run.config, run.index, &plugin, options);
    if (fr_sink_start(run.sink, run.routing, run.index, &env, &error) != 0)
        fail(error.text);
}

static void stop_sink(void)
{
    struct fr_sink_status status;

    fr_sink_end(run.sink);
    while (!fr_sink_ended(run.sink))
        usleep(100);
    fr_sink_stop(run.sink);
    fr_sink_status(run.sink, &status);
    run.received_before += status.received;
    fr_sink_free(run.sink);
    run.sink = NULL;
}

static void run_sink(size_t index)
{
    char command[96];

    strcpy(run.folder, "/tmp/fr-routing.XXXXXX");
    if (mkdtemp(run.folder) == NULL)
        fail("cannot make a folder");
    run.index = index;
    run.received = run.received_before = 0;
    run.down = run.main_acts = false;
    script.next = 0;
    fr_virtual_set(0);
    printf("sink s%zu\n", index);
    write_config();
    run.routing = parse_routing(script.routing_text);
    start_journal();
    start_sink();
    for (bool ended = false; !ended;) {
        while (sem_wait(&run.main_wanted) != 0)
            ;
        ended = is_action(script.lines[script.next++], "end");
        stop_sink();
        printf("%" PRId64 " done\n", fr_virtual_now());
        if (ended)
            break;
        sync_values();
        run.main_acts = false;
        start_sink();
    }
    fr_values_stop(run.values);
    run.values = NULL;
    if (run.journal != NULL) {
        fr_journal_stop(run.journal, true);
        fr_journal_free(run.journal);
    }
    run.journal = NULL;
    fr_routing_unref(run.routing);
    fr_server_config_unref(run.config);
    fr_diagnostics_free(&run.diagnostics);
    memset(&run.diagnostics, 0, sizeof run.diagnostics);
    snprintf(command, sizeof command, "rm -r %s", run.folder);
    if (system(command) != 0)
        fail("cannot remove a folder");
}

/* ---- reading cases --------------------------------------------------------------- */

static char *read_text(size_t size)
{
    char *text = fr_calloc(size + 1, 1);

    if (fread(text, 1, size, stdin) != size)
        fail("a text is truncated");
    return text;
}

static void free_script(void)
{
    for (size_t i = 0; i < script.count; i++) {
        free(script.lines[i]);
        free(script.text[i]);
    }
    free(script.routing_text);
    memset(&script, 0, sizeof script);
}

static void run_case(void)
{
    for (size_t i = 0; i < script.sinks; i++)
        run_sink(i);
    printf("end\n");
    fflush(stdout);
    free_script();
}

static void read_action(const char *line)
{
    long long at = 0;
    size_t size;
    int word = 0;

    if (script.count == ACTIONS_MAX || sscanf(line, "%lld %n", &at, &word) < 1)
        fail("an action is malformed");
    script.at[script.count] = at;
    script.lines[script.count] = fr_strdup(line + word);
    if (sscanf(line + word, "reload %zu", &size) == 1)
        script.text[script.count] = read_text(size);
    script.count++;
    if (is_action(line + word, "end"))
        run_case();
}

int main(void)
{
    char *line = NULL, mode[16];
    size_t capacity = 0, size;
    int restore, journal;

    fr_log_set_level(FR_LOG_ERROR);
    sem_init(&run.main_wanted, 0, 0);
    virtual_script = (struct fr_virtual_script){script_next, script_act, script_idle, NULL};
    while (getline(&line, &capacity, stdin) > 0) {
        line[strcspn(line, "\n")] = '\0';
        if (sscanf(line, "case %u %15s %d %d", &script.sinks, mode, &restore, &journal) == 4) {
            script.latest = strcmp(mode, "latest") == 0;
            script.restore = restore != 0;
            script.journal_on = journal != 0;
        } else if (sscanf(line, "routing %zu", &size) == 1)
            script.routing_text = read_text(size);
        else
            read_action(line);
    }
    free(line);
    return 0;
}
