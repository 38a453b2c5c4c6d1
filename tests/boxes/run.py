"""Runs images as compose.yaml says, where no Docker is: what `docker run` would make of the same words.

A box is a mount and a process namespace: the image, closed to writing; over it the volumes (with what the image has
there, when they are new), the folders of memory and the secrets; in it one user without a capability, who can win none.
The networks are bridges in namespaces of their own, and whoever is in one sees who else is, as with Docker; this
machine's own network is none of them.
"""

from __future__ import annotations

import contextlib
import ctypes
import ipaddress
import itertools
import os
import shlex
import signal
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from boxes.images import PATH, Image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

T = TypeVar("T")
CLONE_NEWNET = 0x40000000
DIES_WITH_US = ("--pdeathsig", "KILL")
APART = ("--mount", "--pid", "--fork", "--kill-child", "--propagation", "private")


class Space:
    """A network namespace, for as long as the process lives that holds it."""

    def __init__(self) -> None:
        self._holder = subprocess.Popen(
            [
                "setpriv",
                *DIES_WITH_US,
                "unshare",
                "--net",
                "sh",
                "-ec",
                "ip link set lo up; echo ready; exec sleep infinity",
            ],
            stdout=subprocess.PIPE,
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == b"ready\n"
        self.pid = self._holder.pid

    @property
    def enter(self) -> list[str]:
        """Before a command, and it is in there."""
        return ["nsenter", f"--net=/proc/{self.pid}/ns/net"]

    def ip(self, command: str) -> None:
        subprocess.run([*self.enter, "ip", *command.split()], check=True)

    def inside(self, act: Callable[[], T]) -> T:
        """Something that asks over the network, done from in there."""

        def within() -> T:
            with Path(f"/proc/{self.pid}/ns/net").open("rb") as space:
                assert ctypes.CDLL(None, use_errno=True).setns(space.fileno(), CLONE_NEWNET) == 0
            return act()

        with ThreadPoolExecutor(1) as aside:  # a thread is in one network for good
            return aside.submit(within).result()

    def close(self) -> None:
        self._holder.kill()
        self._holder.wait()
        assert self._holder.stdout is not None
        self._holder.stdout.close()


class Networks:
    """Those of the compose file, a bridge each, and a place for everybody who is in some of them."""

    def __init__(self, compose: Mapping[str, Any], subnets: Mapping[str, str]) -> None:
        """``subnets``: for networks whose addresses the file leaves to Docker."""
        self._compose = compose
        self._wires = Space()
        self._bridges: dict[str, str] = {}
        self._subnets: dict[str, ipaddress.IPv4Network] = {}
        for number, (name, network) in enumerate(compose["networks"].items()):
            said = ((network or {}).get("ipam") or {}).get("config") or [{"subnet": subnets[name]}]
            self._subnets[name] = ipaddress.IPv4Network(said[0]["subnet"])
            self._bridges[name] = f"net{number}"
            self._wires.ip(f"link add net{number} type bridge")
            self._wires.ip(f"link set net{number} up")
        self._plugs = itertools.count()
        self.spaces: dict[str, Space] = {}
        self.addresses: dict[str, dict[str, str]] = {}
        for name, service in compose["services"].items():
            fixed = {net: (given or {}).get("ipv4_address") for net, given in (service.get("networks") or {}).items()}
            self.place(name, fixed)

    def place(self, name: str, networks: Mapping[str, str | None]) -> Space:
        """A place in these networks, at the addresses that are said or the next ones."""
        space = self.spaces[name] = Space()
        self.addresses[name] = {}
        for at, (network, fixed) in enumerate(networks.items()):
            subnet = self._subnets[network]
            # As Docker does: the first is the gateway's. Those beyond 20 are left to whoever asks for them.
            address = fixed or str(subnet[2 + sum(network in others for others in self.addresses.values())])
            plug = next(self._plugs)
            self._wires.ip(f"link add plug{plug} type veth peer name eth{at} netns {space.pid}")
            self._wires.ip(f"link set plug{plug} master {self._bridges[network]} up")
            space.ip(f"address add {address}/{subnet.prefixlen} dev eth{at}")
            space.ip(f"link set eth{at} up")
            self.addresses[name][network] = address
        return space

    def names(self, name: str) -> dict[str, str]:
        """Whom somebody can name, and where that is: who is in one of the same networks."""
        ours = self.addresses[name]
        return {
            other: next(address for network, address in theirs.items() if network in ours)
            for other, theirs in self.addresses.items()
            if theirs.keys() & ours.keys()
        }

    def close(self) -> None:
        for space in (*self.spaces.values(), self._wires):
            space.close()


@dataclass
class Host:
    """What all boxes of a compose file have in common."""

    compose: Mapping[str, Any]
    networks: Networks
    folder: Path
    """Volumes, logs, and what boxes would have written into themselves."""
    images: Mapping[str, Image]
    """By the name the compose file has for them."""
    boxes: list[Box] = field(default_factory=list)

    def run(self, name: str, *command: str) -> Box:
        """A service of the compose file; with a command, that in place of its own (`docker compose run`)."""
        box = Box(self, name, command)
        self.boxes.append(box)
        return box

    @contextlib.contextmanager
    def telling(self) -> Iterator[None]:
        """A story that fails in here is told with what the boxes have said."""
        try:
            yield
        except BaseException as failure:
            for box in self.boxes:
                failure.add_note(f"--- {box.name}\n{box.said()[-4000:]}")
            raise

    def close(self) -> None:
        for box in reversed(self.boxes):
            box.kill()
        self.networks.close()


class Box:
    def __init__(self, host: Host, name: str, command: Sequence[str] = ()) -> None:
        self.name, self._service = name, host.compose["services"][name]
        image = host.images[self._service["image"]]
        self.who = image.who(self._service["user"])
        self._home = host.folder / f"{name}-{len(host.boxes)}"
        for part in ("layer", "work", "root"):
            (self._home / part).mkdir(parents=True)
        self.log = self._home / "log"
        stage = image.stage
        entry = self._service.get("entrypoint", stage.entrypoint)
        own = self._service.get("command", stage.command if "entrypoint" not in self._service else [])
        self._surroundings = {"PATH": PATH, "HOME": "/nonexistent"} | stage.environment
        self._surroundings |= {key: str(value) for key, value in self._service.get("environment", {}).items()}
        script = "\n".join([*self._mounts(host, image), self._drop([*entry, *(command or own)], stage.workdir)])
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                ["setpriv", *DIES_WITH_US, *host.networks.spaces[name].enter, "unshare", *APART, "bash", "-c", script],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={"PATH": os.environ["PATH"]},
            )

    def _mounts(self, host: Host, image: Image) -> list[str]:
        service, lines = self._service, ["set -eu"]
        layers = ":".join(map(str, image.layers))
        lines += [
            f"R={self._home}/root",
            f"mount -t overlay overlay -o lowerdir={layers},upperdir={self._home}/layer,workdir={self._home}/work $R",
        ]
        after = ["mount -t proc proc $R/proc", "mount --rbind /dev $R/dev"]
        names = "".join(f"{address} {name}\n" for name, address in host.networks.names(self.name).items())
        own = next(iter(host.networks.addresses[self.name].values()), "127.0.0.1")
        (self._home / "hosts").write_text(f"127.0.0.1 localhost\n{own} {socket.gethostname()}\n{names}")
        lines.append("touch $R/etc/hosts")
        after.append(f"mount --bind {self._home}/hosts $R/etc/hosts")
        for volume in service.get("volumes", []):
            source, target, mode = volume.split(":")
            at = f"$R{target}"
            lines.append(f"mkdir -p {at}")
            if not source.startswith("/"):
                source = str(host.folder / "volumes" / source)
                lines.append(f"[ -e {source} ] || {{ mkdir -p {host.folder}/volumes; cp -a {at} {source}; }}")
            after.append(f"mount --bind {source} {at}")
            after += [f"mount -o remount,bind,ro {at}"] if mode == "ro" else []
        for folder in service.get("tmpfs", []):
            target, _, options = folder.partition(":")
            lines.append(f"mkdir -p $R{target}")
            after.append(f"mount -t tmpfs -o noexec,nosuid,nodev,{options} tmpfs $R{target}")
        lines.append("mkdir -p $R/run/secrets")
        for secret in service.get("secrets", []):
            name = secret if isinstance(secret, str) else secret["source"]
            lines.append(f"touch $R/run/secrets/{name}")
            after.append(f"mount --bind {host.compose['secrets'][name]['file']} $R/run/secrets/{name}")
        closed = ["mount -o remount,bind,ro $R"] if service.get("read_only") else []
        return [*lines, *closed, *after]

    def _drop(self, command: Sequence[str], workdir: str) -> str:
        uid, gid, more = self.who
        drop = [
            f"--reuid={uid}",
            f"--regid={gid}",
            f"--groups={','.join(map(str, more))}" if more else "--clear-groups",
        ]
        if self._service.get("cap_drop") == ["ALL"]:
            drop += ["--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"]
        if "no-new-privileges:true" in self._service.get("security_opt", []):
            drop.append("--no-new-privs")
        surroundings = [f"{key}={value}" for key, value in self._surroundings.items()]
        inner = shlex.join(["env", "-i", *surroundings, "setpriv", *drop, *command])
        return f"exec chroot $R sh -c {shlex.quote(f'cd {workdir} && exec {inner}')}"

    # -- while it runs

    @property
    def _inside(self) -> int:
        """The box's first process, seen from outside."""
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        return int(children[0])

    def status(self, field_name: str) -> str:
        """A line of its first process' status, as the kernel has it."""
        lines = Path(f"/proc/{self._inside}/status").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith(f"{field_name}:"))

    def execute(self, *command: str) -> tuple[int, str]:
        """`docker compose exec`: exit status and what was said."""
        enter = ["nsenter", "--target", str(self._inside), "--mount", "--pid", "--net", "--root"]
        uid, gid, more = self.who
        groups = f"--groups={','.join(map(str, more))}" if more else "--clear-groups"
        become = ["setpriv", f"--reuid={uid}", f"--regid={gid}", groups, "--bounding-set=-all", "--no-new-privs"]
        surroundings = [f"{key}={value}" for key, value in self._surroundings.items()]
        done = subprocess.run(
            [*enter, "env", "-i", *surroundings, *become, *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=30,
            check=False,
        )
        return done.returncode, done.stdout

    def healthy(self) -> bool:
        way, *command = self._service["healthcheck"]["test"]
        assert way == "CMD"
        return self.execute(*command)[0] == 0

    def await_health(self, limit: float = 60.0) -> Self:
        until = time.monotonic() + limit
        while not (self.running and self._process.pid and self._started() and self.healthy()):
            assert self.running, f"{self.name} has ended:\n{self.said()}"
            assert time.monotonic() < until, f"{self.name} is not healthy:\n{self.said()}"
            time.sleep(0.1)
        return self

    def _started(self) -> bool:
        with contextlib.suppress(OSError, IndexError, StopIteration):
            # Not before it is the user it will be: what is entered earlier is not the box yet.
            return self.status("Uid").split() == [str(self.who[0])] * 4
        return False

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def await_end(self, limit: float = 60.0) -> tuple[int, str]:
        return self._process.wait(limit), self.said()

    def stop(self, limit: float) -> int:
        """`docker stop`: SIGTERM, and an exit status of its own."""
        os.kill(self._inside, signal.SIGTERM)
        return self._process.wait(limit)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
