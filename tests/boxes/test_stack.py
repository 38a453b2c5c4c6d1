"""The images are made, and the whole is started as compose.yaml says; a citizen calls, and waits for an agent.

PostgreSQL is Debian's, and so its image alone is not tried, only what we give it; nor are Prometheus' and Grafana's,
but what reaches whom from their places.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shlex
import shutil
import socket
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from boxes.conftest import DOCKER, prepare
from boxes.images import build
from boxes.run import Host, Networks
from rig.root import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from boxes.run import Box

pytestmark = pytest.mark.docker
CARRIER = "192.0.2.9"
SUBNETS = {"telephones": "192.0.2.0/24", "desks": "10.115.1.0/24", "store": "10.115.2.0/24", "watch": "10.115.3.0/24"}
DRAFT = """
[[prompts]]
id = "storm"
name = "Sturm"
text = "Wegen des Sturms ist das Rathaus heute geschlossen."
"""


@contextmanager
def postgresql(networks: Networks, site: Path, folder: Path) -> Iterator[None]:
    """Debian's, as an image would start it: empty, with the superuser's password, and our script once."""
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"))
    owner = pwd.getpwnam("postgres")
    data = folder / "db"
    data.mkdir()
    os.chown(data, owner.pw_uid, owner.pw_gid)
    become = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]

    def run(*command: str) -> None:
        with (folder / "db.log").open("ab") as said:
            subprocess.run(
                [*networks.spaces["db"].enter, *become, *command],
                check=True, stdout=said, stderr=said, cwd=data, env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
            )  # fmt: skip

    run(str(programs / "initdb"), "-D", f"{data}/data", "-U", "postgres", "--auth=trust", "--no-sync", "-E", "UTF8")
    # As the image has it: whoever is on its own socket is trusted, whoever comes over the network has to know.
    (data / "data" / "pg_hba.conf").write_text("local all all trust\nhost all all all scram-sha-256\n")
    here = networks.addresses["db"]["store"]
    options = f"-c listen_addresses={here} -c unix_socket_directories={data} -c fsync=off"
    control = str(programs / "pg_ctl")
    try:
        run(control, "-D", f"{data}/data", "-o", options, "-w", "start")
        script = f"""
mount -t tmpfs tmpfs /run && mkdir /run/secrets
cp {site}/secrets/db/acd /run/secrets/db_acd
POSTGRES_USER=postgres PGHOST={data} exec {DOCKER}/postgres/10-acd.sh
"""
        subprocess.run(["unshare", "--mount", "sh", "-c", script], check=True, stdout=subprocess.DEVNULL)
        yield
    finally:
        run(control, "-D", f"{data}/data", "-m", "immediate", "stop")


def certificate(folder: Path) -> None:
    request = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    files = ["-keyout", str(folder / "acd.key"), "-out", str(folder / "acd.crt")]
    subprocess.run([*request.split(), *files], check=True, capture_output=True)


@pytest.fixture(scope="module")
def host(compose: dict[str, Any], site: Path) -> Iterator[Host]:
    folder = Path(tempfile.mkdtemp(prefix="acd-boxes-"))
    folder.chmod(0o711)
    try:
        with ThreadPoolExecutor() as both:
            making = {
                f"{name}:0.1.0": both.submit(build, f"docker/{where}/Dockerfile", folder / where)
                for name, where in (("dialog-acd", "service"), ("dialog-acd-asterisk", "asterisk"))
            }
            images = {name: made.result() for name, made in making.items()}
        networks = Networks(compose, SUBNETS)
        host = Host(compose, networks, folder, images)
        try:
            with postgresql(networks, site, folder):
                yield host
        finally:
            host.close()
    finally:
        shutil.rmtree(folder)


@dataclass
class Whole:
    host: Host
    site: Path
    asterisk: Box
    door: Box
    service: Box

    @property
    def api_key(self) -> str:
        return (self.site / "secrets" / "service" / "api").read_text().strip()

    def at(self, name: str, network: str) -> str:
        return self.host.networks.addresses[name][network]

    def asked(self, place: str, path: str, key: str = "") -> httpx.Response:
        """What the service answers to whoever is in this place."""
        url = f"http://{self.host.networks.names(place)['dialog-acd']}:8115{path}"
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return self.host.networks.spaces[place].inside(lambda: httpx.get(url, headers=headers, trust_env=False))

    def until(self, path: str, wanted: str, key: str = "") -> Any:
        until = time.monotonic() + 60
        while not re.search(wanted, (said := self.asked("grafana", path, key)).text):
            assert time.monotonic() < until, said.text
            time.sleep(0.1)
        return said.json()

    def reaches(self, place: str, address: str, port: int) -> bool:
        def connect() -> bool:
            try:
                socket.create_connection((address, port), 1).close()
            except OSError:
                return False
            return True

        return self.host.networks.spaces[place].inside(connect)


@pytest.fixture(scope="module")
def whole(host: Host, site: Path) -> Iterator[Whole]:
    """In the sequence of the compose file; in the end, whoever is stopped ends in order and has nothing to regret."""
    demo = (REPOSITORY / "asterisk" / "demo-directory.toml").read_text(encoding="utf-8")
    (site / "files" / "directory.toml").write_text(demo + DRAFT, encoding="utf-8")
    certificate(site / "tls")
    prepare(site)
    with host.telling():
        assert host.run("migrate").await_end()[0] == 0
        assert host.run("dialog-acd", "load", "files/directory.toml").await_end()[0] == 0
        asterisk = host.run("asterisk").await_health()
        whole = Whole(
            host, site, asterisk, host.run("asterisk-door").await_health(), host.run("dialog-acd").await_health()
        )
        host.networks.place("carrier", {"telephones": CARRIER})
        whole.until("/health/ready", "last heartbeat")
    yield whole
    with host.telling():
        assert whole.service.stop(30) == 0
        assert '"level": "error"' not in whole.service.said()
        whole.asterisk.stop(15)
        assert not [line for line in asterisk.said().splitlines() if " ERROR[" in line]


def test_asterisk_learns_of_phones_through_the_door(whole: Whole) -> None:
    ready = whole.until("/health/ready", "synced at")
    assert ready["ready"] is True
    assert "agent01" in whole.asterisk.execute("asterisk", "-rx", "pjsip show auth agent01")[1]
    # So has a draft, spoken in the one container, come to where the other looks for prompts.
    assert whole.asterisk.execute("head", "-c4", "/usr/share/asterisk/sounds/de/custom/acd/storm.wav") == (0, "RIFF")
    # Nobody comes through it for anything else.
    for asked in (["core", "stop", "now"], ["reload; core stop now"], ["check\tx"], [""]):
        assert whole.service.execute("ask-asterisk", *asked) == (0, "No such command here\n")
    whole.service.execute("ask-asterisk", "reload\ncore stop now")  # a second line is not read
    assert whole.asterisk.healthy()


def test_nobody_inside_is_root_or_becomes_it_or_writes_to_what_it_is_made_of(whole: Whole) -> None:
    for box in (whole.asterisk, whole.door, whole.service):
        assert [box.status("Uid").split()[0], box.status("NoNewPrivs")] == [str(box.who[0]), "1"]
        assert box.who[0] >= 10000
        assert {box.status(f"Cap{which}").strip("0") for which in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {""}
        for place in ("/etc", "/opt/dialog-acd", "/usr/bin", "/"):
            status, said = box.execute("touch", f"{place}/written")
            assert status != 0
            assert "Read-only file system" in said
    # What the directory says of phones is the service's to write, and Asterisk's to read.
    status, said = whole.asterisk.execute("touch", "/var/lib/dialog-acd/asterisk/written")
    assert "Read-only file system" in said


def test_prometheus_elsewhere_needs_its_key_and_it_opens_nothing_else(whole: Whole) -> None:
    key = (whole.site / "secrets" / "prometheus" / "metrics").read_text().strip()
    assert whole.asked("prometheus", "/metrics").status_code == 401
    assert whole.asked("prometheus", "/metrics", whole.api_key).status_code == 401
    assert "\nacd_ami_link_up 1.0\n" in whole.asked("prometheus", "/metrics", key).text
    assert whole.asked("prometheus", "/api/v1/live", key).status_code == 401


def test_debians_prometheus_takes_the_configuration_and_reads_the_service(
    whole: Whole, compose: dict[str, Any], tmp_path: Path
) -> None:
    home = tmp_path / "prometheus"
    shutil.copytree(DOCKER / "prometheus", home)
    config = home / "prometheus.yml"
    config.write_text(config.read_text(encoding="utf-8").replace("15s", "1s"), encoding="utf-8")
    hosts = tmp_path / "hosts"
    hosts.write_text(f"{whole.host.networks.names('prometheus')['dialog-acd']} dialog-acd\n")
    arguments = [a for a in compose["services"]["prometheus"]["command"] if "--storage.tsdb.path" not in a]
    run = shlex.join(["prometheus", *arguments, f"--storage.tsdb.path={tmp_path / 'data'}"])
    script = f"""
set -e
mount -t tmpfs tmpfs /run && mkdir /run/secrets
cp {whole.site}/secrets/prometheus/metrics /run/secrets/prometheus_metrics
mount --bind {hosts} /etc/hosts
mount --bind {home} /etc/prometheus
promtool check config --syntax-only /etc/prometheus/prometheus.yml
exec {run}
"""
    space = whole.host.networks.spaces["prometheus"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([*space.enter, "unshare", "--mount", "sh", "-c", script], stdout=log, stderr=log)
    try:
        query = "http://127.0.0.1:9090/api/v1/query?query=acd_ami_link_up{job='dialog-acd'}"
        until, found = time.monotonic() + 60, list[Any]()
        while not found:
            assert process.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < until, (tmp_path / "log").read_text()
            time.sleep(0.1)
            with contextlib.suppress(httpx.TransportError):
                said = space.inside(lambda: httpx.get(query, trust_env=False))
                found = said.json()["data"]["result"] if said.status_code == 200 else []  # 503: not up yet
        assert found[0]["value"][1] == "1"
    finally:
        process.terminate()
        process.wait(10)


def test_who_has_no_business_with_ami_agi_and_the_database_does_not_reach_them(whole: Whole) -> None:
    ami, agi = (whole.at("asterisk", "switch"), 5038), (whole.at("dialog-acd", "switch"), 4573)
    database = whole.at("db", "store"), 5432
    assert whole.reaches("dialog-acd", *ami)
    assert whole.reaches("asterisk", *agi)
    assert whole.reaches("dialog-acd", *database)
    for place in ("carrier", "prometheus", "grafana", "db"):
        assert not whole.reaches(place, *ami), place
        assert not whole.reaches(place, *agi), place
    for place in ("carrier", "prometheus", "grafana", "asterisk"):
        assert not whole.reaches(place, *database), place
    # Not by another of their addresses either.
    assert whole.reaches("carrier", whole.at("asterisk", "telephones"), 5061)
    assert not whole.reaches("carrier", whole.at("asterisk", "telephones"), 5038)
    assert not whole.reaches("prometheus", whole.at("dialog-acd", "watch"), 4573)


def test_a_citizens_call_waits_for_an_agent(whole: Whole) -> None:
    """The service answers Asterisk's question, and the voices are to go to where the host is."""
    asterisk = whole.at("asterisk", "telephones")
    answer = whole.host.networks.spaces["carrier"].inside(lambda: call(asterisk, "051173070"))
    assert answer.startswith("SIP/2.0 200 OK")
    assert "\r\nc=IN IP4 198.51.100.1\r\n" in answer
    assert "\r\nContact: <sip:198.51.100.1:5060>" in answer
    port = re.search(r"^m=audio (\d+) ", answer, re.MULTILINE)
    assert port is not None
    assert 10000 <= int(port[1]) <= 10399
    live = whole.until("/api/v1/live", r'"waiting": ?1', whole.api_key)
    assert [queue["id"] for queue in live["queues"] if queue["waiting"]] == ["langenhagen"]


def call(asterisk: str, to: str) -> str:
    """A citizen's call, as the carrier brings it; what is answered to it in the end."""
    body = f"v=0\r\no=- 1 1 IN IP4 {CARRIER}\r\ns=-\r\nc=IN IP4 {CARRIER}\r\nt=0 0\r\nm=audio 40000 RTP/AVP 8\r\n"
    lines = [
        f"INVITE sip:{to}@{asterisk} SIP/2.0",
        f"Via: SIP/2.0/UDP {CARRIER}:5060;branch=z9hG4bK-1",
        f"From: <sip:051123125@{CARRIER}>;tag=1",
        f"To: <sip:{to}@{asterisk}>",
        f"Contact: <sip:{CARRIER}>",
        "Call-ID: one",
        "CSeq: 1 INVITE",
        "Max-Forwards: 70",
        "Content-Type: application/sdp",
        f"Content-Length: {len(body)}",
    ]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.bind((CARRIER, 5060))
        line.settimeout(10)
        line.sendto("\r\n".join([*lines, "", body]).encode(), (asterisk, 5060))
        while True:
            said = line.recv(65536).decode()
            if said.startswith("SIP/2.0 ") and not said.startswith("SIP/2.0 1"):
                return said


def test_phones_that_encrypt_are_told_where_the_host_is_too(whole: Whole) -> None:
    told = whole.asterisk.execute("asterisk", "-rx", "pjsip show transport acd-tls")[1]
    for name, value in (
        ("bind", "0.0.0.0:5061"), ("external_media_address", "198.51.100.1"),
        ("external_signaling_address", "198.51.100.1"), ("verify_server", "Yes"),
    ):  # fmt: skip
        assert re.search(rf"^ {name} +: {value}$", told, re.MULTILINE), told
    shown = whole.asterisk.execute("asterisk", "-rx", "pjsip show endpoint agent01")[1]
    assert re.search(r"^ media_encryption +: sdes$", shown, re.MULTILINE)
    assert re.search(r"^ context +: house$", shown, re.MULTILINE)


def test_an_emergency_call_has_a_number_of_ours(whole: Whole) -> None:
    for number in ("110", "112"):
        shown = whole.asterisk.execute("asterisk", "-rx", f"dialplan show {number}@house")[1]
        lines = re.findall(r"\d\. (\w+\(.*?\)) +\[", shown)
        assert lines == [
            "Set(CALLERID(num)=+4951112345)", "Set(CALLERID(pres)=allowed)", f"Dial(PJSIP/{number}@trunk)",
        ], shown  # fmt: skip


def test_an_operators_day(whole: Whole) -> None:
    status, said = whole.service.execute("dialog-acd", "check")
    assert (status, len(re.findall("^ok  ", said, re.MULTILINE))) == (0, 4), said
    status, said = whole.service.execute(
        "dialog-acd", "asterisk", "password", "agent01", "/var/lib/dialog-acd/asterisk"
    )
    assert (status, len(said.strip())) == (0, 32), said
    status, said = whole.service.execute("sh", "-c", "cd /var/lib/dialog-acd && dialog-acd backup files/backup")
    assert status == 0, said
    assert (whole.site / "files" / "backup" / "journal").is_dir()
