#include "tool/setup_prompt.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/yaml_values.h"
#include "tool/setup_terminal.h"
#include "util/buffer.h"
#include "util/file_remedy.h"
#include "util/memory.h"

#define AGAIN "run `fleetroute setup` again; finished steps are not asked again"

struct fr_setup_prompt {
    char *path;           /* of the answers; NULL: a terminal */
    struct fr_yaml *root; /* the answers */
    unsigned count;
};

/* ---- files ----------------------------------------------------------------------- */

static int setup_prompt_check_file(int fd, const char *path, struct fr_error *error)
{
    struct stat file;

    if (fstat(fd, &file) != 0)
        return fr_error_set(error, "%s: %s; check the disk", path, strerror(errno));
    if (!S_ISREG(file.st_mode))
        return fr_error_set(error, "%s is not a regular file; use another path", path);
    if (file.st_uid != 0 && file.st_uid != geteuid())
        return fr_error_set(error, "%s belongs to another user (uid %u); run `chown %u %s`", path,
                            (unsigned)file.st_uid, (unsigned)geteuid(), path);
    if (file.st_mode & 077)
        return fr_error_set(error,
                            "other users have access to %s (mode %04o), which may have secrets; "
                            "run `chmod 600 %s`",
                            path, (unsigned)(file.st_mode & 07777), path);
    return 0;
}

/* Read max `size` - 1 bytes and add a NUL. */
static int setup_prompt_read(int fd, const char *path, char *text, size_t size,
                             struct fr_error *error)
{
    size_t len = 0;
    ssize_t got = 1;

    while (len < size - 1 && got > 0) {
        got = read(fd, text + len, size - 1 - len);
        if (got < 0 && errno == EINTR) {
            got = 1;
            continue;
        }
        len += got > 0 ? (size_t)got : 0;
    }
    text[len] = '\0';
    if (got < 0 && errno != EAGAIN)
        return fr_error_set(error, "cannot read %s: %s; %s", path, strerror(errno),
                            fr_file_remedy(errno));
    if (strlen(text) != len)
        return fr_error_set(error, "%s has a NUL byte; use a text file", path);
    return 0;
}

/* Keep the first line, without the spaces around it. */
static void setup_prompt_trim(char *text)
{
    char *start = text + strspn(text, " \t\r\n");
    size_t len = strcspn(start, "\r\n");

    while (len > 0 && (start[len - 1] == ' ' || start[len - 1] == '\t'))
        len--;
    memmove(text, start, len);
    text[len] = '\0';
}

int fr_setup_read_secret(const char *path, bool may_wait, char text[FR_SETUP_ANSWER_SIZE],
                         struct fr_error *error)
{
    /* O_NONBLOCK: the open(2) of a FIFO, which is refused below, does not wait for a writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    int status;

    text[0] = '\0';
    if (fd < 0 && errno == ENOENT && may_wait)
        return 0;
    if (fd < 0)
        return fr_error_set(error, "cannot read %s: %s; %s", path, strerror(errno),
                            fr_file_remedy(errno));
    status = setup_prompt_check_file(fd, path, error);
    if (status == 0)
        status = setup_prompt_read(fd, path, text, FR_SETUP_ANSWER_SIZE, error);
    close(fd);
    setup_prompt_trim(text);
    if (status == 0 && text[0] == '\0' && !may_wait)
        status = fr_error_set(error, "%s is empty; write the secret into its first line", path);
    return status;
}

/* ---- the answers ----------------------------------------------------------------- */

#define ANSWERS_MAX 65536

static int setup_prompt_parse(struct fr_setup_prompt *prompt, const char *text,
                              const char *const *keys, struct fr_error *error)
{
    struct fr_diagnostics diagnostics = {0};
    struct fr_yaml_file file = {prompt->path, &diagnostics};
    int status = 0;

    prompt->root = fr_yaml_parse(&file, text, strlen(text));
    if (prompt->root != NULL)
        fr_yaml_is_map(&file, prompt->root, "the file of answers", keys);
    /* Only the position and the key: a message may quote a value. */
    if (diagnostics.errors > 0 && prompt->root != NULL)
        status = fr_error_set(error, "%s:%d:%d: %s", prompt->path, diagnostics.list[0].line,
                              diagnostics.list[0].column, diagnostics.list[0].text);
    else if (prompt->root == NULL)
        status = fr_error_set(error,
                              "%s:%d: not YAML; write one answer a line, as in `domain: "
                              "telemetry.example.com`",
                              prompt->path, diagnostics.count > 0 ? diagnostics.list[0].line : 1);
    fr_diagnostics_free(&diagnostics);
    return status;
}

static int setup_prompt_load(struct fr_setup_prompt *prompt, const char *const *keys,
                             struct fr_error *error)
{
    int fd = open(prompt->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    char *text;
    int status;

    if (fd < 0)
        return fr_error_set(error, "cannot read %s: %s; %s", prompt->path, strerror(errno),
                            fr_file_remedy(errno));
    text = fr_calloc(1, ANSWERS_MAX);
    status = setup_prompt_check_file(fd, prompt->path, error);
    if (status == 0)
        status = setup_prompt_read(fd, prompt->path, text, ANSWERS_MAX, error);
    if (status == 0)
        status = setup_prompt_parse(prompt, text, keys, error);
    OPENSSL_cleanse(text, ANSWERS_MAX);
    free(text);
    close(fd);
    return status;
}

struct fr_setup_prompt *fr_setup_prompt_new(const char *answers, const char *const *keys,
                                            struct fr_error *error)
{
    struct fr_setup_prompt *prompt;

    if (answers == NULL && !isatty(STDIN_FILENO)) {
        fr_error_set(error, "standard input is not a terminal; run it in a terminal, or with "
                            "--answers FILE (fleetroute-setup(7))");
        return NULL;
    }
    prompt = fr_calloc(1, sizeof *prompt);
    if (answers == NULL)
        return prompt;
    prompt->path = fr_strdup(answers);
    if (setup_prompt_load(prompt, keys, error) == 0)
        return prompt;
    fr_setup_prompt_free(prompt);
    return NULL;
}

/* Erase the texts of the answers; some are secrets. */
static void setup_prompt_erase(struct fr_yaml *node)
{
    if (node->text != NULL)
        OPENSSL_cleanse(node->text, strlen(node->text));
    for (size_t i = 0; i < node->count; i++)
        setup_prompt_erase(node->items[i]);
}

void fr_setup_prompt_free(struct fr_setup_prompt *prompt)
{
    if (prompt == NULL)
        return;
    if (prompt->root != NULL)
        setup_prompt_erase(prompt->root);
    fr_yaml_free(prompt->root);
    free(prompt->path);
    free(prompt);
}

bool fr_setup_prompt_is_terminal(const struct fr_setup_prompt *prompt)
{
    return prompt->path == NULL;
}

unsigned fr_setup_prompt_count(const struct fr_setup_prompt *prompt)
{
    return prompt->count;
}

const struct fr_yaml *fr_setup_answer(const struct fr_setup_prompt *prompt, const char *key)
{
    return fr_yaml_get(prompt->root, key);
}

/* ---- questions ------------------------------------------------------------------- */

/* The answer of the file to a question: the text of its key, or the content of KEY_file. */
static int setup_prompt_find(const struct fr_setup_prompt *prompt,
                             const struct fr_setup_question *question,
                             char text[FR_SETUP_ANSWER_SIZE], struct fr_error *error)
{
    const struct fr_yaml *answer = fr_yaml_get(prompt->root, question->key);
    char *file_key = fr_asprintf("%s_file", question->key);
    const struct fr_yaml *file = question->is_secret ? fr_yaml_get(prompt->root, file_key) : NULL;
    int status = 0;

    text[0] = '\0';
    if (answer != NULL && answer->kind == FR_YAML_TEXT)
        snprintf(text, FR_SETUP_ANSWER_SIZE, "%s", answer->text);
    else if (answer != NULL)
        status = fr_error_set(error, "%s: `%s:` must be a text", prompt->path, question->key);
    else if (file != NULL && file->kind == FR_YAML_TEXT)
        status = fr_setup_read_secret(file->text, false, text, error);
    setup_prompt_trim(text);
    if (status == 0 && text[0] == '\0' && question->default_value != NULL)
        snprintf(text, FR_SETUP_ANSWER_SIZE, "%s", question->default_value);
    if (status == 0 && text[0] == '\0' && question->default_value == NULL)
        status = fr_error_set(error, "%s has no answer `%s:`%s%s%s; add it (%s)", prompt->path,
                              question->key, question->is_secret ? " and no `" : "",
                              question->is_secret ? file_key : "", question->is_secret ? ":`" : "",
                              question->text);
    if (status == 0 && question->valid != NULL && question->valid(text, question->ctx, error) != 0)
        status = fr_error_wrap(error, "%s: `%s:`", prompt->path, question->key);
    free(file_key);
    return status;
}

static void setup_prompt_print(const struct fr_setup_question *question)
{
    printf("%s", question->text);
    if (question->is_secret)
        fputs(" (not displayed)", stdout);
    if (question->default_value != NULL && question->default_value[0] != '\0')
        printf(" [%s]", question->default_value);
    fputs(": ", stdout);
    fflush(stdout);
}

/* Ask in the terminal until the answer is valid. */
static int setup_prompt_converse(const struct fr_setup_question *question,
                                 char text[FR_SETUP_ANSWER_SIZE], struct fr_error *error)
{
    for (;;) {
        struct fr_error cause;

        setup_prompt_print(question);
        if (fr_setup_terminal_line(text, FR_SETUP_ANSWER_SIZE, question->is_secret, error) != 0)
            return -1;
        setup_prompt_trim(text);
        if (text[0] == '\0' && question->default_value != NULL)
            snprintf(text, FR_SETUP_ANSWER_SIZE, "%s", question->default_value);
        if (text[0] == '\0' && question->default_value == NULL)
            puts("  An answer is needed. Ctrl-C ends; " AGAIN ".");
        else if (question->valid == NULL || question->valid(text, question->ctx, &cause) == 0)
            return 0;
        else
            printf("  %s\n", cause.text);
    }
}

char *fr_setup_ask(struct fr_setup_prompt *prompt, const struct fr_setup_question *question,
                   struct fr_error *error)
{
    char text[FR_SETUP_ANSWER_SIZE], *answer = NULL;
    int status;

    if (prompt->path == NULL)
        status = setup_prompt_converse(question, text, error);
    else
        status = setup_prompt_find(prompt, question, text, error);
    if (status == 0) {
        prompt->count++;
        answer = fr_strdup(text);
        if (prompt->path != NULL && !question->is_secret)
            printf("%s: %s\n", question->text, answer);
    }
    OPENSSL_cleanse(text, sizeof text);
    return answer;
}

static int setup_prompt_is_yes(char *answer, void *ctx, struct fr_error *error)
{
    bool value;

    (void)ctx;
    if (strcasecmp(answer, "y") == 0 || strcasecmp(answer, "n") == 0 ||
        fr_parse_boolean(answer, &value))
        return 0;
    return fr_error_set(error, "answer yes or no");
}

int fr_setup_ask_yes(struct fr_setup_prompt *prompt, const char *key, const char *text,
                     int default_value, struct fr_error *error)
{
    struct fr_setup_question question = {.key = key,
                                         .text = text,
                                         .default_value = default_value < 0    ? NULL
                                                          : default_value == 0 ? "no"
                                                                               : "yes",
                                         .valid = setup_prompt_is_yes};
    char *answer = fr_setup_ask(prompt, &question, error);
    bool value = false;

    if (answer == NULL)
        return -1;
    if (!fr_parse_boolean(answer, &value))
        value = answer[0] == 'y' || answer[0] == 'Y';
    free(answer);
    return value;
}

int fr_setup_pause(struct fr_setup_prompt *prompt, const char *text, struct fr_error *error)
{
    char line[FR_SETUP_ANSWER_SIZE];

    if (prompt->path != NULL)
        return fr_error_set(error, "%s", AGAIN);
    printf("%s ", text);
    fflush(stdout);
    if (fr_setup_terminal_line(line, sizeof line, false, error) != 0)
        return -1;
    prompt->count++;
    setup_prompt_trim(line);
    if (strcmp(line, "q") == 0)
        return fr_error_set(error, "ended; " AGAIN);
    return 0;
}
