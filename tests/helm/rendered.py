"""The chart, rendered by Helm, as objects to ask questions of."""

import functools
import json
from pathlib import Path

import helm_python
import yaml

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "helm"
VALUE_SETS = {file.name.removesuffix("-values.yaml"): file for file in sorted(CHART.glob("ci/*-values.yaml"))}

#: What Chart.yaml says.
METADATA = yaml.safe_load((CHART / "Chart.yaml").read_text())

#: The longest name that Helm lets a release have.
LONGEST_RELEASE = "r" + "0123456789" * 5 + "-x"

#: The kinds with a schema in Kubernetes itself; the others are other people's.
OTHERS = {"Certificate", "ServiceMonitor", "PrometheusRule"}


class Strict(yaml.CSafeLoader):
    """YAML in which no key comes twice."""


def _mapping(loader, node, deep=False):
    keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
    twice = {key for key in keys if keys.count(key) > 1}
    assert not twice, f"{twice} twice at {node.start_mark}"
    return yaml.CSafeLoader.construct_mapping(loader, node, deep)


def _build(loader, node):
    data = {}
    yield data
    data.update(_mapping(loader, node, deep=True))


Strict.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _build)


@functools.cache
def chart():
    """The chart, loaded once."""
    return helm_python.Chart.load(CHART)


def read_values(name):
    """The values of a set."""
    return yaml.load(VALUE_SETS[name].read_text(), Strict) or {}


class Rendered:
    """What one set of values makes."""

    def __init__(self, values, name="rel", namespace="ns"):
        self.name, self.namespace = name, namespace
        self.given = values
        self.values = chart().merge_values(values)
        self.texts = chart().render(values, name=name, namespace=namespace)
        self.notes = self.texts["vestibule/templates/NOTES.txt"]
        self.objects = [
            document
            for path, text in sorted(self.texts.items())
            if not path.endswith("NOTES.txt")
            for document in yaml.load_all(text, Strict)
            if document is not None
        ]

    def all(self, kind):
        """The objects of a kind."""
        return [found for found in self.objects if found["kind"] == kind]

    def one(self, kind, suffix=""):
        """The object of a kind whose name is the release's and the suffix."""
        found = [found for found in self.all(kind) if found["metadata"]["name"] == self.fullname + suffix]
        assert len(found) == 1, (kind, suffix, [found["metadata"]["name"] for found in self.all(kind)])
        return found[0]

    @property
    def fullname(self):
        """What the names of all objects begin with: the Deployment's name."""
        (deployment,) = self.all("Deployment")
        return deployment["metadata"]["name"]

    @property
    def server(self):
        """The server's pod template."""
        (deployment,) = self.all("Deployment")
        return deployment["spec"]["template"]

    @property
    def container(self):
        """The server's container."""
        (container,) = self.server["spec"]["containers"]
        return container

    @property
    def pods(self):
        """Everything that becomes a pod, by the kind that it is in."""
        found = [(kind, document["spec"]["template"]) for kind in ("Deployment", "Job") for document in self.all(kind)]
        return dict(found + [("Pod", document) for document in self.all("Pod")])

    @property
    def settings(self):
        """The variables of the server's ConfigMap."""
        return self.one("ConfigMap")["data"]

    @property
    def tls(self):
        """Whether the gRPC port has TLS."""
        return bool(self.values["tls"]["secret"] or self.values["tls"]["certManager"]["enabled"])

    @property
    def embedded(self):
        """Whether it is the embedded default."""
        return self.values["embedded"]["enabled"]


@functools.cache
def render_set(name):
    """A set of values, rendered once."""
    return Rendered(read_values(name))


def render(**values):
    """Values that differ from the default, rendered."""
    return Rendered(values)


def is_hook(document):
    """Whether Helm runs the object beside the release."""
    return "helm.sh/hook" in document["metadata"].get("annotations", {})


def selects(selector, labels):
    """Whether a label selector of Kubernetes selects these labels."""
    assert set(selector) <= {"matchLabels"}, selector
    return selector.get("matchLabels", {}).items() <= labels.items()


def canonical(document):
    """The object as text that is the same for equal objects."""
    return json.dumps(document, sort_keys=True)
