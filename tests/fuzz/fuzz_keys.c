/* CURVE's key files of zmq.so: the secret key of a file; the keys of clients, which are the first words
 * of lines. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <zmq.h>

#include "zmq/curve_keys.h"

#define KEY_LEN (CURVE_KEY_SIZE - 1)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

/* A key that was found is in the text, and libzmq accepts it. */
static void check_secret(const char *text)
{
    char key[CURVE_KEY_SIZE];
    uint8_t decoded[32];

    if (!curve_find_secret(text, key))
        return;
    if (strlen(key) != KEY_LEN || strstr(text, key) == NULL || zmq_z85_decode(decoded, key) == NULL)
        abort();
}

/* Whether the first word of a line is this key. */
static bool is_first_word(const char *text, const char *key)
{
    char *copy = strdup(text), *lines = NULL;
    bool found = false;

    for (char *line = strtok_r(copy, "\n", &lines); line != NULL && !found;
         line = strtok_r(NULL, "\n", &lines)) {
        char *words = NULL, *word = strtok_r(line, " \t\r", &words);

        found = word != NULL && strcmp(word, key) == 0;
    }
    free(copy);
    return found;
}

static void check_clients(const char *text, size_t len)
{
    char *copy = strdup(text), *words = NULL;

    for (char *word = strtok_r(copy, " \t\r\n", &words); word != NULL;
         word = strtok_r(NULL, " \t\r\n", &words))
        if (curve_text_lists(text, len, word) !=
            (strlen(word) == KEY_LEN && is_first_word(text, word)))
            abort();
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    char *text = malloc(len + 1);

    memcpy(text, bytes, len);
    text[len] = '\0';
    check_secret(text);
    if (strlen(text) == len && len < 4096)
        check_clients(text, len);
    else
        curve_text_lists(text, len, "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7");
    free(text);
    return 0;
}
