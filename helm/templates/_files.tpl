{{/*
Every file that the program is given: what its variable is called, where the file comes from, and its name under
/etc/vestibule. As a list in YAML, which the ConfigMap and the Deployment read, so that they can't differ.
*/}}
{{- define "vestibule.files" -}}
{{- $values := .Values -}}
{{- $own := printf "%s-files" (include "vestibule.fullname" .) -}}
- {env: VESTIBULE_CALLERS_FILE, kind: secret, name: {{ $values.secrets.callers.name | quote }}, key: {{ $values.secrets.callers.key | quote }}, path: callers.jsonl}
{{- if not $values.embedded.enabled }}
- {env: VESTIBULE_SEALING_KEY_FILE, kind: secret, name: {{ $values.secrets.sealingKey.name | quote }}, key: {{ $values.secrets.sealingKey.key | quote }}, path: sealing.key}
{{- end }}
{{- with $values.files.rbacPolicy }}
{{- if .configMap }}
- {env: VESTIBULE_RBAC_POLICY_FILE, kind: configMap, name: {{ .configMap | quote }}, key: {{ .key | quote }}, path: rbac-policy.json}
{{- else if .inline }}
- {env: VESTIBULE_RBAC_POLICY_FILE, kind: configMap, name: {{ $own | quote }}, key: rbac-policy.json, path: rbac-policy.json}
{{- end }}
{{- end }}
{{- with $values.files.commonEmailDomains }}
{{- if .configMap }}
- {env: VESTIBULE_COMMON_EMAIL_DOMAINS_FILE, kind: configMap, name: {{ .configMap | quote }}, key: {{ .key | quote }}, path: common-email-domains}
{{- else if .inline }}
- {env: VESTIBULE_COMMON_EMAIL_DOMAINS_FILE, kind: configMap, name: {{ $own | quote }}, key: common-email-domains, path: common-email-domains}
{{- end }}
{{- end }}
{{- with include "vestibule.tlsSecret" . }}
- {env: VESTIBULE_TLS_CERTIFICATE_FILE, kind: secret, name: {{ . | quote }}, key: tls.crt, path: tls.crt}
- {env: VESTIBULE_TLS_KEY_FILE, kind: secret, name: {{ . | quote }}, key: tls.key, path: tls.key}
{{- end }}
{{- with $values.tls.clientCa }}
{{- if or .configMap .secret }}
- {env: VESTIBULE_TLS_CLIENT_CA_FILE, kind: {{ ternary "configMap" "secret" (not (empty .configMap)) }}, name: {{ .configMap | default .secret | quote }}, key: {{ .key | quote }}, path: client-ca.crt}
{{- end }}
{{- end }}
{{- with $values.secrets.otlpHeaders }}
{{- if .name }}
- {env: VESTIBULE_OTLP_HEADERS_FILE, kind: secret, name: {{ .name | quote }}, key: {{ .key | quote }}, path: otlp-headers}
{{- end }}
{{- end }}
{{- with $values.files.otlpCa }}
{{- if or .configMap .secret }}
- {env: VESTIBULE_OTLP_CA_FILE, kind: {{ ternary "configMap" "secret" (not (empty .configMap)) }}, name: {{ .configMap | default .secret | quote }}, key: {{ .key | quote }}, path: otlp-ca.crt}
{{- end }}
{{- end }}
{{- end }}
