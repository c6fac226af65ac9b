{{- define "chappe.name" -}}
{{- if contains "chappe" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-chappe" (.Release.Name | trunc 33 | trimSuffix "-") }}{{ end }}
{{- end }}

{{- define "chappe.selector" -}}
app.kubernetes.io/name: chappe
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "chappe.labels" -}}
{{ include "chappe.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "chappe.adminWantsKey" -}}
{{- if and .Values.admin.exposed (eq .Values.admin.auth "key") }}yes{{ end }}
{{- end }}

{{/* Empties the node; the pod's process ends with it. */}}
{{- define "chappe.drain" -}}
{{- $deadline := printf "--deadline %ds" (int .Values.drain.deadlineSeconds) }}
{{- if include "chappe.adminWantsKey" . -}}
export CHAPPE_TOKEN=$(chappe token --keys /etc/chappe/keys/keys --operate --expires 5m)
ca=/etc/chappe/tls/ca.crt
exec chappe drain --admin https://{{ .Values.admin.serverName }}:{{ .Values.admin.port }} $([ -s $ca ] && echo --admin-ca $ca) {{ $deadline }}
{{- else -}}
exec chappe drain --admin http://127.0.0.1:{{ .Values.admin.port }} {{ $deadline }}
{{- end }}
{{- end }}

{{/* What can't work, with the way out. */}}
{{- define "chappe.check" -}}
{{- $clustered := or .Values.cluster.servers .Values.cluster.existingSecret }}
{{- if and (gt (int .Values.replicas) 1) (not $clustered) }}
{{- fail "replicas above 1 share rooms over NATS: set cluster.servers or cluster.existingSecret" }}
{{- end }}
{{- if and (eq .Values.auth.mode "jwt") (not .Values.auth.keysSecret) (not $clustered) }}
{{- fail "auth.mode jwt needs keys: set auth.keysSecret" }}
{{- end }}
{{- if and (include "chappe.adminWantsKey" .) (not (and .Values.tls.existingSecret .Values.auth.keysSecret .Values.admin.serverName)) }}
{{- fail "admin.exposed with admin.auth key needs TLS and keys: set tls.existingSecret, admin.serverName and auth.keysSecret, or say admin.auth open" }}
{{- end }}
{{- if and .Values.serviceMonitor.enabled (not .Values.admin.exposed) }}
{{- fail "serviceMonitor.enabled needs a listener that Prometheus reaches: set admin.exposed" }}
{{- end }}
{{- if and .Values.serviceMonitor.enabled (eq .Values.admin.auth "key") (not .Values.serviceMonitor.tokenSecret.name) }}
{{- fail "serviceMonitor.enabled with admin.auth key needs a token: set serviceMonitor.tokenSecret.name" }}
{{- end }}
{{- if and .Values.media.publicIp (gt (int .Values.replicas) 1) }}
{{- fail "media.publicIp is one address, and replicas are on several machines: leave it out, or install one release for each machine" }}
{{- end }}
{{- $last := add .Values.media.port (mul .Values.replicas .Values.workers) }}
{{- if and (eq .Values.media.exposure "nodePort") (or (lt (int .Values.media.port) 30000) (gt (int $last) 32768)) }}
{{- fail "media.exposure nodePort needs ports from 30000 to 32767: set media.port, for example 30700" }}
{{- end }}
{{- end }}
