"""The chart can set every flag of the program, and nothing else. Asks the program itself."""

import re
import socket
import subprocess
import time

import pytest
from program import BINARY, SECRETS, defaults, environment, run, settings, variable, write_files
from rendered import VALUE_SETS, read_values, render_set

#: How the chart's default differs from the program's, beside addresses, secrets and files.
DIFFERENT = {"environment": ("test", "live"), "lame-duck": ("0s", "5s"), "log-format": ("text", "json")}


def kebab(name):
    """`maxCallDuration` as the flag is called."""
    return re.sub(r"([A-Z])", r"-\1", name).lower()


@pytest.fixture
def understood(rendered, tmp_path):
    """The settings as the program understands what the chart gives it."""
    return settings(environment(rendered, write_files(tmp_path / "files", rendered)))


def test_the_program_takes_what_the_chart_gives(rendered, understood):
    for name, value in rendered.values["config"].items():
        assert understood[kebab(name)] == printed(value), name


def printed(value):
    """A value as the program prints it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def test_every_variable_is_a_setting(rendered):
    known = {variable(setting) for setting in defaults()}
    for pod in rendered.pods.values():
        for container in pod["spec"]["containers"]:
            names = {entry["name"] for entry in container.get("env", []) if entry["name"].startswith("VESTIBULE_")}
            assert names <= known
    assert {name for name in rendered.settings if name.startswith("VESTIBULE_")} <= known
    assert all(name.startswith("VESTIBULE_") for name in rendered.settings)


def test_every_flag_can_be_set(tmp_path):
    """For each there is a set of values that makes it something else than the program's own default."""
    unchanged = set(defaults())
    for name in ("everything", "embedded"):
        rendered = render_set(name)
        understood = settings(environment(rendered, write_files(tmp_path / name, rendered)))
        unchanged -= {setting for setting, value in understood.items() if value != defaults()[setting]}
    assert unchanged == set()


def test_the_flags_are_the_ones_of_its_help():
    flags = set(re.findall(r"^ +--([a-z-]+) <", run("--help").stdout, re.MULTILINE))
    assert flags == set(defaults())


def test_only_these_defaults_are_others(tmp_path):
    rendered = render_set("default")
    understood = settings(environment(rendered, write_files(tmp_path / "files", rendered)))
    different = {
        setting: (defaults()[setting], value) for setting, value in understood.items() if value != defaults()[setting]
    }
    derived = {"listen-address", "http-address", "callers-file", "sealing-key-file", "database-url", "redis-url"}
    assert set(different) - derived == set(DIFFERENT)
    assert {setting: different[setting] for setting in DIFFERENT} == DIFFERENT


@pytest.mark.parametrize("setting", DIFFERENT)
def test_the_values_say_where_a_default_is_another(setting):
    from test_docs import described

    comments = {kebab(path.removeprefix("config.")): comment for path, _, comment in described() if path.startswith("config.")}
    assert f"The program's own default is `{DIFFERENT[setting][0]}`." in comments[setting]
    others = [name for name, comment in comments.items() if "program's own default" in comment]
    assert set(others) == set(DIFFERENT)


def test_the_migration_gets_settings_that_it_knows():
    for name in VALUE_SETS:
        for job in render_set(name).all("Job"):
            (container,) = job["spec"]["template"]["spec"]["containers"]
            given = {entry["name"]: entry.get("value", SECRETS.get(entry["name"])) for entry in container["env"]}
            given = {name: value for name, value in given.items() if name.startswith("VESTIBULE_")}
            understood = run("migrate", "--help", environment=given).stdout
            assert "Bring the schema" in understood


@pytest.mark.parametrize("tls", [False, True])
def test_what_helm_test_asks_is_answered(tls, tmp_path):
    """The program with the variables of the pods, on this machine's addresses instead of the cluster's."""
    server, test = render_set("embedded"), render_set("tls-secret" if tls else "default")
    files = write_files(tmp_path / "files", server)
    given = environment(server, files)
    if tls:
        given |= {name: value for name, value in environment(test, files).items() if "_TLS_" in name}
    grpc, http = free_ports(2)
    given["VESTIBULE_DATA_DIR"] = str(tmp_path / "data")
    given["VESTIBULE_LAME_DUCK"] = "0s"
    given["VESTIBULE_LISTEN_ADDRESS"] = f"127.0.0.1:{grpc}"
    given["VESTIBULE_HTTP_ADDRESS"] = f"127.0.0.1:{http}"
    ((container,),) = [[pod["spec"]["containers"][0]] for pod in test.all("Pod")]
    asked = {entry["name"]: entry["value"] for entry in container["env"]}
    host = "$(REL_VESTIBULE_SERVICE_HOST)"
    assert asked["VESTIBULE_LISTEN_ADDRESS"] == f"{host}:50051"
    asked["VESTIBULE_LISTEN_ADDRESS"] = f"127.0.0.1:{grpc}"
    assert run(*container["args"], environment=asked, check=False).returncode != 0
    with subprocess.Popen([BINARY, *server.container["args"]], env=given, stdout=subprocess.DEVNULL) as serving:
        try:
            patience = time.monotonic() + 30
            while run(*container["args"], environment=asked, check=False).returncode != 0:
                assert serving.poll() is None
                assert time.monotonic() < patience
        finally:
            serving.terminate()
    assert serving.returncode == 0


def free_ports(count):
    """Ports that nobody listens on."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [listener.getsockname()[1] for listener in held]
    finally:
        for listener in held:
            listener.close()
