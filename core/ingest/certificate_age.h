/*
 * certificate_age.h - whether the server's certificate is valid now, and for how long. Vehicles
 * refuse a certificate outside its validity, so the check, the log, the status and /readyz report
 * it in the same words. Any thread.
 */
#ifndef FR_CERTIFICATE_AGE_H
#define FR_CERTIFICATE_AGE_H

#include <openssl/ssl.h>
#include <stdint.h>

enum fr_certificate_age {
    FR_CERTIFICATE_VALID,
    FR_CERTIFICATE_EXPIRES_SOON, /* in less than 21 days, or a third of its whole validity */
    FR_CERTIFICATE_NOT_YET_VALID,
    FR_CERTIFICATE_EXPIRED,
};

#define FR_CERTIFICATE_AGE_SIZE 160

/* The age of the certificate of a context at `now_s` (seconds since 1970). `why` gets a sentence
 * with the date and the remedy, or the number of days left. A certificate without readable times
 * has expired. */
enum fr_certificate_age fr_certificate_age(const SSL_CTX *context, int64_t now_s,
                                           char why[FR_CERTIFICATE_AGE_SIZE]);

#endif
