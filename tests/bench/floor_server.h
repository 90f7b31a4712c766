/*
 * floor_server.h - a minimal server: it decrypts, unmasks and acknowledges messages. It has no
 * identities, records or routing, so the difference to fleetroute is the cost of these. It has one
 * thread with epoll, and one buffer that all peers share; a peer without an incomplete frame has its
 * SSL object only.
 */
#ifndef FLOOR_SERVER_H
#define FLOOR_SERVER_H

#include <openssl/ssl.h>
#include <stdint.h>

/* Serve connections of a listening socket. Does not return. */
void floor_serve(int listener, SSL_CTX *context);

#endif
