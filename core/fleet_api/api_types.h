/* What the calls of the Fleet API return. Texts are cleaned: valid UTF-8 without control characters. */
#ifndef FR_API_TYPES_H
#define FR_API_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Max vehicles of an account, and max errors of one answer; more are dropped. */
#define FR_API_VEHICLES_MAX 100000
#define FR_API_ERRORS_MAX 1000

struct fr_api_vehicle_error {
    char vin[18];
    char created_at[40];
    char name[64];       /* client id, as Tesla gives it */
    char error_name[64]; /* "": none */
    char error[512];     /* control characters removed */
};

/* VINs with recent errors. */
struct fr_api_vins {
    char (*list)[18];
    size_t count;
};

struct fr_api_vehicle_errors {
    struct fr_api_vehicle_error *list;
    size_t count;
};

struct fr_api_vehicle {
    char vin[18];
    char name[64];  /* cleaned; "": none */
    char state[16]; /* "online", "asleep", "offline" or "" */
    bool owner;     /* access_type is not DRIVER */
};

struct fr_api_vehicles {
    struct fr_api_vehicle *list;
    size_t count;
};

/* fleet_status of one vehicle. Tristates: 1, 0; -1: null or absent. */
struct fr_api_vehicle_status {
    char vin[18];
    bool known; /* the answer names the vehicle */
    bool key_paired;
    int protocol_required;
    int toggle;                 /* safety_screen_streaming_toggle_enabled */
    int total_keys;             /* -1: unknown */
    char firmware[32];          /* "": unknown */
    char telemetry_version[32]; /* "": null or absent */
};

enum fr_api_skip {
    FR_API_SKIP_NONE,
    FR_API_SKIP_MISSING_KEY,
    FR_API_SKIP_HARDWARE,
    FR_API_SKIP_FIRMWARE,
    FR_API_SKIP_MAX_CONFIGS,
    FR_API_SKIP_OTHER, /* a reason that is not known here */
};

struct fr_api_config_state {
    bool synced;
    bool limit_reached;
    int key_paired; /* -1: absent */
    char *config;   /* compact JSON with sorted keys; NULL: null or absent */
};

#endif
