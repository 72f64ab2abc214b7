#!/usr/bin/env bash
# Runs every fuzz target of the repository for the given time (10s by default), one after the other.
set -euo pipefail
cd "$(dirname "$0")/.."
time="${1:-10s}"
failed=0
while read -r file; do
  dir="./$(dirname "$file")"
  while read -r target; do
    echo "== $dir $target ($time)"
    go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "$dir" | grep -v '^fuzz: elapsed' || failed=1
  done < <(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$file")
done < <(grep -rl --include='*_test.go' '^func Fuzz' internal test | sort)
exit "$failed"
