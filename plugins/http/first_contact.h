/*
 * The first connection to the server, without a request, so that a mistake in the configuration is
 * reported before the first record. It is repeated until it succeeds or the health is known from a
 * request.
 *
 * Everything runs on the sink's thread.
 */
#ifndef FR_HTTP_FIRST_CONTACT_H
#define FR_HTTP_FIRST_CONTACT_H

struct http_sink;
struct first_contact;

/* Start it. NULL: no memory. The caller frees it; NULL is permitted there. */
struct first_contact *first_contact_new(struct http_sink *sink);
void first_contact_free(struct first_contact *contact);

#endif
