/*
 * http_query.h - the texts of a request: parameters of the query, and parts of the path.
 *
 * All of them come from the network. A decoded text is valid UTF-8 without control characters and
 * fits into the caller's buffer, or it is malformed. Any thread.
 */
#ifndef FR_HTTP_QUERY_H
#define FR_HTTP_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of a decoded part of a path, with its NUL. */
#define FR_HTTP_SEGMENT_SIZE 256

enum fr_http_found {
    FR_HTTP_ABSENT,    /* value is "" */
    FR_HTTP_FOUND,     /* value is the decoded text */
    FR_HTTP_MALFORMED, /* not decodable, not text, or longer than the buffer; value is "" */
};

/* Find the first parameter `key` (letters, digits, '_') in a query such as "a=1&b=%41+b" and decode
 * it: %XX is a byte, '+' a space. `size` is the size of `value`. */
enum fr_http_found fr_http_query_text(const char *query, const char *key, char *value, size_t size);

/* The same for a decimal number from `min` to `max`; `default_value` if the parameter is absent or
 * empty. Returns false if it is malformed or out of range. */
bool fr_http_query_number(const char *query, const char *key, int64_t min, int64_t max,
                          int64_t default_value, int64_t *number);

enum fr_http_match {
    FR_HTTP_NO_MATCH,
    FR_HTTP_MATCH,
    FR_HTTP_BAD_SEGMENT, /* the pattern matches, but its {…} is malformed */
};

/* Match the path of a request with a pattern. "{…}" in a pattern stands for one part of the path
 * between slashes; a pattern that ends with "*" matches every longer path. `segment`, of
 * FR_HTTP_SEGMENT_SIZE bytes, gets what they stand for, decoded; else "". A pattern has one of them
 * at most. A decoded part is never ".", "..", empty, nor does it contain '/' or '\\'; neither does
 * any part of what "*" stands for, where '/' separates parts. */
enum fr_http_match fr_http_path_match(const char *pattern, const char *path, char *segment);

#endif
