#!/usr/bin/env bash
# Runs node tests inside a network namespace of their own, in which the harness builds a network with several nodes.
# Takes test files, or a folder; takes away what they left, also when they were killed.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "$(id -u)" != 0 ]; then
    echo "run-cluster-tests: network namespaces need root; run it as root, or \`make test-unprivileged\` for the tests that need none" >&2
    exit 1
fi

# The harness names everything it makes after this.
export CHAPPE_CLUSTER_NETNS="chappe-c$$"
remove() {
    local namespace pid
    for namespace in $(ip netns list | awk '{print $1}' | grep "^$CHAPPE_CLUSTER_NETNS\(-\|$\)" || true); do
        for pid in $(ip netns pids "$namespace"); do kill -KILL "$pid" 2>/dev/null || true; done
        ip netns del "$namespace" || true
    done
}
trap remove EXIT
trap 'exit 130' INT TERM
ip netns add "$CHAPPE_CLUSTER_NETNS"
ip -n "$CHAPPE_CLUSTER_NETNS" link set lo up
# Not `ip netns exec`: it hides the namespaces that are made inside from everything outside.
nsenter --net="/run/netns/$CHAPPE_CLUSTER_NETNS" scripts/run-node-tests.sh "$@"
