#include "config/yaml_problem.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* One line of the document. */
struct yaml_line {
    size_t number; /* from 1; 0: there is no such line */
    size_t column; /* of its first character that is no space, from 1 */
    char first;    /* that character */
    char last;     /* the last character that is no space */
};

static struct yaml_line yaml_problem_read_line(size_t number, const char *line, size_t len)
{
    struct yaml_line found = {.number = number};
    size_t at = 0;

    while (at < len && line[at] == ' ')
        at++;
    while (len > at && (line[len - 1] == ' ' || line[len - 1] == '\r'))
        len--;
    found.column = at + 1;
    found.first = at < len ? line[at] : '\0';
    found.last = at < len ? line[len - 1] : '\0';
    return found;
}

/* Find the line with this number, and the nearest line above it that is neither empty nor a
 * comment. */
static void yaml_problem_find_lines(const char *text, size_t len, size_t number,
                                    struct yaml_line *line, struct yaml_line *above)
{
    *line = *above = (struct yaml_line){0};
    for (size_t n = 1; n <= number; n++) {
        const char *end = memchr(text, '\n', len);
        size_t used = end != NULL ? (size_t)(end - text) : len;

        if (line->number != 0 && line->first != '\0' && line->first != '#')
            *above = *line;
        *line = yaml_problem_read_line(n, text, used);
        if (end == NULL)
            return;
        text += used + 1;
        len -= used + 1;
    }
}

/* "mapping values are not allowed": a ':' that follows a value, in the same line or in a line above
 * that this one continues. */
static void yaml_problem_second_value(const struct yaml_line *line, const struct yaml_line *above,
                                      char out[FR_YAML_PROBLEM_SIZE])
{
    if (above->number != 0 && above->last != ':' && line->column > above->column)
        snprintf(out, FR_YAML_PROBLEM_SIZE,
                 "wrong indentation: this line begins in column %zu and so continues the value of "
                 "line %zu, which begins in column %zu; begin it in column %zu too",
                 line->column, above->number, above->column, above->column);
    else
        snprintf(
            out, FR_YAML_PROBLEM_SIZE,
            "a second \": \" in one line; write the value of the first one in quotes, or begin "
            "a new line");
}

/* A line of a block whose entries begin in another column, or without what `expected` names. */
static void yaml_problem_block(const char *expected, const yaml_mark_t *begin,
                               const struct yaml_line *line, const struct yaml_line *above,
                               char out[FR_YAML_PROBLEM_SIZE])
{
    size_t block_line = begin->line + 1, block = begin->column + 1;

    if (line->column == block)
        snprintf(out, FR_YAML_PROBLEM_SIZE,
                 "%s was expected here, in the block that began in line %zu, column %zu", expected,
                 block_line, block);
    else if (above->column == block || above->number == 0)
        snprintf(
            out, FR_YAML_PROBLEM_SIZE,
            "wrong indentation: this line begins in column %zu; %s was expected in column %zu, "
            "as in the block that began in line %zu",
            line->column, expected, block, block_line);
    else
        snprintf(
            out, FR_YAML_PROBLEM_SIZE,
            "wrong indentation: this line begins in column %zu; %s was expected in column %zu, "
            "as in the block that began in line %zu, or the line continues line %zu and begins "
            "in column %zu",
            line->column, expected, block, block_line, above->number, above->column);
}

void fr_yaml_problem(const yaml_parser_t *parser, const char *text, size_t len,
                     char out[FR_YAML_PROBLEM_SIZE])
{
    const char *problem = parser->problem != NULL ? parser->problem : "the text is not valid YAML";
    const char *context = parser->context != NULL ? parser->context : "";
    size_t block_line = parser->context_mark.line + 1, block = parser->context_mark.column + 1;
    struct yaml_line line, above;

    yaml_problem_find_lines(text, len, parser->problem_mark.line + 1, &line, &above);
    if (strstr(context, "block mapping") != NULL && strstr(problem, "expected key") != NULL)
        yaml_problem_block("a key", &parser->context_mark, &line, &above, out);
    else if (strstr(context, "block collection") != NULL)
        yaml_problem_block("\"- \"", &parser->context_mark, &line, &above, out);
    else if (strstr(context, "flow ") != NULL)
        snprintf(
            out, FR_YAML_PROBLEM_SIZE,
            "\",\" or the closing bracket was expected: the bracket in line %zu, column %zu is "
            "not closed before this position",
            block_line, block);
    else if (strstr(problem, "mapping values") != NULL)
        yaml_problem_second_value(&line, &above, out);
    else if (line.first == '\t')
        snprintf(out, FR_YAML_PROBLEM_SIZE, "a tab; YAML is indented with spaces only");
    else if (context[0] != '\0')
        snprintf(out, FR_YAML_PROBLEM_SIZE, "%s %s that began in line %zu, column %zu", problem,
                 context, block_line, block);
    else
        snprintf(out, FR_YAML_PROBLEM_SIZE, "%s", problem);
}
