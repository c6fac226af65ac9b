#!/usr/bin/env bash
# Runs the node tests (*.test.mjs) of one folder, or one of them, and fails when there are none: a suite that ran nothing proves nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$1

mapfile -t tests < <(find "$folder" -name node_modules -prune -o -name '*.test.mjs' -print | sort)
if [ "${#tests[@]}" -eq 0 ]; then
    echo "run-node-tests: no *.test.mjs below $folder" >&2
    exit 1
fi
# install-test-tools.sh put a newer Node there where the system's is too old.
[ ! -x .tools/node ] || PATH="$PWD/.tools:$PATH"
# A test that failed may have left a browser open, which would keep its file, and so all of them, from ending.
flags=()
known=$(node --help)
for flag in --test-force-exit "--test-timeout=${CHAPPE_TEST_TIMEOUT_MS:-900000}"; do
    if [[ $known == *"${flag%%=*}"* ]]; then flags+=("$flag"); fi
done

# Two files at a time, but for those that want both cores for themselves, and say in their head why.
mapfile -t alone < <(grep -l '^// Runs alone: ' "${tests[@]}" || true)
mapfile -t others < <(grep -L '^// Runs alone: ' "${tests[@]}" || true)
status=0
if [ "${#others[@]}" -gt 0 ]; then node --test "${flags[@]}" "--test-concurrency=${CHAPPE_TESTS_AT_ONCE:-1}" "${others[@]}" || status=$?; fi
if [ "${#alone[@]}" -gt 0 ]; then node --test "${flags[@]}" --test-concurrency=1 "${alone[@]}" || status=$?; fi
exit "$status"
