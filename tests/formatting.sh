#!/bin/sh
# Text must not be formatted into what is left of an array: an offset beyond its end makes the size
# wrap around and the call write past the array. fr_buffer and fr_text_buffer grow instead.
set -eu
cd "${top_srcdir:-.}"

# A destination with an offset, or a size with a subtraction, also where the call is wrapped.
# util/buffer.c is the growing buffer itself: it reserves the length that it measured before.
found=$(find core plugins -name '*.[ch]' ! -path core/util/buffer.c -exec awk '
    FNR == 1 { call = "" }
    call == "" && match($0, /(v?snprintf|strftime)\(/) {
        call = substr($0, RSTART); begun = FNR
    }
    call != "" && FNR > begun { call = call " " $0 }
    call != "" && (/;/ || FNR > begun + 4) {
        sub(/"([^"\\]|\\.)*".*/, "", call)           # up to the format
        sub(/^[a-z]*\(/, "", call)
        split(call, argument, ",")
        if (argument[1] ~ /\+/ || argument[2] ~ /[^>]-[^>]/ || argument[1] ~ /&[^,]*\[[^0]/)
            printf "%s:%d: %s\n", FILENAME, begun, call
        call = ""
    }' {} + ; grep -rnE '\b(sprintf|vsprintf|strcat|strncat)\(' core plugins --include='*.[ch]' || true)
if [ -n "$found" ]; then
    echo "$found"
    echo "formats into the rest of an array: use fr_buffer_printf() or fr_text_buffer_printf()"
    exit 1
fi
