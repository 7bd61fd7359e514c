{{/* Value of the label `app`, by which the DaemonSet finds its pods. */}}
{{- define "keymount-azure.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* Name of the DaemonSet: the release's, with the chart's where that does not hold it already. */}}
{{- define "keymount-azure.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "keymount-azure.labels" -}}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
app.kubernetes.io/name: {{ include "keymount-azure.name" . | quote }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app: {{ include "keymount-azure.name" . }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | quote }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* An image: its digest, or else its tag. */}}
{{- define "keymount-azure.image" -}}
{{- if .digest -}}
{{- printf "%s@%s" .repository .digest -}}
{{- else -}}
{{- printf "%s:%s" .repository .tag -}}
{{- end -}}
{{- end -}}

{{- define "keymount-azure.priorityClassName" -}}
{{- if .Values.linux.priorityClassName -}}
{{- .Values.linux.priorityClassName -}}
{{- else if .Values.priorityClass.create -}}
{{- default (include "keymount-azure.fullname" .) .Values.priorityClass.name -}}
{{- end -}}
{{- end -}}

{{/* The provider's arguments: those of the Go provider's chart first. */}}
{{- define "keymount-azure.arguments" -}}
- --endpoint=unix:///provider/azure.sock
{{- if .Values.logFormatJSON }}
- --log-format-json=true
{{- end }}
{{- with .Values.logVerbosity }}
- -v={{ . }}
{{- end }}
- --construct-pem-chain={{ .Values.constructPEMChain }}
{{- with .Values.linux.customUserAgent }}
- {{ printf "--custom-user-agent=%s" . | quote }}
{{- end }}
- --healthz-port={{ .Values.linux.healthzPort }}
- --healthz-path={{ .Values.linux.healthzPath }}
- --healthz-timeout={{ .Values.linux.healthzTimeout }}
{{- if .Values.writeCertAndKeyInSeparateFiles }}
- --write-cert-and-key-in-separate-files=true
{{- end }}
- --prometheus-port={{ .Values.metricsAddr }}
{{- with .Values.cloudName }}
- --cloud-name={{ . }}
{{- end }}
{{- with .Values.objectCacheTTL }}
- --object-cache-ttl={{ . }}
{{- end }}
{{- with .Values.vaultConcurrency }}
- --vault-concurrency={{ int64 . }}
{{- end }}
{{- with .Values.tokenProxyURL }}
- --token-proxy-url={{ . }}
{{- end }}
{{- with .Values.sniName }}
- --sni-name={{ . }}
{{- end }}
{{- range .Values.linux.extraArgs }}
- {{ . | quote }}
{{- end }}
{{- end -}}
