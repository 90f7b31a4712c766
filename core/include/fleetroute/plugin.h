/*
 * fleetroute/plugin.h - all that a sink plugin sees of fleetroute.
 *
 * A plugin is a shared object that exports one symbol, `fleetroute_plugin`, a
 * struct fr_plugin. fleetrouted loads it for each sink of the configuration that
 * names it, and gives each sink a thread of its own.
 *
 * The threading rule: everything of one sink instance happens on that sink's
 * thread. Two sinks of one plugin are two instances on two threads, so a plugin
 * keeps its state in what open() returns and has no writable globals.
 *
 * See fleetroute-plugin(7), and tests/example_plugin for a whole one.
 */
#ifndef FLEETROUTE_PLUGIN_H
#define FLEETROUTE_PLUGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Grows when a struct or a promise below changes; a plugin of another number is refused. */
#define FLEETROUTE_PLUGIN_ABI 5

struct event_base;
struct fr_sink;

/* ---- values ---------------------------------------------------------------------- */

enum fr_value_kind {
    FR_VALUE_NONE,     /* the datum came without a value */
    FR_VALUE_INVALID,  /* the vehicle says: not measurable, or does not apply now */
    FR_VALUE_BOOL,     /* boolean */
    FR_VALUE_INT,      /* integer */
    FR_VALUE_REAL,     /* real */
    FR_VALUE_TEXT,     /* text: UTF-8, not NUL-terminated */
    FR_VALUE_ENUM,     /* choice */
    FR_VALUE_LOCATION, /* location: degrees, north and east positive */
    FR_VALUE_DOORS,    /* bits: FR_DOOR_* that are open */
    FR_VALUE_TIRES,    /* bits: 1 << enum fr_tire of the tyres it is about */
    FR_VALUE_CLOCK,    /* clock: a time of day */
};

enum fr_door {
    FR_DOOR_DRIVER_FRONT = 1 << 0,
    FR_DOOR_DRIVER_REAR = 1 << 1,
    FR_DOOR_PASSENGER_FRONT = 1 << 2,
    FR_DOOR_PASSENGER_REAR = 1 << 3,
    FR_DOOR_TRUNK_FRONT = 1 << 4,
    FR_DOOR_TRUNK_REAR = 1 << 5,
};

/* One value in the one type that its field always has, however the vehicle sent it. */
struct fr_value {
    enum fr_value_kind kind;
    union {
        bool boolean;
        int64_t integer;
        double real;
        struct {
            const char *bytes;
            size_t len;
        } text;
        struct {
            const char
                *name; /* short name such as "D" or "Charging"; NULL: a number we do not know */
            int32_t number;
        } choice;
        struct {
            double latitude;
            double longitude;
        } location;
        uint32_t bits;
        struct {
            int32_t hour;
            int32_t minute;
            int32_t second;
        } clock;
    };
};

/* ---- deliveries ------------------------------------------------------------------ */

enum fr_delivery_kind {
    FR_DELIVERY_RECORD, /* a whole record: `bytes` */
    FR_DELIVERY_FIELD,  /* one value of one field: `field`, `name`, `value`, `unit` */
};

enum fr_format {
    FR_FORMAT_DEFAULT,    /* what the plugin's descriptor prefers */
    FR_FORMAT_PROTOBUF,   /* the record's protobuf message, as Tesla's server passes it on */
    FR_FORMAT_JSON,       /* fleetroute's JSON: one object with canonical values */
    FR_FORMAT_TESLA_JSON, /* the JSON that Tesla's server makes with transmit_decoded_records */
};

/* How a sink is served when its plugin does not keep up, or was away. */
enum fr_delivery_mode {
    FR_MODE_DEFAULT, /* as the plugin's descriptor says; there it means FR_MODE_LOG */
    FR_MODE_LOG,     /* every delivery, in order for each vehicle */
    FR_MODE_LATEST,  /* of values that wait only the newest of each vehicle and field */
};

enum fr_mark {
    FR_MARK_RESEND = 1 << 0,   /* the vehicle sent it before */
    FR_MARK_LATE = 1 << 1,     /* created before something this vehicle already delivered */
    FR_MARK_RESTORED = 1 << 2, /* a last value told again, not from the vehicle now */
    FR_MARK_REPEATED = 1 << 3, /* may have been delivered before a crash or a rewind */
};

/*
 * What a sink is asked to deliver. It belongs to fleetroute; every pointer in it holds
 * until the plugin reports done() for it.
 */
struct fr_delivery {
    enum fr_delivery_kind kind;
    const char *vin;
    const char *vehicle_name; /* from routing.yaml; NULL where the vehicle has none */
    const char
        *record_type; /* "V", "alerts", "errors", "connectivity" or the vehicle's own topic */
    const char *txid;
    size_t txid_len;
    const char *client_version; /* the vehicle's Version header; "" where it sent none */
    int64_t created_ms;         /* when the vehicle measured it, ms since 1970; 0: it did not say */
    int64_t received_ms;        /* when fleetroute got it, ms since 1970 */
    uint32_t marks;             /* FR_MARK_* */

    /* FR_DELIVERY_RECORD */
    enum fr_format format;
    const uint8_t *bytes;
    size_t len;

    /* Of a field: the route's `as`, else the field's name. Of a record: the route's `as`, by which
     * it may ask the plugin for something; else NULL. */
    const char *name;

    /* FR_DELIVERY_FIELD */
    uint32_t field;         /* number in the vehicle's protocol */
    const char *field_name; /* the field's own, whatever `as` says */
    const char *unit;       /* of value, after conversion; "" where it has none */
    struct fr_value value;

    void *plugin_data; /* the plugin's own, NULL at first: to find a delivery again */
};

enum fr_outcome {
    FR_DONE,    /* delivered: the acknowledgement to the vehicle depends on this answer */
    FR_RETRY,   /* the peer is away: not delivered. All deliveries wait and are handed to deliver()
                 * again after a pause, without a limit of attempts. Report FR_HEALTH_DOWN too. To
                 * keep the order, what was handed over later and is not delivered must be answered
                 * FR_RETRY too. */
    FR_REFUSED, /* this delivery can never succeed: it goes to the dead letters at once */
    FR_FAILED,  /* the peer works, and this delivery failed; it may succeed later. It is tried again
                 * `retry: attempts` times, then it goes to the dead letters. Later deliveries of
                 * the same vehicle and record type wait for it; others do not. */
};

/* ---- what fleetroute offers a plugin --------------------------------------------- */

enum fr_level {
    FR_LOG_ERROR,
    FR_LOG_WARNING,
    FR_LOG_NOTICE,
    FR_LOG_INFO,
    FR_LOG_DEBUG,
};

enum fr_health {
    FR_HEALTH_UP,
    FR_HEALTH_DEGRADED, /* works, but somebody should look */
    FR_HEALTH_DOWN,     /* nothing is delivered at present */
};

/*
 * Called on the sink's thread only. Option calls are for names in the descriptor's list;
 * their types and bounds were checked when the configuration was read.
 */
struct fr_host {
    /* Write one line to fleetroute's log; the sink's name is put before it. */
    void (*log)(struct fr_sink *sink, enum fr_level level, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

    /* Report the outcome of one delivery, once, from within deliver() or later. */
    void (*done)(struct fr_sink *sink, struct fr_delivery *delivery, enum fr_outcome outcome);

    /* The same for FR_FAILED and FR_REFUSED, with the reason and the remedy, for people; it is
     * copied. The sink is shown as degraded with this text until a minute without failures. */
    void (*fail)(struct fr_sink *sink, struct fr_delivery *delivery, enum fr_outcome outcome,
                 const char *format, ...) __attribute__((format(printf, 4, 5)));

    /* Say how the sink is. The text, for people, says why; it is copied. When it is up again,
     * what was answered FR_RETRY comes again at once. */
    void (*health)(struct fr_sink *sink, enum fr_health health, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

    /* The libevent base of the sink's thread, for the plugin's own sockets and timers. */
    struct event_base *(*event_base)(struct fr_sink *sink);

    /* The sink's name in the configuration. Holds as long as the sink. */
    const char *(*name)(struct fr_sink *sink);

    /* A folder for what this sink must remember, made if it is not there (mode 0750). NULL, with a
     * log line: it cannot be made; the sink is degraded until a later call can. Holds as long as the
     * sink. */
    const char *(*state_dir)(struct fr_sink *sink);

    /* Text of an option, or its default (which may be NULL). Holds as long as the sink. */
    const char *(*text)(struct fr_sink *sink, const char *option);

    /* Number of an option: FR_OPTION_INTEGER as it is, FR_OPTION_BOOLEAN 0 or 1,
     * FR_OPTION_DURATION in ms, FR_OPTION_SIZE in bytes, FR_OPTION_CHOICE its place in the list. */
    int64_t (*number)(struct fr_sink *sink, const char *option);

    /* Call each() for every key of a FR_OPTION_MAP, in the file's order, until it returns
     * non-zero; returns what the last each() returned. */
    int (*each)(struct fr_sink *sink, const char *option,
                int (*each)(const char *key, const char *text, void *context), void *context);

    /* A delivery as one JSON object, NUL-terminated, without a newline: a JSON record's bytes as
     * they are, a field's value with its vehicle, name, unit and times. Holds until the next
     * call, or until deliver() or the event's callback returns. *len may be NULL. */
    const char *(*json)(struct fr_sink *sink, const struct fr_delivery *delivery, size_t *len);

    /* A value alone as JSON: a number, text, true or false, an object, or null. As json(). */
    const char *(*value)(struct fr_sink *sink, const struct fr_delivery *delivery, size_t *len);

    /* The peer has lost its state: deliver the last value of every field routed to this sink
     * again, marked FR_MARK_RESTORED. Nothing happens without a journal. */
    void (*restore)(struct fr_sink *sink);

    /* In check() or open(): the option is wrong. The message is shown with file, line and
     * column; say what is wrong and what would be right. `key` names one key of a map, or NULL. */
    void (*wrong)(struct fr_sink *sink, const char *option, const char *key, const char *format,
                  ...) __attribute__((format(printf, 4, 5)));
};

/* ---- what a plugin offers fleetroute --------------------------------------------- */

enum fr_option_type {
    FR_OPTION_TEXT,
    FR_OPTION_INTEGER,
    FR_OPTION_BOOLEAN,
    FR_OPTION_DURATION, /* "500 ms", "5 s", "7 d" */
    FR_OPTION_SIZE,     /* "64 kB", "100 MB", "1 GiB" */
    FR_OPTION_CHOICE,   /* one of `choices` */
    FR_OPTION_MAP,      /* any keys, each with one text */
    FR_OPTION_PATH,     /* a text: files are written there; a pattern may follow after a % */
};

struct fr_option {
    const char *name;
    enum fr_option_type type;
    const char *initial; /* as it would stand in YAML; NULL: none */
    bool required;
    const char *choices; /* FR_OPTION_CHOICE: the words, with '|' between */
    const char *meaning; /* one line, shown by `fleetroute check --options` */
};

struct fr_plugin {
    uint32_t abi;                    /* FLEETROUTE_PLUGIN_ABI */
    const char *name;                /* "kafka" */
    const char *version;             /* the plugin's own */
    const char *summary;             /* one line for people */
    const struct fr_option *options; /* ends with a NULL name; may be NULL */
    enum fr_format format;           /* of whole records, where a route names none */
    size_t in_flight;                /* deliveries it may hold unfinished; 0: 10,000 */
    enum fr_delivery_mode mode;      /* where the configuration names none */

    /* Look at the options for mistakes that their types do not show; report each with
     * host->wrong(). Touches nothing outside. May be NULL. */
    void (*check)(struct fr_sink *sink, const struct fr_host *host);

    /* Begin. Returns the instance's state, or NULL after host->wrong() or an error log line.
     * A peer that cannot be reached is no failure: begin anyway and report health. */
    void *(*open)(struct fr_sink *sink, const struct fr_host *host);

    /* Deliver these, in order. Each must be answered with host->done(), now or later. */
    void (*deliver)(void *state, struct fr_delivery *const *batch, size_t count);

    /* Finish what is unfinished soon: the daemon is about to stop. May be NULL. */
    void (*flush)(void *state);

    /* End: give everything back. Deliveries without an answer count as not delivered. */
    void (*close)(void *state);
};

/* ---- sources --------------------------------------------------------------------- */

/*
 * A shared object may also export `fleetroute_source`, a struct fr_source_plugin: records that
 * come from elsewhere than vehicles. Its instances have a thread each, under the same rule.
 */
struct fr_source;

/* One record, lent for the call. */
struct fr_submission {
    const char *vin;
    size_t vin_len;
    const char *record_type; /* "V", … */
    size_t record_type_len;
    const char *txid; /* what it is known by if it comes again */
    size_t txid_len;
    const char *client_version; /* "" where it is not known */
    int64_t received_ms;        /* when it was first received, ms since 1970; 0: now */
    enum fr_format format;      /* FR_FORMAT_PROTOBUF or FR_FORMAT_TESLA_JSON */
    const void *bytes;
    size_t len;
};

enum fr_submitted {
    FR_SUBMITTED,    /* stored() will count it when it is safe */
    FR_SUBMIT_LATER, /* there is no room; submit it again when room() is called */
    FR_SUBMIT_LEFT,  /* left out, counted and logged: malformed, or of a vehicle not listed */
};

/* As struct fr_host, for sources. */
struct fr_source_host {
    void (*log)(struct fr_source *source, enum fr_level level, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
    void (*health)(struct fr_source *source, enum fr_health health, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
    struct event_base *(*event_base)(struct fr_source *source);
    const char *(*name)(struct fr_source *source);
    const char *(*text)(struct fr_source *source, const char *option);
    int64_t (*number)(struct fr_source *source, const char *option);
    int (*each)(struct fr_source *source, const char *option,
                int (*each)(const char *key, const char *text, void *context), void *context);
    void (*wrong)(struct fr_source *source, const char *option, const char *key, const char *format,
                  ...) __attribute__((format(printf, 4, 5)));

    /* Put a record into the journal. */
    enum fr_submitted (*submit)(struct fr_source *source, const struct fr_submission *submission);
};

struct fr_source_plugin {
    uint32_t abi; /* FLEETROUTE_PLUGIN_ABI */
    const char *name;
    const char *version;
    const char *summary;
    const struct fr_option *options;

    void (*check)(struct fr_source *source, const struct fr_source_host *host);
    void *(*open)(struct fr_source *source, const struct fr_source_host *host);

    /* The next `count` of the records that were submitted, in their order, are on disk: whoever
     * they came from may forget them. */
    void (*stored)(void *state, size_t count);

    /* After FR_SUBMIT_LATER: there is room again. */
    void (*room)(void *state);

    void (*close)(void *state);
};

#ifdef __cplusplus
}
#endif

#endif
