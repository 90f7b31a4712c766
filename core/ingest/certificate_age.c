#include "ingest/certificate_age.h"

#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#include "util/plural.h"

#define DAY_S 86400
#define SOON_S (21 * DAY_S) /* certbot renews 30 days before the end */

static bool age_read_time(const ASN1_TIME *from, int64_t *seconds)
{
    struct tm tm;

    if (from == NULL || ASN1_TIME_to_tm(from, &tm) != 1)
        return false;
    *seconds = timegm(&tm);
    return true;
}

static void age_date(int64_t seconds, char date[32])
{
    time_t time = (time_t)seconds;
    struct tm tm;

    if (gmtime_r(&time, &tm) == NULL || strftime(date, 32, "%Y-%m-%d", &tm) == 0)
        snprintf(date, 32, "an unknown day");
}

enum fr_certificate_age fr_certificate_age(const SSL_CTX *context, int64_t now_s,
                                           char why[FR_CERTIFICATE_AGE_SIZE])
{
    const X509 *certificate = SSL_CTX_get0_certificate(context);
    int64_t begin, end, left, soon;
    char from[32], until[32];

    if (certificate == NULL || !age_read_time(X509_get0_notBefore(certificate), &begin) ||
        !age_read_time(X509_get0_notAfter(certificate), &end)) {
        snprintf(why, FR_CERTIFICATE_AGE_SIZE, "its validity cannot be read; replace it");
        return FR_CERTIFICATE_EXPIRED;
    }
    age_date(begin, from);
    age_date(end, until);
    left = end - now_s;
    soon = (end - begin) / 3 < SOON_S ? (end - begin) / 3 : SOON_S;
    if (left <= 0) {
        snprintf(why, FR_CERTIFICATE_AGE_SIZE,
                 "it has expired on %s, and vehicles refuse it; replace it", until);
        return FR_CERTIFICATE_EXPIRED;
    }
    if (begin > now_s) {
        snprintf(why, FR_CERTIFICATE_AGE_SIZE,
                 "it is not valid before %s, and vehicles refuse it; replace it, or set the clock",
                 from);
        return FR_CERTIFICATE_NOT_YET_VALID;
    }
    left /= DAY_S;
    if (end - now_s < soon) {
        snprintf(why, FR_CERTIFICATE_AGE_SIZE,
                 "it expires on %s, in %lld day%s; renew it, and check why it was not renewed",
                 until, (long long)left, fr_plural((uint64_t)left));
        return FR_CERTIFICATE_EXPIRES_SOON;
    }
    snprintf(why, FR_CERTIFICATE_AGE_SIZE, "%lld day%s left", (long long)left,
             fr_plural((uint64_t)left));
    return FR_CERTIFICATE_VALID;
}
