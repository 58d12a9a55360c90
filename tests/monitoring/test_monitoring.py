"""Holds alerts, dashboard, docs/metrics.md and docs/operations.md together. Needs promtool (Debian: prometheus)."""

import json
import re
import subprocess

import pytest
import yaml
from expressions import (
    DASHBOARD,
    METRICS,
    OPERATIONS,
    ROOT,
    RULES,
    RULES_TEST,
    SELECTOR,
    MATCHER,
    Expression,
    alerts,
    dashboard_expressions,
    documented,
    panels,
    rule_expressions,
    rules,
    substituted,
)

# What Prometheus adds to every series, and to the buckets of histograms.
TARGET_LABELS = {"namespace", "job", "instance"}
EVERYTHING = [*rule_expressions(), *dashboard_expressions()]
CODES = set(
    "OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED "
    "RESOURCE_EXHAUSTED FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS "
    "UNAUTHENTICATED".split()
)


def where(value):
    return value.where if isinstance(value, Expression) else value.get("alert") or value.get("title")


def promtool(*arguments):
    outcome = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


def series():
    return {series: metric for metric in documented() for series in metric.series()}


def test_the_rules_are_rules():
    promtool("check", "rules", RULES)


def test_alerts_fire_when_they_should_and_else_do_not():
    promtool("test", "rules", RULES_TEST)


def test_the_dashboard_parses(tmp_path):
    records = [
        {"record": f"panel:{number}", "expr": substituted(expression).text}
        for number, expression in enumerate(dashboard_expressions())
    ]
    file = tmp_path / "dashboard.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": records}]}))
    promtool("check", "rules", file)


def test_no_metric_is_listed_twice():
    names = [metric.name for metric in documented()]
    assert names == list(dict.fromkeys(names)) and len(names) > 20
    assert {metric.kind for metric in documented()} == {"counter", "gauge", "histogram"}


@pytest.mark.parametrize("expression", EVERYTHING, ids=where)
def test_only_metrics_of_the_program_are_used(expression):
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    names = expression.names()
    assert names, expression.text
    # `up` is what Prometheus says of every target.
    assert names <= series().keys() | recorded | {"up"}


def test_every_metric_is_looked_at():
    used = set().union(*(expression.names() for expression in EVERYTHING))
    unused = [metric.name for metric in documented() if not used.intersection(metric.series())]
    assert unused == []


@pytest.mark.parametrize("expression", EVERYTHING, ids=where)
def test_labels_and_their_values_exist(expression):
    known = series()
    everywhere = set(TARGET_LABELS) | {"le"}
    for name, matchers in SELECTOR.findall(expression.text):
        metric = known[name]
        for label, operator, value in MATCHER.findall(matchers):
            assert label in metric.labels | TARGET_LABELS, f"{name} has no {label}"
            value = json.loads(value)
            if label in TARGET_LABELS or label == "rpc_method" or not value:
                continue
            words = CODES if label == "rpc_response_status_code" else set(re.findall(r"`([^`]+)`", metric.meaning))
            assert set(value.split("|")) <= words, f"{name} has no {label} {operator} {value}"
    for name in expression.names() & known.keys():
        everywhere |= known[name].labels
    assert expression.groupings() <= everywhere


def test_names_that_others_have_too_are_taken_from_vestibule_alone():
    for expression in rule_expressions():
        for name, matchers in expression.selectors():
            if name.startswith("rpc_"):
                assert r"vestibule\\.v1\\." in matchers, expression.where
            elif name == "target_info":
                assert 'service_name="vestibule"' in matchers, expression.where
            elif name.startswith(("db_", "otel_")) or name == "up":
                assert "vestibule_calls_max" in expression.names(), expression.where


@pytest.mark.parametrize("alert", alerts(), ids=where)
def test_alerts_say_what_is_to_be_done(alert):
    annotations = alert["annotations"]
    assert alert["labels"]["severity"] in {"critical", "warning"}
    assert annotations.keys() == {"summary", "description", "runbook_url"}
    assert annotations["runbook_url"] == f"docs/operations.md#{alert['alert'].lower()}"


def test_every_alert_has_its_section_and_every_section_its_alert():
    sections = re.findall(r"^### (Vestibule\w+)$", OPERATIONS.read_text(), re.MULTILINE)
    assert sections == [alert["alert"] for alert in alerts()]


def test_every_alert_was_seen_to_fire():
    tests = yaml.safe_load(RULES_TEST.read_text())["tests"]
    samples = [sample["labels"] for test in tests for check in test["promql_expr_test"] for sample in check["exp_samples"]]
    fired = set(re.findall(r'alertname="(\w+)"', " ".join(samples)))
    assert fired == {alert["alert"] for alert in alerts()}


@pytest.mark.parametrize("panel", [panel for panel in panels() if panel["type"] != "row"], ids=where)
def test_panels_explain_themselves(panel):
    assert panel["title"] and panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["datasource"]["uid"] == "${datasource}"
    letters = [target["refId"] for target in panel["targets"]]
    assert letters and len(set(letters)) == len(letters)
    for expression in dashboard_expressions():
        for variable in ("$namespace", "$job", "$instance"):
            assert variable in expression.text, expression.where


def test_panels_have_numbers_and_places_of_their_own():
    assert len({panel["id"] for panel in panels()}) == len(panels())
    titles = [panel["title"] for panel in panels() if panel["type"] != "row"]
    assert len(set(titles)) == len(titles)
    taken = set()
    for panel in panels():
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not taken & cells and place["x"] + place["w"] <= 24, panel["title"]
        taken |= cells


def test_the_variables_of_the_dashboard_are_all_there():
    variables = {variable["name"] for variable in json.loads(DASHBOARD.read_text())["templating"]["list"]}
    used = set(re.findall(r"\$\{?([a-z]\w*)", DASHBOARD.read_text()))
    assert used == variables == {"datasource", "namespace", "job", "instance"}


@pytest.mark.parametrize("document", [METRICS, OPERATIONS], ids=lambda file: file.name)
def test_documents_name_only_what_there_is(document):
    text = document.read_text()
    readme = (ROOT / "README.md").read_text()
    for flag in re.findall(r"`(--[a-z-]+)", text):
        assert f"`{flag}`" in readme, flag
    own = set(re.findall(r"^#+ (.+)$", text, re.MULTILINE))
    for target in re.findall(r"\]\(([^)]+)\)", text):
        file, _, anchor = target.partition("#")
        linked = (document.parent / file).resolve() if file else document
        assert linked.exists(), target
        headings = own if not file else set(re.findall(r"^#+ (.+)$", linked.read_text(), re.MULTILINE))
        anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
        assert not anchor or anchor in anchors, target
