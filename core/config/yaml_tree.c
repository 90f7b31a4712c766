#include "config/yaml_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yaml.h>

#include "config/yaml_problem.h"
#include "util/buffer.h"
#include "util/memory.h"

/* ---- messages -------------------------------------------------------------------- */

void fr_yaml_config_error(const struct fr_yaml_file *file, const struct fr_yaml *node,
                          const char *format, ...)
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

struct yaml_builder {
    const struct fr_yaml_file *file;
    const char *text; /* of `len` bytes */
    size_t len;
    yaml_parser_t parser;
    size_t nodes;
};

static int yaml_error(const struct yaml_builder *b, const yaml_mark_t *mark, const char *text)
{
    fr_diagnose(b->file->diagnostics, FR_SEVERITY_ERROR, b->file->path, (int)mark->line + 1,
                (int)mark->column + 1, "%s", text);
    return -1;
}

static int yaml_next_event(struct yaml_builder *b, yaml_event_t *event)
{
    char problem[FR_YAML_PROBLEM_SIZE];

    if (yaml_parser_parse(&b->parser, event))
        return 0;
    fr_yaml_problem(&b->parser, b->text, b->len, problem);
    return yaml_error(b, &b->parser.problem_mark, problem);
}

static struct fr_yaml *yaml_build(struct yaml_builder *b, const yaml_event_t *event, int depth);

static struct fr_yaml *yaml_new_node(enum fr_yaml_kind kind, const yaml_mark_t *mark)
{
    struct fr_yaml *node = fr_calloc(1, sizeof *node);

    node->kind = kind;
    node->line = (int)mark->line + 1;
    node->column = (int)mark->column + 1;
    return node;
}

/* Read the next node of a list or map. NULL: at its end (*done is true), or after an error. */
static struct fr_yaml *yaml_build_next(struct yaml_builder *b, yaml_event_type_t end, int depth,
                                       bool *done)
{
    struct fr_yaml *node = NULL;
    yaml_event_t event;

    *done = false;
    if (yaml_next_event(b, &event) != 0)
        return NULL;
    if (event.type == end)
        *done = true;
    else
        node = yaml_build(b, &event, depth);
    yaml_event_delete(&event);
    return node;
}

static void yaml_append(struct fr_yaml *node, struct fr_yaml *key, struct fr_yaml *item)
{
    /* The capacity is the next power of two. */
    if ((node->count & (node->count - 1)) == 0) {
        size_t capacity = node->count ? node->count * 2 : 1;

        node->items = fr_realloc(node->items, capacity, sizeof(struct fr_yaml *));
        if (node->kind == FR_YAML_MAP)
            node->keys = fr_realloc(node->keys, capacity, sizeof(struct fr_yaml *));
    }
    if (node->kind == FR_YAML_MAP)
        node->keys[node->count] = key;
    node->items[node->count++] = item;
}

static int yaml_fill_list(struct yaml_builder *b, struct fr_yaml *list, int depth)
{
    struct fr_yaml *item;
    bool done;

    while ((item = yaml_build_next(b, YAML_SEQUENCE_END_EVENT, depth, &done)) != NULL)
        yaml_append(list, NULL, item);
    return done ? 0 : -1;
}

static int yaml_fill_map(struct yaml_builder *b, struct fr_yaml *map, int depth)
{
    struct fr_yaml *key, *item;
    bool done;

    while ((key = yaml_build_next(b, YAML_MAPPING_END_EVENT, depth, &done)) != NULL) {
        if (key->kind != FR_YAML_TEXT) {
            fr_yaml_config_error(b->file, key, "a key must be a text");
            fr_yaml_free(key);
            return -1;
        }
        if (fr_yaml_get(map, key->text) != NULL)
            fr_yaml_config_error(b->file, key,
                                 "the key \"%s\" is repeated; it is first set on line %d",
                                 key->text, fr_yaml_get(map, key->text)->line);
        item = yaml_build_next(b, YAML_NO_EVENT, depth, &done);
        if (item == NULL) {
            fr_yaml_free(key);
            return -1;
        }
        yaml_append(map, key, item);
    }
    return done ? 0 : -1;
}

static struct fr_yaml *yaml_build(struct yaml_builder *b, const yaml_event_t *event, int depth)
{
    struct fr_yaml *node = NULL;
    int status = 0;

    if (depth == 0 || ++b->nodes > FR_YAML_NODES_MAX) {
        yaml_error(b, &event->start_mark,
                   depth == 0 ? "the nesting is too deep" : "the file has too many entries");
        return NULL;
    }
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        node = yaml_new_node(FR_YAML_TEXT, &event->start_mark);
        node->text = fr_strndup((const char *)event->data.scalar.value, event->data.scalar.length);
        node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
        if (strlen(node->text) != event->data.scalar.length)
            status = yaml_error(b, &event->start_mark, "a text must not contain a NUL character");
        break;
    case YAML_SEQUENCE_START_EVENT:
        node = yaml_new_node(FR_YAML_LIST, &event->start_mark);
        status = yaml_fill_list(b, node, depth - 1);
        break;
    case YAML_MAPPING_START_EVENT:
        node = yaml_new_node(FR_YAML_MAP, &event->start_mark);
        status = yaml_fill_map(b, node, depth - 1);
        break;
    default:
        yaml_error(b, &event->start_mark,
                   "anchors and aliases (& and *) are not supported; quote a single *: \"*\"");
        return NULL;
    }
    if (status != 0) {
        fr_yaml_free(node);
        return NULL;
    }
    return node;
}

static struct fr_yaml *yaml_build_document(struct yaml_builder *b)
{
    struct fr_yaml *root = NULL;
    bool failed = false, more = true;

    while (more && !failed) {
        yaml_event_t event;

        if (yaml_next_event(b, &event) != 0)
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
                yaml_error(b, &event.start_mark, "a file must have only one document");
            else
                failed = (root = yaml_build(b, &event, FR_YAML_DEPTH_MAX)) == NULL;
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
        root = yaml_new_node(FR_YAML_MAP, &(yaml_mark_t){0, 0, 0});
    }
    return root;
}

struct fr_yaml *fr_yaml_parse(const struct fr_yaml_file *file, const char *text, size_t len)
{
    struct yaml_builder b = {.file = file, .text = text, .len = len};
    struct fr_yaml *root;

    if (!yaml_parser_initialize(&b.parser)) {
        fr_diagnose(file->diagnostics, FR_SEVERITY_ERROR, file->path, 0, 0, "out of memory");
        return NULL;
    }
    yaml_parser_set_input_string(&b.parser, (const unsigned char *)text, len);
    root = yaml_build_document(&b);
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
        fr_diagnose(file->diagnostics, FR_SEVERITY_ERROR, file->path, 0, 0,
                    "cannot read the file: %s", strerror(errno));
    else if (n > 0)
        fr_diagnose(file->diagnostics, FR_SEVERITY_ERROR, file->path, 0, 0,
                    "the file is larger than the limit of 16 MiB");
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
