/*
 * slow_wakeup.so - simulates a thread that is not scheduled for a while: when it is preloaded into the daemon
 * (LD_PRELOAD), librdkafka queues events before its reports are enabled.
 */
#include <dlfcn.h>
#include <poll.h>
#include <stddef.h>

#define DELAY_MS 1000

typedef void enable(void *, int, const void *, size_t);

void rd_kafka_queue_io_event_enable(void *queue, int fd, const void *payload, size_t size);

void rd_kafka_queue_io_event_enable(void *queue, int fd, const void *payload, size_t size)
{
    /* A plugin's library is not in the scope of RTLD_NEXT. */
    void *library = dlopen("librdkafka.so.1", RTLD_LAZY | RTLD_NOLOAD);

    if (fd >= 0)
        poll(NULL, 0, DELAY_MS); /* the sandbox forbids sleep(3) */
    ((enable *)dlsym(library, "rd_kafka_queue_io_event_enable"))(queue, fd, payload, size);
    dlclose(library);
}
