"""What compose.yaml promises of every container, read in what docker-compose makes of it."""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from boxes.conftest import DOCKER, compose_says, prepare
from boxes.dockerfile import read
from rig.root import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.docker
ONCE = {"migrate"}
"""Does its work and ends."""
WRITTEN = {
    "asterisk": {"asterisk-run", "asterisk-db"},
    "asterisk-door": {"asterisk-run", "asterisk-door"},
    "db": {"db"},
    "migrate": {"journal", "synced", "files"},
    "dialog-acd": {"journal", "synced", "files"},
    "prometheus": {"prometheus"},
    "grafana": {"grafana"},
}
"""All that a container can write and that outlasts it."""
NETWORKS = {
    "asterisk": {"telephones", "switch"},
    "asterisk-door": set(),
    "db": {"store"},
    "migrate": {"store"},
    "dialog-acd": {"desks", "store", "switch", "watch"},
    "prometheus": {"desks", "watch"},
    "grafana": {"desks", "watch"},
}


def services(compose: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    assert set(compose["services"]) == set(WRITTEN)
    return list(compose["services"].items())


def test_what_a_caller_leaves_behind_is_in_no_log_that_nobody_empties(compose: dict[str, Any]) -> None:
    assert compose["services"]["db"]["command"] == ["postgres", "-c", "wal_recycle=off"]
    logger = (DOCKER / "asterisk" / "etc" / "logger.conf").read_text(encoding="utf-8")
    assert re.findall(r"^(\w+) => (.*)$", logger, re.MULTILINE) == [("console", "warning,error")]


def test_no_container_is_root_or_becomes_it_or_writes_where_it_should_not(compose: dict[str, Any]) -> None:
    for name, service in services(compose):
        assert service["user"].partition(":")[0] not in ("", "0", "root"), name
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert not service.keys() & {"cap_add", "privileged", "devices", "pid", "ipc", "userns_mode"}, name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        volumes = [volume.split(":") for volume in service["volumes"]]
        assert {source.rsplit("/", 1)[-1] for source, _, mode in volumes if mode == "rw"} == WRITTEN[name], name
        assert all("size=" in folder for folder in service["tmpfs"]), f"{name}: memory without a bound"
        assert not [source for source, *_ in volumes if "docker.sock" in source]


def test_images_have_a_version_and_ours_is_this_one(compose: dict[str, Any]) -> None:
    ours = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    for name, service in services(compose):
        image, _, tag = service["image"].rpartition(":")
        assert image, name
        assert tag not in ("", "latest", "main"), name
        assert tag == ours if image.startswith("dialog-acd") else re.match(r"v?\d+", tag), name
    for file in DOCKER.glob("*/Dockerfile"):
        stages = read(file.read_text(encoding="utf-8"))
        names = {stage.name for stage in stages}
        assert all(stage.base in names or ":" in stage.base for stage in stages), file


def test_whoever_is_sick_is_seen_and_who_ends_starts_again(compose: dict[str, Any]) -> None:
    for name, service in services(compose):
        if name in ONCE:
            assert (service["healthcheck"], service["restart"]) == ({"test": ["NONE"]}, "no")
            continue
        assert service["healthcheck"]["test"][0] == "CMD", name
        assert service["restart"] == "unless-stopped", name


def test_a_database_that_is_still_being_made_is_not_taken_for_ready(compose: dict[str, Any]) -> None:
    """While the image makes it, a first server answers on its socket alone, and goes away again."""
    _, asks, *words = compose["services"]["db"]["healthcheck"]["test"]
    assert asks == "pg_isready"
    assert words[words.index("-h") + 1] == "127.0.0.1"


def test_a_proxy_that_docker_is_told_of_is_asked_by_nobody(compose: dict[str, Any]) -> None:
    for name, service in services(compose):
        given = service["environment"]
        for way in ("http", "https", "all", "ftp"):
            assert (given[f"{way}_proxy"], given[f"{way}_proxy".upper()]) == ("", ""), name
        assert given["no_proxy"] == given["NO_PROXY"] == "*", name


def test_only_telephones_and_this_host_come_in(compose: dict[str, Any]) -> None:
    opened = {
        (name, str(port).partition(":")[0] if isinstance(port, str) else port["target"])
        for name, service in services(compose)
        for port in service.get("ports", [])
    }
    loopback = {(name, port) for name, port in opened if port == "127.0.0.1"}
    assert loopback == {("dialog-acd", "127.0.0.1"), ("grafana", "127.0.0.1")}
    voices = range(10000, 10400)
    assert opened - loopback == {("asterisk", port) for port in (5060, 5061, *voices)}
    for name, service in services(compose):
        assert set(service.get("networks", {})) == NETWORKS[name], name
    inner = {name for name, network in compose["networks"].items() if (network or {}).get("internal")}
    assert inner == {"switch", "store", "watch"}


def test_secrets_are_files_and_each_is_its_readers_alone(compose: dict[str, Any], site: Path) -> None:
    readers: dict[str, set[str]] = {name: set() for name in compose["secrets"]}
    for name, service in services(compose):
        for secret in service.get("secrets", []):
            readers[secret["source"] if isinstance(secret, dict) else secret].add(service["user"])
        for key, value in service.get("environment", {}).items():
            if re.search("password|secret|token|pass", key, re.IGNORECASE):
                assert str(value).startswith("/run/secrets/"), f"{name}: {key}"
    numbers = {"asterisk": 10116, "dialog-acd": 10115, "999:999": 999, "65534:65534": 65534, "472:0": 472}
    for name, users in readers.items():
        [user] = users
        file = site / compose["secrets"][name]["file"]
        found = file.stat()
        assert (found.st_uid, stat.S_IMODE(found.st_mode)) == (numbers[user], 0o600), name
        assert len(file.read_text()) > 40


def test_preparing_again_keeps_every_secret(site: Path) -> None:
    before = {file: file.read_bytes() for file in site.rglob("secrets/*/*")}
    assert len(before) == 9
    prepare(site)
    assert {file: file.read_bytes() for file in site.rglob("secrets/*/*")} == before


def test_a_checkout_that_is_closed_to_others_is_opened_to_containers(tmp_path: Path, compose: dict[str, Any]) -> None:
    """Under umask 077: Prometheus and Grafana would find no rules and no dashboards."""
    checkout = tmp_path / "docker"
    shutil.copytree(DOCKER, checkout)
    subprocess.run(["chmod", "-R", "go-rwx", checkout], check=True)
    subprocess.run([checkout / "prepare.sh", tmp_path / "site"], check=True, stdout=subprocess.DEVNULL)
    mounted = {
        source.removeprefix(f"{DOCKER}/")
        for _, service in services(compose)
        for source, *_ in (volume.split(":") for volume in service["volumes"])
        if source.startswith(f"{DOCKER}/")
    }
    assert len(mounted) == 5
    for folder in mounted:
        for path in (checkout / folder, *(checkout / folder).rglob("*")):
            assert path.stat().st_mode & (0o005 if path.is_dir() else 0o004), path


@pytest.mark.parametrize(
    ("given", "line", "copy", "who"),
    [
        ("service/ami", "new", "asterisk/ami", "asterisk dialog-acd"),
        ("service/metrics", "new", "prometheus/metrics", "prometheus dialog-acd"),
        ("db/acd", "new", "service/pgpass", "dialog-acd"),
    ],
)
def test_who_has_to_know_a_new_secret_gets_it(tmp_path: Path, given: str, line: str, copy: str, who: str) -> None:
    """And it is said who has to be made anew: each container goes on with the file it began with."""
    prepare(tmp_path / "site")
    secrets = tmp_path / "site" / "secrets"
    before = {file: file.read_bytes() for file in secrets.glob("*/*")}
    (secrets / given).write_text(f"{line}\n")
    said = subprocess.run([DOCKER / "prepare.sh", tmp_path / "site"], check=True, capture_output=True, text=True).stdout
    changed = {file for file in secrets.glob("*/*") if file.read_bytes() != before.get(file)}
    assert changed == {secrets / given, secrets / copy}
    assert (secrets / copy).read_text().strip().rpartition(":")[2] == line
    owners = {"asterisk": 10116, "prometheus": 65534, "service": 10115}
    found = (secrets / copy).stat()
    assert (found.st_uid, stat.S_IMODE(found.st_mode)) == (owners[copy.partition("/")[0]], 0o600)
    assert f"remade   {secrets / copy}" in said
    assert f"--force-recreate {who}" in said


@pytest.mark.parametrize("missing", ["ACD_SITE", "ACD_ADDRESS", "ACD_TRUNK", "ACD_HOUSE_NUMBER"])
@pytest.mark.parametrize("empty", [True, False])
def test_without_what_has_to_be_filled_in_it_says_so(settings: dict[str, str], missing: str, *, empty: bool) -> None:
    given = {**settings, missing: ""} if empty else {k: v for k, v in settings.items() if k != missing}
    said = compose_says(**given)
    assert said.returncode != 0
    assert re.search(rf"{missing} is not set, .*docker/example.env", said.stderr)


def test_the_example_names_every_setting() -> None:
    compose = (DOCKER / "compose.yaml").read_text(encoding="utf-8")
    example = (DOCKER / "example.env").read_text(encoding="utf-8")
    asked = set(re.findall(r"\$\{(ACD_[A-Z_]+)", compose))
    named = set(re.findall(r"^#?(ACD_[A-Z_]+)=", example, re.MULTILINE))
    assert asked - named == {"ACD_OIDC_CLAIM"}  # seldom
    assert named <= asked
    defaults = dict(re.findall(r"\$\{(ACD_[A-Z_]+):-([^}]+)\}", compose))
    assert dict(re.findall(r"^#(ACD_[A-Z_]+)=(.+)$", example, re.MULTILINE)) == {
        name: value for name, value in defaults.items() if name != "ACD_OIDC_CLAIM"
    }


def test_prometheus_finds_the_service_its_key_and_the_rules(compose: dict[str, Any]) -> None:
    told = yaml.safe_load((DOCKER / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    prometheus = compose["services"]["prometheus"]
    assert "--config.file=/etc/prometheus/prometheus.yml" in prometheus["command"]
    assert told["rule_files"] == ["rules/*.yml"]
    [job] = [job for job in told["scrape_configs"] if job["job_name"] == "dialog-acd"]
    assert job["authorization"]["credentials_file"] == "/run/secrets/prometheus_metrics"
    assert job["static_configs"] == [{"targets": ["dialog-acd:8115"]}]


def test_grafana_finds_prometheus_and_the_dashboards(compose: dict[str, Any]) -> None:
    provisioning = DOCKER / "grafana" / "provisioning"
    [source] = yaml.safe_load((provisioning / "datasources" / "prometheus.yaml").read_text())["datasources"]
    assert (source["uid"], source["type"], source["url"]) == ("prometheus", "prometheus", "http://prometheus:9090")
    [provider] = yaml.safe_load((provisioning / "dashboards" / "dashboards.yaml").read_text())["providers"]
    targets = {
        target: source for source, target, _ in (v.split(":") for v in compose["services"]["grafana"]["volumes"])
    }
    assert targets[provider["options"]["path"]] == str(DOCKER / "grafana" / "dashboards")
    assert targets["/etc/grafana/provisioning/datasources"] == str(provisioning / "datasources")
    assert targets["/etc/grafana/provisioning/dashboards"] == str(provisioning / "dashboards")
