#include "tool/qr_code.h"

#include <qrencode.h>

#define MARGIN 4 /* modules, as ISO/IEC 18004 requires */

static bool qr_code_is_dark(const QRcode *code, int x, int y)
{
    if (x < 0 || y < 0 || x >= code->width || y >= code->width)
        return false;
    return code->data[y * code->width + x] & 1;
}

/* The cell of the modules (x, y) and (x, y + 1). The foreground colour draws light modules. */
static const char *qr_code_cell(const QRcode *code, int x, int y)
{
    bool is_upper_dark = qr_code_is_dark(code, x, y);
    bool is_lower_dark = qr_code_is_dark(code, x, y + 1);

    if (is_upper_dark)
        return is_lower_dark ? " " : "▄";
    return is_lower_dark ? "▀" : "█";
}

int fr_qr_code_draw(FILE *to, const char *text, bool has_colours)
{
    QRcode *code = QRcode_encodeString(text, 0, QR_ECLEVEL_M, QR_MODE_8, 1);

    if (code == NULL)
        return -1;
    for (int y = -MARGIN; y < code->width + MARGIN; y += 2) {
        fputs(has_colours ? "\033[40;97m" : "", to);
        for (int x = -MARGIN; x < code->width + MARGIN; x++)
            fputs(qr_code_cell(code, x, y), to);
        fputs(has_colours ? "\033[0m\n" : "\n", to);
    }
    QRcode_free(code);
    return 0;
}

int fr_qr_code_width(const char *text)
{
    QRcode *code = QRcode_encodeString(text, 0, QR_ECLEVEL_M, QR_MODE_8, 1);
    int width = code != NULL ? code->width + 2 * MARGIN : -1;

    QRcode_free(code);
    return width;
}
