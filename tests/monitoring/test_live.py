"""Two replicas under load, and a real Prometheus: what alerts and dashboard ask is answered, and faults are seen.

Needs the program, Postgres, Redis and Prometheus (Debian: postgresql, redis-server, prometheus).
"""

import contextlib
import signal
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from load import Client, day, keep_busy
from queries import answered, get, labelled, listed, true_alerts
from servers import JOB, Deployment, free_port, postgres, prometheus, redis, until

#: How long there is load, in seconds: the newest event is read every 15.
LOAD = 20

#: Long enough for some scrapes, short enough to be over before the load is.
RATE_INTERVAL = "10s"

#: What a slow machine may do to an alert.
MACHINES = {"VestibuleLoginsSlow"}


@dataclass
class Live:
    """What is running."""

    deployment: Deployment
    prometheus: str
    clients: list[Client]
    redis_port: int
    redis: contextlib.ExitStack

    def values(self, query: str) -> list[float]:
        """The values of a query's series."""
        return [float(series["value"][1]) for series in get(self.prometheus, "query", query=query)["result"]]

    def pending(self) -> set[str]:
        """The alerts that fire, or will if it goes on."""
        series = get(self.prometheus, "query", query="ALERTS")["result"]
        return {one["metric"]["alertname"] for one in series}


def stop(*_) -> None:
    """So that whoever is told to end cleans up."""
    raise KeyboardInterrupt


@pytest.fixture(scope="module")
def live():
    """Two replicas, of which one has a collector that is away, and a Prometheus that looks at them."""
    before = signal.signal(signal.SIGTERM, stop)
    with contextlib.ExitStack() as servers:
        servers.callback(signal.signal, signal.SIGTERM, before)
        folder = Path(servers.enter_context(tempfile.TemporaryDirectory(prefix="vestibule-live-")))
        # Postgres may run as somebody else.
        folder.chmod(0o755)
        redis_port = free_port()
        database_url = servers.enter_context(postgres(folder))
        redis_server = servers.enter_context(contextlib.ExitStack())
        redis_server.enter_context(redis(folder, redis_port))
        deployment = Deployment(folder, database_url, f"redis://127.0.0.1:{redis_port}")
        away = f"http://127.0.0.1:{free_port()}"
        replicas = [
            servers.enter_context(deployment.replica("first")),
            servers.enter_context(deployment.replica("second", "--otlp-endpoint", away)),
        ]
        url = servers.enter_context(prometheus(folder, [http for _, http in replicas]))
        clients = [servers.enter_context(Client(grpc, deployment.key)) for grpc, _ in replicas]
        yield Live(deployment, url, clients, redis_port, redis_server)


def test_what_is_asked_is_answered(live):
    days = keep_busy(live.clients, LOAD)
    assert answered(live.prometheus, RATE_INTERVAL)
    # One replica has a collector that is not there.
    lost = {"VestibuleTelemetryDropped"}
    assert lost <= true_alerts(live.prometheus) <= MACHINES | lost
    assert live.pending() <= MACHINES | lost
    # What was done is what was counted.
    revoked = 'sum(rpc_server_call_duration_seconds_count{rpc_method=~".*/RevokeIntermediateSession"})'
    until("every day is scraped", lambda: live.values(revoked) == [days])
    tokens = 'sum(vestibule_tokens_total{transition="%s"})'
    until("every token is counted", lambda: live.values(tokens % "revoked") == [days])
    assert live.values(tokens % "unknown") == [0]
    held = f"{tokens % 'claimed'} - {tokens % 'spent'} - {tokens % 'failed'}"
    until("every token is spent or given back", lambda: live.values(held) == [0])
    assert live.values(f"{tokens % 'failed'} > 0")
    assert live.values("count(otel_sdk_processor_span_processed_total) > 0")


def test_redis_goes_and_comes_back(live):
    keeper = 'vestibule_dependency_up{dependency="keeper"}'
    client = live.clients[0]
    token = client.vouch("early@acme.example")
    until("Redis is there", lambda: live.values(keeper) == [1, 1])
    live.redis.close()
    until("Redis is away", lambda: live.values(keeper) == [0, 0])
    until("the alert is pending", lambda: "VestibuleKeeperAway" in live.pending())
    ended = client.code("IntermediateSessionService/GetIntermediateSession", intermediate_session_token=token)
    assert ended == "UNAVAILABLE"
    assert client.code("OrganizationService/SearchOrganizations") == "OK"
    assert "VestibuleDatabaseAway" not in true_alerts(live.prometheus)

    live.redis.enter_context(redis(live.deployment.folder, live.redis_port))
    until("Redis is back", lambda: live.values(keeper) == [1, 1])
    until("the alert is over", lambda: "VestibuleKeeperAway" not in live.pending())
    for client in live.clients:
        day(client)
    # What failed has labels that nothing had before.
    failed = 'rpc_server_call_duration_seconds_count{error_type="UNAVAILABLE"}'
    until("the failure is scraped", lambda: live.values(failed) == [1])
    assert live.values('sum(db_client_operation_duration_seconds_count{error_type="unavailable"}) > 0')
    assert all([listed(live.prometheus, {JOB}), labelled(live.prometheus, {JOB})])


def test_the_callers_file_breaks_and_is_mended(live):
    callers = live.deployment.callers
    good = callers.read_text()
    callers.write_text("{}\n")
    until("the alert is pending", lambda: "VestibuleCallersFileBroken" in live.pending())
    assert live.clients[0].code("OrganizationService/SearchOrganizations") == "OK"
    callers.write_text(good)
    until("the alert is over", lambda: "VestibuleCallersFileBroken" not in live.pending())
