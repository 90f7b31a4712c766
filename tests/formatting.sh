#!/bin/sh
# Text must not be formatted into the remaining bytes of an array: with an offset beyond its end the size
# wraps around, and the call writes past the array. Use fr_buffer or fr_text_buffer, which grow.
set -eu
cd "${top_srcdir:-.}"

# Find a destination with an offset, or a size with a subtraction, also in calls of several lines.
# util/buffer.c is excluded: it implements the growing buffer and reserves the measured length.
found=$(find core plugins -name '*.[ch]' ! -path core/util/buffer.c -exec awk '
    FNR == 1 { call = "" }
    call == "" && match($0, /(v?snprintf|strftime)\(/) {
        call = substr($0, RSTART); begun = FNR
    }
    call != "" && FNR > begun { call = call " " $0 }
    call != "" && (/;/ || FNR > begun + 4) {
        sub(/"([^"\\]|\\.)*".*/, "", call)           # keep the arguments before the format
        sub(/^[a-z]*\(/, "", call)
        split(call, argument, ",")
        if (argument[1] ~ /\+/ || argument[2] ~ /[^>]-[^>]/ || argument[1] ~ /&[^,]*\[[^0]/)
            printf "%s:%d: %s\n", FILENAME, begun, call
        call = ""
    }' {} + ; grep -rnE '\b(sprintf|vsprintf|strcat|strncat)\(' core plugins --include='*.[ch]' || true)
if [ -n "$found" ]; then
    echo "$found"
    echo "text is formatted into the remaining bytes of an array: use fr_buffer_printf() or" \
        "fr_text_buffer_printf()"
    exit 1
fi
