/* fleetroute check: loads the configuration and the plugins like the daemon; prints each
 * diagnostic. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "record/field_catalogue.h"
#include "daemon/setup.h"
#include "plugin/loader.h"
#include "tool/check_files.h"
#include "tool/check_routing.h"
#include "tool/commands.h"
#include "util/plural.h"

#ifndef FR_CONFIG_DIR
#define FR_CONFIG_DIR "/etc/fleetroute"
#endif

static const char help[] =
    "usage: fleetroute check [-c FILE] [--unit FILE] [--strict]\n"
    "       fleetroute check --fields\n"
    "       fleetroute check --options PLUGIN\n"
    "Reads the configuration as the daemon does and prints each error and warning with file,\n"
    "line and column. It tests the files as the user of the daemon and under the restrictions of\n"
    "its systemd unit. The exit status is 1 if there is an error.\n"
    "\n"
    "  -c, --config FILE     the configuration (" FR_CONFIG_DIR "/fleetroute.yaml)\n"
    "      --unit FILE       the systemd unit that will start the daemon (of " FR_CONFIG_DIR
    "/fleetroute.yaml:\n"
    "                        the installed fleetroute.service)\n"
    "      --strict          exit with 1 also if there is a warning\n"
    "      --fields          list the fields that can be routed, and exit\n"
    "      --options PLUGIN  list the options of a plugin, and exit\n"
    "  -h, --help            print this help and exit\n";

static void check_list_fields(void)
{
    static const char *const kinds[] = {"",         "real",  "integer", "boolean", "text", "choice",
                                        "location", "doors", "tires",   "clock",   "time"};

    for (uint32_t i = 0; i < fr_field_count(); i++) {
        const struct fr_field *f = fr_field_by_number(i);

        if (f->kind != FR_FIELD_NONE)
            printf("%-40s %-8s %-6s %-15s %-12s %s%s%s%s\n", f->name, kinds[f->kind], f->unit,
                   f->category, f->since, f->description, f->note[0] ? " (" : "", f->note,
                   f->note[0] ? ")" : "");
    }
}

static void check_print_options(const struct fr_option *o)
{
    for (; o != NULL && o->name != NULL; o++)
        printf("  %-18s %-14s %s\n", o->name,
               o->required                ? "(required)"
               : o->default_value != NULL ? o->default_value
               : o->type == FR_OPTION_MAP ? "(map)"
                                          : "",
               o->description);
}

static int check_list_options(const char *name)
{
    const char *directory = getenv("FLEETROUTE_PLUGIN_DIR");
    const struct fr_source_plugin *source;
    const struct fr_plugin *plugin;
    struct fr_error error, no_source;

    if (directory == NULL)
        directory = FR_PLUGIN_DIR;
    plugin = fr_plugin_load(name, directory, &error);
    source = fr_source_plugin_load(name, directory, &no_source);
    if (plugin == NULL && source == NULL) {
        fprintf(stderr, "fleetroute check: %s\n", error.text);
        return EXIT_FAILURE;
    }
    if (plugin != NULL) {
        printf("%s: %s\n", plugin->name, plugin->summary);
        check_print_options(plugin->options);
    }
    if (source != NULL) {
        printf("%s, under `sources:`: %s\n", source->name, source->summary);
        check_print_options(source->options);
    }
    return EXIT_SUCCESS;
}

static void check_print_counts(const char *path, const struct fr_setup *setup)
{
    const struct fr_routing *r = setup->routing;
    size_t sinks = setup->server->sink_count;

    printf("%s: valid: %zu sink%s, %zu record route%s, %zu field route%s, %zu vehicle%s%s\n", path,
           sinks, fr_plural(sinks), r->record_count, fr_plural(r->record_count), r->field_count,
           fr_plural(r->field_count), r->vehicle_count, fr_plural(r->vehicle_count),
           r->vehicle_count == 0 ? " (all are admitted)" : "");
}

/* Whether the systemd unit reads this configuration. */
static bool check_is_default(const char *path)
{
    struct stat given, standard;

    return stat(path, &given) == 0 && stat(FR_CONFIG_DIR "/fleetroute.yaml", &standard) == 0 &&
           given.st_dev == standard.st_dev && given.st_ino == standard.st_ino;
}

static struct fr_setup *check_load(const char *path, const char *unit)
{
    struct fr_setup *setup = fr_setup_load(path);

    if (setup->server != NULL && setup->server->routing != NULL) {
        fr_setup_check_certificate(setup);
        fr_check_routing(setup);
        fr_check_files(setup, unit, check_is_default(path));
    }
    return setup;
}

static int check_configuration(const char *path, const char *unit, bool strict)
{
    struct fr_setup *setup = check_load(path, unit);
    size_t errors = setup->diagnostics.errors;
    size_t warnings = setup->diagnostics.count -
                      (errors < setup->diagnostics.count ? errors : setup->diagnostics.count);
    int status = errors != 0 || (strict && warnings != 0) ? EXIT_FAILURE : EXIT_SUCCESS;

    fr_diagnostics_print(&setup->diagnostics, stdout);
    if (errors == 0 && setup->server != NULL && setup->routing != NULL)
        check_print_counts(path, setup);
    else
        printf("%zu error%s, %zu warning%s\n", errors, fr_plural(errors), warnings,
               fr_plural(warnings));
    fr_setup_free(setup);
    return status;
}

int fr_cmd_check(int argc, char **argv)
{
    static const struct option longs[] = {
        {"config", required_argument, NULL, 'c'},
        {"strict", no_argument, NULL, 's'},
        {"fields", no_argument, NULL, 'f'},
        {"options", required_argument, NULL, 'o'},
        {"unit", required_argument, NULL, 'u'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    const char *path = FR_CONFIG_DIR "/fleetroute.yaml", *unit = NULL;
    bool strict = false;
    int option;

    while ((option = getopt_long(argc, argv, "c:h", longs, NULL)) != -1) {
        switch (option) {
        case 'c':
            path = optarg;
            break;
        case 's':
            strict = true;
            break;
        case 'u':
            unit = optarg;
            break;
        case 'f':
            check_list_fields();
            return EXIT_SUCCESS;
        case 'o':
            return check_list_options(optarg);
        case 'h':
            fputs(help, stdout);
            return EXIT_SUCCESS;
        default:
            return EXIT_FAILURE;
        }
    }
    if (optind < argc)
        path = argv[optind];
    return check_configuration(path, unit, strict);
}
