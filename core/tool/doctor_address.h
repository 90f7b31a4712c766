/*
 * Names and addresses for `fleetroute doctor`: resolution and TCP connections with a time limit, and
 * what kind of address a name has.
 */
#ifndef FR_DOCTOR_ADDRESS_H
#define FR_DOCTOR_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "util/error.h"

#define FR_DOCTOR_ADDRESSES_MAX 8
#define FR_DOCTOR_ADDRESS_SIZE 64

struct fr_doctor_addresses {
    struct sockaddr_storage list[FR_DOCTOR_ADDRESSES_MAX];
    size_t count;
};

/* Resolve a name to addresses with this port. getaddrinfo(3) has no time limit, so it runs on a
 * thread of its own, which may outlast this call. Returns 0 with at least one address, or -1 with the
 * cause in `error`. */
int fr_doctor_resolve(const char *name, uint16_t port, int64_t limit_ms,
                      struct fr_doctor_addresses *addresses, struct fr_error *error);

/* The address alone, without the port. */
void fr_doctor_address_text(const struct sockaddr_storage *address,
                            char text[FR_DOCTOR_ADDRESS_SIZE]);

/* Whether other networks cannot route to the address: private, shared, link-local or loopback. */
bool fr_doctor_address_is_private(const struct sockaddr_storage *address);

/* Whether a network interface of this machine has the address. */
bool fr_doctor_address_is_own(const struct sockaddr_storage *address);

/* Connect within `limit_ms`. Returns a non-blocking socket, which the caller closes, or -1 with
 * errno set. */
int fr_doctor_connect(const struct sockaddr_storage *address, int64_t limit_ms);

#endif
