#!/bin/sh
# Replays the corpus of each fuzz target.
set -eu
for name in envelope record upgrade routing stored json home message mqtt path pushed compare answer proxy presence \
    http history doctor redis cars tm_client tm_row keys postgres http_sink; do
    "${FR_BUILD:-.}/tests/fuzz/fuzz_$name" "${top_srcdir:-.}/tests/fuzz/corpus/$name"
done
