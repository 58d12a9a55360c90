"""The chart can set every flag of the program, and nothing else. Asks the program itself."""

import json
import re

import helm_python
import pytest
from program import SECRETS, defaults, environment, run, settings, variable, write_files
from rendered import CHART, VALUE_SETS, chart, render_set

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


def bounds():
    """Settings with values at the edges of what the schema takes, and whether it takes them."""
    schema = json.loads((CHART / "values.schema.json").read_text())["properties"]["config"]["properties"]
    for name, part in schema.items():
        part = next((kind for kind in part.get("anyOf", []) if kind["type"] != "null"), part)
        for value in part.get("enum", []):
            yield name, value, True
        step = 1 if part.get("type") == "integer" else 0.1
        if "minimum" in part:
            yield from [(name, part["minimum"], True), (name, part["minimum"] - step, False)]
            yield from [(name, part["maximum"], True), (name, part["maximum"] + step, False)]


@pytest.mark.parametrize(("name", "value", "taken"), list(bounds()))
def test_the_schema_takes_what_the_program_takes(name, value, taken, tmp_path):
    rendered = render_set("default")
    given = environment(rendered, write_files(tmp_path / "files", rendered)) | {variable(kebab(name)): str(value)}
    if name == "environment":
        # The API key of the callers file is for the other one.
        given = {variable(kebab(name)): str(value)} | SECRETS
        given["VESTIBULE_SEALING_KEY_FILE"] = str(tmp_path / "files" / "sealing.key")
    assert (run("check-config", environment=given, check=False).returncode == 0) == taken


#: Around every bound that the program has.
DURATIONS = ["0s", "99ms", "100ms", "999ms", "1s", "2s 999ms", "3s", "60s", "61s", "14m 59s", "15m", "1h", "61m"]
DURATIONS += ["365days", "8761h", "3653days", "87673h"]


@pytest.mark.parametrize(
    "name",
    [name for name, value in render_set("default").values["config"].items() if re.match(r"\d+[a-z]", str(value))],
)
def test_the_chart_takes_the_durations_that_the_program_takes(name, tmp_path):
    given = environment(render_set("default"), write_files(tmp_path / "files", render_set("default")))
    for value in DURATIONS:
        known = run("check-config", environment=given | {variable(kebab(name)): value}, check=False).returncode == 0
        try:
            chart().render({"config": {name: value}})
            taken = True
        except helm_python.HelmRenderError:
            taken = False
        assert taken == known, value


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

    comments = {
        kebab(path.removeprefix("config.")): comment for path, _, comment in described() if path.startswith("config.")
    }
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
