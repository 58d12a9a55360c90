"""The program that the chart runs, and the files that it is given."""

import base64
import functools
import os
import subprocess
from pathlib import Path

from rendered import ROOT

#: The binary: `cargo build` makes it.
BINARY = Path(os.environ.get("VESTIBULE_BIN", ROOT / "target" / "debug" / "vestibule"))

PATHS = "/etc/vestibule/"

#: What stands in for the Secrets.
SECRETS = {
    "VESTIBULE_DATABASE_URL": "postgres://vestibule:password@postgres:5432/vestibule",
    "VESTIBULE_REDIS_URL": "redis://redis:6379",
}


def run(*arguments, environment=None, check=True):
    """Runs the program with these variables and no others."""
    done = subprocess.run(
        [BINARY, *arguments], env=environment or {}, capture_output=True, text=True, timeout=30, check=False
    )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def settings(environment=None):
    """Every setting of the program by its name, as it understands these variables."""
    lines = run("check-config", environment=environment).stdout.splitlines()
    return dict(line.split(" = ", 1) if " = " in line else (line.removesuffix(" ="), "") for line in lines)


@functools.cache
def defaults():
    """What each setting is when nothing is said."""
    return settings()


def variable(setting):
    """The variable of a setting."""
    return "VESTIBULE_" + setting.upper().replace("-", "_")


def write_files(directory, rendered):
    """Writes what the projected volume would hold."""
    directory.mkdir()
    (directory / "callers.jsonl").write_text(caller(rendered.settings["VESTIBULE_ENVIRONMENT"]))
    (directory / "sealing.key").write_text(base64.b64encode(bytes(range(32))).decode())
    (directory / "otlp-headers").write_text("authorization: Bearer collector\n")
    own = [
        found["data"]
        for found in rendered.all("ConfigMap")
        if found["metadata"]["name"] == f"{rendered.fullname}-files"
    ]
    data = own[0] if own else {}
    (directory / "rbac-policy.json").write_text(data.get("rbac-policy.json", "{}"))
    (directory / "common-email-domains").write_text(data.get("common-email-domains", "gmail\n"))
    certificate, key = pair()
    (directory / "tls.crt").write_text(certificate)
    (directory / "tls.key").write_text(key)
    (directory / "client-ca.crt").write_text(certificate)
    (directory / "otlp-ca.crt").write_text(certificate)
    return directory


@functools.cache
def caller(environment):
    """A line of the callers file. API keys are for one environment."""
    arguments = ["callers", "new", "checkout", "--permissions", "verify", "--environment", environment]
    return run(*arguments).stdout.splitlines()[-1] + "\n"


@functools.cache
def pair():
    """A certificate and its key, in PEM."""
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        + ["-subj", "/CN=vestibule", "-days", "2", "-keyout", "-", "-out", "-"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    begin = made.index("-----BEGIN CERTIFICATE-----")
    return made[begin:], made[:begin]


def environment(rendered, files):
    """The variables of the server's container, with its files in another directory."""
    found = {name: value.replace(PATHS, f"{files}/") for name, value in rendered.settings.items()}
    for entry in rendered.container.get("env", []):
        if entry["name"] in SECRETS:
            found[entry["name"]] = SECRETS[entry["name"]]
    return found
