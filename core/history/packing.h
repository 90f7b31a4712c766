/*
 * The byte format of all rows in the history's file: a kind, a CRC-32 and numbers of variable size.
 * The file is read from disk and may be damaged, so each read is checked. Internal to core/history.
 *
 *   offset  size
 *        0     1  kind of the row, a letter
 *        1     4  CRC-32 of the kind and of the bytes from offset 5, little-endian
 *        5        content
 *
 * Unsigned numbers are varints of 7 bits a byte, lowest first; signed numbers are zigzag varints;
 * float and double are little-endian; a text has its length in front. The functions are thread-safe.
 */
#ifndef FR_HISTORY_PACKING_H
#define FR_HISTORY_PACKING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/buffer.h"

#define FR_PACK_HEAD 5 /* bytes before the content */

/* Clear the buffer and begin a row of a kind; complete the row. Numbers and texts are appended in
 * between. An allocation failure sets `failed` of the buffer. */
void fr_pack_begin(struct fr_buffer *out, char kind);
void fr_pack_end(struct fr_buffer *out);

void fr_pack_unsigned(struct fr_buffer *out, uint64_t number);
void fr_pack_signed(struct fr_buffer *out, int64_t number);
void fr_pack_float(struct fr_buffer *out, float number);
void fr_pack_double(struct fr_buffer *out, double number);
void fr_pack_text(struct fr_buffer *out, const char *text, size_t len);

/* The content of a row that is being read. After an error `failed` is set and each read returns
 * 0 or an empty text. */
struct fr_unpack {
    const uint8_t *at, *end;
    bool failed;
};

/* Begin to read a row of a kind. Returns false if the row has another kind or a wrong checksum. */
bool fr_unpack_begin(struct fr_unpack *in, const void *bytes, size_t len, char kind);

/* Returns whether all reads succeeded and no byte remains. */
bool fr_unpack_end(const struct fr_unpack *in);

uint64_t fr_unpack_unsigned(struct fr_unpack *in);
int64_t fr_unpack_signed(struct fr_unpack *in);
float fr_unpack_float(struct fr_unpack *in);
double fr_unpack_double(struct fr_unpack *in);

/* Read a text of at most size - 1 bytes into `text` and append a NUL; a longer text fails. Returns
 * its length, which counts NULs inside the text. */
size_t fr_unpack_text(struct fr_unpack *in, char *text, size_t size);

#endif
