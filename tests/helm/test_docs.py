"""The README's table is values.yaml, and every value has a word about it."""

import json
import re

import yaml
from rendered import CHART


def described():
    """The rows of values.yaml: path, default and the comment that begins with `# --`, in their order."""
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    rows, path, comment = [], [], None
    for line in (CHART / "values.yaml").read_text().splitlines():
        if found := re.fullmatch(r" *# -- (.+)", line):
            comment = found[1]
        elif found := re.match(r"( *)([A-Za-z]+):", line):
            path = [*path[: len(found[1]) // 2], found[2]]
            if comment is not None:
                rows.append((".".join(path), at(values, path), comment))
            comment = None
    return rows


def at(values, path):
    for key in path:
        values = values[key]
    return values


def leaves(values, path=()):
    """Everything that can be set, as paths."""
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*path, key))
        else:
            yield ".".join((*path, key))


def test_every_value_is_described():
    rows = [path for path, _, _ in described()]
    undescribed = [
        leaf
        for leaf in leaves(yaml.safe_load((CHART / "values.yaml").read_text()))
        if not any(leaf == row or leaf.startswith(f"{row}.") for row in rows)
    ]
    assert undescribed == []
    assert len(rows) == len(set(rows)) > 100


def test_the_table_is_the_values():
    expected = [f"| `{path}` | `{json.dumps(default)}` | {comment} |" for path, default, comment in described()]
    _, _, table = (CHART / "README.md").read_text().partition("| Value | Default | What it is |\n|---|---|---|\n")
    assert table.splitlines() == expected, "the table should be:\n" + "\n".join(expected)


def test_the_schema_knows_every_value():
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert schema["additionalProperties"] is False
    assert set(schema["properties"]) == set(values) | {"global"}
    assert list(schema["properties"]["config"]["properties"]) == list(values["config"])


def strict(schema):
    """Every object in the schema that lists its properties."""
    if isinstance(schema, dict):
        if schema.get("type") == "object" and "properties" in schema and "additionalProperties" in schema:
            yield schema
        for part in schema.values():
            yield from strict(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from strict(part)


def test_the_schema_takes_no_unknown_keys():
    schema = json.loads((CHART / "values.schema.json").read_text())
    found = list(strict(schema))
    assert len(found) > 40
    assert all(part["additionalProperties"] is False for part in found)


def test_the_readme_names_what_exists():
    text = (CHART / "README.md").read_text()
    values = [path for path, _, _ in described()]
    groups = {path.split(".")[0] for path in values}
    named = [name for name in re.findall(r"`([a-z][A-Za-z]+(?:\.[A-Za-z]+)+)`", text) if name.split(".")[0] in groups]
    set_by = re.findall(r"--set ([A-Za-z.]+)=", text)
    assert len(named) > 100 and set_by
    assert [name for name in named + set_by if name not in values] == []
