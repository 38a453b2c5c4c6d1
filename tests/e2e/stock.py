"""Debian's stock Asterisk, configuration and all, with our files added by the script the README names.

Only what would collide with a machine's own Asterisk is changed: its directories and its ports.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

from rig.ports import Ports
from rig.private import HOMES
from rig.root import GID, REPOSITORY, UID, Root

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# What an operator would have: a trunk known by its address, and one telephone.
PJSIP = """
; Trunk and telephone share an address here, so the telephone's name has to count first.
[global]
type = global
endpoint_identifier_order = username,ip

[udp]
type = transport
protocol = udp
bind = 127.0.0.1:{trunk}

[carrier]
type = endpoint
context = acd-in
disallow = all
allow = alaw
[carrier]
type = identify
endpoint = carrier
match = 127.0.0.1

[desk]
type = endpoint
context = house
aors = desk
disallow = all
allow = alaw
direct_media = no
device_state_busy_at = 1
[desk]
type = aor
contact = sip:desk@127.0.0.1:{phone}
"""


class StockAsterisk:
    """Debian's own configuration folder, copied, attached to, and started."""

    def __init__(self, root: Root, secret_file: Path, *, certificate: bool = False) -> None:
        """``certificate``: phones of the directory come in as well, over TLS."""
        self.root, self.secret_file, self.ports = root, secret_file, Ports.pick()
        self.certificate = certificate
        self.home = f"{HOMES}/{os.getpid()}-5f0c6b"
        self.host_home = root.host(self.home)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def etc(self) -> Path:
        return self.host_home / "etc"

    @property
    def synced(self) -> Path:
        return self.host_home / "synced"

    @contextlib.contextmanager
    def attached(self, phone_port: int) -> Iterator[None]:
        """Runs with our files added; ``phone_port`` is where the telephone of the desk is."""
        try:
            self._furnish(phone_port)
            self._start()
            yield
        finally:
            self._end()

    def _furnish(self, phone_port: int) -> None:
        for part in ("db", "run", "log", "spool", "var"):
            (self.host_home / part).mkdir(parents=True, exist_ok=True)
        shutil.copytree(self.root.host("/etc/asterisk"), self.etc)
        sounds = self.host_home / "data" / "sounds"
        (sounds / "de").mkdir(parents=True)
        (self.host_home / "data" / "moh").symlink_to("/usr/share/asterisk/moh")
        (self.host_home / "data" / "documentation").symlink_to("/usr/share/asterisk/documentation")
        self._attach(sounds)
        # By hand, as the script says: the codes go into the context the telephones have.
        with (self.etc / "extensions.conf").open("a", encoding="utf-8") as extensions:
            extensions.write("\n[house]\ninclude => acd-agent-codes\nexten => 100,1,Answer()\n")
        self._keep_apart(phone_port)
        for directory, _, files in os.walk(self.host_home):
            for name in (directory, *(os.path.join(directory, f) for f in files)):  # noqa: PTH118
                os.chown(name, UID, GID, follow_symlinks=False)

    def _attach(self, sounds: Path) -> None:
        """The README's own command, twice: the second time must change nothing."""
        settings = {
            "ACD_AGI": f"127.0.0.1:{self.ports.agi}",
            "ACD_AMI_SECRET_FILE": str(self.secret_file),
            "ACD_FAILSAFE_MEMBERS": "PJSIP/desk",
        }
        if self.certificate:
            made = str(self.host_home / "var" / "acd.pem")
            request = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
            subprocess.run([*request.split(), "-keyout", made, "-out", f"{made}.crt"], check=True, capture_output=True)
            settings |= {
                "ACD_SYNCED": str(self.synced),
                "ACD_CERTIFICATE": f"{made}.crt",
                "ACD_CERTIFICATE_KEY": made,
                "ACD_AUTHORITIES": str(self.host_home / "var"),
                "ACD_PHONE_CONTEXT": "house",
            }
        command = [str(REPOSITORY / "asterisk" / "attach.sh"), str(self.etc), str(sounds)]
        for _ in range(2):
            subprocess.run(command, env=dict(os.environ) | settings, check=True, stdout=subprocess.DEVNULL)

    def _keep_apart(self, phone_port: int) -> None:
        def edit(name: str, pattern: str, text: str) -> None:
            file = self.etc / name
            changed, times = re.subn(pattern, text, file.read_text(encoding="utf-8"), flags=re.MULTILINE)
            assert times, f"{name} is not the stock file we know"
            file.write_text(changed, encoding="utf-8")

        # As shipped, this section is a template and its paths are those compiled in.
        edit("asterisk.conf", r"^\[directories\]\(!\)", "[directories]")
        for name, part in (
            ("etcdir", "etc"), ("varlibdir", "var"), ("dbdir", "db"), ("keydir", "var"), ("datadir", "data"),
            ("spooldir", "spool"), ("rundir", "run"), ("logdir", "log"), ("cachedir", "spool"),
        ):  # fmt: skip
            edit("asterisk.conf", rf"^ast{name} => .*$", f"ast{name} => {self.home}/{part}")
        edit("manager.conf", r"^port = 5038$", f"port = {self.ports.ami}")
        if self.certificate:
            # Asterisk lives in a root of its own, and knows the same files by shorter names.
            for name in ("acd-pjsip.conf", "queues.conf"):
                edit(name, re.escape(str(self.host_home)), self.home)
            edit("acd-pjsip.conf", r"^bind = 0\.0\.0\.0:5061$", f"bind = 127.0.0.1:{self.ports.phones}")
        with (self.etc / "pjsip.conf").open("a", encoding="utf-8") as pjsip:
            pjsip.write(PJSIP.format(trunk=self.ports.trunk, phone=phone_port))

    def _start(self) -> None:
        command = ["asterisk", "-f", "-C", f"{self.home}/etc/asterisk.conf"]
        with (self.host_home / "log" / "console").open("wb") as said:
            self._process = subprocess.Popen(
                self.root.command(command, uid=UID), stdin=subprocess.DEVNULL, stdout=said, stderr=said
            )
        # With autoload=yes some modules look names up, which takes seconds where no DNS answers.
        limit = time.monotonic() + 60
        while time.monotonic() < limit:
            if "fully booted" in self.console("core waitfullybooted"):
                return
            assert self._process.poll() is None, (self.host_home / "log" / "console").read_text(errors="replace")
            time.sleep(0.1)
        raise AssertionError("the stock Asterisk did not boot")

    def console(self, command: str) -> str:
        argv = ["asterisk", "-C", f"{self.home}/etc/asterisk.conf", "-rx", command]
        done = subprocess.run(self.root.command(argv, uid=UID), capture_output=True, text=True, check=False, timeout=60)
        return done.stdout

    def _end(self) -> None:
        if self._process is not None:
            self.console("core stop now")
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(10)
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self.host_home, ignore_errors=True)
