#include "zmq/curve_keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#define KEY_LEN (CURVE_KEY_SIZE - 1)
#define SECRET_FILE_MAX 4095           /* bytes */
#define CLIENTS_FILE_MAX (1024 * 1024) /* bytes: 25,000 keys */
#define Z85 "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
#define BLANK " \t\r\n"

/* ---- files ----------------------------------------------------------------------- */

/* Read a regular file of at most `max` bytes. Returns its length, or -1 with errno set. A FIFO is
 * refused: its reader would wait for a writer. */
static ssize_t curve_read_file(const char *path, char *bytes, size_t max)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), code = 0;
    ssize_t n = 1;
    size_t len = 0;
    struct stat st;

    if (fd < 0)
        return -1;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        code = EINVAL;
    else if (st.st_size > (off_t)max)
        code = EFBIG;
    while (code == 0 && len < max && (n = read(fd, bytes + len, max - len)) > 0)
        len += (size_t)n;
    if (n < 0)
        code = errno;
    close(fd);
    errno = code;
    return code == 0 ? (ssize_t)len : -1;
}

/* ---- the secret key -------------------------------------------------------------- */

/* Copy the key at `text` if it is 40 characters of Z85 that can be decoded, and no more follow. */
static bool curve_take_key(const char *text, char key[CURVE_KEY_SIZE])
{
    uint8_t decoded[KEY_LEN / 5 * 4];
    bool valid;

    if (strspn(text, Z85) != KEY_LEN)
        return false;
    memcpy(key, text, KEY_LEN);
    key[KEY_LEN] = '\0';
    valid = zmq_z85_decode(decoded, key) != NULL;
    explicit_bzero(decoded, sizeof decoded);
    return valid;
}

bool curve_find_secret(const char *text, char key[CURVE_KEY_SIZE])
{
    static const char *const names[] = {"\"secret\"", "secret-key"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *name = strstr(text, names[i]);
        const char *value = name != NULL ? name + strlen(names[i]) : NULL;

        if (value != NULL) {
            value += strspn(value, BLANK ":=");
            return value[0] == '"' && curve_take_key(value + 1, key);
        }
    }
    return curve_take_key(text + strspn(text, BLANK), key);
}

bool curve_read_secret(const char *path, char key[CURVE_KEY_SIZE], char *why, size_t size)
{
    char text[SECRET_FILE_MAX + 1];
    ssize_t len = curve_read_file(path, text, SECRET_FILE_MAX);
    bool found;

    if (len < 0) {
        snprintf(why, size,
                 "curve_secret_key %s: %s (it must be a file of at most 4095 bytes that the "
                 "daemon's user can read)",
                 path, strerror(errno));
        return false;
    }
    text[len] = '\0';
    found = curve_find_secret(text, key);
    explicit_bzero(text, sizeof text);
    if (!found)
        snprintf(
            why, size,
            "curve_secret_key %s: there is no key of 40 characters of Z85 in it; make one with "
            "zmq.curve_keypair() of pyzmq or curve_keygen",
            path);
    return found;
}

/* ---- the clients' keys ----------------------------------------------------------- */

/* Whether a line begins, behind blanks, with this key and nothing else up to a blank. */
static bool curve_line_has(const char *line, size_t len, const char *key)
{
    size_t begin = 0;

    while (begin < len && strchr(BLANK, line[begin]) != NULL && line[begin] != '\0')
        begin++;
    if (len - begin < KEY_LEN || memcmp(line + begin, key, KEY_LEN) != 0)
        return false;
    return len - begin == KEY_LEN || strchr(BLANK, line[begin + KEY_LEN]) != NULL;
}

bool curve_text_lists(const char *text, size_t len, const char *key)
{
    const char *end = text + len;

    if (strlen(key) != KEY_LEN)
        return false;
    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        const char *next = newline != NULL ? newline : end;

        if (curve_line_has(text, (size_t)(next - text), key))
            return true;
        text = next + 1;
    }
    return false;
}

enum curve_listed curve_file_lists(const char *path, const char *key)
{
    char *text = malloc(CLIENTS_FILE_MAX);
    ssize_t len = text != NULL ? curve_read_file(path, text, CLIENTS_FILE_MAX) : -1;
    enum curve_listed listed = CURVE_UNREADABLE;
    int code = errno;

    if (len >= 0)
        listed = curve_text_lists(text, (size_t)len, key) ? CURVE_LISTED : CURVE_NOT_LISTED;
    free(text);
    errno = code;
    return listed;
}
