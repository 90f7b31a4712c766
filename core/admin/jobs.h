/*
 * jobs.h - work that takes too long for the event loop, such as reading files or the history. Threads
 * of their own do it.
 *
 * Clients share the threads fairly. At most one job of a client runs, so one client cannot occupy all
 * threads. Jobs of different clients start in turns, however many of them a client has waiting. A job
 * that does not start within FR_JOBS_WAIT_MS is not started any more. When FR_JOBS_MAX jobs wait or
 * run, a job of a client with fewer ends the newest waiting job of the client with the most.
 *
 * All functions, and done() and is_unwanted() of a job, run in the thread of the event loop.
 */
#ifndef FR_JOBS_H
#define FR_JOBS_H

#include <event2/event.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "util/error.h"

#define FR_JOBS_THREADS 2
#define FR_JOBS_MAX 32        /* jobs that wait or run */
#define FR_JOBS_CLIENT_MAX 16 /* of them, of one client */
#define FR_JOBS_WAIT_MS 3000

/* Keys of clients; those of clients over the network are fr_address_source(). */
#define FR_JOBS_ADMIN_SOCKET UINT64_C(0xfffffffffffffffe)
#define FR_JOBS_CONTROL_SOCKET UINT64_C(0xffffffffffffffff)

struct fr_jobs;
struct fr_job;

enum fr_job_end {
    FR_JOB_DONE,      /* run() has returned */
    FR_JOB_LATE,      /* it was not started within FR_JOBS_WAIT_MS */
    FR_JOB_CANCELLED, /* it was not started: cancelled, displaced, no thread, or the end */
};

struct fr_job_type {
    /* The work, in a thread of the jobs. It returns soon after *cancelled has become true. */
    void (*run)(void *ctx, const _Atomic bool *cancelled);
    /* Called once for each job; it may free ctx. */
    void (*done)(void *ctx, enum fr_job_end end);
    /* Whether no client waits for the result any more; asked every 100 ms. NULL: never. */
    bool (*is_unwanted)(void *ctx);
};

/* The threads start with the first job. Returns NULL with `error` set on failure. */
struct fr_jobs *fr_jobs_new(struct event_base *base, struct fr_error *error);

/* Cancel all jobs, wait for the end of those that run, and end them all with done(). NULL is
 * ignored. */
void fr_jobs_free(struct fr_jobs *jobs);

/* Add a job. Returns NULL if too many jobs wait: done() is not called then. The result is valid until
 * done() is called, which happens after this function has returned. */
struct fr_job *fr_jobs_add(struct fr_jobs *jobs, uint64_t client, const struct fr_job_type *type,
                           void *ctx);

/* Cancel a job: it is not started, or *cancelled becomes true. done() is called later. */
void fr_job_cancel(struct fr_job *job);

#endif
