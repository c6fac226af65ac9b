#!/usr/bin/env bash
# Inside the container of try-package.sh, as a unit of its systemd: what an operator does with the package.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive
step() { echo "$*"; }
fail() { trap - ERR; echo "failed: $*"; tail -n 30 /try/upgrade.log /try/load.json /try/load.err 2>/dev/null || true; systemctl --no-pager --full status chappe || true; journalctl --no-pager -u chappe -n 60 || true; exit 1; }
trap 'fail "line $LINENO"' ERR
until_() { local what=$1; shift; for _ in $(seq 300); do "$@" >/dev/null 2>&1 && return 0; sleep 0.1; done; fail "not within 30 s: $what"; }
ready() { curl --fail --silent --max-time 1 http://127.0.0.1:8080/readyz; }
of() { systemctl show --property="$1" --value chappe; }
as_operator() { XDG_RUNTIME_DIR=/run/chappe chappe "$@"; }
pids() { as_operator ls --json | tr ',' '\n' | sed -n 's/.*"pid": *\([0-9]*\).*/\1/p' | sort; }
drained() { [ "$(journalctl --no-pager -u chappe | grep -c 'is drained and has ended')" = "$1" ]; }
logged() { journalctl --no-pager -u chappe | grep -q -- "$1"; }

dpkg -i /try/first.deb
systemctl is-active --quiet chappe && fail "it runs before anybody has configured it"
[ "$(stat -c '%a %U %G' /etc/chappe/chappe.toml)" = "640 root chappe" ]
systemd-analyze verify chappe.service
step "installed: not started, settings are root's and readable by the service, the unit is sound"

printf 'workers = 2\n' >> /etc/chappe/chappe.toml
systemctl enable --now chappe
until_ "the node is ready" ready
main=$(of MainPID)
[ "$(ps -o user= -p "$main" 2>/dev/null || stat -c %U "/proc/$main")" = chappe ]
[ "$(pids | wc -l)" = 2 ]
step "started: as user chappe, two workers, ready"

printf 'per-address = 77\nlog = "json"\n' >> /etc/chappe/chappe.toml
systemctl reload chappe
until_ "the settings are taken up" logged 'settings are taken up.*per-address'
logged 'settings="log"\|settings=log'
[ "$(of MainPID)" = "$main" ] && until_ "it is ready" ready
step "reload: the file's new per-address is taken up, log waits for a start, the process is the same"

before=$(pids)
chappe load http://127.0.0.1:8080 --viewers 3 --profile audio --duration 25s --json > /try/load.json 2>/try/load.err & load=$!
until_ "sessions are there" sh -c 'curl -s http://127.0.0.1:8081/metrics | grep -q "^chappe_worker_sessions{.*} [1-9]"'
dpkg -i /try/next.deb > /try/upgrade.log 2>&1 || { cat /try/upgrade.log; fail "the upgrade"; }
wait $load || { cat /try/load.json /try/load.err; fail "the sessions"; }
[ "$(of MainPID)" = "$main" ]
[ -z "$(comm -12 <(echo "$before") <(pids))" ] || fail "a worker of before runs on"
for pid in $(pids); do [ "$(readlink "/proc/$pid/exe")" = /usr/bin/chappe ] || fail "a worker runs $(readlink "/proc/$pid/exe")"; done
told=$(tr -d ' \n' < /try/load.json)
[[ $told == *'"missing":0'* && $told == *'"rejoins":0'* && $told == *'"watched":3'* ]] || fail "sessions noticed the upgrade"
grep -q 'per-address = 77' /etc/chappe/chappe.toml
step "upgraded under 4 sessions: no packet lost, nobody came back, the same supervisor, other workers of the new program, settings kept"

systemctl stop chappe
[ "$(systemctl show --property=Result --value chappe)" = success ]
pgrep -u chappe && fail "a process is left"
until_ "the drain is in the log" drained 1
step "stopped: drained, with success, nothing left"

chappe keys add --keys /etc/chappe/keys >/dev/null && chown chappe /etc/chappe/keys
printf 'admin = "127.0.0.1:8091"\nadmin-auth = "key"\nkeys = "/etc/chappe/keys"\n' >> /etc/chappe/chappe.toml
echo "CHAPPE_TOKEN=$(chappe token --keys /etc/chappe/keys --operate --expires 1h)" > /etc/chappe/operator.env
chown root:chappe /etc/chappe/operator.env && chmod 640 /etc/chappe/operator.env
systemctl start chappe
until_ "the node is ready" ready
systemctl stop chappe
[ "$(systemctl show --property=Result --value chappe)" = success ]
until_ "the drain with a token is in the log" drained 2
step "stopped with a token, at another port of the admin listener: drained"

systemctl start chappe
until_ "the node is ready" ready
dpkg -r chappe
systemctl is-active --quiet chappe && fail "it runs without its package"
systemctl is-enabled --quiet chappe 2>/dev/null && fail "it is enabled without its package"
[ ! -e /usr/bin/chappe ] && [ -e /etc/chappe/chappe.toml ]
dpkg -P chappe
[ ! -e /etc/chappe/chappe.toml ]
step "removed while it ran: ended, disabled, settings kept; purged: gone"
echo "all done"
