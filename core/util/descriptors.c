#include "util/descriptors.h"

#include <sys/resource.h>

#define RESERVED 320 /* descriptors for purposes other than vehicle connections */
#define WITHOUT_CERTIFICATE 64
#define STREAMS 256
#define STREAMS_LIMIT 8192 /* a lower limit has no descriptors of their own for them */
#define STREAMS_MIN 32     /* of the descriptors that a lower limit reserves */

void fr_descriptors_raise(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

size_t fr_descriptors_limit(void)
{
    struct rlimit limit;

    return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? (size_t)limit.rlim_cur : 1024;
}

size_t fr_descriptors_for_vehicles(void)
{
    size_t limit = fr_descriptors_limit();

    if (limit >= STREAMS_LIMIT)
        return limit - RESERVED - STREAMS;
    return limit > 2 * RESERVED ? limit - RESERVED : limit / 2;
}

size_t fr_descriptors_for_streams(void)
{
    size_t limit = fr_descriptors_limit();

    if (limit >= STREAMS_LIMIT)
        return STREAMS;
    return limit / 32 < STREAMS_MIN ? limit / 32 : STREAMS_MIN;
}

size_t fr_descriptors_without_certificate(void)
{
    size_t part = (fr_descriptors_limit() - fr_descriptors_for_vehicles()) / 5;

    return part < WITHOUT_CERTIFICATE ? part : WITHOUT_CERTIFICATE;
}
