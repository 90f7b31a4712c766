/* routing.yaml: no text crashes the reader, and each accepted file can be compiled. */
#include <stddef.h>
#include <stdint.h>

#include "config/routing_config.h"
#include "route/program.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static const char *const sinks[] = {"kafka", "archive"};
    struct fr_diagnostics diagnostics = {0};
    struct fr_routing *routing =
        fr_routing_parse((const char *)bytes, len, "fuzz.yaml", sinks, 2, &diagnostics);

    if (routing != NULL) {
        fr_program_free(fr_program_new(routing, 0, FR_FORMAT_PROTOBUF));
        fr_routing_unref(routing);
    } else if (diagnostics.errors == 0)
        __builtin_trap();
    fr_diagnostics_free(&diagnostics);
    return 0;
}
