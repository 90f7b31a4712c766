/*
 * floor_server.h - the least a server can do: decrypt, unmask, acknowledge. No identity, no
 * records, no routing. What fleetroute costs beyond it is fleetroute's own.
 */
#ifndef FLOOR_SERVER_H
#define FLOOR_SERVER_H

#include <openssl/ssl.h>
#include <stdint.h>

/* Serve on a listening socket until the process is killed. */
void floor_serve(int listener, SSL_CTX *context);

#endif
