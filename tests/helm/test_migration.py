"""The migration can't strand a release, and does not run beside itself. And `helm test`."""

import pytest
from rendered import read_values, render, render_set

#: Helm's own `--timeout`.
HELM_WAITS = 300


def test_runs_before_the_release_unless_it_is_switched_off(rendered):
    wanted = rendered.values["migration"]["enabled"] and not rendered.embedded
    assert len(rendered.all("Job")) == wanted


def test_is_deleted_before_the_next_and_after_a_success(rendered):
    for job in rendered.all("Job"):
        assert job["metadata"]["annotations"] == {
            "helm.sh/hook": "pre-install,pre-upgrade",
            "helm.sh/hook-weight": "0",
            "helm.sh/hook-delete-policy": "before-hook-creation,hook-succeeded",
        }


def test_ends_and_is_alone(rendered):
    for job in rendered.all("Job"):
        spec, values = job["spec"], rendered.values["migration"]
        assert (spec["parallelism"], spec["completions"]) == (1, 1)
        # The next pod begins when the last one is gone, not when it is told to go.
        assert spec["podReplacementPolicy"] == "Failed"
        assert spec["template"]["spec"]["restartPolicy"] == "Never"
        assert spec["activeDeadlineSeconds"] == values["activeDeadlineSeconds"]
        assert spec["backoffLimit"] == values["backoffLimit"]
        # Not so soon that Helm would miss it.
        assert spec["ttlSecondsAfterFinished"] >= 3600
        assert spec["podFailurePolicy"]["rules"] == [
            {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
        ]


def test_fails_before_helm_stops_waiting():
    (job,) = render().all("Job")
    grace = job["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert job["spec"]["activeDeadlineSeconds"] + grace < HELM_WAITS


def test_its_way_to_the_database_is_open_before_it_runs():
    rendered = render()
    policy, (job,) = rendered.one("NetworkPolicy", "-migrate"), rendered.all("Job")
    ours, its = policy["metadata"]["annotations"], job["metadata"]["annotations"]
    assert ours["helm.sh/hook"] == its["helm.sh/hook"]
    assert int(ours["helm.sh/hook-weight"]) < int(its["helm.sh/hook-weight"])
    assert ours["helm.sh/hook-delete-policy"] == its["helm.sh/hook-delete-policy"]


def test_knows_the_database_and_nothing_else_that_is_secret():
    (job,) = render().all("Job")
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert [variable["name"] for variable in container["env"] if "valueFrom" in variable] == ["VESTIBULE_DATABASE_URL"]
    assert {variable["name"]: variable.get("value") for variable in container["env"] if "value" in variable} == {
        "VESTIBULE_LOG_FORMAT": "json",
        "VESTIBULE_LOG_FILTER": "info",
    }


def test_no_sidecar_outlives_the_pods_of_hooks():
    for kind in ("Job", "Pod"):
        metadata = render().pods[kind]["metadata"]
        assert metadata["labels"]["sidecar.istio.io/inject"] == "false"
        assert metadata["annotations"]["linkerd.io/inject"] == "disabled"
        metadata = render_set("scheduling").pods[kind]["metadata"]
        assert metadata["labels"]["team"] == "identity"
        assert "linkerd.io/inject" not in metadata.get("annotations", {})
    assert "sidecar.istio.io/inject" not in render().server["metadata"]["labels"]


@pytest.mark.parametrize("name", ["default", "headless", "dual-stack", "names", "tls-secret"])
def test_the_test_asks_by_way_of_the_service(name):
    rendered = render_set(name)
    (pod,) = rendered.all("Pod")
    service = rendered.one("Service")
    assert pod["metadata"]["annotations"] == {
        "helm.sh/hook": "test",
        "helm.sh/hook-delete-policy": "before-hook-creation,hook-succeeded",
        **rendered.values["hooks"]["podAnnotations"],
    }
    assert pod["spec"]["restartPolicy"] == "Never"
    assert pod["spec"]["activeDeadlineSeconds"] > 0
    assert pod["spec"]["enableServiceLinks"] is True
    (container,) = pod["spec"]["containers"]
    variables = {variable["name"]: variable["value"] for variable in container["env"]}
    # Kubernetes makes these variables of a Service that has an address of its own.
    assert service["spec"].get("clusterIP") != "None"
    host = "$(" + service["metadata"]["name"].upper().replace("-", "_") + "_SERVICE_HOST)"
    if rendered.values["service"]["ipFamilies"][:1] == ["IPv6"]:
        host = f"[{host}]"
    (port,) = [port["port"] for port in service["spec"]["ports"] if port["name"] == "grpc"]
    assert variables["VESTIBULE_LISTEN_ADDRESS"] == f"{host}:{port}"
    assert ("VESTIBULE_TLS_KEY_FILE" in variables) == rendered.tls
    assert ("VESTIBULE_TLS_CERTIFICATE_FILE" in variables) == rendered.tls
    assert read_values(name) == rendered.given
