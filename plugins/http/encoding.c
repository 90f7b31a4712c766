#include "http/encoding.h"

#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#define GZIP_LEVEL 6
#define GZIP_WINDOW (15 + 16) /* the largest, in the format of gzip */
#define GZIP_MEMORY 8
#define ZSTD_LEVEL 3
#define PIECE 16384 /* bytes of output at a time */

struct encoder {
    enum encoding kind;
    z_stream gzip;
    ZSTD_CCtx *zstd;
    bool is_ready;
};

struct encoder *encoder_new(enum encoding kind)
{
    struct encoder *encoder = calloc(1, sizeof *encoder);

    if (encoder == NULL)
        return NULL;
    encoder->kind = kind;
    if (kind == ENCODING_GZIP)
        encoder->is_ready = deflateInit2(&encoder->gzip, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW,
                                         GZIP_MEMORY, Z_DEFAULT_STRATEGY) == Z_OK;
    else {
        encoder->zstd = ZSTD_createCCtx();
        encoder->is_ready =
            encoder->zstd != NULL && !ZSTD_isError(ZSTD_CCtx_setParameter(
                                         encoder->zstd, ZSTD_c_compressionLevel, ZSTD_LEVEL));
    }
    if (encoder->is_ready)
        return encoder;
    encoder_free(encoder);
    return NULL;
}

void encoder_free(struct encoder *encoder)
{
    if (encoder == NULL)
        return;
    if (encoder->kind == ENCODING_GZIP && encoder->is_ready)
        deflateEnd(&encoder->gzip);
    ZSTD_freeCCtx(encoder->zstd);
    free(encoder);
}

static bool encoder_gzip(struct encoder *encoder, const void *bytes, size_t len,
                         struct fr_text_buffer *out)
{
    unsigned char piece[PIECE];
    z_stream *stream = &encoder->gzip;
    int status;

    if (len > UINT_MAX || deflateReset(stream) != Z_OK)
        return false;
    stream->next_in = (z_const Bytef *)bytes;
    stream->avail_in = (uInt)len;
    do {
        stream->next_out = piece;
        stream->avail_out = sizeof piece;
        status = deflate(stream, Z_FINISH);
        fr_text_buffer_append(out, piece, sizeof piece - stream->avail_out);
    } while (status == Z_OK);
    return status == Z_STREAM_END;
}

static bool encoder_zstd(struct encoder *encoder, const void *bytes, size_t len,
                         struct fr_text_buffer *out)
{
    char piece[PIECE];
    ZSTD_inBuffer in = {bytes, len, 0};
    size_t left;

    ZSTD_CCtx_reset(encoder->zstd, ZSTD_reset_session_only);
    ZSTD_CCtx_setPledgedSrcSize(encoder->zstd, len);
    do {
        ZSTD_outBuffer to = {piece, sizeof piece, 0};

        left = ZSTD_compressStream2(encoder->zstd, &to, &in, ZSTD_e_end);
        if (ZSTD_isError(left))
            return false;
        fr_text_buffer_append(out, piece, to.pos);
    } while (left != 0);
    return true;
}

bool encoder_encode(struct encoder *encoder, const void *bytes, size_t len,
                    struct fr_text_buffer *out)
{
    fr_text_buffer_clear(out);
    return (encoder->kind == ENCODING_GZIP ? encoder_gzip(encoder, bytes, len, out)
                                           : encoder_zstd(encoder, bytes, len, out)) &&
           !out->failed;
}
