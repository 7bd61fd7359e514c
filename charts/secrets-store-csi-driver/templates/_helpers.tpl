{{/* Value of the label `app`, by which the DaemonSet finds its pods. */}}
{{- define "keymount-driver.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* Name of the DaemonSet: the release's, with the chart's where that does not hold it already. */}}
{{- define "keymount-driver.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "keymount-driver.labels" -}}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
app.kubernetes.io/name: {{ include "keymount-driver.name" . | quote }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app: {{ include "keymount-driver.name" . }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | quote }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* An image: its digest, or else its tag. */}}
{{- define "keymount-driver.image" -}}
{{- if .digest -}}
{{- printf "%s@%s" .repository .digest -}}
{{- else -}}
{{- printf "%s:%s" .repository .tag -}}
{{- end -}}
{{- end -}}

{{- define "keymount-driver.priorityClassName" -}}
{{- if .Values.linux.priorityClassName -}}
{{- .Values.linux.priorityClassName -}}
{{- else if .Values.priorityClass.create -}}
{{- default (include "keymount-driver.fullname" .) .Values.priorityClass.name -}}
{{- end -}}
{{- end -}}

{{/* Port of the metrics endpoint. */}}
{{- define "keymount-driver.metricsPort" -}}
{{- regexFind "[0-9]+$" .Values.linux.metricsAddr -}}
{{- end -}}

{{/* The name that the API server knows the driver by. */}}
{{- define "keymount-driver.user" -}}
{{- printf "system:serviceaccount:%s:secrets-store-csi-driver" .Release.Namespace -}}
{{- end -}}

{{/* The driver's arguments: those of the Go driver's chart first. */}}
{{- define "keymount-driver.arguments" -}}
{{- with .Values.logVerbosity }}
- -v={{ . }}
{{- end }}
{{- if .Values.logFormatJSON }}
- --log-format-json=true
{{- end }}
- --endpoint=$(CSI_ENDPOINT)
- --nodeid=$(KUBE_NODE_NAME)
- --provider-volume={{ .Values.linux.providersDir }}
- --additional-provider-volume-paths={{ join "," .Values.linux.additionalProvidersDirs }}
{{- if .Values.enableSecretRotation }}
- --enable-secret-rotation=true
{{- end }}
{{- with .Values.rotationPollInterval }}
- --rotation-poll-interval={{ . }}
{{- end }}
- --metrics-addr={{ .Values.linux.metricsAddr }}
{{- if .Values.providerHealthCheck }}
- --provider-health-check=true
{{- end }}
{{- with .Values.providerHealthCheckInterval }}
- --provider-health-check-interval={{ . }}
{{- end }}
{{- with .Values.maxCallRecvMsgSize }}
- --max-call-recv-msg-size={{ int64 . }}
{{- end }}
- --kubelet-pods-dir={{ .Values.linux.kubeletRootDir }}/pods
{{- if not .Values.linux.registrar.sidecar }}
- --kubelet-registration-path={{ .Values.linux.kubeletRootDir }}/plugins/csi-secrets-store/csi.sock
- --plugin-registration-path=/registration
{{- end }}
{{- if not .Values.linux.livenessProbe.sidecar }}
- --health-addr=:{{ .Values.livenessProbe.port }}
{{- if .Values.statusPage }}
- --status-page=true
{{- end }}
{{- end }}
{{- with .Values.mountedBytesBudget }}
- --mounted-bytes-budget={{ int64 . }}
{{- end }}
{{- with .Values.volumeSizeLimit }}
- --volume-size-limit={{ int64 . }}
{{- end }}
{{- with .Values.volumeMaxFiles }}
- --volume-max-files={{ int64 . }}
{{- end }}
{{- if .Values.volumeNoexec }}
- --volume-noexec=true
{{- end }}
{{- with .Values.rotationMinInterval }}
- --rotation-min-interval={{ . }}
{{- end }}
{{- with .Values.secretRepairInterval }}
- --secret-repair-interval={{ . }}
{{- end }}
{{- with .Values.providerStartupTimeout }}
- --provider-startup-timeout={{ . }}
{{- end }}
{{- with .Values.providerMaxCalls }}
- --provider-max-calls={{ int64 . }}
{{- end }}
{{- with .Values.providerReplyMemory }}
- --provider-reply-memory={{ int64 . }}
{{- end }}
{{- with .Values.kubeApiQps }}
- --kube-api-qps={{ int64 . }}
{{- end }}
{{- with .Values.kubeApiBurst }}
- --kube-api-burst={{ int64 . }}
{{- end }}
{{- if .Values.mintServiceAccountTokens }}
- --mint-service-account-tokens=true
{{- end }}
{{- if .Values.startupTaint.enabled }}
- --startup-taint={{ .Values.startupTaint.key }}
{{- with .Values.startupTaint.providers }}
- --startup-taint-providers={{ join "," . }}
{{- end }}
{{- end }}
{{- range .Values.linux.extraArgs }}
- {{ . | quote }}
{{- end }}
{{- end -}}
