/*
 * The checks of `fleetroute doctor`: the chain from the configuration to the entity in Home
 * Assistant, link by link. A link is one check with a stable id; it reports one line, or one for
 * each vehicle or sink.
 */
#ifndef FR_DOCTOR_H
#define FR_DOCTOR_H

#include <stdio.h>

/* From the best to the worst. */
enum fr_doctor_level {
    FR_DOCTOR_OK,
    FR_DOCTOR_SKIPPED, /* not checked; the text has the reason */
    FR_DOCTOR_WARNING,
    FR_DOCTOR_FAILURE,
    FR_DOCTOR_LEVELS /* their number */
};

struct fr_doctor;

struct fr_doctor_options {
    const char *path; /* of fleetroute.yaml */
    const char *vin;  /* check this vehicle alone; NULL: all vehicles of routing.yaml */
};

/* Run all checks. `on_link` (NULL: none) is called after each link, so that its lines can be printed
 * at once. Takes at most about a minute: each network step has a limit, and so have all together.
 * Never NULL; the caller frees the result with fr_doctor_free(). Main thread. */
struct fr_doctor *fr_doctor_run(const struct fr_doctor_options *options,
                                void (*on_link)(const struct fr_doctor *doctor, void *ctx),
                                void *ctx);
void fr_doctor_free(struct fr_doctor *doctor);

/* The exit status: 0 if all links are ok or skipped, 1 with a warning, 2 with a failure. */
int fr_doctor_status(const struct fr_doctor *doctor);

/* Print the lines of the last link, one line for each report. */
void fr_doctor_print_link(const struct fr_doctor *doctor, FILE *to);

/* Print the numbers of links that are ok, skipped, and so on, in one line. */
void fr_doctor_print_summary(const struct fr_doctor *doctor, FILE *to);

#endif
