/*
 * CURVE, libzmq's encryption and authentication: answers libzmq's questions
 * whether a client's key is allowed (ZAP, RFC 27 of ZeroMQ). Everything runs on the sink's thread.
 */
#ifndef FR_ZMQ_CURVE_H
#define FR_ZMQ_CURVE_H

#include "fleetroute/plugin.h"

struct curve;

/*
 * Admit only the clients whose public keys are in the file `path`: one key in Z85 a line; text behind
 * # is a comment. The file is read at each handshake, so a removed key is refused from then on. Call
 * this before the socket is bound, and set the socket's ZMQ_ZAP_DOMAIN. `path` must stay valid. NULL: no
 * memory, or an error of libzmq.
 */
struct curve *curve_new(struct fr_sink *sink, const struct fr_host *host, void *context,
                        const char *path);

/* Close the socket. Call it before the context is destroyed. NULL is allowed. */
void curve_free(struct curve *curve);

#endif
