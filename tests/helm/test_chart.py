"""The chart as a whole: it lints, renders the same each time, validates, and can be packaged."""

import functools
import math
import re

import helm_python
import kubernetes_validate
import pytest
import yaml
from rendered import (
    CHART,
    LONGEST_RELEASE,
    METADATA,
    OTHERS,
    ROOT,
    VALUE_SETS,
    Rendered,
    canonical,
    is_hook,
    read_values,
)

#: The oldest Kubernetes that the chart is for, and the newest whose schemas there are.
VERSIONS = [METADATA["kubeVersion"].strip(">=").removesuffix("-0"), kubernetes_validate.latest_version()]

INFO = 1

# It reads the same files again and again.
kubernetes_validate.utils.schema_contents = functools.cache(kubernetes_validate.utils.schema_contents)


@pytest.mark.parametrize("name", VALUE_SETS)
def test_lints_clean(name):
    report = helm_python.lint(CHART, read_values(name), strict=True)
    assert report["errors"] == []
    assert [message for message in report["messages"] if message["severity"] > INFO] == []


def test_the_sets_are_a_dozen_and_more():
    assert len(VALUE_SETS) >= 12


@functools.cache
def validate(document, version):
    kubernetes_validate.validate(yaml.safe_load(document), version, strict=True)


@pytest.mark.parametrize("version", VERSIONS)
def test_validates(rendered, version):
    for document in rendered.objects:
        if document["kind"] not in OTHERS:
            validate(canonical(document), version)


def test_renders_the_same_each_time(rendered):
    again = Rendered(rendered.given)
    assert again.texts == rendered.texts


def test_leaves_no_blanks_at_the_ends_of_lines(rendered):
    for path, text in rendered.texts.items():
        assert [line for line in text.splitlines() if line != line.rstrip() and line.strip()] == [], path


def test_labels(rendered):
    for document in rendered.objects:
        labels = document["metadata"]["labels"]
        assert labels["app.kubernetes.io/instance"] == rendered.name
        assert labels["app.kubernetes.io/name"] == (rendered.values["nameOverride"] or "vestibule")
        assert labels["app.kubernetes.io/managed-by"] == "Helm"
        assert labels["app.kubernetes.io/part-of"] == "vestibule"
        assert labels["app.kubernetes.io/version"] == version_of_the_program()
        assert labels["app.kubernetes.io/component"]
        assert labels["helm.sh/chart"].startswith("vestibule-")


def test_no_two_objects_have_one_name(rendered):
    names = [(document["kind"], document["metadata"]["name"]) for document in rendered.objects]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("release", ["rel", LONGEST_RELEASE, "vestibule", "1234"])
@pytest.mark.parametrize("name", ["monitoring", "tls-cert-manager", "files-inline"])
def test_names_fit(name, release):
    assert len(LONGEST_RELEASE) == 53
    rendered = Rendered(read_values(name), name=release, namespace="5678")
    for document in rendered.objects:
        metadata = document["metadata"]
        assert len(metadata["name"]) <= 63
        assert metadata["name"].strip("-") == metadata["name"]
        for value in metadata["labels"].values():
            assert isinstance(value, str) and len(value) <= 63
        if document["kind"] not in OTHERS:
            validate(canonical(document), VERSIONS[-1])


def version_of_the_program():
    return re.search(r'^version = "(.+)"$', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)[1]


def test_installs_the_program_of_this_repository():
    assert METADATA["appVersion"] == version_of_the_program()


def test_packages(tmp_path):
    archive = helm_python.package(CHART, destination=tmp_path)
    helm_python.expand(tmp_path / "out", archive)
    packed = tmp_path / "out" / "vestibule"
    assert (packed / "README.md").is_file()
    assert not (packed / "ci").exists()
    everything = {"dashboard": {"enabled": True}, "prometheusRule": {"enabled": True}}
    with helm_python.Chart.load(packed) as unpacked:
        texts = unpacked.render(everything, name="rel", namespace="ns")
    assert texts == Rendered(everything).texts


def test_notes_say_where_it_is(rendered):
    service = f"{rendered.fullname}.ns.svc:{rendered.values['service']['ports']['grpc']}"
    assert service in rendered.notes
    assert ("TLS" in rendered.notes) == rendered.tls
    assert ("-headless" in rendered.notes) == rendered.values["service"]["headless"]
    if not rendered.embedded:
        scaling = rendered.values["autoscaling"]
        replicas = scaling["maxReplicas"] if scaling["enabled"] else rendered.values["replicaCount"]
        connections = rendered.values["config"]["databaseMaxConnections"]
        more = math.ceil(replicas / 4) * connections
        assert (
            f"have {replicas * connections} connections free for {replicas} replicas, and {more} more" in rendered.notes
        )
    assert ("lost with the pod" in rendered.notes) == rendered.embedded


def test_hooks_are_the_migration_and_the_test(rendered):
    hooks = {
        (document["kind"], document["metadata"]["labels"]["app.kubernetes.io/component"])
        for document in rendered.objects
        if is_hook(document)
    }
    migrates = rendered.values["migration"]["enabled"] and not rendered.embedded
    policies = rendered.values["networkPolicy"]["enabled"]
    expected = {("Pod", "test")}
    if migrates:
        expected.add(("Job", "migration"))
    if migrates and policies:
        expected.add(("NetworkPolicy", "migration"))
    assert hooks == expected
