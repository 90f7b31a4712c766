#!/bin/sh
# Runs the fuzz targets on all cores for SECONDS, minimises and keeps the inputs that were found,
# and prints the number of executions of each target. Start it in a build folder:
#   ../configure --enable-fuzzers CC=clang CFLAGS="-O1 -g" && make
#   ../tests/fuzz/campaign.sh SECONDS [TARGET...]
# Corpora are stored in corpora/TARGET (FR_CORPORA: another folder), faults in found/. The exit
# status is 1 if a fault was found.
set -eu
seconds=${1:?usage: campaign.sh SECONDS [TARGET...]}
shift
source=$(cd "$(dirname "$0")" && pwd)
corpora=${FR_CORPORA:-corpora}
all=$(cd tests/fuzz && ls fuzz_* 2>/dev/null | grep -v '\.' | sed 's/^fuzz_//')
targets=${*:-$all}
[ -n "$targets" ] || { echo "no fuzz target is built in tests/fuzz"; exit 1; }
cores=$(nproc)
count=$(echo "$targets" | wc -w)
# One target occupies one core, so this share of each target keeps all cores busy for SECONDS.
share=$((seconds * cores / count))
[ "$share" -gt 0 ] || share=1
mkdir -p found "$corpora"

fuzz() {
    mkdir -p "$corpora/$1"
    "tests/fuzz/fuzz_$1" -max_total_time="$share" -timeout=10 -rss_limit_mb=2048 -max_len=20000 \
        -print_final_stats=1 -artifact_prefix="found/$1-" "$corpora/$1" "$source/corpus/$1" \
        >"found/$1.log" 2>&1 || echo "$1" >>found/faults
}

# Keep only the inputs that add coverage.
minimise() {
    rm -rf "$corpora/$1.new"
    mkdir "$corpora/$1.new"
    "tests/fuzz/fuzz_$1" -merge=1 -timeout=10 -rss_limit_mb=2048 "$corpora/$1.new" "$corpora/$1" \
        >"found/$1.merge.log" 2>&1 || { rm -rf "$corpora/$1.new"; return 0; }
    rm -rf "${corpora:?}/$1"
    mv "$corpora/$1.new" "$corpora/$1"
}

run() {
    fuzz "$1"
    minimise "$1"
}

rm -f found/faults
running=0
for name in $targets; do
    run "$name" &
    running=$((running + 1))
    if [ "$running" -ge "$cores" ]; then
        # All targets have the same run time, so the targets of a group end together.
        wait
        running=0
    fi
done
wait

total=0
printf '%-10s %12s %10s %8s\n' target executions a_second corpus
for name in $targets; do
    executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "found/$name.log")
    rate=$(sed -n 's/^stat::average_exec_per_sec: *//p' "found/$name.log")
    printf '%-10s %12s %10s %8s\n' "$name" "${executions:-0}" "${rate:-0}" "$(ls "$corpora/$name" | wc -l)"
    total=$((total + ${executions:-0}))
done
printf '%-10s %12s\n' all "$total"
if [ -e found/faults ]; then
    echo "faults in: $(sort -u found/faults | tr '\n' ' ')(see found/)"
    exit 1
fi
