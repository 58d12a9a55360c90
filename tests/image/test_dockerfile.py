"""What can be said of the Dockerfile without building it: that it has what the build reads, and nothing else."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
CARGO = tomllib.loads((ROOT / "Cargo.toml").read_text())


def copied():
    """What is copied out of the checkout."""
    lines = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    return {name for line in lines for name in line.split()}


def test_the_builder_gets_what_is_copied_and_nothing_else():
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert (ROOT / ".dockerignore").read_text().splitlines()[1] == "*"
    assert allowed == copied()
    assert all((ROOT / name).exists() for name in copied())


def test_what_the_build_reads_is_copied():
    assert {"Cargo.toml", "Cargo.lock", "build.rs", "src"} <= copied()
    read = set(re.findall(r"rerun-if-changed=([\w./-]+)", (ROOT / "build.rs").read_text()))
    sources = [file for file in (ROOT / "src").rglob("*.rs") if "tests" not in file.parts and file.name != "tests.rs"]
    for source in sources:
        text = source.read_text()
        read |= set(re.findall(r'migrate!\("([^"]+)"', text))
        for included in re.findall(r'include_(?:str|bytes)!\(\s*"([^"]+)"', text):
            read.add(str((source.parent / included).resolve().relative_to(ROOT)))
    assert read
    assert {Path(name).parts[0] for name in read} <= copied()


def test_versions_are_those_of_the_program():
    rust = re.search(r"^ARG BUILD_IMAGE=rust:(\d+\.\d+)\.\d+-slim-bookworm$", DOCKERFILE, re.MULTILINE)
    assert rust and rust[1] == CARGO["package"]["rust-version"]
    assert f"ARG VERSION={CARGO['package']['version']}\n" in DOCKERFILE


def test_the_lock_file_is_kept_to_and_nobody_is_root():
    assert DOCKERFILE.count("cargo build --release --locked") == DOCKERFILE.count("cargo build") == 2
    assert re.findall(r"^USER (.+)$", DOCKERFILE, re.MULTILINE) == ["65532:65532"]
    assert 'ENTRYPOINT ["/usr/local/bin/vestibule"]' in DOCKERFILE
