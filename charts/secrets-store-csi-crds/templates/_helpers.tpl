{{- define "keymount-crds.names" -}}
- secretproviderclasses.secrets-store.csi.x-k8s.io
- secretproviderclasspodstatuses.secrets-store.csi.x-k8s.io
{{- end -}}

{{/*
Names of definitions that exist and do not belong to this release. Helm refuses to touch such objects, so they are left out unless
they are to be adopted. Nothing is known of the cluster while only templates are rendered; then none is foreign.
*/}}
{{- define "keymount-crds.foreign" -}}
{{- range include "keymount-crds.names" . | fromYamlArray }}
{{- with lookup "apiextensions.k8s.io/v1" "CustomResourceDefinition" "" . }}
{{- $annotations := default dict .metadata.annotations }}
{{- $release := index $annotations "meta.helm.sh/release-name" }}
{{- $namespace := index $annotations "meta.helm.sh/release-namespace" }}
{{- if or (ne (toString $release) $.Release.Name) (ne (toString $namespace) $.Release.Namespace) }}
- {{ .metadata.name }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "keymount-crds.labels" -}}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
app.kubernetes.io/name: {{ .Chart.Name | quote }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | quote }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}
