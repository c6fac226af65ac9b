#!/usr/bin/env bash
# within.sh MINUTES WHAT COMMAND…: runs the command, and ends it with all that it started when it takes longer.
set -euo pipefail
minutes=$1 what=$2
shift 2

timeout --kill-after=30s "${minutes}m" "$@" &
child=$!
# timeout has a process group of its own: what is said to this one is passed on, and it to its command.
trap 'kill -TERM "$child" 2>/dev/null || true; wait "$child" || true; exit 130' INT TERM
status=0
wait "$child" || status=$?
if [ "$status" = 124 ] || [ "$status" = 137 ]; then
    echo "$what: ended after $minutes minutes, its limit; what hangs is the test without a result above" >&2
    # Not 124, by which the whole that this is part of would be told that it had reached its own limit.
    exit 1
fi
exit "$status"
