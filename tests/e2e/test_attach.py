"""An operator adds dialog-acd to the Asterisk they have, by the README's words, and a call is answered."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shlex
import socket
import ssl
import subprocess
import sys
import warnings
from pathlib import Path

import httpx
import pytest

from e2e.phone import Phone
from e2e.stock import StockAsterisk
from rig.ports import free_port
from rig.root import UID, provide

pytestmark = pytest.mark.e2e

PROGRAM = Path(sys.executable).with_name("dialog-acd")
DIRECTORY = """
[[tenants]]
id = "langenhagen"
name = "Stadt Langenhagen"
label = "Langenhagen"

[[trunks]]
name = "carrier"

[[failsafe_profiles]]
name = "town"
group = "general"

[[skills]]
id = "langenhagen"
name = "Langenhagen"

[[queues]]
id = "langenhagen"
name = "Stadt Langenhagen"
steps = ["from 0 s: langenhagen>=1"]
ring_for = 5

[[entries]]
number = "+495117307"
block = true
tenant = "langenhagen"
queue = "langenhagen"
kind = "main-number"
failsafe = "town"

[[entries]]
number = ""
tenant = "langenhagen"
queue = "langenhagen"
kind = "catch-all"
failsafe = "town"

[[agents]]
id = "desk"
name = "Empfang"
phone = "desk"
skills = { langenhagen = 3 }
"""


class Service:
    """The service as the README starts it, in a folder of its own."""

    def __init__(self, asterisk: StockAsterisk, folder: Path) -> None:
        token = folder / "api.token"
        token.write_text("only-for-this-one-test\n")
        token.chmod(0o600)
        self.api_port = free_port(set())
        self.environment = dict(os.environ) | {
            "ACD_AMI__PORT": str(asterisk.ports.ami),
            "ACD_AMI__SECRET_FILE": str(asterisk.secret_file),
            "ACD_AGI__PORT": str(asterisk.ports.agi),
            "ACD_API__PORT": str(self.api_port),
            "ACD_API__TOKEN_FILE": str(token),
            "ACD_STORE__DATABASE_URL": f"sqlite+aiosqlite:///{folder}/acd.sqlite",
            "ACD_STORE__JOURNAL_DIR": str(folder / "journal"),
        }
        (folder / "directory.toml").write_text(DIRECTORY)
        for arguments in (["migrate"], ["load", str(folder / "directory.toml")], ["check"]):
            subprocess.run([PROGRAM, *arguments], env=self.environment, check=True, stdout=subprocess.DEVNULL)
        self._log = (folder / "service.log").open("wb")
        self.process = subprocess.Popen([PROGRAM, "serve"], env=self.environment, stderr=self._log)

    async def ready(self) -> None:
        async with asyncio.timeout(20), httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.api_port}") as web:
            while True:
                with contextlib.suppress(httpx.TransportError):
                    if (await web.get("/health/ready")).status_code == 200:
                        return
                await asyncio.sleep(0.05)

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(15)
        self._log.close()


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    return tmp_path / "etc" / "ami.secret"


async def test_call_is_answered_on_debians_stock_asterisk(tmp_path: Path, secret_file: Path) -> None:
    asterisk = StockAsterisk(provide(), secret_file)
    server = f"127.0.0.1:{asterisk.ports.trunk}"
    desk, citizen = await Phone.open("desk", server), await Phone.open("citizen", server)
    try:
        with asterisk.attached(phone_port=desk.port):
            # Who rings when the service is gone.
            assert "PJSIP/desk" in asterisk.console("queue show acd-failsafe-general")
            service = Service(asterisk, tmp_path)
            try:
                await service.ready()
                code = await desk.dial("*73")
                await code.answered()
                await code.is_over(10)

                call = await citizen.dial("051173070", shown='"Erika" <sip:+493023125001@127.0.0.1>')
                offered = await desk.rings(15)
                await offered.answer(tone=800)
                await call.answered()

                assert offered.invite.display == "Langenhagen: Erika"
                await call.media.hears_tone(800)
                await offered.hang_up()
                await call.is_over()
            finally:
                service.end()
        ended = [
            json.loads(line) for line in (tmp_path / "service.log").read_text().splitlines() if "call.ended" in line
        ]
        assert [(e["result"], e["tenant"]) for e in ended] == [("served", "langenhagen")]
    finally:
        await desk.close()
        await citizen.close()


async def test_phones_of_the_directory_come_in_over_tls(tmp_path: Path, secret_file: Path) -> None:
    asterisk = StockAsterisk(provide(), secret_file, certificate=True)
    file = tmp_path / "directory.toml"
    file.write_text(DIRECTORY + DIRECTORY[DIRECTORY.index("[[agents]]") :].replace("desk", "nina"))
    console = shlex.join(
        asterisk.root.command(["asterisk", "-C", f"{asterisk.home}/etc/asterisk.conf", "-rx"], uid=UID)
    )
    settings = {
        "ACD_ASTERISK__RELOAD": f"{console} 'module reload res_pjsip.so'; {console} 'queue reload all'",
        "ACD_ASTERISK__CHECK": f"{console} 'pjsip show endpoint acd-synced'",
        "ACD_ASTERISK__BY_HAND": "desk",
    }
    with asterisk.attached(phone_port=free_port(set())):
        command = [str(PROGRAM), "asterisk", "sync", str(asterisk.synced), "--directory", str(file)]
        process = await asyncio.create_subprocess_exec(
            *command, env=dict(os.environ) | settings, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        said, complaint = await process.communicate()
        assert (process.returncode, said) == (0, b"3 files changed, Asterisk was reloaded\n"), complaint
        shown = asterisk.console("pjsip show endpoint nina")
        for name, value in (("media_encryption", "sdes"), ("transport", "acd-tls"), ("context", "house")):
            assert re.search(rf"^ {name} +: {value}$", shown, re.MULTILINE), name

        def handshake(**limits: ssl.TLSVersion) -> str | None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            context.set_ciphers("ALL:@SECLEVEL=0")  # or the older versions would already be refused here
            for name, version in limits.items():
                setattr(context, name, version)
            with (
                socket.create_connection(("127.0.0.1", asterisk.ports.phones), 5) as line,
                context.wrap_socket(line) as safe,
            ):
                return safe.version()

        assert await asyncio.to_thread(handshake) in ("TLSv1.2", "TLSv1.3")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await asyncio.to_thread(handshake, maximum_version=ssl.TLSVersion.TLSv1_1)
