#include "teslamate/token_file.h"

#include <ctype.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "secret_file.h"

#define DIGEST_SIZE 32

struct token_file {
    size_t count;
    unsigned char digests[TOKEN_FILE_TOKENS_MAX][DIGEST_SIZE];
};

static bool token_digest(const char *token, size_t len, unsigned char digest[DIGEST_SIZE])
{
    return EVP_Digest(token, len, digest, NULL, EVP_sha256(), NULL) == 1;
}

/* Whether a client can present the token in a query and in a header. */
static bool token_is_valid(const char *token, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)token[i]) && strchr("-._~/=", token[i]) == NULL)
            return false;
    return len >= TOKEN_LEN_MIN && len <= TOKEN_LEN_MAX;
}

/* Read the lines. Returns 0, or the number of the line that has a mistake. */
static unsigned token_read_lines(struct token_file *file, const char *text)
{
    for (unsigned line = 1; *text != '\0'; line++) {
        size_t len = strcspn(text, "\n"), end = len;

        while (end > 0 && isspace((unsigned char)text[end - 1]))
            end--;
        if (end > 0 && text[0] != '#') {
            if (file->count == TOKEN_FILE_TOKENS_MAX || !token_is_valid(text, end) ||
                !token_digest(text, end, file->digests[file->count]))
                return line;
            file->count++;
        }
        text += len + (text[len] == '\n');
    }
    return 0;
}

struct token_file *token_file_read(const char *path, char *why, size_t why_size)
{
    struct fr_text_buffer text = {0};
    struct token_file *file;
    char mistake[512];
    unsigned line = 0;

    if (!fr_secret_read(path, 077, &text, mistake, sizeof mistake)) {
        snprintf(why, why_size, "token_file %s", mistake);
        return NULL;
    }
    file = calloc(1, sizeof *file);
    if (file != NULL)
        line = token_read_lines(file, fr_text_buffer_string(&text));
    fr_secret_erase(&text);
    if (file != NULL && line == 0 && file->count > 0)
        return file;
    if (file == NULL)
        snprintf(why, why_size, "no memory");
    else if (line != 0 && file->count == TOKEN_FILE_TOKENS_MAX)
        snprintf(why, why_size, "token_file %.200s:%u: more than %d tokens", path, line,
                 TOKEN_FILE_TOKENS_MAX);
    else if (line != 0)
        snprintf(why, why_size,
                 "token_file %.200s:%u: a token has %d to %d letters, digits or -._~/= "
                 "(openssl rand -hex 32 makes one)",
                 path, line, TOKEN_LEN_MIN, TOKEN_LEN_MAX);
    else
        snprintf(why, why_size, "token_file %.200s: no token (openssl rand -hex 32 makes one)",
                 path);
    token_file_free(file);
    return NULL;
}

void token_file_free(struct token_file *file)
{
    free(file);
}

static bool token_is_listed(const struct token_file *file, const unsigned char digest[DIGEST_SIZE])
{
    bool found = false;

    for (size_t i = 0; i < file->count; i++)
        found |= CRYPTO_memcmp(digest, file->digests[i], DIGEST_SIZE) == 0;
    return found;
}

bool token_file_lacks(const struct token_file *file, const struct token_file *former)
{
    for (size_t i = 0; i < former->count; i++)
        if (!token_is_listed(file, former->digests[i]))
            return true;
    return false;
}

bool token_file_contains(const struct token_file *file, const char *token)
{
    unsigned char digest[DIGEST_SIZE];
    size_t len = strlen(token);

    return len != 0 && len <= TOKEN_LEN_MAX && token_digest(token, len, digest) &&
           token_is_listed(file, digest);
}
