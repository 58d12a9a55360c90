{{/* The rules of what may go out. Takes a list of `to` and `ports`, with `protocols` if not TCP. Nothing without ports. */}}
{{- define "vestibule.egress" -}}
{{- range . }}
{{- $protocols := default (list "TCP") .protocols }}
{{- if .ports }}
- ports:
    {{- range $port := .ports }}
    {{- range $protocols }}
    - {port: {{ int64 $port }}, protocol: {{ . }}}
    {{- end }}
    {{- end }}
  {{- with .to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- end }}
{{- end }}
