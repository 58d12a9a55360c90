"""Private servers, each until the end of its block: Postgres, Redis, Vestibule, Prometheus. Nothing of them is left."""

import base64
import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from expressions import ROOT, RULES

#: The program: `cargo build` makes it.
VESTIBULE = Path(os.environ.get("VESTIBULE_BIN", ROOT / "target/debug/vestibule"))

#: How long anything may take that is waited for, in seconds.
PATIENCE = 30

#: What Prometheus calls the replicas.
JOB = "vestibule"

#: Below those that systems give to outgoing connections, one of which could take a port before its server does.
PORTS = iter(random.sample(range(20_000, 32_000), 12_000))

#: Postgres refuses to run as root; so its files and its processes are nobody's.
NOBODY = 65534 if os.geteuid() == 0 else None


def until(what: str, happens: Callable[[], object]) -> None:
    """Waits for it."""
    end = time.monotonic() + PATIENCE
    while not happens():
        assert time.monotonic() < end, f"{what}: not within {PATIENCE} s"
        time.sleep(0.1)


def free_port() -> int:
    """A port of this machine that nobody listens on, and that is not told twice."""
    for port in PORTS:
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("no port is free")


def answers(url: str) -> bool:
    """Whether it is answered with 200."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def listens(port: int) -> bool:
    """Whether somebody does there."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def program(name: str) -> str:
    """Where it is: Debian keeps those of Postgres apart."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda place: float(place.parent.name))
    path = os.pathsep.join([*map(str, reversed(places)), os.environ["PATH"]])
    found = shutil.which(name, path=path)
    assert found, f"there is no {name} on this machine"
    return found


@contextlib.contextmanager
def running(log: Path, *command: object, ends_by=signal.SIGTERM, **options) -> Iterator[subprocess.Popen]:
    """Runs a server. `log` gets what it says."""
    with log.open("ab") as said:
        process = subprocess.Popen(
            [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=said, stderr=said, **options
        )
    try:
        yield process
    finally:
        process.send_signal(ends_by)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def started(what: str, process: subprocess.Popen, log: Path, works: Callable[[], object]) -> None:
    """Waits until the server works."""

    def works_or_ended() -> bool:
        assert process.poll() is None, f"{what} has ended:\n{log.read_text()}"
        return bool(works())

    until(f"{what} starts", works_or_ended)


@contextlib.contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """A Postgres. Yields the URL of its database."""
    place = folder / "postgres"
    place.mkdir()
    options = {"cwd": place}
    if NOBODY:
        shutil.chown(place, NOBODY, NOBODY)
        options |= {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    initdb = [program("initdb"), "-D", "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
    subprocess.run(initdb, check=True, capture_output=True, timeout=PATIENCE, **options)
    port, log = free_port(), folder / "postgres.log"
    settings = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off", "synchronous_commit=off"]
    words = [word for setting in settings for word in ("-c", setting)]
    command = [program("postgres"), "-D", "data", "-p", port, *words]
    # SIGQUIT: at once.
    with running(log, *command, ends_by=signal.SIGQUIT, **options) as process:
        ready = place / "data/postmaster.pid"
        started("Postgres", process, log, lambda: ready.exists() and "ready" in ready.read_text())
        yield f"postgres://postgres@127.0.0.1:{port}/postgres"


@contextlib.contextmanager
def redis(folder: Path, port: int) -> Iterator[subprocess.Popen]:
    """An empty Redis."""
    log = folder / "redis.log"
    words = ["--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no"]
    with running(log, program("redis-server"), *words, ends_by=signal.SIGKILL, cwd=folder) as process:
        started("Redis", process, log, lambda: listens(port))
        yield process


class Deployment:
    """What the replicas have in common: databases, the sealing key, and a caller who may do everything."""

    def __init__(self, folder: Path, database_url: str, redis_url: str) -> None:
        self.folder = folder
        self.callers = folder / "callers.jsonl"
        sealing_key = folder / "sealing.key"
        sealing_key.write_text(base64.b64encode(os.urandom(32)).decode())
        self.environment = {"VESTIBULE_DATABASE_URL": database_url}
        self._run("migrate")
        made = self._run("callers", "new", "load", "--permissions", "admin").splitlines()
        self.key, line = made[1], made[-1]
        self.callers.write_text(line + "\n")
        self.environment |= {
            "VESTIBULE_REDIS_URL": redis_url,
            "VESTIBULE_SEALING_KEY_FILE": str(sealing_key),
            "VESTIBULE_CALLERS_FILE": str(self.callers),
        }

    def _run(self, *arguments: str) -> str:
        command = [VESTIBULE, *arguments]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @contextlib.contextmanager
    def replica(self, name: str, *arguments: str) -> Iterator[tuple[str, str]]:
        """Serves. Yields where gRPC and HTTP are."""
        grpc, http = (f"127.0.0.1:{free_port()}" for _ in range(2))
        log = self.folder / f"{name}.log"
        command = [VESTIBULE, "serve", "--listen-address", grpc, "--http-address", http, *arguments]
        # SIGKILL: whoever drains waits for the collector.
        with running(log, *command, ends_by=signal.SIGKILL, env=self.environment) as process:
            started(name, process, log, lambda: answers(f"http://{http}/readyz"))
            yield grpc, http


@contextlib.contextmanager
def prometheus(folder: Path, targets: list[str]) -> Iterator[str]:
    """A Prometheus that looks at them, and at the alerts, every second. Yields its URL."""
    address, log, config = f"127.0.0.1:{free_port()}", folder / "prometheus.log", folder / "prometheus.yaml"
    # JSON is YAML as well.
    config.write_text(
        f'{{"global": {{"scrape_interval": "1s", "evaluation_interval": "1s"}}, "rule_files": ["{RULES}"], '
        f'"scrape_configs": [{{"job_name": "{JOB}", "static_configs": [{{"targets": {targets}}}]}}]}}'
    )
    words = [f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}", f"--web.listen-address={address}"]
    with running(log, program("prometheus"), *words, "--log.level=warn", ends_by=signal.SIGKILL, cwd=folder) as process:
        started("Prometheus", process, log, lambda: answers(f"http://{address}/-/ready"))
        yield f"http://{address}"
