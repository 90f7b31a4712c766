#include "config/yaml_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <yaml.h>

#include "config/suggest.h"
#include "util/buffer.h"
#include "util/memory.h"

/* ---- messages -------------------------------------------------------------------- */

void fr_yaml_wrong(const struct fr_yaml_file *file, const struct fr_yaml *node, const char *format,
                   ...)
{
    va_list ap;

    va_start(ap, format);
    fr_vdiagnose(file->diagnostics, FR_SEVERITY_ERROR, file->path, node->line, node->column, format,
                 ap);
    va_end(ap);
}

void fr_yaml_warn(const struct fr_yaml_file *file, const struct fr_yaml *node, const char *format,
                  ...)
{
    va_list ap;

    va_start(ap, format);
    fr_vdiagnose(file->diagnostics, FR_SEVERITY_WARNING, file->path, node->line, node->column,
                 format, ap);
    va_end(ap);
}

/* ---- building the tree ----------------------------------------------------------- */

struct builder {
    const struct fr_yaml_file *file;
    yaml_parser_t parser;
    size_t nodes;
};

static int mistake(const struct builder *b, const yaml_mark_t *mark, const char *text)
{
    fr_diagnose(b->file->diagnostics, FR_SEVERITY_ERROR, b->file->path, (int)mark->line + 1,
                (int)mark->column + 1, "%s", text);
    return -1;
}

static int next_event(struct builder *b, yaml_event_t *event)
{
    if (yaml_parser_parse(&b->parser, event))
        return 0;
    return mistake(b, &b->parser.problem_mark,
                   b->parser.problem != NULL ? b->parser.problem : "this is no YAML");
}

static struct fr_yaml *build(struct builder *b, const yaml_event_t *event, int depth);

static struct fr_yaml *new_node(enum fr_yaml_kind kind, const yaml_mark_t *mark)
{
    struct fr_yaml *node = fr_calloc(1, sizeof *node);

    node->kind = kind;
    node->line = (int)mark->line + 1;
    node->column = (int)mark->column + 1;
    return node;
}

/* The next node inside a list or map: NULL at its end (*done) or after a mistake. */
static struct fr_yaml *build_next(struct builder *b, yaml_event_type_t end, int depth, bool *done)
{
    struct fr_yaml *node = NULL;
    yaml_event_t event;

    *done = false;
    if (next_event(b, &event) != 0)
        return NULL;
    if (event.type == end)
        *done = true;
    else
        node = build(b, &event, depth);
    yaml_event_delete(&event);
    return node;
}

static void append(struct fr_yaml *node, struct fr_yaml *key, struct fr_yaml *item)
{
    /* Room grows by doubling: whenever the count is a power of two. */
    if ((node->count & (node->count - 1)) == 0) {
        size_t room = node->count ? node->count * 2 : 1;

        node->items = fr_realloc(node->items, room, sizeof(struct fr_yaml *));
        if (node->kind == FR_YAML_MAP)
            node->keys = fr_realloc(node->keys, room, sizeof(struct fr_yaml *));
    }
    if (node->kind == FR_YAML_MAP)
        node->keys[node->count] = key;
    node->items[node->count++] = item;
}

static int fill_list(struct builder *b, struct fr_yaml *list, int depth)
{
    struct fr_yaml *item;
    bool done;

    while ((item = build_next(b, YAML_SEQUENCE_END_EVENT, depth, &done)) != NULL)
        append(list, NULL, item);
    return done ? 0 : -1;
}

static int fill_map(struct builder *b, struct fr_yaml *map, int depth)
{
    struct fr_yaml *key, *item;
    bool done;

    while ((key = build_next(b, YAML_MAPPING_END_EVENT, depth, &done)) != NULL) {
        if (key->kind != FR_YAML_TEXT) {
            fr_yaml_wrong(b->file, key, "a key must be a word");
            fr_yaml_free(key);
            return -1;
        }
        if (fr_yaml_get(map, key->text) != NULL)
            fr_yaml_wrong(b->file, key, "\"%s\" stands here twice; the first is on line %d",
                          key->text, fr_yaml_get(map, key->text)->line);
        item = build_next(b, YAML_NO_EVENT, depth, &done);
        if (item == NULL) {
            fr_yaml_free(key);
            return -1;
        }
        append(map, key, item);
    }
    return done ? 0 : -1;
}

static struct fr_yaml *build(struct builder *b, const yaml_event_t *event, int depth)
{
    struct fr_yaml *node = NULL;
    int status = 0;

    if (depth == 0 || ++b->nodes > FR_YAML_NODES_MAX) {
        mistake(b, &event->start_mark, depth == 0 ? "nested too deeply" : "too many entries");
        return NULL;
    }
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        node = new_node(FR_YAML_TEXT, &event->start_mark);
        node->text = fr_strndup((const char *)event->data.scalar.value, event->data.scalar.length);
        node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
        if (strlen(node->text) != event->data.scalar.length)
            status = mistake(b, &event->start_mark, "a NUL character has no place here");
        break;
    case YAML_SEQUENCE_START_EVENT:
        node = new_node(FR_YAML_LIST, &event->start_mark);
        status = fill_list(b, node, depth - 1);
        break;
    case YAML_MAPPING_START_EVENT:
        node = new_node(FR_YAML_MAP, &event->start_mark);
        status = fill_map(b, node, depth - 1);
        break;
    default:
        mistake(b, &event->start_mark,
                "anchors and aliases (& and *) are not used here; a lone "
                "* must be quoted: \"*\"");
        return NULL;
    }
    if (status != 0) {
        fr_yaml_free(node);
        return NULL;
    }
    return node;
}

static struct fr_yaml *build_document(struct builder *b)
{
    struct fr_yaml *root = NULL;
    bool failed = false, more = true;

    while (more && !failed) {
        yaml_event_t event;

        if (next_event(b, &event) != 0)
            break;
        switch (event.type) {
        case YAML_STREAM_START_EVENT:
        case YAML_DOCUMENT_START_EVENT:
        case YAML_DOCUMENT_END_EVENT:
        case YAML_NO_EVENT:
            break;
        case YAML_STREAM_END_EVENT:
            more = false;
            break;
        default:
            failed = root != NULL;
            if (failed)
                mistake(b, &event.start_mark, "only one document is read from a file");
            else
                failed = (root = build(b, &event, FR_YAML_DEPTH_MAX)) == NULL;
            break;
        }
        yaml_event_delete(&event);
    }
    if (more) {
        fr_yaml_free(root);
        return NULL;
    }
    if (root == NULL || (root->kind == FR_YAML_TEXT && root->text[0] == '\0')) {
        fr_yaml_free(root);
        root = new_node(FR_YAML_MAP, &(yaml_mark_t){0, 0, 0});
    }
    return root;
}

struct fr_yaml *fr_yaml_parse(const struct fr_yaml_file *file, const char *text, size_t len)
{
    struct builder b = {.file = file};
    struct fr_yaml *root;

    if (!yaml_parser_initialize(&b.parser)) {
        fr_diagnose(file->diagnostics, FR_SEVERITY_ERROR, file->path, 0, 0, "out of memory");
        return NULL;
    }
    yaml_parser_set_input_string(&b.parser, (const unsigned char *)text, len);
    root = build_document(&b);
    yaml_parser_delete(&b.parser);
    return root;
}

struct fr_yaml *fr_yaml_load(const struct fr_yaml_file *file)
{
    struct fr_buffer text = {0};
    struct fr_yaml *root = NULL;
    int fd = open(file->path, O_RDONLY | O_CLOEXEC);
    ssize_t n = -1;

    while (fd >= 0 && text.len <= FR_YAML_FILE_MAX) {
        uint8_t *to = fr_buffer_reserve(&text, 65536);

        n = to != NULL ? read(fd, to, 65536) : -1;
        if (n <= 0)
            break;
        text.len += (size_t)n;
    }
    if (fd < 0 || n < 0)
        fr_diagnose(file->diagnostics, FR_SEVERITY_ERROR, file->path, 0, 0, "cannot be read: %s",
                    strerror(errno));
    else if (n > 0)
        fr_diagnose(file->diagnostics, FR_SEVERITY_ERROR, file->path, 0, 0,
                    "is larger than 16 MiB, which no configuration is");
    else
        root = fr_yaml_parse(file, fr_buffer_string(&text), text.len);
    if (fd >= 0)
        close(fd);
    fr_buffer_free(&text);
    return root;
}

void fr_yaml_free(struct fr_yaml *node)
{
    if (node == NULL)
        return;
    for (size_t i = 0; i < node->count; i++) {
        fr_yaml_free(node->items[i]);
        if (node->kind == FR_YAML_MAP)
            fr_yaml_free(node->keys[i]);
    }
    free(node->items);
    free(node->keys);
    free(node->text);
    free(node);
}

/* ---- reading the tree ------------------------------------------------------------ */

struct fr_yaml *fr_yaml_get(const struct fr_yaml *map, const char *key)
{
    for (size_t i = 0; map != NULL && map->kind == FR_YAML_MAP && i < map->count; i++)
        if (strcmp(map->keys[i]->text, key) == 0)
            return map->items[i];
    return NULL;
}

bool fr_yaml_equal(const struct fr_yaml *a, const struct fr_yaml *b)
{
    if (a == NULL || b == NULL || a->kind != b->kind || a->count != b->count)
        return a == b;
    if (a->kind == FR_YAML_TEXT)
        return strcmp(a->text, b->text) == 0;
    for (size_t i = 0; i < a->count; i++)
        if (!fr_yaml_equal(a->items[i], b->items[i]) ||
            (a->kind == FR_YAML_MAP && !fr_yaml_equal(a->keys[i], b->keys[i])))
            return false;
    return true;
}

bool fr_yaml_is_map(const struct fr_yaml_file *file, const struct fr_yaml *node, const char *what,
                    const char *const *keys)
{
    if (node->kind != FR_YAML_MAP) {
        fr_yaml_wrong(file, node, "%s must be a map of %s: … and so on", what, keys[0]);
        return false;
    }
    for (size_t i = 0; i < node->count; i++) {
        struct fr_suggestion suggestion = fr_suggest_begin(node->keys[i]->text);
        size_t k = 0;

        while (keys[k] != NULL && strcmp(keys[k], node->keys[i]->text) != 0)
            fr_suggest_try(&suggestion, keys[k++]);
        if (keys[k] != NULL)
            continue;
        if (fr_suggest_best(&suggestion) != NULL)
            fr_yaml_wrong(file, node->keys[i], "%s has no \"%s\"; did you mean \"%s\"?", what,
                          node->keys[i]->text, fr_suggest_best(&suggestion));
        else
            fr_yaml_wrong(file, node->keys[i], "%s has no \"%s\"", what, node->keys[i]->text);
    }
    return true;
}

const char *fr_yaml_text(const struct fr_yaml_file *file, const struct fr_yaml *node,
                         const char *what, const char *initial)
{
    if (node == NULL)
        return initial;
    if (node->kind != FR_YAML_TEXT) {
        fr_yaml_wrong(file, node, "%s must be one text", what);
        return initial;
    }
    return node->text;
}

int64_t fr_yaml_integer(const struct fr_yaml_file *file, const struct fr_yaml *node,
                        const char *what, int64_t least, int64_t most, int64_t initial)
{
    const char *text = fr_yaml_text(file, node, what, NULL);
    char *end;
    long long number;

    if (text == NULL)
        return initial;
    errno = 0;
    number = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || number < least || number > most) {
        fr_yaml_wrong(file, node, "%s must be a whole number from %lld to %lld, not \"%s\"", what,
                      (long long)least, (long long)most, text);
        return initial;
    }
    return number;
}

double fr_yaml_real(const struct fr_yaml_file *file, const struct fr_yaml *node, const char *what,
                    double initial)
{
    const char *text = fr_yaml_text(file, node, what, NULL);
    char *end;
    double number;

    if (text == NULL)
        return initial;
    number = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(number) || number < 0) {
        fr_yaml_wrong(file, node, "%s must be a number of 0 or more, not \"%s\"", what, text);
        return initial;
    }
    return number;
}

bool fr_parse_boolean(const char *text, bool *value)
{
    *value = strcasecmp(text, "true") == 0 || strcasecmp(text, "yes") == 0 ||
             strcasecmp(text, "on") == 0;
    return *value || strcasecmp(text, "false") == 0 || strcasecmp(text, "no") == 0 ||
           strcasecmp(text, "off") == 0;
}

bool fr_yaml_boolean(const struct fr_yaml_file *file, const struct fr_yaml *node, const char *what,
                     bool initial)
{
    const char *text = fr_yaml_text(file, node, what, NULL);
    bool value;

    if (text == NULL)
        return initial;
    if (!fr_parse_boolean(text, &value)) {
        fr_yaml_wrong(file, node, "%s must be true or false, not \"%s\"", what, text);
        return initial;
    }
    return value;
}

struct scale {
    const char *suffix;
    double factor;
};

static bool parse_scaled(const char *text, const struct scale *scales, int64_t *result)
{
    char *end;
    double number = strtod(text, &end);

    if (end == text || !(number >= 0) || number > 9e15)
        return false;
    while (*end == ' ')
        end++;
    for (; scales->suffix != NULL; scales++)
        if (strcmp(scales->suffix, end) == 0) {
            if (number * scales->factor > 9e15)
                return false;
            *result = (int64_t)llround(number * scales->factor);
            return true;
        }
    return false;
}

bool fr_parse_duration(const char *text, int64_t *ms)
{
    static const struct scale scales[] = {{"ms", 1},        {"s", 1000},    {"min", 60000},
                                          {"m", 60000},     {"h", 3600000}, {"d", 86400000},
                                          {"w", 604800000}, {NULL, 0}};

    if (strcmp(text, "0") == 0) {
        *ms = 0;
        return true;
    }
    return parse_scaled(text, scales, ms);
}

bool fr_parse_size(const char *text, int64_t *bytes)
{
    static const struct scale scales[] = {{"", 1},
                                          {"B", 1},
                                          {"kB", 1e3},
                                          {"MB", 1e6},
                                          {"GB", 1e9},
                                          {"TB", 1e12},
                                          {"KiB", 1024},
                                          {"MiB", 1048576.},
                                          {"GiB", 1073741824.},
                                          {"TiB", 1099511627776.},
                                          {NULL, 0}};

    return parse_scaled(text, scales, bytes);
}

int64_t fr_yaml_duration(const struct fr_yaml_file *file, const struct fr_yaml *node,
                         const char *what, int64_t initial)
{
    const char *text = fr_yaml_text(file, node, what, NULL);
    int64_t ms;

    if (text == NULL)
        return initial;
    if (!fr_parse_duration(text, &ms)) {
        fr_yaml_wrong(file, node,
                      "%s must be a time with its unit (500 ms, 5 s, 10 min, 1 h, 7 d), not \"%s\"",
                      what, text);
        return initial;
    }
    return ms;
}

int64_t fr_yaml_size(const struct fr_yaml_file *file, const struct fr_yaml *node, const char *what,
                     int64_t initial)
{
    const char *text = fr_yaml_text(file, node, what, NULL);
    int64_t bytes;

    if (text == NULL)
        return initial;
    if (!fr_parse_size(text, &bytes)) {
        fr_yaml_wrong(file, node,
                      "%s must be a size in bytes or with its unit (64 kB, 100 MB, 1 GiB), not "
                      "\"%s\"",
                      what, text);
        return initial;
    }
    return bytes;
}

void fr_yaml_each_text(const struct fr_yaml_file *file, const struct fr_yaml *node,
                       const char *what, void (*each)(const struct fr_yaml *text, void *ctx),
                       void *ctx)
{
    if (node == NULL)
        return;
    if (node->kind == FR_YAML_TEXT)
        each(node, ctx);
    else if (node->kind == FR_YAML_LIST) {
        for (size_t i = 0; i < node->count; i++) {
            if (node->items[i]->kind == FR_YAML_TEXT)
                each(node->items[i], ctx);
            else
                fr_yaml_wrong(file, node->items[i], "%s must be a list of words", what);
        }
    } else
        fr_yaml_wrong(file, node, "%s must be a word or a list of words", what);
}
