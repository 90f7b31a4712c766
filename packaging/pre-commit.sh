#!/bin/sh
# Check layout, includes and words before a commit. Install it with
#   ln -s ../../packaging/pre-commit.sh .git/hooks/pre-commit
set -eu
cd "$(git rev-parse --show-toplevel)"
changed=$(git diff --cached --name-only --diff-filter=ACM -- '*.c' '*.h')
[ -z "$changed" ] || clang-format --dry-run -Werror $changed
python3 tests/includes.py
python3 tests/wording.py $(git diff --cached --name-only --diff-filter=ACM)
