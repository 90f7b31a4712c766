#!/bin/sh
# Installs what the tests need and runs them all: unit, scenario (with a real Kafka, a real
# mosquitto, a real Home Assistant and a real browser), fuzz corpus; with gcc, with clang, with AddressSanitizer
# and UBSan, and with ThreadSanitizer; then the Debian packages in clean systems; then fuzzes each parser.
#   packaging/test.sh     FR_FUZZ_SECONDS (20) for each target; FR_KAFKA_SECONDS (60) for each load
set -eu
cd "$(dirname "$0")/.."
top=$PWD
passed=0
failed=0

packaging/need.sh libc6-dev protobuf-compiler check clang clang-format libclang-rt-dev llvm \
    python3 python3-dev python3-venv kcat mosquitto mosquitto-clients python3-zmq default-jdk-headless maven mandoc \
    iproute2 xz-utils gzip prometheus chromium chromium-driver libjs-chart.js libjs-leaflet debhelper build-essential lintian \
    debootstrap piuparts autopkgtest systemd systemd-container openssl procps qrencode zbar-tools haproxy redis-server postgresql influxdb zstd

step() {
    what=$1
    shift
    echo "== $what"
    begun=$(date +%s)
    if "$@"; then
        passed=$((passed + 1))
        echo "== $what: passed in $(($(date +%s) - begun)) s"
    else
        failed=$((failed + 1))
        echo "== $what: FAILED"
    fi
}

# Print the end of the output only if the command fails.
quietly() {
    "$@" >quiet.log 2>&1 || { tail -n 60 quiet.log; return 1; }
}

configure_in() {
    mkdir -p "$top/$1" && cd "$top/$1" && shift && quietly "$top/configure" --enable-werror "$@"
}

build() {
    quietly make -j"$(nproc)" "$@"
}

# Print the counts, and the end of the log of each test that failed.
show_failures() {
    make -s "$@" >check.log 2>&1 && status=0 || status=$?
    grep -E '^(SKIP|FAIL|XPASS|ERROR):|^# (TOTAL|PASS|FAIL|ERROR):' check.log || tail -n 60 check.log
    for test in $(sed -nE 's/^(FAIL|ERROR): ([^ ]+)$/\2/p' check.log); do
        echo "== the end of the log of $test"
        tail -n 40 "${test%.py}.log" | cut -c 1-400
    done
    return $status
}

# Several at a time for each processor: these tests mostly wait.
jobs=$((2 * $(nproc)))
run_tests() {
    show_failures -j"$jobs" check
}

# FR_SLACK_MS: the permitted delay of a value after its window, on a machine that runs other tests.
# FR_PATIENCE: how many times longer than named a condition may take there.
with_gcc() (
    export FR_SLACK_MS=2000 FR_PATIENCE=2
    configure_in build-gcc CC=gcc CFLAGS="-O2 -g" && build && build check TESTS= && run_tests
)

with_clang() (
    configure_in build-clang CC=clang CFLAGS="-O2 -g" && build && build check TESTS=tests/unit/unit
)

# The long Kafka loads run with the gcc build; a short one is enough for the sanitizers.
with_sanitizers() (
    export ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1
    export LSAN_OPTIONS=suppressions="$top/tests/lsan.supp:print_suppressions=0"
    export FR_KAFKA_SECONDS=5 FR_KAFKA_VEHICLES=50 FR_KAFKA_OUTAGE=5 CK_FORK=no
    export FR_KILLS=6 FR_KILL_VEHICLES=50 FR_RELOADS=40 FR_AWAY=5 FR_OUTAGE=5 FR_OUTAGE_VEHICLES=40
    export FR_MOST_KB=1000000 FR_HOME_AWAY=5 FR_SLACK_MS=4000 FR_PATIENCE=4 FR_ROUTING_CASES=300
    configure_in build-asan --enable-sanitizers CC=clang CFLAGS="-O1 -g" &&
        build && build check TESTS= && run_tests
)

# Attacks, reloads, rewinds, replays and kills while several threads work.
with_threads() (
    export TSAN_OPTIONS=suppressions="$top/tests/tsan.supp" FR_UNCONFINED=1
    export FR_MOST_KB=4000000 FR_SLACK_MS=4000 FR_PATIENCE=4 FR_KILLS=6 FR_KILL_VEHICLES=50 FR_RELOADS=40
    configure_in build-tsan --enable-sanitizers=thread CC=clang CFLAGS="-O1 -g" &&
        build && build check TESTS= && show_failures -j"$jobs" check-threads
)

fuzz_one() {
    mkdir -p "found/$1"
    "tests/fuzz/fuzz_$1" -max_total_time="${FR_FUZZ_SECONDS:-20}" -timeout=10 -rss_limit_mb=2048 \
        -print_final_stats=0 -verbosity=0 -artifact_prefix="found/$1-" "found/$1" \
        "$top/tests/fuzz/corpus/$1" >"found/$1.log" 2>&1 || { tail -n 40 "found/$1.log"; return 1; }
    echo "   $1: $(ls "found/$1" | wc -l) new inputs, no fault"
}

fuzzing() (
    configure_in build-fuzz --enable-fuzzers CC=clang CFLAGS="-O1 -g" && build || exit 1
    status=0
    for pair in "envelope record" "upgrade routing" "stored json" "home message" "mqtt path" "pushed answer" \
        "compare proxy" "presence http" "history doctor" "redis cars" "tm_client tm_row" "keys postgres" "http_sink"; do
        pids=
        for name in $pair; do
            fuzz_one "$name" &
            pids="$pids $!"
        done
        for pid in $pids; do wait "$pid" || status=1; done
    done
    exit $status
)

formatted() {
    clang-format --dry-run -Werror $(git ls-files '*.c' '*.h')
}

pages() {
    mandoc -Tlint -Wwarning man/*.[1-9]
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# Built, checked, and used in clean systems; in chroots, so as root.
packages() (
    as_root tests/packages.sh
)

# Download while the first steps run. A test that finds a part missing downloads it itself, and
# reports why that fails.
fetch() {
    tests/home_assistant.sh install 2024.3.3
    tests/kafka.sh fetch_jars_once
    as_root tests/packages.sh systems
    tests/tesla_client.sh
    tests/teslapy.sh
}

dist() (
    cd "$top/build-gcc" && FR_SKIP_SCENARIOS=1 build distcheck
)

# Begin a step whose end another step awaits: end_beside.
begin_beside() {
    "$@" >beside.log 2>&1 &
    beside=$!
}

end_beside() {
    wait "$beside" && status=0 || status=$?
    cat beside.log
    return $status
}

fetch >fetch.log 2>&1 &
autoreconf -fi >/dev/null 2>&1
step "formatting" formatted
step "man pages" pages
step "gcc: unit, scenario and corpus tests" with_gcc
step "clang: build and unit tests" with_clang
step "AddressSanitizer and UBSan: unit, scenario and corpus tests" with_sanitizers
# Both mostly wait.
begin_beside packages
step "ThreadSanitizer: attacks and scenarios" with_threads
step "Debian packages" end_beside
begin_beside dist
step "fuzzing" fuzzing
step "distcheck" end_beside
echo "$passed passed, $failed failed"
[ $failed = 0 ]
