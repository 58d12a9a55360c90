"""The program itself, with what the chart gives it, on addresses of this machine instead of the cluster's."""

import contextlib
import socket
import subprocess
import time
import urllib.request

import pytest
from program import BINARY, environment, run, write_files
from rendered import render_set

#: How long starting may take.
PATIENCE = 30


@contextlib.contextmanager
def serving(directory, tls):
    """Runs the server of the embedded default, which needs no others. Yields its gRPC and its HTTP port."""
    rendered = render_set("embedded")
    files = write_files(directory / "files", rendered)
    given = environment(rendered, files)
    if tls:
        with_tls = environment(render_set("tls-secret"), files)
        given |= {name: value for name, value in with_tls.items() if "_TLS_" in name}
    grpc, http = free_ports()
    given["VESTIBULE_DATA_DIR"] = str(directory / "data")
    given["VESTIBULE_LISTEN_ADDRESS"] = f"127.0.0.1:{grpc}"
    given["VESTIBULE_HTTP_ADDRESS"] = f"127.0.0.1:{http}"
    given["VESTIBULE_LAME_DUCK"] = "0s"
    command = [BINARY, *rendered.container["args"]]
    with subprocess.Popen(command, env=given, stdout=subprocess.DEVNULL) as process:
        try:
            yield process, grpc, http
        finally:
            process.terminate()
    assert process.returncode == 0


def free_ports():
    """Two ports that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        return one.getsockname()[1], other.getsockname()[1]


def get(port, path):
    """The answer of the HTTP port: its status and its text."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
        return answer.status, answer.read().decode()


@pytest.mark.parametrize("tls", [False, True])
def test_what_is_asked_is_answered(tls, tmp_path):
    """What `helm test`, the kubelet over HTTP, and Prometheus ask."""
    rendered = render_set("tls-secret" if tls else "default")
    (pod,) = rendered.all("Pod")
    (container,) = pod["spec"]["containers"]
    asked = {entry["name"]: entry["value"] for entry in container["env"]}
    with serving(tmp_path, tls) as (process, grpc, http):
        asked["VESTIBULE_LISTEN_ADDRESS"] = f"127.0.0.1:{grpc}"
        until = time.monotonic() + PATIENCE
        while run(*container["args"], environment=asked, check=False).returncode != 0:
            assert process.poll() is None
            assert time.monotonic() < until
        for probe in ("startup", "liveness", "readiness"):
            assert get(http, render_set("tls-secret").container[f"{probe}Probe"]["httpGet"]["path"])[0] == 200
        (monitor,) = render_set("monitoring").all("ServiceMonitor")
        assert "target_info{" in get(http, monitor["spec"]["endpoints"][0]["path"])[1]


def test_a_server_with_tls_does_not_answer_without(tmp_path):
    """So the variables that say that there is TLS are needed."""
    (pod,) = render_set("default").all("Pod")
    (container,) = pod["spec"]["containers"]
    with serving(tmp_path, tls=True) as (process, grpc, http):
        until = time.monotonic() + PATIENCE
        while True:
            assert process.poll() is None
            assert time.monotonic() < until
            with contextlib.suppress(OSError):
                assert get(http, "/readyz")[0] == 200
                break
        asked = {"VESTIBULE_LISTEN_ADDRESS": f"127.0.0.1:{grpc}"}
        assert run(*container["args"], environment=asked, check=False).returncode != 0
