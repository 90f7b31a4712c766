/*
 * Key files for CURVE: a file with the server's secret key, and a file with the public keys of the
 * clients. A key is 40 characters of Z85 (RFC 32 of ZeroMQ). The functions block on the disk, and any
 * thread may call them.
 */
#ifndef FR_ZMQ_CURVE_KEYS_H
#define FR_ZMQ_CURVE_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#define CURVE_KEY_SIZE 41 /* a key in Z85, with its NUL */

/*
 * Read the secret key of a file: 40 characters of Z85 alone, a certificate of pyzmq or czmq
 * (secret-key = "…"), or the JSON of Tesla's server ({"secret": "…"}). False: *why, of `size` bytes,
 * is the reason and the remedy. The caller erases `key`.
 */
bool curve_read_secret(const char *path, char key[CURVE_KEY_SIZE], char *why, size_t size);

/* Copy the secret key of such a file's text. False: there is none; `key` is then undefined. */
bool curve_find_secret(const char *text, char key[CURVE_KEY_SIZE]);

enum curve_listed {
    CURVE_LISTED,
    CURVE_NOT_LISTED,
    CURVE_UNREADABLE, /* errno has the cause; EINVAL: no regular file; EFBIG: above 1 MiB */
};

/* Whether a client's public key is in the file `path`: one key in Z85 a line; text behind blanks or # is
 * a comment. */
enum curve_listed curve_file_lists(const char *path, const char *key);

/* Whether the text of such a file has this key. */
bool curve_text_lists(const char *text, size_t len, const char *key);

#endif
