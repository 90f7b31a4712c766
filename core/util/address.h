/* Classification of IP addresses: loopback, local peers, and the key under which the connections of
 * one peer are counted; the text of an address. */
#ifndef FR_ADDRESS_H
#define FR_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* Returns whether `address`, a numeric IPv4 or IPv6 address, is a loopback address. */
bool fr_is_loopback(const char *address);

/* Returns the key under which the connections of a peer are counted: the IPv4 address, or the /64
 * network of an IPv6 address, because one subscriber has a whole /64. An IPv4-mapped IPv6 address
 * has the key of its IPv4 address. Other address families have the key 0. */
uint64_t fr_address_source(const struct sockaddr_storage *address);

/* Returns whether a peer is on this machine: a loopback address or a Unix socket. */
bool fr_address_is_local(const struct sockaddr_storage *address);

/* Bytes of "[IPv6 address]:port" and its NUL. */
#define FR_ADDRESS_TEXT_SIZE 56

/* Write "192.0.2.7:443" or "[2001:db8::7]:443"; "a peer without an address" for another family. Any
 * thread. */
void fr_address_text(const struct sockaddr_storage *address, char text[FR_ADDRESS_TEXT_SIZE]);

#endif
