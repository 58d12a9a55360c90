{{/* What values.schema.json can't say, because it compares values. */}}
{{- define "vestibule.validate" -}}
{{- $values := .Values -}}
{{- if eq (int64 $values.ports.grpc) (int64 $values.ports.http) }}
{{- fail "ports.grpc and ports.http must differ" }}
{{- end }}
{{- if eq (int64 $values.service.ports.grpc) (int64 $values.service.ports.http) }}
{{- fail "service.ports.grpc and service.ports.http must differ" }}
{{- end }}
{{- /* The least that the program takes, and the most if there is one: a pod that refuses to start tells it too late. */}}
{{- $ranges := dict
  "jwtKeyPeriod" (list "0s" "3653days")
  "jwtKeyOverlap" (list "15m")
  "claimLease" (list "3s" "60s")
  "maxCallDuration" (list "100ms")
  "handshakeTimeout" (list "100ms" "365days")
  "writeTimeout" (list "100ms" "365days")
  "keepAliveInterval" (list "100ms" "365days")
  "keepAliveTimeout" (list "100ms" "365days")
  "maxConnectionAge" (list "100ms" "365days")
  "otlpMetricsInterval" (list "1s" "1h")
}}
{{- range $name, $range := $ranges }}
{{- $given := include "vestibule.milliseconds" (get $values.config $name) | int64 }}
{{- if lt $given (include "vestibule.milliseconds" (first $range) | int64) }}
{{- fail (printf "config.%s must be at least %s" $name (first $range)) }}
{{- end }}
{{- if and (eq (len $range) 2) (gt $given (include "vestibule.milliseconds" (last $range) | int64)) }}
{{- fail (printf "config.%s must be at most %s" $name (last $range)) }}
{{- end }}
{{- end }}
{{- $period := include "vestibule.milliseconds" $values.config.jwtKeyPeriod | int64 }}
{{- if lt $period (mul 2 (include "vestibule.milliseconds" $values.config.jwtKeyOverlap | int64)) }}
{{- fail "config.jwtKeyPeriod must be at least twice config.jwtKeyOverlap" }}
{{- end }}
{{- with $values.autoscaling }}
{{- if and .enabled (gt (int64 .minReplicas) (int64 .maxReplicas)) }}
{{- fail "autoscaling.minReplicas must not be more than autoscaling.maxReplicas" }}
{{- end }}
{{- end }}
{{- $fewest := ternary $values.autoscaling.minReplicas $values.replicaCount $values.autoscaling.enabled | int64 }}
{{- with $values.podDisruptionBudget }}
{{- $given := not (kindIs "invalid" .minAvailable) }}
{{- if and $given (not (kindIs "invalid" .maxUnavailable)) }}
{{- fail "podDisruptionBudget takes minAvailable or maxUnavailable: set the other to null" }}
{{- end }}
{{- if and .enabled $given (not (kindIs "string" .minAvailable)) (ge (int64 .minAvailable) $fewest) }}
{{- fail "podDisruptionBudget.minAvailable must be less than the replicas, or nodes can't be drained" }}
{{- end }}
{{- end }}
{{- if and $values.secrets.otlpHeaders.name (not $values.config.otlpEndpoint) }}
{{- fail "secrets.otlpHeaders needs config.otlpEndpoint" }}
{{- end }}
{{- $ca := or $values.files.otlpCa.configMap $values.files.otlpCa.secret }}
{{- if and $ca (not (hasPrefix "https://" $values.config.otlpEndpoint)) }}
{{- fail "files.otlpCa needs an https:// config.otlpEndpoint" }}
{{- end }}
{{- $interval := include "vestibule.seconds" $values.serviceMonitor.interval | int64 }}
{{- if gt (include "vestibule.seconds" $values.serviceMonitor.scrapeTimeout | int64) $interval }}
{{- fail "serviceMonitor.scrapeTimeout must not be more than serviceMonitor.interval" }}
{{- end }}
{{- end }}
