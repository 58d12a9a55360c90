"""What the NetworkPolicies let through, computed as Kubernetes does."""

import ipaddress

import pytest
from rendered import VALUE_SETS, read_values, render, render_set, selects

OUTSIDE = "203.0.113.7"
MONITORING = {"kubernetes.io/metadata.name": "monitoring"}
KUBE_SYSTEM = {"kubernetes.io/metadata.name": "kube-system"}
DNS = ("pod", KUBE_SYSTEM, {"k8s-app": "kube-dns"})
OWN = {"kubernetes.io/metadata.name": "ns"}
SOMEBODY = ("pod", OWN, {"app": "checkout"})
STRANGER = ("pod", {"team": "other"}, {"app": "checkout"})
PROMETHEUS = ("pod", MONITORING, {"app": "prometheus"})


def sets_without(end):
    """The sets that say nothing about who may come in, or what may go out."""
    return pytest.mark.parametrize(
        "name", [name for name in VALUE_SETS if not read_values(name).get("networkPolicy", {}).get(end)]
    )


def pod(rendered, kind):
    """A pod of the chart, as a peer."""
    return "pod", OWN, rendered.pods[kind]["metadata"]["labels"]


def matches(peer, who):
    """Whether a NetworkPolicyPeer is this pod or address."""
    if "ipBlock" in peer:
        if who[0] != "ip":
            return False
        address = ipaddress.ip_address(who[1])
        blocks = [
            ipaddress.ip_network(peer["ipBlock"]["cidr"]),
            *map(ipaddress.ip_network, peer["ipBlock"].get("except", [])),
        ]
        return address in blocks[0] and not any(address in block for block in blocks[1:])
    if who[0] != "pod":
        return False
    _, namespace, labels = who
    here = selects(peer["namespaceSelector"], namespace) if "namespaceSelector" in peer else namespace == OWN
    return here and selects(peer.get("podSelector", {}), labels)


def lets(rendered, kind, direction, who, port, protocol="TCP"):
    """Whether a pod of the chart may receive from (`ingress`) or send to (`egress`) somebody."""
    labels = rendered.pods[kind]["metadata"]["labels"]
    policies = [
        policy["spec"] for policy in rendered.all("NetworkPolicy") if selects(policy["spec"]["podSelector"], labels)
    ]
    policies = [policy for policy in policies if direction.capitalize() in policy["policyTypes"]]
    if not policies:
        return True
    end = {"ingress": "from", "egress": "to"}[direction]
    return any(
        any((entry["port"], entry["protocol"]) == (port, protocol) for entry in rule["ports"])
        and (end not in rule or any(matches(peer, who) for peer in rule[end]))
        for policy in policies
        for rule in policy.get(direction) or []
    )


def test_each_policy_is_for_one_kind_of_pod(rendered):
    for policy in rendered.all("NetworkPolicy"):
        component = policy["metadata"]["labels"]["app.kubernetes.io/component"]
        assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
        for pod_template in rendered.pods.values():
            labels = pod_template["metadata"]["labels"]
            assert selects(policy["spec"]["podSelector"], labels) == (
                labels["app.kubernetes.io/component"] == component
            )


def test_every_pod_has_a_policy_or_none_has(rendered):
    on = rendered.values["networkPolicy"]["enabled"]
    for kind, template in rendered.pods.items():
        found = [
            policy
            for policy in rendered.all("NetworkPolicy")
            if selects(policy["spec"]["podSelector"], template["metadata"]["labels"])
        ]
        assert len(found) == on, kind


@sets_without("ingress")
def test_calls_and_readers_of_metrics_come_in(name):
    rendered = render_set(name)
    ports = rendered.values["ports"]
    on = rendered.values["networkPolicy"]["enabled"]
    for who, port, expected in [
        (SOMEBODY, ports["grpc"], True),
        (SOMEBODY, ports["http"], True),
        (pod(rendered, "Pod"), ports["grpc"], True),
        (PROMETHEUS, ports["http"], True),
        (PROMETHEUS, ports["grpc"], not on),
        (STRANGER, ports["grpc"], not on),
        (STRANGER, ports["http"], not on),
        (("ip", OUTSIDE), ports["grpc"], not on),
        (SOMEBODY, 22, not on),
    ]:
        assert lets(rendered, "Deployment", "ingress", who, port) == expected, (who, port)


@sets_without("egress")
def test_what_it_needs_can_be_reached(name):
    rendered = render_set(name)
    on, embedded = rendered.values["networkPolicy"]["enabled"], rendered.embedded
    telemetry = bool(rendered.values["config"]["otlpEndpoint"])
    anywhere = ("ip", OUTSIDE)
    for who, port, protocol, expected in [
        (DNS, 53, "UDP", True),
        (DNS, 53, "TCP", True),
        (STRANGER, 53, "UDP", not on),
        (anywhere, 53, "UDP", not on),
        (anywhere, 5432, "TCP", not on or not embedded),
        (STRANGER, 6379, "TCP", not on or not embedded),
        (anywhere, 4317, "TCP", not on or telemetry),
        (anywhere, 443, "TCP", not on),
        (anywhere, 80, "TCP", not on),
        (anywhere, 5432, "UDP", not on),
    ]:
        assert lets(rendered, "Deployment", "egress", who, port, protocol) == expected, (who, port, protocol)


@pytest.mark.parametrize("name", ["default", "otlp-https", "network-policy-off"])
def test_the_migration_reaches_the_database_alone(name):
    rendered = render_set(name)
    on = rendered.values["networkPolicy"]["enabled"]
    anywhere = ("ip", OUTSIDE)
    for who, port, protocol, expected in [
        (DNS, 53, "UDP", True),
        (anywhere, 5432, "TCP", True),
        (anywhere, 6379, "TCP", not on),
        (anywhere, 4317, "TCP", not on),
        (anywhere, 443, "TCP", not on),
    ]:
        assert lets(rendered, "Job", "egress", who, port, protocol) == expected, (who, port)
    assert lets(rendered, "Job", "ingress", SOMEBODY, 50051) == (not on)


def test_the_test_reaches_the_server_alone(rendered):
    on, port = rendered.values["networkPolicy"]["enabled"], rendered.values["ports"]["grpc"]
    assert lets(rendered, "Pod", "egress", pod(rendered, "Deployment"), port)
    assert lets(rendered, "Deployment", "ingress", pod(rendered, "Pod"), port)
    assert lets(rendered, "Pod", "egress", ("ip", OUTSIDE), 5432) == (not on)
    assert lets(rendered, "Pod", "egress", SOMEBODY, port) == (not on)
    assert lets(rendered, "Pod", "ingress", SOMEBODY, port) == (not on)


def test_peers_of_its_own():
    rendered = render_set("network-policy-narrow")
    checkout = ("pod", {"team": "shop"}, {"app": "checkout"})
    prometheus = ("pod", {"kubernetes.io/metadata.name": "prometheus"}, {})
    for who, port, expected in [
        (checkout, 50051, True),
        (checkout, 9464, False),
        (("pod", {"team": "shop"}, {"app": "cart"}), 50051, False),
        (SOMEBODY, 50051, False),
        (SOMEBODY, 9464, False),
        (prometheus, 9464, True),
        (PROMETHEUS, 9464, False),
        (pod(rendered, "Pod"), 50051, True),
    ]:
        assert lets(rendered, "Deployment", "ingress", who, port) == expected, (who, port)
    database, redis = ("ip", "10.1.2.3"), ("pod", OWN, {"app": "redis"})
    for kind, who, port, protocol, expected in [
        ("Deployment", ("ip", "169.254.20.10"), 53, "UDP", True),
        ("Deployment", DNS, 53, "UDP", False),
        ("Deployment", database, 5432, "TCP", True),
        ("Deployment", database, 6432, "TCP", True),
        ("Deployment", ("ip", "10.1.3.3"), 5432, "TCP", False),
        ("Deployment", redis, 6380, "TCP", True),
        ("Deployment", redis, 6379, "TCP", False),
        ("Deployment", ("ip", OUTSIDE), 443, "TCP", True),
        ("Deployment", ("ip", "10.5.5.5"), 443, "TCP", False),
        ("Deployment", ("ip", "10.9.9.9"), 3128, "TCP", True),
        ("Job", database, 6432, "TCP", True),
        ("Job", ("ip", "169.254.20.10"), 53, "TCP", True),
        ("Job", redis, 6380, "TCP", False),
        ("Job", ("ip", OUTSIDE), 443, "TCP", False),
        ("Job", ("ip", "10.9.9.9"), 3128, "TCP", True),
    ]:
        assert lets(rendered, kind, "egress", who, port, protocol) == expected, (kind, who, port)


def test_the_collector_is_reached_where_it_is():
    rendered = render_set("otlp-plain")
    assert lets(rendered, "Deployment", "egress", ("pod", OWN, {"app": "collector"}), 4317)
    assert not lets(rendered, "Deployment", "egress", SOMEBODY, 4317)


def test_the_cluster_is_reached_as_an_issuer():
    rendered = render_set("service-account-issuer")
    assert lets(rendered, "Deployment", "egress", ("ip", "10.0.0.1"), 6443)
    assert not lets(rendered, "Deployment", "egress", ("ip", "10.0.0.2"), 6443)


def test_no_ports_is_nowhere():
    rendered = render(networkPolicy={"egress": {"redis": {"ports": []}}})
    assert not lets(rendered, "Deployment", "egress", ("ip", OUTSIDE), 6379)
    assert lets(rendered, "Deployment", "egress", ("ip", OUTSIDE), 5432)
