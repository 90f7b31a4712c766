/*
 * Questions of `fleetroute setup`: asked in a terminal, or answered by a file (--answers). A secret is
 * read without echo; the terminal gets its settings back on return and on a signal. Main thread.
 */
#ifndef FR_SETUP_PROMPT_H
#define FR_SETUP_PROMPT_H

#include <stdbool.h>

#include "config/yaml_tree.h"
#include "util/error.h"

/* Max bytes of an answer, with the final NUL. The address that Tesla redirects to is the longest. */
#define FR_SETUP_ANSWER_SIZE 8192

struct fr_setup_prompt;

/* `answers` is the path of the file with the answers, a YAML map with the keys of `keys` (NULL ends
 * the list); it must have access for its owner alone and belong to root or this user. NULL: ask in the
 * terminal, which standard input must be. NULL: `error` is set. The caller frees the result with
 * fr_setup_prompt_free(), which erases the answers. */
struct fr_setup_prompt *fr_setup_prompt_new(const char *answers, const char *const *keys,
                                            struct fr_error *error);
void fr_setup_prompt_free(struct fr_setup_prompt *prompt);

/* Whether a person answers. */
bool fr_setup_prompt_is_terminal(const struct fr_setup_prompt *prompt);
/* Number of answered questions. */
unsigned fr_setup_prompt_count(const struct fr_setup_prompt *prompt);

/* Checks an answer, which it may change in place to a shorter one. Returns 0, or -1 with `error`
 * set. */
typedef int fr_setup_valid(char *answer, void *ctx, struct fr_error *error);

/* A question. `key` names its answer in the file. */
struct fr_setup_question {
    const char *key;
    const char *text;          /* of the question */
    const char *default_value; /* if the answer is empty or missing; NULL: an answer is required */
    bool is_secret;            /* no echo; in the file also KEY_file, the path of a file with it */
    fr_setup_valid *valid;     /* NULL: any text */
    void *ctx;
};

/* Ask until the answer is valid. An invalid answer of the file, or a missing one, is an error that
 * names the key. Returns the answer, which the caller frees (a secret: erases and frees), or NULL with
 * `error` set. */
char *fr_setup_ask(struct fr_setup_prompt *prompt, const struct fr_setup_question *question,
                   struct fr_error *error);

/* Ask for yes or no. Returns 1, 0, or -1 with `error` set. `default_value` -1: an answer is
 * required. */
int fr_setup_ask_yes(struct fr_setup_prompt *prompt, const char *key, const char *text,
                     int default_value, struct fr_error *error);

/* Wait until the owner presses Enter. Returns 0, or -1 with `error` set: the owner wants to end, or
 * the answers come from a file, so that waiting does not help. */
int fr_setup_pause(struct fr_setup_prompt *prompt, const char *text, struct fr_error *error);

/* The answer as a YAML tree, for lists. NULL: a terminal, or no answer. */
const struct fr_yaml *fr_setup_answer(const struct fr_setup_prompt *prompt, const char *key);

/* Read the first line of a file with a secret into `text`, without the spaces around it. The file must
 * have access for its owner alone and belong to root or this user. With `may_wait`, an absent file
 * gives an empty text. Returns 0, or -1 with `error` set. */
int fr_setup_read_secret(const char *path, bool may_wait, char text[FR_SETUP_ANSWER_SIZE],
                         struct fr_error *error);

#endif
