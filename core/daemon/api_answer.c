#include "daemon/api_answer.h"

#include <string.h>

#include "util/json_text.h"

static void answer_put(struct fr_buffer *out, const char *ok, const char *message)
{
    fr_buffer_clear(out);
    fr_buffer_printf(out, "{\"ok\":%s,\"message\":", ok);
    fr_json_string(out, message, strlen(message));
    fr_buffer_byte(out, '}');
}

int fr_api_refuse(struct fr_buffer *out, int code, const char *message)
{
    answer_put(out, "false", message);
    return code;
}

int fr_api_put_error(struct fr_buffer *out, int code, const char *message)
{
    fr_buffer_clear(out);
    fr_buffer_text(out, "{\"error\":");
    fr_json_string(out, message, strlen(message));
    fr_buffer_byte(out, '}');
    return code;
}

int fr_api_succeed(struct fr_buffer *out, const char *message)
{
    answer_put(out, "true", message);
    return 200;
}
