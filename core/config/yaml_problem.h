/*
 * yaml_problem.h - words for the problems that libyaml finds. libyaml names the token that it
 * expected; an administrator needs the column that a line must begin in. Internal to yaml_tree.c.
 */
#ifndef FR_YAML_PROBLEM_H
#define FR_YAML_PROBLEM_H

#include <stddef.h>
#include <yaml.h>

#define FR_YAML_PROBLEM_SIZE 400

/* Describe why `parser` failed: what was expected, and where the block began. `text` of `len` bytes
 * is the document. Linear in `len`. */
void fr_yaml_problem(const yaml_parser_t *parser, const char *text, size_t len,
                     char out[FR_YAML_PROBLEM_SIZE]);

#endif
