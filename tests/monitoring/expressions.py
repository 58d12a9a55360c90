"""The expressions of the alert rules and of the dashboard, what they name, and what docs/metrics.md lists."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "helm/rules/vestibule.yaml"
RULES_TEST = Path(__file__).with_name("alerts.test.yaml")
DASHBOARD = ROOT / "helm/dashboards/vestibule.json"
METRICS = ROOT / "docs/metrics.md"
OPERATIONS = ROOT / "docs/operations.md"

STRING = r'"(?:\\.|[^"\\])*"'
SELECTOR = re.compile(r"([A-Za-z_:][\w:]*)\s*\{((?:[^}\"]|" + STRING + r")*)\}")
MATCHER = re.compile(r"(\w+)\s*(=~|!~|!=|=)\s*(" + STRING + ")")
GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
NAME = re.compile(r"\b[A-Za-z_:][\w:]*\b(?!\s*\()")
WORDS = {"and", "or", "unless", "offset", "bool"}


@dataclass(frozen=True)
class Expression:
    """An expression of PromQL, and where it stands."""

    where: str
    text: str

    def names(self) -> set[str]:
        """The metrics."""
        bare = re.sub(STRING, "", GROUPING.sub(" ", self.text))
        bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]", " ", bare)
        return set(NAME.findall(bare)) - WORDS

    def selectors(self) -> list[tuple[str, str]]:
        """Metrics with the matchers that stand behind them; those without any have no braces."""
        selected = SELECTOR.findall(self.text)
        return selected + [(name, "") for name in sorted(self.names() - {name for name, _ in selected})]

    def groupings(self) -> set[str]:
        """The labels by which series are gathered or joined."""
        listed = ",".join(GROUPING.findall(self.text)).split(",")
        return {label.strip() for label in listed} - {""}


@dataclass(frozen=True)
class Metric:
    """A row of docs/metrics.md."""

    name: str
    kind: str
    labels: frozenset[str]
    meaning: str

    def series(self) -> list[str]:
        """What Prometheus calls its series."""
        return [self.name + end for end in ("_bucket", "_sum", "_count")] if self.kind == "histogram" else [self.name]


def documented() -> list[Metric]:
    """The metrics that docs/metrics.md lists."""
    rows = [line.strip("|").split("|") for line in METRICS.read_text().splitlines() if line.startswith("| `")]
    quoted = re.compile(r"`([^`]+)`")
    return [
        Metric(quoted.findall(name)[0], kind.strip(), frozenset(quoted.findall(labels)), "|".join(meaning))
        for name, kind, labels, *meaning in rows
    ]


def rules() -> list[dict]:
    """Every rule, in the order of the file."""
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def alerts() -> list[dict]:
    """The rules that are alerts."""
    return [rule for rule in rules() if "alert" in rule]


def rule_expressions() -> list[Expression]:
    """The expressions of the rules."""
    return [Expression(rule.get("alert") or rule["record"], rule["expr"].strip()) for rule in rules()]


def panels() -> list[dict]:
    """The panels of the dashboard, rows included."""
    return json.loads(DASHBOARD.read_text())["panels"]


def dashboard_expressions() -> list[Expression]:
    """The expressions of the dashboard, with Grafana's variables as they are."""
    return [
        Expression(f"{panel['title']} {target['refId']}", target["expr"])
        for panel in panels()
        for target in panel.get("targets", [])
    ]


def substituted(expression: Expression, rate_interval: str = "5m", **variables: str) -> Expression:
    """The expression as Grafana sends it, with everything for what is not given."""
    text = expression.text.replace("$__rate_interval", rate_interval)
    text = re.sub(r"\$(\w+)", lambda variable: variables.get(variable[1], ".*"), text)
    return Expression(expression.where, text)
