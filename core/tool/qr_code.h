/* Draws a text as a QR code in a terminal. */
#ifndef FR_QR_CODE_H
#define FR_QR_CODE_H

#include <stdbool.h>
#include <stdio.h>

/* Draw `text` with two modules in each character cell (UTF-8 half blocks) and a margin of four modules.
 * With `has_colours` the modules are black on white by escape sequences of ECMA-48; without, the light
 * modules are drawn, which is readable on a dark background. Returns 0, or -1 if the text is too long
 * or memory is exhausted. Errors of `to` are left to ferror(3). */
int fr_qr_code_draw(FILE *to, const char *text, bool has_colours);

/* The width of the QR code of `text` in character cells, with its margin; -1: it has none. */
int fr_qr_code_width(const char *text);

#endif
