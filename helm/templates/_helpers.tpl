{{/*
The name of all objects. 52 characters leave room for what is appended to it: names of Services and labels have at
most 63.
*/}}
{{- define "vestibule.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- default $full .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- end }}

{{/* What selects the objects of one component. Takes the root and the component. */}}
{{- define "vestibule.selectorLabels" -}}
app.kubernetes.io/name: {{ default .root.Chart.Name .root.Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* The labels of an object. Takes the root and the component. */}}
{{- define "vestibule.labels" -}}
{{ include "vestibule.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: vestibule
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* The labels of a pod: without the chart's version, which is no reason to replace pods. */}}
{{- define "vestibule.podLabels" -}}
{{ include "vestibule.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: vestibule
{{- end }}

{{- define "vestibule.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end }}

{{- define "vestibule.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{ default (include "vestibule.fullname" .) .Values.serviceAccount.name }}
{{- else -}}
{{ default "default" .Values.serviceAccount.name }}
{{- end -}}
{{- end }}

{{/* The Secret with the certificate of gRPC; empty without TLS. */}}
{{- define "vestibule.tlsSecret" -}}
{{- if .Values.tls.certManager.enabled -}}
{{ include "vestibule.fullname" . }}-tls
{{- else -}}
{{ .Values.tls.secret }}
{{- end -}}
{{- end }}

{{/* A duration in milliseconds: `1m 30s` is 90000. */}}
{{- define "vestibule.milliseconds" -}}
{{- $units := dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000 "day" 86400000 "days" 86400000 -}}
{{- $total := 0 -}}
{{- range regexFindAll "[0-9]+[a-z]+" . -1 -}}
{{- $total = add $total (mul (regexFind "[0-9]+" . | int64) (get $units (regexFind "[a-z]+" .))) -}}
{{- end -}}
{{ $total }}
{{- end }}

{{/* A duration in seconds, rounded up. */}}
{{- define "vestibule.seconds" -}}
{{ div (add (include "vestibule.milliseconds" . | int64) 999) 1000 }}
{{- end }}

{{/*
What Kubernetes grants until SIGKILL; it counts from the beginning of preStop. After the drain, telemetry is flushed
(5 s at most); 5 s more are for what is not foreseen.
*/}}
{{- define "vestibule.gracePeriod" -}}
{{- $lameDuck := include "vestibule.seconds" .Values.config.lameDuck | int64 -}}
{{- $drain := include "vestibule.seconds" .Values.config.drainTimeout | int64 -}}
{{ add .Values.shutdown.preStopSleepSeconds $lameDuck $drain 10 }}
{{- end }}

{{/* What is the same for every pod of the chart. */}}
{{- define "vestibule.podSpec" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  seccompProfile:
    type: RuntimeDefault
  {{- range $key, $id := .Values.podSecurityContext }}
  {{- if not (kindIs "invalid" $id) }}
  {{ $key }}: {{ int64 $id }}
  {{- end }}
  {{- end }}
{{- end }}

{{/*
What is the same for every container of the chart. A process that ends tells why in its last lines, which are shown
with the pod's state.
*/}}
{{- define "vestibule.container" -}}
image: {{ include "vestibule.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
terminationMessagePolicy: FallbackToLogsOnError
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end }}

{{/* A variable with the value of a Secret. Takes its name and the Secret's. */}}
{{- define "vestibule.secretEnv" -}}
- name: {{ .env }}
  valueFrom:
    secretKeyRef:
      name: {{ .secret.name | quote }}
      key: {{ .secret.key | quote }}
{{- end }}

{{/* One file of a projected volume. Takes where it comes from (`configMap`, or `secret`) and its path. */}}
{{- define "vestibule.source" -}}
- {{ .kind }}:
    name: {{ .name | quote }}
    items:
      - key: {{ .key | quote }}
        path: {{ .path }}
{{- end }}
