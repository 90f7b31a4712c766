/*
 * The tokens that clients present: a file with one token on each line. Only digests are compared, in a
 * time that does not depend on the content. Used on the sink's thread.
 */
#ifndef FR_TESLAMATE_TOKEN_FILE_H
#define FR_TESLAMATE_TOKEN_FILE_H

#include <stdbool.h>
#include <stddef.h>

#define TOKEN_FILE_TOKENS_MAX 64
#define TOKEN_LEN_MIN 16
#define TOKEN_LEN_MAX 512

struct token_file;

/* Read the file, which is regular and has mode 0600 or less (secret_file.h). Empty lines and lines that begin
 * with # are ignored. A token has 16 to 512 of the characters that a URL and a header may have. NULL: `why`
 * has the reason, which names the file and the line, never a token. */
struct token_file *token_file_read(const char *path, char *why, size_t why_size);

void token_file_free(struct token_file *file);

/* Whether `former` has a token that `file` does not have. */
bool token_file_lacks(const struct token_file *file, const struct token_file *former);

/* Whether the text is one of the tokens. "" is none. */
bool token_file_contains(const struct token_file *file, const char *token);

#endif
