"""Asks a Prometheus that scrapes Vestibule everything that the alerts and the dashboard ask.

    python tests/monitoring/queries.py http://127.0.0.1:9090 [RATE_INTERVAL, 1m]

Wants a server on Postgres and Redis that has been under load (logins, searches, calls of each service) for longer than
the interval, with helm/rules/vestibule.yaml loaded. Prints what fails, what has no answer, which alerts fire, and how
docs/metrics.md and what is scraped differ; exits with 1 if a query fails or has no answer that should have one, or if
they differ.
"""

import json
import re
import sys
import urllib.error
import urllib.parse
import urllib.request

from expressions import Expression, Metric, alerts, dashboard_expressions, documented, rule_expressions, substituted

# Part of a query: why there may be no answer.
MAY_BE_EMPTY = {
    r"rpc_response_status_code=~": "nothing has failed by the service's fault",
    r'rpc_response_status_code!="OK"': "no call was refused",
    r'error_type!=""': "neither the database nor Redis has failed",
    r"error_type=~": "neither the database nor Redis has failed",
    r"vestibule_issuer_keys_age_seconds": "the callers file names no issuer",
    r"namespace_job:vestibule_calls_faulty": "nothing has failed by the service's fault",
    r"otel_sdk_": "there is no collector",
}
# What Prometheus adds by itself.
OWN = re.compile(r"up|scrape_\w+|ALERTS\w*|.*:.*")


def get(url: str, path: str, **parameters: str):
    """The data that the API answers with; the words of the API if it refuses."""
    query = urllib.parse.urlencode({key.rstrip("_"): value for key, value in parameters.items()})
    try:
        with urllib.request.urlopen(f"{url}/api/v1/{path}?{query}", timeout=30) as answer:
            return json.load(answer)["data"]
    except urllib.error.HTTPError as error:
        raise ValueError(json.load(error).get("error", str(error))) from error


def excused(text: str) -> str | None:
    """Why the query may have no answer."""
    return next((reason for part, reason in MAY_BE_EMPTY.items() if part in text), None)


def alternatives(values: set[str]) -> str:
    """A matcher of these values, as Grafana makes it of a variable."""
    return "|".join(re.escape(value) for value in sorted(values)).replace("\\", "\\\\")


def ask(url: str, expression: Expression) -> bool:
    """Whether it has an answer, or needs none."""
    try:
        if get(url, "query", query=expression.text)["result"]:
            return True
    except ValueError as error:
        print(f"FAILS   {expression.where}: {error}\n        {expression.text}")
        return False
    reason = excused(expression.text)
    print(f"{'empty ' if reason else 'NOTHING'} {expression.where}: {reason or expression.text}")
    return reason is not None


def looked_at(url: str, expression: Expression) -> bool:
    """Whether everything is there that the alert looks at. That it does not fire is as it should be."""
    try:
        get(url, "query", query=expression.text)
    except ValueError as error:
        print(f"FAILS   {expression.where}: {error}")
        return False
    selectors = [
        Expression(expression.where, f"{name}{{{matchers}}}" if matchers else name)
        for name, matchers in dict.fromkeys(expression.selectors())
    ]
    return all([ask(url, selector) for selector in selectors])


def true_alerts(url: str) -> set[str]:
    """The alerts whose expressions are true, for however short a time."""
    names = {rule["alert"] for rule in alerts()}
    asked = [expression for expression in rule_expressions() if expression.where in names]
    return {expression.where for expression in asked if get(url, "query", query=expression.text)["result"]}


def listed(url: str, jobs: set[str]) -> bool:
    """Whether docs/metrics.md lists what is scraped, and nothing else."""
    selector = f'{{job=~"{alternatives(jobs)}"}}'
    scraped = set(get(url, "label/__name__/values", **{"match[]": selector}))
    scraped = {name for name in scraped if not OWN.fullmatch(name)}
    known = {series for metric in documented() for series in metric.series()}
    for name in sorted(scraped - known):
        print(f"UNKNOWN {name}: docs/metrics.md does not list it")
    missing = sorted(name for name in known - scraped if not excused(name))
    for name in missing:
        print(f"MISSING {name}: docs/metrics.md lists it")
    return scraped <= known and not missing


def labelled(url: str, jobs: set[str]) -> bool:
    """Whether docs/metrics.md lists the labels that there are. What the scrape adds is what `up` has."""
    fine = True
    for metric in [Metric("up", "gauge", frozenset(), ""), *documented()]:
        selector = f'{{__name__=~"{"|".join(metric.series())}", job=~"{alternatives(jobs)}"}}'
        found = set().union(*get(url, "series", **{"match[]": selector})) - {"__name__", "le"}
        if metric.name == "up":
            added = found
        # Deployments add resource attributes of their own.
        elif metric.name != "target_info" and found - added - metric.labels:
            print(f"UNKNOWN {metric.name}: docs/metrics.md does not list {sorted(found - added - metric.labels)}")
            fine = False
    return fine


def answered(url: str, rate_interval: str = "1m") -> bool:
    """Asks everything. Whether all of it is as it should be."""
    targets = [series["metric"] for series in get(url, "query", query="vestibule_calls_max")["result"]]
    if not targets:
        print("NOTHING vestibule_calls_max: no Vestibule is scraped")
        return False
    jobs, instances = ({target[label] for target in targets} for label in ("job", "instance"))
    variables = {"job": alternatives(jobs), "instance": alternatives(instances)}
    names = {rule["alert"] for rule in alerts()}
    outcomes = [ask(url, substituted(asked, rate_interval, **variables)) for asked in dashboard_expressions()]
    outcomes += [(looked_at if asked.where in names else ask)(url, asked) for asked in rule_expressions()]
    outcomes += [listed(url, jobs), labelled(url, jobs)]
    print(f"{outcomes.count(True)} of {len(outcomes)} are fine")
    return all(outcomes)


def main(url: str, *rate_interval: str) -> int:
    """Prints everything that is to be known."""
    fine = answered(url, *rate_interval)
    for name in sorted(true_alerts(url)):
        print(f"FIRES   {name}")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1].rstrip("/"), *sys.argv[2:]))
