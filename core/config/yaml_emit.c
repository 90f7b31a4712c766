#include "config/yaml_emit.h"

#include <ctype.h>
#include <string.h>

#include "util/json_text.h"

/* Words that YAML 1.1 reads as a boolean or as nothing. */
static bool yaml_emit_is_word(const char *text)
{
    static const char *const words[] = {"true", "false", "yes", "no", "on",
                                        "off",  "y",     "n",   "~",  "null"};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcasecmp(words[i], text) == 0)
            return true;
    return false;
}

/* Letters, digits and a few marks that have no meaning in YAML at any position, and single spaces
 * between them. */
static bool yaml_emit_is_plain(const char *text)
{
    size_t len = strlen(text);

    if (len == 0 || (!isalnum((unsigned char)text[0]) && text[0] != '/') || text[len - 1] == ' ')
        return false;
    for (size_t i = 0; i < len; i++) {
        bool is_inner_colon = text[i] == ':' && i + 1 < len && text[i + 1] != ' ';

        if (!isalnum((unsigned char)text[i]) && strchr(" ._/-+", text[i]) == NULL &&
            !is_inner_colon)
            return false;
        if ((unsigned char)text[i] >= 0x80)
            return false;
    }
    return true;
}

void fr_yaml_emit_scalar(struct fr_buffer *out, const char *text, bool quoted)
{
    if (!yaml_emit_is_plain(text) || (quoted && yaml_emit_is_word(text)))
        fr_json_string(out, text, strlen(text));
    else
        fr_buffer_text(out, text);
}

static void yaml_emit_flow(struct fr_buffer *out, const struct fr_yaml *node)
{
    if (node->kind == FR_YAML_TEXT) {
        fr_yaml_emit_scalar(out, node->text, node->quoted);
        return;
    }
    fr_buffer_byte(out, node->kind == FR_YAML_MAP ? '{' : '[');
    for (size_t i = 0; i < node->count; i++) {
        fr_buffer_text(out, i > 0 ? ", " : "");
        if (node->kind == FR_YAML_MAP) {
            fr_yaml_emit_scalar(out, node->keys[i]->text, node->keys[i]->quoted);
            fr_buffer_text(out, ": ");
        }
        yaml_emit_flow(out, node->items[i]);
    }
    fr_buffer_byte(out, node->kind == FR_YAML_MAP ? '}' : ']');
}

void fr_yaml_emit_value(struct fr_buffer *out, const struct fr_yaml *value, int indent)
{
    bool is_map = value->kind == FR_YAML_MAP;

    if (value->kind == FR_YAML_TEXT && value->text[0] == '\0' && !value->quoted) {
        fr_buffer_byte(out, '\n'); /* a key without a value */
        return;
    }
    if (value->kind == FR_YAML_TEXT || value->count == 0) {
        fr_buffer_byte(out, ' ');
        yaml_emit_flow(out, value);
        fr_buffer_byte(out, '\n');
        return;
    }
    fr_buffer_byte(out, '\n');
    for (size_t i = 0; i < value->count; i++) {
        fr_buffer_printf(out, "%*s%s", indent + 2, "", is_map ? "" : "- ");
        if (is_map) {
            fr_yaml_emit_scalar(out, value->keys[i]->text, value->keys[i]->quoted);
            fr_buffer_byte(out, ':');
            fr_yaml_emit_value(out, value->items[i], indent + 2);
        } else {
            yaml_emit_flow(out, value->items[i]);
            fr_buffer_byte(out, '\n');
        }
    }
}
