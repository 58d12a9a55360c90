"""Values that must not get as far as the cluster, each with a word of what is said about it."""

import helm_python
import pytest
from rendered import render

LONG = "a" * 53

#: What values.schema.json refuses: the values, and what the message names.
BY_SCHEMA = {
    "unknown key": ({"replicas": 3}, "replicas"),
    "unknown setting": ({"config": {"maxCalls": 3}}, "maxCalls"),
    "unknown secret": ({"secrets": {"tlsKey": {"name": "a", "key": "b"}}}, "tlsKey"),
    "secret inline": ({"secrets": {"databaseUrl": {"value": "postgres://a:b@c/d"}}}, "databaseUrl"),
    "secret as text": ({"secrets": {"databaseUrl": "postgres://a:b@c/d"}}, "databaseUrl"),
    "no replicas": ({"replicaCount": 0}, "replicaCount"),
    "replicas as text": ({"replicaCount": "2"}, "replicaCount"),
    "half a replica": ({"replicaCount": 1.5}, "replicaCount"),
    "environment": ({"config": {"environment": "production"}}, "environment"),
    "algorithm": ({"config": {"jwtAlgorithm": "HS256"}}, "jwtAlgorithm"),
    "log format": ({"config": {"logFormat": "xml"}}, "logFormat"),
    "no log filter": ({"config": {"logFilter": ""}}, "logFilter"),
    "duration without unit": ({"config": {"claimLease": "6"}}, "claimLease"),
    "duration as number": ({"config": {"claimLease": 6}}, "claimLease"),
    "duration with a word": ({"config": {"drainTimeout": "20 seconds"}}, "drainTimeout"),
    "duration below nothing": ({"config": {"lameDuck": "-5s"}}, "lameDuck"),
    "duration taken away": ({"config": {"drainTimeout": None}}, "drainTimeout"),
    "boolean as text": ({"config": {"discoveryOrganizationCreation": "yes"}}, "discoveryOrganizationCreation"),
    "too many connections": ({"config": {"databaseMaxConnections": 1001}}, "databaseMaxConnections"),
    "too few streams": ({"config": {"maxConcurrentStreams": 99}}, "maxConcurrentStreams"),
    "header bytes": ({"config": {"maxHeaderBytes": 1023}}, "maxHeaderBytes"),
    "message bytes": ({"config": {"maxMessageBytes": 67108865}}, "maxMessageBytes"),
    "calls in flight": ({"config": {"maxCallsInFlight": 3}}, "maxCallsInFlight"),
    "sample ratio": ({"config": {"traceSampleRatio": 1.1}}, "traceSampleRatio"),
    "endpoint without scheme": ({"config": {"otlpEndpoint": "collector:4317"}}, "otlpEndpoint"),
    "endpoint with password": ({"config": {"otlpEndpoint": "https://me:secret@collector:4317"}}, "otlpEndpoint"),
    "live without callers": ({"secrets": {"callers": {"name": ""}}}, "callers"),
    "callers taken away": ({"secrets": {"callers": None}}, "callers"),
    "live without sealing key": ({"secrets": {"sealingKey": {"name": ""}}}, "sealingKey"),
    "no database": ({"secrets": {"databaseUrl": {"name": ""}}}, "databaseUrl"),
    "database taken away": ({"secrets": {"databaseUrl": {"name": None}}}, "databaseUrl"),
    "no redis": ({"secrets": {"redisUrl": {"name": ""}}}, "redisUrl"),
    "no key in the secret": ({"secrets": {"redisUrl": {"key": ""}}}, "redisUrl"),
    "name of a secret": ({"secrets": {"redisUrl": {"name": "My_Secret"}}}, "redisUrl"),
    "embedded and live": ({"embedded": {"enabled": True}, "replicaCount": 1}, "environment"),
    "embedded twice": ({"embedded": {"enabled": True}, "config": {"environment": "test"}}, "replicaCount"),
    "embedded and scaled": (
        {
            "embedded": {"enabled": True},
            "config": {"environment": "test"},
            "replicaCount": 1,
            "autoscaling": {"enabled": True},
        },
        "autoscaling",
    ),
    "embedded at the root": ({"embedded": {"dataDir": "/data"}}, "dataDir"),
    "both sources of TLS": (
        {"tls": {"secret": "a", "certManager": {"enabled": True, "issuerRef": {"name": "b"}}}},
        "tls",
    ),
    "cert-manager without issuer": ({"tls": {"certManager": {"enabled": True}}}, "issuerRef"),
    "clients' CA without TLS": ({"tls": {"clientCa": {"configMap": "a"}}}, "tls"),
    "two clients' CAs": ({"tls": {"secret": "a", "clientCa": {"configMap": "a", "secret": "b"}}}, "clientCa"),
    "certificate's duration": (
        {"tls": {"certManager": {"enabled": True, "issuerRef": {"name": "a"}, "duration": "90d"}}},
        "duration",
    ),
    "two role policies": ({"files": {"rbacPolicy": {"inline": {"roles": []}, "configMap": "a"}}}, "rbacPolicy"),
    "role policy as text": ({"files": {"rbacPolicy": {"inline": "{}"}}}, "rbacPolicy"),
    "two lists of domains": (
        {"files": {"commonEmailDomains": {"inline": ["gmail"], "configMap": "a"}}},
        "commonEmailDomains",
    ),
    "domains on one line": ({"files": {"commonEmailDomains": {"inline": ["gmail outlook"]}}}, "commonEmailDomains"),
    "two CAs of the collector": (
        {"config": {"otlpEndpoint": "https://a"}, "files": {"otlpCa": {"configMap": "a", "secret": "b"}}},
        "otlpCa",
    ),
    "port of root": ({"ports": {"grpc": 443}}, "grpc"),
    "port as text": ({"ports": {"http": "9464"}}, "http"),
    "port too high": ({"service": {"ports": {"http": 65536}}}, "http"),
    "loopback": ({"listenIp": "127.0.0.1"}, "listenIp"),
    "service type": ({"service": {"type": "LoadBalancer"}}, "type"),
    "name too long": ({"fullnameOverride": LONG}, "fullnameOverride"),
    "name in capitals": ({"fullnameOverride": "Vestibule"}, "fullnameOverride"),
    "root": ({"podSecurityContext": {"runAsUser": 0}}, "runAsUser"),
    "security switched off": ({"podSecurityContext": {"runAsNonRoot": False}}, "runAsNonRoot"),
    "digest": ({"image": {"digest": "sha256:abc"}}, "digest"),
    "tag with digest": ({"image": {"tag": "1@sha256:abc"}}, "tag"),
    "pull policy": ({"image": {"pullPolicy": "Sometimes"}}, "pullPolicy"),
    "probe": ({"probes": {"liveness": {"exec": {"command": ["true"]}}}}, "exec"),
    "setting as variable": ({"extraEnv": [{"name": "VESTIBULE_LAME_DUCK", "value": "1s"}]}, "extraEnv"),
    "variable of the chart": ({"extraEnv": [{"name": "OTEL_RESOURCE_ATTRIBUTES", "value": "a=b"}]}, "extraEnv"),
    "variable as number": ({"extraEnv": [{"name": "A", "value": 1}]}, "extraEnv"),
    "attribute with comma": ({"resourceAttributes": {"team": "a,b"}}, "resourceAttributes"),
    "volume of the chart": ({"extraVolumes": [{"name": "files", "emptyDir": {}}]}, "extraVolumes"),
    "mount of the chart": (
        {"extraVolumeMounts": [{"name": "a", "mountPath": "/etc/vestibule/x"}]},
        "extraVolumeMounts",
    ),
    "label of the chart": ({"podLabels": {"app.kubernetes.io/name": "a"}}, "app.kubernetes.io/name"),
    "label of the chart in a hook": ({"hooks": {"podLabels": {"app.kubernetes.io/component": "server"}}}, "component"),
    "nobody may call": ({"networkPolicy": {"ingress": {"grpc": []}}}, "grpc"),
    "peer": ({"networkPolicy": {"ingress": {"grpc": [{"pod": "a"}]}}}, "pod"),
    "empty peer": ({"networkPolicy": {"ingress": {"grpc": [{}]}}}, "grpc"),
    "no DNS": ({"networkPolicy": {"egress": {"dns": {"ports": []}}}}, "dns"),
    "port by name": ({"networkPolicy": {"egress": {"redis": {"ports": ["redis"]}}}}, "redis"),
    "budget": ({"podDisruptionBudget": {"maxUnavailable": "half"}}, "maxUnavailable"),
    "spread": ({"topologySpreadConstraints": [{"maxSkew": 1, "labelSelector": {}}]}, "topologySpreadConstraints"),
    "deadline": ({"migration": {"activeDeadlineSeconds": 0}}, "activeDeadlineSeconds"),
    "migrations side by side": ({"migration": {"parallelism": 2}}, "parallelism"),
    "sleep": ({"shutdown": {"preStopSleepSeconds": -1}}, "preStopSleepSeconds"),
    "interval": ({"serviceMonitor": {"interval": "30"}}, "interval"),
}

#: What compares values, which a schema can't: the values, and the message.
BY_TEMPLATE = {
    "one port for two": ({"ports": {"grpc": 9464}}, "ports.grpc and ports.http must differ"),
    "one port of the service": ({"service": {"ports": {"grpc": 9464}}}, "service.ports.grpc and service.ports.http"),
    "lease": ({"config": {"claimLease": "2s"}}, "config.claimLease must be at least 3s"),
    "long lease": ({"config": {"claimLease": "61s"}}, "config.claimLease must be at most 60s"),
    "no time at all": ({"config": {"handshakeTimeout": "0s"}}, "config.handshakeTimeout must be at least 100ms"),
    "overlap": ({"config": {"jwtKeyPeriod": "59days"}}, "jwtKeyPeriod must be at least twice"),
    "overlap in other units": ({"config": {"jwtKeyPeriod": "1439h"}}, "jwtKeyPeriod must be at least twice"),
    "scaled backwards": (
        {"autoscaling": {"enabled": True, "minReplicas": 7}},
        "autoscaling.minReplicas must not be more",
    ),
    "budget that blocks": (
        {"podDisruptionBudget": {"minAvailable": 2, "maxUnavailable": None}},
        "minAvailable must be less than the replicas",
    ),
    "budget that blocks when scaled": (
        {
            "replicaCount": 9,
            "autoscaling": {"enabled": True, "minReplicas": 3},
            "podDisruptionBudget": {"minAvailable": 3, "maxUnavailable": None},
        },
        "minAvailable must be less than the replicas",
    ),
    "two budgets": ({"podDisruptionBudget": {"minAvailable": 1}}, "set the other to null"),
    "headers for nobody": ({"secrets": {"otlpHeaders": {"name": "a"}}}, "otlpHeaders needs config.otlpEndpoint"),
    "CA for nobody": ({"files": {"otlpCa": {"secret": "a"}}}, "otlpCa needs an https://"),
    "CA in plain text": (
        {"config": {"otlpEndpoint": "http://a:4317"}, "files": {"otlpCa": {"configMap": "a"}}},
        "otlpCa needs an https://",
    ),
    "scrape": ({"serviceMonitor": {"scrapeTimeout": "31s"}}, "scrapeTimeout must not be more"),
}


@pytest.mark.parametrize("case", BY_SCHEMA)
def test_the_schema_refuses(case):
    values, named = BY_SCHEMA[case]
    with pytest.raises(helm_python.HelmValuesError) as refused:
        render(**values)
    message = str(refused.value)
    assert "schema" in message
    assert named in message


@pytest.mark.parametrize("case", BY_TEMPLATE)
def test_the_templates_refuse(case):
    values, said = BY_TEMPLATE[case]
    with pytest.raises(helm_python.HelmRenderError) as refused:
        render(**values)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    "values",
    [
        {"config": {"jwtKeyPeriod": "60days"}},
        {"config": {"jwtKeyPeriod": "1440h"}},
        {"autoscaling": {"enabled": True, "minReplicas": 6}},
        {"podDisruptionBudget": {"minAvailable": 1, "maxUnavailable": None}},
        {"podDisruptionBudget": {"minAvailable": "50%", "maxUnavailable": None}},
        {"serviceMonitor": {"scrapeTimeout": "30s"}},
        {"config": {"maxCallDuration": "1m 30s", "drainTimeout": "1m30s"}},
        {"config": {"callerBurst": None, "otlpEndpoint": "https://collector.example.com/"}},
        {"fullnameOverride": LONG[1:]},
        {"global": {"anything": "of a chart above"}},
        {"networkPolicy": {"ingress": {"grpc": [{"namespaceSelector": {}}, {"ipBlock": {"cidr": "0.0.0.0/0"}}]}}},
    ],
)
def test_what_is_right_at_the_edge_is_taken(values):
    assert render(**values).all("Deployment")
