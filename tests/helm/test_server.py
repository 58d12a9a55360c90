"""The Deployment, and what leads to its pods."""

import re

import helm_python
import pytest
import yaml
from rendered import CHART, METADATA, Rendered, read_values, render, selects

PATHS = "/etc/vestibule/"


def seconds(text):
    """A duration as the program reads it."""
    units = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "day": 86400, "days": 86400}
    return sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+)([a-z]+)", text))


def test_selects_its_pods_and_no_others(rendered):
    (deployment,) = rendered.all("Deployment")
    labels = {kind: pod["metadata"]["labels"] for kind, pod in rendered.pods.items()}
    selectors = [deployment["spec"]["selector"]]
    selectors += [{"matchLabels": service["spec"]["selector"]} for service in rendered.all("Service")]
    selectors += [budget["spec"]["selector"] for budget in rendered.all("PodDisruptionBudget")]
    selectors += [spread["labelSelector"] for spread in rendered.server["spec"].get("topologySpreadConstraints", [])]
    for selector in selectors:
        assert selector["matchLabels"]
        assert [kind for kind in labels if selects(selector, labels[kind])] == ["Deployment"]
        assert not selects(selector, labels["Deployment"] | {"app.kubernetes.io/instance": "another"})


def test_does_not_select_by_what_changes(rendered):
    (deployment,) = rendered.all("Deployment")
    assert set(deployment["spec"]["selector"]["matchLabels"]) == {
        "app.kubernetes.io/name",
        "app.kubernetes.io/instance",
        "app.kubernetes.io/component",
    }


def test_mounts_every_volume_and_nothing_else(rendered):
    for kind, pod in rendered.pods.items():
        spec = pod["spec"]
        volumes = [volume["name"] for volume in spec.get("volumes", [])]
        mounts = [mount for container in spec["containers"] for mount in container.get("volumeMounts", [])]
        assert len(volumes) == len(set(volumes)), kind
        assert set(volumes) == {mount["name"] for mount in mounts}, kind
        paths = [mount["mountPath"] for mount in mounts]
        assert len(paths) == len(set(paths)), kind


def test_files_are_where_the_settings_say(rendered):
    (volume,) = [volume for volume in rendered.server["spec"]["volumes"] if volume["name"] == "files"]
    paths = [item["path"] for source in volume["projected"]["sources"] for item in next(iter(source.values()))["items"]]
    named = [path.removeprefix(PATHS) for name, path in rendered.settings.items() if name.endswith("_FILE")]
    assert sorted(paths) == sorted(named)
    assert len(paths) == len(set(paths))
    (mount,) = [mount for mount in rendered.container["volumeMounts"] if mount["name"] == "files"]
    assert mount == {"name": "files", "mountPath": PATHS.rstrip("/"), "readOnly": True}
    # The group may read, and nobody writes.
    assert volume["projected"]["defaultMode"] == 0o440


def test_writes_only_where_the_embedded_default_keeps_its_data(rendered):
    volumes = {volume["name"]: volume for volume in rendered.server["spec"]["volumes"]}
    assert ("data" in volumes) == rendered.embedded
    assert ("VESTIBULE_DATA_DIR" in rendered.settings) == rendered.embedded
    if rendered.embedded:
        assert set(volumes["data"]) == {"name", "emptyDir"}
        (mount,) = [
            mount
            for mount in rendered.container["volumeMounts"]
            if mount["name"] == "data" and mount["mountPath"] != "/tmp"
        ]
        # It makes the directory itself, so that it owns it.
        assert rendered.settings["VESTIBULE_DATA_DIR"].rpartition("/")[0] == mount["mountPath"]


def test_ports_lead_to_where_it_listens(rendered):
    ports = {port["name"]: port["containerPort"] for port in rendered.container["ports"]}
    assert set(ports) == {"grpc", "http"}
    address = rendered.values["listenIp"]
    assert rendered.settings["VESTIBULE_LISTEN_ADDRESS"] == f"{address}:{ports['grpc']}"
    assert rendered.settings["VESTIBULE_HTTP_ADDRESS"] == f"{address}:{ports['http']}"
    for service in rendered.all("Service"):
        for port in service["spec"]["ports"]:
            assert port["targetPort"] == port["name"]
            assert port["targetPort"] in ports
    service = rendered.one("Service")
    assert {port["name"]: port["port"] for port in service["spec"]["ports"]} == rendered.values["service"]["ports"]


def test_tells_the_protocol_of_each_port(rendered):
    for service in rendered.all("Service"):
        protocols = {port["name"]: port["appProtocol"] for port in service["spec"]["ports"]}
        assert protocols["grpc"] == ("https" if rendered.tls else "kubernetes.io/h2c")
        assert protocols.get("http", "http") == "http"


def test_takes_another_name_for_the_protocol():
    (port,) = [
        port
        for port in render(service={"appProtocol": "grpc"}).one("Service")["spec"]["ports"]
        if port["name"] == "grpc"
    ]
    assert port["appProtocol"] == "grpc"


def test_has_a_headless_service_beside_the_other(rendered):
    services = rendered.all("Service")
    assert rendered.one("Service")["spec"].get("clusterIP") is None
    assert len(services) == 1 + rendered.values["service"]["headless"]
    if rendered.values["service"]["headless"]:
        headless = rendered.one("Service", "-headless")["spec"]
        assert headless["clusterIP"] == "None"
        # Its name leads to the pods themselves.
        assert [(port["name"], port["port"]) for port in headless["ports"]] == [
            ("grpc", rendered.values["ports"]["grpc"])
        ]


def test_probes_fit_the_port(rendered):
    container = rendered.container
    probes = {name: container[f"{name}Probe"] for name in ("startup", "liveness", "readiness")}
    # A gRPC port that is full must not end the replica.
    assert probes["liveness"]["httpGet"] == {"path": "/healthz", "port": "http"}
    others = {name: probes[name] for name in ("startup", "readiness")}
    if rendered.tls:
        # The kubelet's gRPC probes speak no TLS.
        assert {name: probe["httpGet"] for name, probe in others.items()} == {
            "startup": {"path": "/healthz", "port": "http"},
            "readiness": {"path": "/readyz", "port": "http"},
        }
    else:
        port = rendered.values["ports"]["grpc"]
        assert {name: probe["grpc"] for name, probe in others.items()} == {
            "startup": {"port": port, "service": "liveness"},
            "readiness": {"port": port},
        }
    assert all(("grpc" in probe) != ("httpGet" in probe) for probe in probes.values())
    for name, probe in probes.items():
        for timing, value in rendered.values["probes"][name].items():
            assert probe[timing] == value


def test_is_given_the_time_that_its_end_takes(rendered):
    spec, config = rendered.server["spec"], rendered.values["config"]
    sleep = rendered.values["shutdown"]["preStopSleepSeconds"]
    if sleep:
        assert rendered.container["lifecycle"] == {"preStop": {"sleep": {"seconds": sleep}}}
    else:
        assert "lifecycle" not in rendered.container
    needed = sleep + seconds(config["lameDuck"]) + seconds(config["drainTimeout"])
    flush, margin = 5, 5
    assert needed + flush + margin <= spec["terminationGracePeriodSeconds"] <= needed + flush + margin + 2


@pytest.mark.parametrize(
    ("lame_duck", "drain", "sleep", "grace"),
    [
        ("0s", "20s", 0, 30),
        ("5s", "20s", 5, 40),
        ("1m 30s", "1h", 7, 3600 + 90 + 7 + 10),
        ("500ms", "1500ms", 1, 1 + 2 + 1 + 10),
        ("1day", "2days1h", 0, 3 * 86400 + 3600 + 10),
    ],
)
def test_adds_durations(lame_duck, drain, sleep, grace):
    rendered = render(config={"lameDuck": lame_duck, "drainTimeout": drain}, shutdown={"preStopSleepSeconds": sleep})
    assert rendered.server["spec"]["terminationGracePeriodSeconds"] == grace


def test_replaces_pods_without_a_gap(rendered):
    (deployment,) = rendered.all("Deployment")
    strategy = deployment["spec"]["strategy"]
    if rendered.embedded:
        assert strategy == {"type": "Recreate"}
    else:
        assert strategy["type"] == "RollingUpdate"
        assert strategy["rollingUpdate"]["maxUnavailable"] == 0


def test_only_one_says_how_many_replicas_there_are(rendered):
    (deployment,) = rendered.all("Deployment")
    scaled = rendered.values["autoscaling"]["enabled"]
    assert ("replicas" in deployment["spec"]) != scaled
    assert len(rendered.all("HorizontalPodAutoscaler")) == scaled
    if scaled:
        spec = rendered.one("HorizontalPodAutoscaler")["spec"]
        assert spec["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": rendered.fullname}
        assert (spec["minReplicas"], spec["maxReplicas"]) == (
            rendered.values["autoscaling"]["minReplicas"],
            rendered.values["autoscaling"]["maxReplicas"],
        )
        assert (
            spec["metrics"][0]["resource"]["target"]["averageUtilization"]
            == (rendered.values["autoscaling"]["targetCPUUtilizationPercentage"])
        )
        assert spec["metrics"][1:] == rendered.values["autoscaling"]["metrics"]
        assert spec.get("behavior", {}) == rendered.values["autoscaling"]["behavior"]
        # Utilization is a part of what is requested.
        assert rendered.container["resources"]["requests"]["cpu"]
    else:
        assert deployment["spec"]["replicas"] == rendered.values["replicaCount"]


def test_keeps_to_its_disruption_budget(rendered):
    budgets, values = rendered.all("PodDisruptionBudget"), rendered.values["podDisruptionBudget"]
    assert len(budgets) == values["enabled"]
    for budget in budgets:
        limits = {key: budget["spec"][key] for key in ("minAvailable", "maxUnavailable") if key in budget["spec"]}
        assert limits == {key: values[key] for key in ("minAvailable", "maxUnavailable") if values.get(key) is not None}
        assert len(limits) == 1


def test_runs_as_nobody_and_may_do_nothing(rendered):
    for kind, pod in rendered.pods.items():
        spec = pod["spec"]
        ids = {key: value for key, value in rendered.values["podSecurityContext"].items() if value is not None}
        assert spec["securityContext"] == {
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
            **ids,
        }, kind
        assert not set(spec) & {"hostNetwork", "hostPID", "hostIPC", "initContainers"}, kind
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, kind
            assert "command" not in container, "the image knows where its program is"


def test_runs_as_a_number_unless_the_cluster_chooses():
    assert render().server["spec"]["securityContext"]["runAsUser"] == 65532
    assert "runAsUser" not in Rendered(read_values("openshift")).server["spec"]["securityContext"]


def test_has_resources(rendered):
    for kind, pod in rendered.pods.items():
        for container in pod["spec"]["containers"]:
            resources = container["resources"]
            assert set(resources["requests"]) == {"cpu", "memory"}, kind
            assert set(resources["limits"]) == {"memory"}, kind


def test_all_run_the_same_image(rendered):
    image = rendered.values["image"]
    expected = f"{image['repository']}:{image['tag'] or METADATA['appVersion']}"
    if image["digest"]:
        expected = f"{image['repository']}@{image['digest']}"
    for pod in rendered.pods.values():
        for container in pod["spec"]["containers"]:
            assert container["image"] == expected
            assert container["imagePullPolicy"] == image["pullPolicy"]
        assert pod["spec"].get("imagePullSecrets", []) == image["pullSecrets"]
    assert [pod["spec"]["containers"][0]["args"] for pod in rendered.pods.values()] == [
        {"Deployment": ["serve"], "Job": ["migrate"], "Pod": ["healthcheck"]}[kind] for kind in rendered.pods
    ]


def test_spreads_replicas_as_the_values_say(rendered):
    constraints = rendered.server["spec"].get("topologySpreadConstraints", [])
    added = {"labelSelector", "matchLabelKeys"}
    plain = [{key: value for key, value in constraint.items() if key not in added} for constraint in constraints]
    assert plain == rendered.values["topologySpreadConstraints"]
    for constraint in constraints:
        # Old and new pods of a rollout are not counted together.
        assert constraint["matchLabelKeys"] == ["pod-template-hash"]


def test_is_scheduled_as_the_values_say(rendered):
    values, spec = rendered.values, rendered.server["spec"]
    for key, empty in [("nodeSelector", {}), ("tolerations", []), ("affinity", {}), ("priorityClassName", "")]:
        assert spec.get(key, empty) == values[key]
    metadata = rendered.server["metadata"]
    assert values["podAnnotations"].items() <= metadata["annotations"].items()
    assert values["podLabels"].items() <= metadata["labels"].items()


def test_has_a_token_of_kubernetes_only_if_it_is_asked_for(rendered):
    values = rendered.values["serviceAccount"]
    spec = rendered.server["spec"]
    assert spec["automountServiceAccountToken"] == values["automountToken"]
    accounts = rendered.all("ServiceAccount")
    assert len(accounts) == values["create"]
    for account in accounts:
        assert account["metadata"]["name"] == spec["serviceAccountName"]
        assert account["automountServiceAccountToken"] is False
    if not values["create"]:
        assert spec["serviceAccountName"] == (values["name"] or "default")
    for kind in set(rendered.pods) - {"Deployment"}:
        assert rendered.pods[kind]["spec"]["automountServiceAccountToken"] is False


def test_sees_no_variables_of_other_services(rendered):
    assert rendered.server["spec"]["enableServiceLinks"] is False


def test_a_new_chart_is_no_reason_to_begin_again(tmp_path):
    with helm_python.Chart.load(helm_python.package(CHART, destination=tmp_path, version="9.9.9")) as newer:
        texts = newer.render({}, name="rel", namespace="ns")
    deployment = yaml.safe_load(texts["vestibule/templates/deployment.yaml"])
    assert deployment["metadata"]["labels"]["helm.sh/chart"] == "vestibule-9.9.9"
    assert deployment["spec"] == render().all("Deployment")[0]["spec"]


def checksum(**values):
    return render(**values).server["metadata"]["annotations"]["checksum/config"]


def test_begins_again_when_its_settings_change():
    before = checksum()
    assert checksum(replicaCount=3) == before
    assert checksum(config={"logFilter": "debug"}) != before
    policy = {"roles": [{"role_id": "a"}]}
    with_policy = checksum(files={"rbacPolicy": {"inline": policy}})
    assert with_policy != before
    assert checksum(files={"rbacPolicy": {"inline": {"roles": [{"role_id": "b"}]}}}) != with_policy
    assert checksum(files={"commonEmailDomains": {"inline": ["gmail"]}}) != checksum(
        files={"commonEmailDomains": {"inline": ["yahoo"]}}
    )
