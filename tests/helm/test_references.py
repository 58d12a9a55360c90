"""Everything that an object refers to is made by the chart or is something that the values say exists."""

import json

import yaml
from rendered import CHART, is_hook, read_values, render, render_set

#: What Secrets hold; never a plain value, never in a ConfigMap.
SECRET = {"VESTIBULE_DATABASE_URL", "VESTIBULE_REDIS_URL"}


def references(pod):
    """The ConfigMaps and Secrets of a pod: kind, name and key (`None` for all keys)."""
    spec = pod["spec"]
    for container in spec["containers"]:
        for source in container.get("envFrom", []):
            yield "ConfigMap", source["configMapRef"]["name"], None
        for variable in container.get("env", []):
            source = variable.get("valueFrom", {})
            if "secretKeyRef" in source:
                yield "Secret", source["secretKeyRef"]["name"], source["secretKeyRef"]["key"]
            if "configMapKeyRef" in source:
                yield "ConfigMap", source["configMapKeyRef"]["name"], source["configMapKeyRef"]["key"]
    for volume in spec.get("volumes", []):
        if "configMap" in volume:
            yield "ConfigMap", volume["configMap"]["name"], None
        if "secret" in volume:
            yield "Secret", volume["secret"]["secretName"], None
        for source in volume.get("projected", {}).get("sources", []):
            for kind, name in (("configMap", "ConfigMap"), ("secret", "Secret")):
                for item in source.get(kind, {}).get("items", []):
                    yield name, source[kind]["name"], item["key"]


def made(rendered):
    """The ConfigMaps and Secrets that the release has: kind, name and keys."""
    found = {
        ("ConfigMap", document["metadata"]["name"]): set(document["data"]) for document in rendered.all("ConfigMap")
    }
    for certificate in rendered.all("Certificate"):
        found["Secret", certificate["spec"]["secretName"]] = {"tls.crt", "tls.key", "ca.crt"}
    return found


def promised(rendered):
    """What the values say exists."""
    values = rendered.values
    found = {("Secret", secret["name"], secret["key"]) for secret in values["secrets"].values()}
    for file in [*values["files"].values(), values["tls"]["clientCa"]]:
        found.add(("ConfigMap", file["configMap"], file["key"]))
        found.add(("Secret", file.get("secret"), file["key"]))
    found |= {("Secret", values["tls"]["secret"], key) for key in ("tls.crt", "tls.key")}
    extra = {"spec": {"containers": [{"env": values["extraEnv"]}], "volumes": values["extraVolumes"]}}
    return found | set(references(extra))


def test_nothing_is_missing(rendered):
    for kind, pod in rendered.pods.items():
        for what, name, key in references(pod):
            assert isinstance(name, str), "YAML took the name for something else"
            if (what, name, key) in promised(rendered):
                continue
            assert (what, name) in made(rendered), (kind, what, name)
            assert key is None or key in made(rendered)[what, name], (kind, what, name, key)


def test_hooks_need_nothing_of_the_release(rendered):
    """When the release is installed, they run before anything of it is there."""
    accounts = {account["metadata"]["name"] for account in rendered.all("ServiceAccount")}
    for document in rendered.all("Job"):
        assert is_hook(document)
        pod = document["spec"]["template"]
        assert set(references(pod)) <= promised(rendered)
        assert not {(what, name) for what, name, _ in references(pod)} & set(made(rendered))
        assert pod["spec"]["serviceAccountName"] not in accounts
        assert pod["spec"]["serviceAccountName"] == rendered.values["migration"]["serviceAccountName"]


def test_everything_that_is_made_is_used(rendered):
    used = {(what, name) for pod in rendered.pods.values() for what, name, _ in references(pod)}
    dashboards = {
        document["metadata"]["name"]
        for document in rendered.all("ConfigMap")
        if "grafana_dashboard" in document["metadata"]["labels"]
    }
    assert {known for known in made(rendered) if known[1] not in dashboards} <= used


def test_existing_secrets_are_the_ones_that_are_used():
    rendered = render_set("existing-secrets")
    found = set(references(rendered.server))
    assert {
        ("Secret", "123", "uri"),
        ("Secret", "true", "1e3"),
        ("Secret", "sealing", "key"),
        ("Secret", "callers", "callers"),
    } <= found
    assert not [name for _, name, _ in found if name == "vestibule"]
    (job,) = rendered.all("Job")
    assert set(references(job["spec"]["template"])) == {("Secret", "123", "uri")}


def test_the_chart_makes_no_secret(rendered):
    assert rendered.all("Secret") == []


def test_secrets_come_from_secrets(rendered):
    for pod in rendered.pods.values():
        for container in pod["spec"]["containers"]:
            for variable in container.get("env", []):
                if variable["name"] in SECRET:
                    assert set(variable["valueFrom"]) == {"secretKeyRef"}
    for document in rendered.all("ConfigMap"):
        assert not SECRET & set(document["data"])
    volumes = {volume["name"]: volume for volume in rendered.server["spec"]["volumes"]}
    secret_files = {"callers.jsonl", "sealing.key", "otlp-headers", "tls.key", "tls.crt"}
    for source in volumes["files"]["projected"]["sources"]:
        for kind, what in source.items():
            if {item["path"] for item in what["items"]} & secret_files:
                assert kind == "secret"


def test_no_variable_comes_twice(rendered):
    for kind, pod in rendered.pods.items():
        for container in pod["spec"]["containers"]:
            names = [variable["name"] for variable in container.get("env", [])]
            if container.get("envFrom"):
                names += list(rendered.settings)
            assert len(names) == len(set(names)), kind


def test_variables_are_text(rendered):
    assert all(isinstance(value, str) and value for value in rendered.settings.values())


def test_the_role_policy_is_what_the_values_say():
    rendered = render_set("files-inline")
    data = rendered.one("ConfigMap", "-files")["data"]
    assert json.loads(data["rbac-policy.json"]) == read_values("files-inline")["files"]["rbacPolicy"]["inline"]
    assert data["common-email-domains"] == "gmail\noutlook\n"


def test_files_from_config_maps_need_none_of_ours():
    rendered = render_set("files-existing")
    assert [document["metadata"]["name"] for document in rendered.all("ConfigMap")] == [rendered.fullname]
    found = set(references(rendered.server))
    assert {
        ("ConfigMap", "roles", "policy"),
        ("ConfigMap", "providers", "common-email-domains"),
        ("ConfigMap", "roots", "ca.crt"),
    } <= found


def test_the_certificate_is_for_every_service():
    rendered = render_set("tls-cert-manager")
    (certificate,) = rendered.all("Certificate")
    spec = certificate["spec"]
    assert set(spec) == {
        "secretName",
        "issuerRef",
        "dnsNames",
        "duration",
        "renewBefore",
        "privateKey",
        "usages",
    }
    assert certificate["apiVersion"] == "cert-manager.io/v1"
    assert spec["issuerRef"] == {"name": "internal", "kind": "ClusterIssuer", "group": "cert-manager.io"}
    services = [service["metadata"]["name"] for service in rendered.all("Service")]
    expected = {name + suffix for name in services for suffix in ("", ".ns", ".ns.svc", ".ns.svc.cluster.local")}
    assert set(spec["dnsNames"]) == expected | {"sessions.example.com"}
    assert len(spec["dnsNames"]) == len(set(spec["dnsNames"]))
    assert ("Secret", spec["secretName"], "tls.key") in set(references(rendered.server))
    assert spec["privateKey"]["rotationPolicy"] == "Always"
    assert "server auth" in spec["usages"]
    assert (spec["duration"], spec["renewBefore"]) == ("2160h", "720h")


def test_certificates_only_from_cert_manager(rendered):
    assert len(rendered.all("Certificate")) == rendered.values["tls"]["certManager"]["enabled"]


def test_clients_certificates():
    for name, expected in [
        ("mtls-config-map", ("ConfigMap", "mesh-roots", "roots.pem")),
        ("mtls-secret", ("Secret", "clients-authority", "ca.crt")),
    ]:
        rendered = render_set(name)
        assert expected in set(references(rendered.server))
        assert rendered.settings["VESTIBULE_TLS_CLIENT_CA_FILE"] == "/etc/vestibule/client-ca.crt"
    assert "VESTIBULE_TLS_CLIENT_CA_FILE" not in render_set("tls-secret").settings


def test_metrics_are_read_once_from_each_pod(rendered):
    assert len(rendered.all("ServiceMonitor")) == rendered.values["serviceMonitor"]["enabled"]
    for monitor in rendered.all("ServiceMonitor"):
        assert monitor["apiVersion"] == "monitoring.coreos.com/v1"
        spec, values = monitor["spec"], rendered.values["serviceMonitor"]
        assert set(spec) == {"selector", "namespaceSelector", "endpoints"}
        wanted = spec["selector"]["matchLabels"]
        chosen = [
            service for service in rendered.all("Service") if wanted.items() <= service["metadata"]["labels"].items()
        ]
        assert [service["metadata"]["name"] for service in chosen] == [rendered.fullname]
        (endpoint,) = spec["endpoints"]
        assert set(endpoint) - {"metricRelabelings"} == {"port", "path", "interval", "scrapeTimeout"}
        assert endpoint["port"] in {port["name"] for port in chosen[0]["spec"]["ports"]}
        assert endpoint["path"] == "/metrics"
        assert (endpoint["interval"], endpoint["scrapeTimeout"]) == (values["interval"], values["scrapeTimeout"])
        assert endpoint.get("metricRelabelings", []) == values["metricRelabelings"]
        assert spec["namespaceSelector"] == {"matchNames": ["ns"]}
        assert values["labels"].items() <= monitor["metadata"]["labels"].items()


def test_alerts_are_those_of_the_file(rendered):
    assert len(rendered.all("PrometheusRule")) == rendered.values["prometheusRule"]["enabled"]
    for rule in rendered.all("PrometheusRule"):
        assert rule["apiVersion"] == "monitoring.coreos.com/v1"
        assert rule["spec"] == yaml.safe_load((CHART / "rules" / "vestibule.yaml").read_text())
        assert [group["name"] for group in rule["spec"]["groups"]]
        assert rendered.values["prometheusRule"]["labels"].items() <= rule["metadata"]["labels"].items()


def test_the_dashboard_is_the_one_of_the_file():
    rendered = render_set("monitoring")
    (document,) = [found for found in rendered.all("ConfigMap") if "grafana_dashboard" in found["metadata"]["labels"]]
    assert document["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert document["metadata"]["labels"]["team"] == "identity"
    assert document["metadata"]["annotations"] == {"grafana_folder": "Identity"}
    (text,) = document["data"].values()
    assert json.loads(text) == json.loads((CHART / "dashboards" / "vestibule.json").read_text())
    assert not [found for found in render().all("ConfigMap") if "grafana_dashboard" in found["metadata"]["labels"]]


def test_telemetry_says_which_pod_it_comes_from(rendered):
    variables = {variable["name"]: variable for variable in rendered.container.get("env", [])}
    assert ("OTEL_RESOURCE_ATTRIBUTES" in variables) == bool(rendered.values["config"]["otlpEndpoint"])
    if "OTEL_RESOURCE_ATTRIBUTES" in variables:
        text = variables["OTEL_RESOURCE_ATTRIBUTES"]["value"]
        attributes = dict(pair.split("=") for pair in text.split(","))
        assert attributes == {
            "k8s.namespace.name": "ns",
            "k8s.deployment.name": rendered.fullname,
            "k8s.container.name": "vestibule",
            "k8s.pod.name": "$(POD_NAME)",
            "k8s.pod.uid": "$(POD_UID)",
            "k8s.node.name": "$(NODE_NAME)",
            **rendered.values["resourceAttributes"],
        }
        fields = {
            name: variables[name]["valueFrom"]["fieldRef"]["fieldPath"] for name in ("POD_NAME", "POD_UID", "NODE_NAME")
        }
        assert fields == {"POD_NAME": "metadata.name", "POD_UID": "metadata.uid", "NODE_NAME": "spec.nodeName"}
        # Kubernetes replaces only what stands before.
        order = list(variables)
        assert all(order.index(name) < order.index("OTEL_RESOURCE_ATTRIBUTES") for name in fields)


def test_extra_variables_and_volumes_reach_the_migration_too():
    rendered = render_set("scheduling")
    for kind in ("Deployment", "Job"):
        spec = rendered.pods[kind]["spec"]
        (container,) = spec["containers"]
        assert [
            variable for variable in container["env"] if variable["name"] in ("RUST_BACKTRACE", "PROXY_PASSWORD")
        ] == (rendered.values["extraEnv"])
        assert rendered.values["extraVolumeMounts"][0] in container["volumeMounts"]
        assert rendered.values["extraVolumes"][0] in spec["volumes"]
