#include "config/yaml_edit.h"

#include <stdlib.h>
#include <string.h>

#include "config/yaml_edit_file.h"
#include "config/yaml_edit_state.h"
#include "config/yaml_emit.h"
#include "util/memory.h"

/* ---- reading --------------------------------------------------------------------- */

/* Parse a text. NULL: `error` has the first mistake. */
static struct fr_yaml *yaml_edit_parse(const char *path, const char *text, size_t len,
                                       struct fr_error *error)
{
    struct fr_diagnostics diagnostics = {0};
    struct fr_yaml_file file = {path, &diagnostics};
    struct fr_yaml *root = fr_yaml_parse(&file, text, len);

    if (diagnostics.errors > 0) { /* also a repeated key, of which the tree has the first value */
        fr_yaml_free(root);
        root = NULL;
        fr_error_set(error, "%s:%d:%d: %s", path, diagnostics.list[0].line,
                     diagnostics.list[0].column, diagnostics.list[0].text);
    }
    fr_diagnostics_free(&diagnostics);
    return root;
}

/* Each key of the root must begin its line. */
static int yaml_edit_check_style(const struct fr_yaml_edit *edit, const struct fr_yaml *root,
                                 struct fr_error *error)
{
    if (root->kind != FR_YAML_MAP)
        return fr_error_set(error, "%s has no keys such as `listen:`; correct it", edit->path);
    for (size_t i = 0; i < root->count; i++)
        if (root->keys[i]->column != 1 || (i > 0 && root->keys[i]->line <= root->keys[i - 1]->line))
            return fr_error_set(error,
                                "%s:%d: the key \"%.40s\" is not at the start of a line; write "
                                "each section on lines of its own",
                                edit->path, root->keys[i]->line, root->keys[i]->text);
    return 0;
}

struct fr_yaml_edit *fr_yaml_edit_open(const char *path, struct fr_error *error)
{
    struct fr_yaml_edit *edit = fr_calloc(1, sizeof *edit);
    char *real = realpath(path, NULL);

    edit->path = fr_strdup(real != NULL ? real : path);
    free(real);
    if (fr_yaml_edit_read(edit->path, &edit->before, &edit->exists, &edit->file, error) == 0) {
        fr_buffer_append(&edit->text, edit->before.bytes, edit->before.len);
        edit->root =
            yaml_edit_parse(edit->path, fr_buffer_string(&edit->text), edit->text.len, error);
    }
    if (edit->root != NULL && yaml_edit_check_style(edit, edit->root, error) == 0)
        return edit;
    fr_yaml_edit_free(edit);
    return NULL;
}

void fr_yaml_edit_free(struct fr_yaml_edit *edit)
{
    if (edit == NULL)
        return;
    for (size_t i = 0; i < edit->adopted_count; i++)
        free(edit->adopted[i]);
    fr_yaml_free(edit->root);
    fr_buffer_free(&edit->before);
    fr_buffer_free(&edit->text);
    free(edit->path);
    free(edit);
}

/* ---- sections -------------------------------------------------------------------- */

static size_t yaml_edit_index(const struct fr_yaml *root, const char *section)
{
    size_t i = 0;

    while (i < root->count && strcmp(root->keys[i]->text, section) != 0)
        i++;
    return i;
}

/* The offset of line `line` (from 1), or the length of the text. */
static size_t yaml_edit_offset(const struct fr_buffer *text, int line)
{
    size_t at = 0;

    for (int i = 1; i < line && at < text->len; i++) {
        const uint8_t *end = memchr(text->bytes + at, '\n', text->len - at);

        at = end != NULL ? (size_t)(end - text->bytes) + 1 : text->len;
    }
    return at;
}

/* The start of the line before the one that starts at `at`, which is not 0. */
static size_t yaml_edit_line_before(const struct fr_buffer *text, size_t at)
{
    size_t start = at - 1;

    while (start > 0 && text->bytes[start - 1] != '\n')
        start--;
    return start;
}

static bool yaml_edit_is_marked(const struct fr_yaml_edit *edit, size_t at)
{
    size_t start = at > 0 ? yaml_edit_line_before(&edit->text, at) : 0;
    size_t len = strlen(FR_YAML_EDIT_MARK);

    return at - start > len && memcmp(edit->text.bytes + start, FR_YAML_EDIT_MARK, len) == 0;
}

static bool yaml_edit_is_adopted(const struct fr_yaml_edit *edit, const char *section)
{
    for (size_t i = 0; i < edit->adopted_count; i++)
        if (strcmp(edit->adopted[i], section) == 0)
            return true;
    return false;
}

static bool yaml_edit_is_empty(const struct fr_yaml *value)
{
    return value->kind == FR_YAML_TEXT ? value->text[0] == '\0' && !value->quoted
                                       : value->count == 0;
}

enum fr_yaml_section fr_yaml_edit_section(const struct fr_yaml_edit *edit, const char *section)
{
    size_t i = yaml_edit_index(edit->root, section);

    if (i == edit->root->count)
        return FR_YAML_SECTION_ABSENT;
    if (yaml_edit_is_adopted(edit, section) ||
        yaml_edit_is_marked(edit, yaml_edit_offset(&edit->text, edit->root->keys[i]->line)))
        return FR_YAML_SECTION_OWNED;
    return yaml_edit_is_empty(edit->root->items[i]) ? FR_YAML_SECTION_EMPTY
                                                    : FR_YAML_SECTION_FOREIGN;
}

const struct fr_yaml *fr_yaml_edit_value(const struct fr_yaml_edit *edit, const char *section)
{
    return fr_yaml_get(edit->root, section);
}

void fr_yaml_edit_adopt(struct fr_yaml_edit *edit, const char *section, const char *value)
{
    const struct fr_yaml *present = fr_yaml_get(edit->root, section);
    struct fr_error error;
    struct fr_yaml *wanted = yaml_edit_parse("value", value, strlen(value), &error);

    if (present != NULL && wanted != NULL && fr_yaml_equal(present, wanted) &&
        edit->adopted_count < YAML_EDIT_ADOPTED_MAX)
        edit->adopted[edit->adopted_count++] = fr_strdup(section);
    fr_yaml_free(wanted);
}

/* ---- changes --------------------------------------------------------------------- */

/* The end of the section that begins at `start`: blank lines and comments at the start of a line
 * before the next section belong to that one. */
static size_t yaml_edit_end(const struct fr_yaml_edit *edit, size_t i, size_t start)
{
    const struct fr_yaml *root = edit->root;
    size_t end = i + 1 < root->count ? yaml_edit_offset(&edit->text, root->keys[i + 1]->line)
                                     : edit->text.len;

    while (end > start) {
        size_t line = yaml_edit_line_before(&edit->text, end);
        size_t first = line;

        while (first < end && strchr(" \t\r\n", edit->text.bytes[first]) != NULL)
            first++;
        if (line <= start || (first < end && edit->text.bytes[line] != '#'))
            break;
        end = line;
    }
    return end;
}

/* Append the comments on lines of their own inside the section. */
static void yaml_edit_keep_comments(struct fr_buffer *out, const struct fr_buffer *text,
                                    size_t start, size_t end)
{
    size_t at = start;

    while (at < end) {
        const uint8_t *newline = memchr(text->bytes + at, '\n', end - at);
        size_t next = newline != NULL ? (size_t)(newline - text->bytes) + 1 : end;
        size_t first = at;

        while (first < next && strchr(" \t", text->bytes[first]) != NULL)
            first++;
        if (first < next && text->bytes[first] == '#') {
            fr_buffer_append(out, text->bytes + at, next - at);
            fr_buffer_text(out, newline == NULL ? "\n" : "");
        }
        at = next;
    }
}

/* Whether all other sections of two trees are equal and in the same order. */
static bool yaml_edit_others_equal(const struct fr_yaml *a, const struct fr_yaml *b,
                                   const char *section)
{
    size_t k = 0;

    for (size_t i = 0; i < a->count; i++) {
        if (strcmp(a->keys[i]->text, section) == 0)
            continue;
        if (k < b->count && strcmp(b->keys[k]->text, section) == 0)
            k++;
        if (k == b->count || strcmp(a->keys[i]->text, b->keys[k]->text) != 0 ||
            !fr_yaml_equal(a->items[i], b->items[k]))
            return false;
        k++;
    }
    return k == b->count || (k + 1 == b->count && strcmp(b->keys[k]->text, section) == 0);
}

/* Take a new text if it differs from the old one in this section alone. */
static int yaml_edit_take(struct fr_yaml_edit *edit, const char *section, struct fr_buffer *text,
                          const struct fr_yaml *value, struct fr_error *error)
{
    struct fr_yaml *root = yaml_edit_parse(edit->path, fr_buffer_string(text), text->len, error);

    if (root == NULL || yaml_edit_check_style(edit, root, error) != 0 ||
        !yaml_edit_others_equal(edit->root, root, section) ||
        !fr_yaml_equal(fr_yaml_get(root, section), value)) {
        fr_yaml_free(root);
        fr_buffer_free(text);
        return fr_error_set(error,
                            "%s: the end of a section is not clear, so `%s:` is not written; write "
                            "it by hand",
                            edit->path, section);
    }
    fr_yaml_free(edit->root);
    fr_buffer_free(&edit->text);
    edit->root = root;
    edit->text = *text;
    return 0;
}

static void yaml_edit_write_section(struct fr_buffer *out, const char *section,
                                    const struct fr_yaml *value)
{
    fr_buffer_printf(out, "%s:", section);
    fr_yaml_emit_value(out, value, 0);
}

static int yaml_edit_set_tree(struct fr_yaml_edit *edit, const char *section,
                              const struct fr_yaml *value, struct fr_error *error)
{
    enum fr_yaml_section kind = fr_yaml_edit_section(edit, section);
    struct fr_buffer text = {0};

    if (kind == FR_YAML_SECTION_FOREIGN)
        return fr_error_set(error, "%s has a section `%s:` of yours, which is not changed",
                            edit->path, section);
    if (kind == FR_YAML_SECTION_ABSENT) {
        fr_buffer_append(&text, edit->text.bytes, edit->text.len);
        if (text.len > 0)
            fr_buffer_text(&text, text.bytes[text.len - 1] == '\n' ? "\n" : "\n\n");
        fr_buffer_text(&text, FR_YAML_EDIT_MARK "\n");
        yaml_edit_write_section(&text, section, value);
    } else {
        size_t i = yaml_edit_index(edit->root, section);
        size_t start = yaml_edit_offset(&edit->text, edit->root->keys[i]->line);
        size_t end = yaml_edit_end(edit, i, start);

        fr_buffer_append(&text, edit->text.bytes, start);
        if (!yaml_edit_is_marked(edit, start))
            fr_buffer_text(&text, FR_YAML_EDIT_MARK "\n");
        yaml_edit_write_section(&text, section, value);
        yaml_edit_keep_comments(&text, &edit->text, start, end);
        fr_buffer_append(&text, edit->text.bytes + end, edit->text.len - end);
    }
    return yaml_edit_take(edit, section, &text, value, error);
}

int fr_yaml_edit_set(struct fr_yaml_edit *edit, const char *section, const char *value,
                     struct fr_error *error)
{
    struct fr_yaml *tree = yaml_edit_parse("value", value, strlen(value), error);
    int status = tree != NULL ? yaml_edit_set_tree(edit, section, tree, error) : -1;

    fr_yaml_free(tree);
    return status;
}

/* The section as flow text with one key changed: the old keys in their order, then a new one. */
static void yaml_edit_merge(struct fr_buffer *out, const struct fr_yaml *map, const char *key,
                            const char *value)
{
    bool is_done = value == NULL;

    fr_buffer_text(out, "\n");
    for (size_t i = 0; map != NULL && i < map->count; i++) {
        bool is_key = strcmp(map->keys[i]->text, key) == 0;

        if (is_key && value == NULL)
            continue;
        fr_yaml_emit_scalar(out, map->keys[i]->text, map->keys[i]->quoted);
        if (is_key)
            fr_buffer_printf(out, ": %s\n", value);
        else {
            fr_buffer_byte(out, ':');
            fr_yaml_emit_value(out, map->items[i], 0);
        }
        is_done = is_done || is_key;
    }
    if (!is_done)
        fr_buffer_printf(out, "%s: %s\n", key, value);
}

int fr_yaml_edit_put(struct fr_yaml_edit *edit, const char *section, const char *key,
                     const char *value, struct fr_error *error)
{
    const struct fr_yaml *map = fr_yaml_get(edit->root, section);
    struct fr_buffer text = {0};
    int status;

    if (map != NULL && map->kind != FR_YAML_MAP && !yaml_edit_is_empty(map))
        return fr_error_set(error, "%s: `%s:` must have keys", edit->path, section);
    yaml_edit_merge(&text, map != NULL && map->kind == FR_YAML_MAP ? map : NULL, key, value);
    status = fr_yaml_edit_set(edit, section, fr_buffer_string(&text), error);
    fr_buffer_free(&text);
    return status;
}

/* ---- text ------------------------------------------------------------------------ */

void fr_yaml_section_text(struct fr_buffer *out, const char *section, const char *value)
{
    struct fr_error error;
    struct fr_yaml *tree = yaml_edit_parse("value", value, strlen(value), &error);

    if (tree != NULL)
        yaml_edit_write_section(out, section, tree);
    fr_yaml_free(tree);
}

void fr_yaml_scalar(struct fr_buffer *out, const char *text)
{
    fr_yaml_emit_scalar(out, text, true);
}
