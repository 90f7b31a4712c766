/*
 * fleetroute/plugin.h - the interface between fleetroute and its plugins.
 *
 * A sink plugin is a shared object that exports the symbol `fleetroute_plugin`, a struct
 * fr_plugin. A source plugin exports `fleetroute_source`, a struct fr_source_plugin. One object
 * may export both.
 *
 * Threads: fleetrouted runs each sink and each source on a thread of its own, and calls the
 * plugin's functions for it on that thread only. Two sinks of one plugin run on two threads, so a
 * plugin keeps its state in the object that open() returns and has no writable globals.
 *
 * Versions: every struct of this interface begins with its size in bytes, is part of such a
 * struct, or is an element of an array whose element size is passed. A new minor version only
 * appends members and adds enum values. fleetroute loads a plugin of its own major version and the
 * same or an older minor version; members that an older plugin does not have are zero.
 *
 * fleetroute-plugin(7) is the guide; tests/example_plugin has a complete plugin.
 */
#ifndef FLEETROUTE_PLUGIN_H
#define FLEETROUTE_PLUGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The major version changes when an existing member or promise changes, the minor version when
 * something is appended. */
#define FLEETROUTE_PLUGIN_ABI_MAJOR 6u
#define FLEETROUTE_PLUGIN_ABI_MINOR 2u
#define FLEETROUTE_PLUGIN_ABI (FLEETROUTE_PLUGIN_ABI_MAJOR << 16 | FLEETROUTE_PLUGIN_ABI_MINOR)

/* The first members of a descriptor: `const struct fr_plugin fleetroute_plugin = {
 * FR_PLUGIN_HEADER, .name = ...}`, and the same for a source. */
#define FR_PLUGIN_HEADER                                                                           \
    .size = sizeof(struct fr_plugin), .abi = FLEETROUTE_PLUGIN_ABI,                                \
    .option_size = sizeof(struct fr_option)
#define FR_SOURCE_PLUGIN_HEADER                                                                    \
    .size = sizeof(struct fr_source_plugin), .abi = FLEETROUTE_PLUGIN_ABI,                         \
    .option_size = sizeof(struct fr_option)

struct event_base;
struct fr_sink;

/* ---- values ---------------------------------------------------------------------- */

enum fr_value_kind {
    FR_VALUE_NONE,     /* the datum has no value */
    FR_VALUE_INVALID,  /* the vehicle marked it: not measurable, or not applicable */
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

/* A value in the canonical type of its field, whatever type the vehicle sent. Part of struct
 * fr_delivery: its layout changes only with the major version. */
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
            const char *name; /* short name such as "D" or "Charging"; NULL: unknown number */
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
    FR_FORMAT_DEFAULT,    /* the format in the plugin's descriptor */
    FR_FORMAT_PROTOBUF,   /* the record's protobuf message, as Tesla's server publishes it */
    FR_FORMAT_JSON,       /* fleetroute's JSON: one object with canonical values */
    FR_FORMAT_TESLA_JSON, /* the JSON that Tesla's server makes with transmit_decoded_records */
};

/* The deliveries that a sink gets when it is slower than the vehicles, or was unavailable. */
enum fr_delivery_mode {
    FR_MODE_DEFAULT, /* as the plugin's descriptor says; there it means FR_MODE_LOG */
    FR_MODE_LOG,     /* every delivery, in order for each vehicle */
    FR_MODE_LATEST,  /* only the newest waiting value of each vehicle and field */
};

enum fr_flag {
    FR_FLAG_RESEND = 1 << 0,   /* the vehicle sent it before */
    FR_FLAG_LATE = 1 << 1,     /* older than an earlier value of this vehicle */
    FR_FLAG_RESTORED = 1 << 2, /* a stored last value, not a new one from the vehicle */
    FR_FLAG_REPEATED = 1 << 3, /* may have been delivered before a crash or a rewind */
};

/*
 * One delivery to a sink. fleetroute owns it; it and all that it points to are valid until the
 * plugin reports its outcome.
 */
struct fr_delivery {
    size_t size; /* of this struct, in bytes */
    enum fr_delivery_kind kind;
    const char *vin;
    const char *vehicle_name; /* from routing.yaml; NULL where the vehicle has none */
    const char
        *record_type; /* "V", "alerts", "errors", "connectivity", "presence" or another topic */
    const char *txid;
    size_t txid_len;
    const char *client_version; /* the vehicle's Version header; "" if it sent none */
    int64_t created_ms;         /* when the vehicle measured it, ms since 1970; 0: unknown */
    int64_t received_ms;        /* when fleetroute received it, ms since 1970 */
    uint32_t flags;             /* FR_FLAG_* */

    /* FR_DELIVERY_RECORD */
    enum fr_format format;
    const uint8_t *bytes;
    size_t len;

    /* Field: the route's `as`, else the field's name. Record: the route's `as`, whose meaning the
     * plugin defines; else NULL. */
    const char *name;

    /* FR_DELIVERY_FIELD */
    uint32_t field;         /* number in the vehicle's protocol */
    const char *field_name; /* the field's own name, without regard to `as` */
    const char *unit;       /* of value, after conversion; "" if it has none */
    struct fr_value value;

    void *plugin_data; /* for the plugin's use; NULL at first */
};

enum fr_outcome {
    FR_DONE,    /* delivered: the acknowledgement to the vehicle depends on this outcome */
    FR_RETRY,   /* not delivered: the peer is unavailable. All deliveries wait and are passed to
                 * deliver() again after a pause, without a limit of attempts. Report FR_HEALTH_DOWN
                 * too. To keep the order, report FR_RETRY also for every later delivery that is not
                 * done. */
    FR_REFUSED, /* this delivery can never succeed: it goes to the dead letters at once */
    FR_FAILED,  /* the peer works, and this delivery failed; it may succeed later. It is tried again
                 * `retry: attempts` times, then it goes to the dead letters. Later deliveries of
                 * the same vehicle and record type wait for it; other deliveries do not. */
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
    FR_HEALTH_DEGRADED, /* works, and needs an administrator */
    FR_HEALTH_DOWN,     /* nothing is delivered at present */
};

/* One message that the MQTT dispatcher of Tesla's server publishes for a delivery. Its topic there
 * is BASE/VIN/KIND, BASE/VIN/KIND/NAME or BASE/VIN/KIND/NAME/PART. Since ABI 6.1. */
struct fr_tesla_message {
    size_t size;      /* of this struct, in bytes; set by the plugin before the call */
    const char *kind; /* "v" for a value, else the record type, such as "alerts" */
    const char *name; /* of the field, alert or error, as sent: it may contain any characters, and
                         * is not NUL-terminated; NULL: there is none */
    size_t name_len;
    const char *part;    /* "current" or "history" of an alert; NULL: there is none */
    const char *payload; /* JSON, byte for byte as Tesla's server writes it */
    size_t len;
};

enum fr_tesla_result {
    FR_TESLA_MESSAGE, /* the message is filled in */
    FR_TESLA_END,     /* there is no message with this index */
    FR_TESLA_UNKNOWN, /* a record that Tesla's server does not publish by MQTT */
    FR_TESLA_FAILED,  /* memory is exhausted */
};

/*
 * The functions that a sink plugin may call, on the sink's thread only. The option functions take
 * names of the descriptor's list; types and bounds of the values were checked when the
 * configuration was read.
 */
struct fr_host {
    size_t size; /* of this struct, in bytes */

    /* Write one line to fleetroute's log, with the sink's name before it. At most
     * 60 lines a minute, without debug lines. */
    void (*log)(struct fr_sink *sink, enum fr_level level, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

    /* Report the outcome of one delivery, exactly once, within deliver() or later. */
    void (*done)(struct fr_sink *sink, struct fr_delivery *delivery, enum fr_outcome outcome);

    /* Report FR_FAILED or FR_REFUSED with a text for people: the reason and the remedy. The text is
     * copied. The sink is reported as degraded with this text until a minute without failures. */
    void (*fail)(struct fr_sink *sink, struct fr_delivery *delivery, enum fr_outcome outcome,
                 const char *format, ...) __attribute__((format(printf, 4, 5)));

    /* Report the health of the sink, with a text for people: the reason and the remedy. The text is
     * copied. After FR_HEALTH_UP, deliveries that wait after FR_RETRY are passed on at once. */
    void (*health)(struct fr_sink *sink, enum fr_health health, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

    /* The libevent base of the sink's thread, for the plugin's own sockets and timers. */
    struct event_base *(*event_base)(struct fr_sink *sink);

    /* The sink's name in the configuration. Valid as long as the sink. */
    const char *(*name)(struct fr_sink *sink);

    /* A folder for the persistent state of this sink, created if it does not exist (mode 0750). NULL,
     * with a log line, if it cannot be created; the sink is then degraded until a later call
     * succeeds. Valid as long as the sink. */
    const char *(*state_dir)(struct fr_sink *sink);

    /* Text of an option, or its default (which may be NULL). Valid as long as the sink. */
    const char *(*text)(struct fr_sink *sink, const char *option);

    /* Number of an option: FR_OPTION_INTEGER as it is, FR_OPTION_BOOLEAN 0 or 1,
     * FR_OPTION_DURATION in ms, FR_OPTION_SIZE in bytes, FR_OPTION_CHOICE its index in the list. */
    int64_t (*number)(struct fr_sink *sink, const char *option);

    /* Call each() for every key of a FR_OPTION_MAP, in the file's order, until it returns
     * non-zero; returns what the last each() returned. */
    int (*each)(struct fr_sink *sink, const char *option,
                int (*each)(const char *key, const char *text, void *context), void *context);

    /* A delivery as one JSON object, NUL-terminated, without a newline: a JSON record's bytes as
     * they are, a field's value with its vehicle, name, unit and times. Valid until the next
     * call, or until deliver() or the event's callback returns. len may be NULL. */
    const char *(*json)(struct fr_sink *sink, const struct fr_delivery *delivery, size_t *len);

    /* A value alone as JSON: a number, text, true or false, an object, or null. As json(). */
    const char *(*value)(struct fr_sink *sink, const struct fr_delivery *delivery, size_t *len);

    /* The peer has lost its state: deliver the last value of every field that is routed to this sink
     * again, with FR_FLAG_RESTORED, in any mode. Without a journal, or with `restore: false`, this
     * does nothing. */
    void (*restore)(struct fr_sink *sink);

    /* In check() or open(): report a mistake in an option. The message is printed with file, line
     * and column; it names the mistake and a valid value. `key`: one key of a map, or NULL. */
    void (*config_error)(struct fr_sink *sink, const char *option, const char *key,
                         const char *format, ...) __attribute__((format(printf, 4, 5)));

    /* Since ABI 6.1. Get the message with this index, from 0, that Tesla's server publishes by MQTT
     * for a delivery: one for a value, and any number for alerts and errors, whatever the format of
     * the record is. A value is in the type that the vehicle sent, without regard to the field's
     * canonical type, unless the route converts its unit. Indexes in ascending order take time
     * linear in the size of the delivery. Pointers are valid until the next call of tesla_message(),
     * json() or value(), or until deliver() or the event's callback returns. */
    enum fr_tesla_result (*tesla_message)(struct fr_sink *sink, const struct fr_delivery *delivery,
                                          size_t index, struct fr_tesla_message *message);

    /* Since ABI 6.2. The maximum time in milliseconds between two batches that follows from
     * fr_plugin.gather_ms: 0 without a journal. */
    uint32_t (*gather_ms)(struct fr_sink *sink);
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
    FR_OPTION_PATH,     /* a text: a path to which the plugin writes; patterns begin with % */
};

struct fr_option {
    const char *name;
    enum fr_option_type type;
    const char *default_value; /* as written in YAML; NULL: none */
    bool required;
    const char *choices;     /* FR_OPTION_CHOICE: the words, with '|' between */
    const char *description; /* one line, printed by `fleetroute check --options` */
};

/* Begins with FR_PLUGIN_HEADER. */
struct fr_plugin {
    size_t size;                     /* of this struct, in bytes */
    uint32_t abi;                    /* FLEETROUTE_PLUGIN_ABI */
    uint32_t option_size;            /* of struct fr_option, in bytes */
    const char *name;                /* "kafka" */
    const char *version;             /* the plugin's own */
    const char *summary;             /* one line for people */
    const struct fr_option *options; /* ends with a NULL name; may be NULL */
    enum fr_format format;           /* of whole records, unless the route names one */
    size_t in_flight;                /* max unfinished deliveries; 0: 10,000 */
    enum fr_delivery_mode mode;      /* unless the configuration names one */

    /* Check the options beyond their types; report each mistake with host->config_error(). Required
     * options have a value; an option with a mistake in its type has its default value. Must not touch
     * files or the network. May be NULL. */
    void (*check)(struct fr_sink *sink, const struct fr_host *host);

    /* Start the sink. Returns its state, or NULL after host->config_error() or an error log line.
     * An unreachable peer is no failure: start, and report the health. */
    void *(*open)(struct fr_sink *sink, const struct fr_host *host);

    /* Deliver these, in order. Report each outcome with host->done() or fail(), now or later. */
    void (*deliver)(void *state, struct fr_delivery *const *batch, size_t count);

    /* Finish open deliveries soon: the daemon is about to stop. May be NULL. */
    void (*flush)(void *state);

    /* Stop the sink and free its state. Deliveries without an outcome count as not delivered. */
    void (*close)(void *state);

    /* Since ABI 6.2. Minimum time in milliseconds between two batches under load, at most 1,000: a
     * batch for each write of the journal costs more CPU time than it saves in delay. A record that
     * comes after a longer pause is delivered at once. While fewer than 400 records arrive in this
     * time, it is up to 2.5 times as long. 0: the core's own minimum. Without a journal it has no
     * effect. */
    uint32_t gather_ms;
};

/* ---- sources --------------------------------------------------------------------- */

/*
 * A source submits records that do not come from a vehicle's connection. Each source has a thread
 * of its own, as a sink has.
 */
struct fr_source;

/* Flags of a submission. */
enum {
    /* Not to be stored. An earlier consumer has submitted the record; it shows which front-ends have
     * the vehicle. FR_SUBMIT_REJECTED is returned. */
    FR_SUBMISSION_HISTORY = 1 << 0,
};

/* One record. fleetroute copies it before submit() returns. */
struct fr_submission {
    size_t size; /* of this struct, in bytes */
    const char *vin;
    size_t vin_len;
    const char *record_type; /* "V", … */
    size_t record_type_len;
    const char *txid; /* identifies the record if it is submitted again */
    size_t txid_len;
    const char *client_version; /* "" if it is not known */
    int64_t received_ms;        /* when it was first received, ms since 1970; 0: now */
    enum fr_format format;      /* FR_FORMAT_PROTOBUF or FR_FORMAT_TESLA_JSON */
    const void *bytes;
    size_t len;

    /* Since ABI 6.2. */
    uint32_t part;  /* of the origin, such as a partition; all records of a vehicle are in one */
    uint32_t flags; /* FR_SUBMISSION_* */
};

enum fr_submitted {
    FR_SUBMITTED,       /* accepted; stored() counts it when it is on disk */
    FR_SUBMIT_AGAIN,    /* no capacity: submit it again after on_writable() */
    FR_SUBMIT_REJECTED, /* not stored: malformed, or of a vehicle that is not listed, which is
                         * counted and logged; or it served to merge the presence */
};

/* The functions that a source plugin may call, on its thread only; as those of struct fr_host. */
struct fr_source_host {
    size_t size; /* of this struct, in bytes */
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
    void (*config_error)(struct fr_source *source, const char *option, const char *key,
                         const char *format, ...) __attribute__((format(printf, 4, 5)));

    /* Put a record into the journal. */
    enum fr_submitted (*submit)(struct fr_source *source, const struct fr_submission *submission);

    /* Since ABI 6.2. All that the origin has at this moment is submitted, and the origin is
     * reachable. Called every 500 ms; leases of front-ends last while it is called. */
    void (*up_to_date)(struct fr_source *source);

    /* Since ABI 6.2. Another consumer gets the records of this part from now on. */
    void (*part_ended)(struct fr_source *source, uint32_t part);
};

/* Begins with FR_SOURCE_PLUGIN_HEADER. */
struct fr_source_plugin {
    size_t size;          /* of this struct, in bytes */
    uint32_t abi;         /* FLEETROUTE_PLUGIN_ABI */
    uint32_t option_size; /* of struct fr_option, in bytes */
    const char *name;
    const char *version;
    const char *summary;
    const struct fr_option *options;

    void (*check)(struct fr_source *source, const struct fr_source_host *host);
    void *(*open)(struct fr_source *source, const struct fr_source_host *host);

    /* The next `count` submitted records, in their order, are on disk: their origin may delete
     * them. */
    void (*stored)(void *state, size_t count);

    /* After FR_SUBMIT_AGAIN: there is capacity again. */
    void (*on_writable)(void *state);

    void (*close)(void *state);
};

#ifdef __cplusplus
}
#endif

#endif
