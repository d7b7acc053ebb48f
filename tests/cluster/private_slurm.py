#!/usr/bin/env python3
"""A Slurm of one node in one folder, with fake GPUs, for tests.

    private_slurm.py start     start it; prints the line that points Slurm's commands to it
    private_slurm.py stop      stop all that this script has started and nobody owns any more

Needs root (munge and slurmd do), Debian's packages `slurm-wlm` and `munge`, and no systemd. Every
process, device node and file belongs to one folder `/tmp/gendmr-slurm-*`: processes are known by
their environment, so that a Slurm whose owner was killed is found and removed by the next start.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

PREFIX = "gendmr-slurm-"
MARK = "GENDMR_PRIVATE_SLURM"
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol")
# Debian puts daemons where a user's PATH does not look.
SEARCH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"

CONF = """\
ClusterName=gendmr
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
AuthType=auth/munge
CredType=cred/munge
# A job of a lost node waits this long before it may start again (default 120 s); one that takes
# longer to start, on a busy machine, is refused.
AuthInfo=socket={folder}/munge.socket,cred_expire=20
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
PlugStackConfig={folder}/plugstack.conf
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
ReturnToService=2
MinJobAge=3600
SlurmdParameters=config_overrides
# Grace after a time limit, and how long a silent node is waited for.
KillWait=5
SlurmdTimeout=5
JobRequeue=1
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} Gres=gpu:{gpus} State=UNKNOWN
PartitionName=cpu Nodes={host} Default=YES MaxTime=120 State=UP
PartitionName=gpu Nodes={host} MaxTime=240 State=UP
"""


class SlurmError(RuntimeError):
    """The private Slurm does not start."""


def lacks() -> str | None:
    """Return why no Slurm can be started here, or None."""
    absent = [name for name in PROGRAMS if shutil.which(name, path=SEARCH) is None]
    if absent:
        return f"no {', '.join(absent)}: apt-get install slurm-wlm munge"
    if os.geteuid() != 0:
        return "munge and slurmd need root"
    return None


@dataclass
class PrivateSlurm:
    """One private Slurm.

    Parameters
    ----------
    folder : Path
        Holds all that belongs to it.
    """

    folder: Path

    @classmethod
    def start(cls, *, cpus: int = 8, memory: int = 64_000, gpus: int = 2, owner: int = 0) -> Self:
        """Start one.

        Parameters
        ----------
        cpus, memory, gpus : int
            What the node claims to have (memory in MB); nothing enforces it.
        owner : int
            Process without which it is a leftover; 0: it stays until it is stopped.
        """
        if (reason := lacks()) is not None:
            raise SlurmError(reason)
        stop_leftovers()
        slurm = cls(Path(tempfile.mkdtemp(prefix=PREFIX)))
        try:
            slurm._prepare(cpus, memory, gpus, owner)
            slurm.run_munge()
            slurm.run_controller()
            slurm.run_node()
            slurm.wait_for_node("idle")
        except BaseException as error:
            messages = slurm.told()
            slurm.stop()
            raise SlurmError(f"{error}\n{messages}") from error
        return slurm

    @property
    def environment(self) -> dict[str, str]:
        """What points Slurm's commands, and Snakemake, to it."""
        return {
            "SLURM_CONF": str(self.folder / "slurm.conf"),
            "PATH": f"{self.folder / 'bin'}:{os.environ.get('PATH', '')}",
        }

    def command(self, *words: str, check: bool = True) -> str:
        """Run one of Slurm's commands and return what it says."""
        done = subprocess.run(
            list(words),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env=os.environ | self.environment,
        )
        if check and done.returncode:
            raise SlurmError(f"{shlex.join(words)}: {done.stdout}{done.stderr}")
        return done.stdout

    def run_munge(self) -> None:
        """Start the daemon of credentials."""
        files = {
            "key-file": "munge.key",
            "socket": "munge.socket",
            "pid-file": "munge.pid",
            "log-file": "munge.log",
            "seed-file": "munge.seed",
        }
        words = [f"--{option}={self.folder / name}" for option, name in files.items()]
        # It refuses folders under /tmp unless told otherwise.
        self._daemon("munged", "--foreground", "--force", "--num-threads=2", *words)
        self._until((self.folder / "munge.socket").exists, "munged opens no socket")

    def run_controller(self) -> None:
        """Start slurmctld."""
        self._daemon("slurmctld", "-D", "-f", str(self.folder / "slurm.conf"))
        self._until(
            lambda: "UP" in self.command("scontrol", "ping", check=False), "slurmctld is not up"
        )

    def run_node(self) -> None:
        """Start slurmd."""
        self._daemon("slurmd", "-D", "-f", str(self.folder / "slurm.conf"))

    def lose_node(self) -> None:
        """Kill the node: slurmd and every process of every job, without a word to anybody."""
        spared = {"munged", "slurmctld"}
        for _ in range(3):
            names = {pid: _name(pid) for pid in self.processes()}
            lost = [pid for pid, name in names.items() if name not in spared]
            # All stand still before the first one dies, Slurm's daemons first, because one that
            # outlives a job's process for a moment reports that job as failed, which no lost node
            # does.
            for pid in sorted(lost, key=lambda pid: not names[pid].startswith("slurm")):
                _signal(pid, signal.SIGSTOP)
            for pid in lost:
                _signal(pid, signal.SIGKILL)
            time.sleep(0.1)

    def node_state(self) -> str:
        """Return `idle`, `mixed`, `allocated`, `down`, … in small letters."""
        return self.command("sinfo", "--noheader", "--Node", "-p", "cpu", "-o", "%T").strip()

    def wait_for_node(self, *states: str, seconds: float = 60) -> None:
        """Wait until the node is in one of some states."""
        self._until(
            lambda: self.node_state().rstrip("*") in states,
            f"the node is not {' or '.join(states)}",
            seconds,
        )

    def processes(self) -> list[int]:
        """Return the daemons and all processes of jobs."""
        mark = f"{MARK}={self.folder}".encode()
        conf = f"SLURM_CONF={self.folder / 'slurm.conf'}".encode()
        pids = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                words = (entry / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            of_a_job = conf in words and any(word.startswith(b"SLURM_JOB_ID=") for word in words)
            if mark in words or of_a_job:
                pids.append(int(entry.name))
        return pids

    def stop(self) -> None:
        """Stop every process, remove every device node and file."""
        for kind, patience in ((signal.SIGTERM, 3.0), (signal.SIGKILL, 10.0)):
            end = time.monotonic() + patience
            while (running := self.processes()) and time.monotonic() < end:
                for pid in running:
                    # A stopped process hears of SIGTERM only after it goes on.
                    _signal(pid, kind)
                    _signal(pid, signal.SIGCONT)
                time.sleep(0.2)
        if running := self.processes():
            raise SlurmError(f"processes {running} do not end; {self.folder} is left for a look")
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8")
        if f" {self.folder}" in mounts:
            raise SlurmError(f"something is mounted below {self.folder}: umount it and try again")
        # another process may be removing it, too
        shutil.rmtree(self.folder, onerror=_ignore_absent)

    def told(self) -> str:
        """Return the end of each daemon's log."""
        logs = sorted(self.folder.glob("*.log")) + sorted(self.folder.glob("*.out"))
        return "\n".join(
            f"--- {path.name}\n{path.read_text(encoding='utf-8', errors='replace')[-2000:]}"
            for path in logs
        )

    def _prepare(self, cpus: int, memory: int, gpus: int, owner: int) -> None:
        self.folder.chmod(0o755)
        (self.folder / "owner").write_text(f"{owner} {_birth(owner)}", encoding="utf-8")
        for name in ("state", "spool", "devices", "bin"):
            (self.folder / name).mkdir()
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)
        for number in range(gpus):
            # the null device by another name: Slurm asks only that a device is there
            os.mknod(
                self.folder / "devices" / f"gpu{number}", stat.S_IFCHR | 0o666, os.makedev(1, 3)
            )
        devices = f"{self.folder}/devices/gpu[0-{gpus - 1}]"
        (self.folder / "gres.conf").write_text(
            f"AutoDetect=off\nName=gpu File={devices}\n", encoding="utf-8"
        )
        # slurmd looks for control groups although nothing here uses them; this plugin starts
        # without, in a container say.
        (self.folder / "cgroup.conf").write_text(
            "CgroupPlugin=cgroup/v1\nCgroupAutomount=no\n", encoding="utf-8"
        )
        # Inside a job Snakemake's plugin clears SLURM_CONF before it calls srun.
        srun = self.folder / "bin" / "srun"
        conf, program = self.folder / "slurm.conf", shutil.which("srun", path=SEARCH)
        srun.write_text(f'#!/bin/sh\nSLURM_CONF={conf} exec {program} "$@"\n', encoding="utf-8")
        srun.chmod(0o755)
        # without it the machine's own, which may name plugins that are not there
        (self.folder / "plugstack.conf").touch()
        (self.folder / "slurm.conf").write_text(
            CONF.format(
                host=socket.gethostname().split(".")[0],
                ports=_free_ports(2),
                folder=self.folder,
                cpus=cpus,
                memory=memory,
                gpus=gpus,
            ),
            encoding="utf-8",
        )

    def _daemon(self, name: str, *words: str) -> None:
        program = shutil.which(name, path=SEARCH)
        assert program is not None
        with (self.folder / f"{name}.out").open("ab") as out:
            subprocess.Popen(
                [program, *words],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=os.environ | self.environment | {MARK: str(self.folder), "PATH": SEARCH},
            )

    def _until(self, true: Callable[[], bool], words: str, seconds: float = 20) -> None:
        end = time.monotonic() + seconds
        while not true():
            if time.monotonic() > end:
                raise SlurmError(f"{words} after {seconds:.0f} s")
            time.sleep(0.1)


def stop_leftovers() -> list[Path]:
    """Stop every private Slurm whose owner is gone; return their folders."""
    gone = []
    for folder in _folders():
        owner, birth = _owner(folder)
        if owner != 0 and _birth(owner) != birth:
            PrivateSlurm(folder).stop()
            gone.append(folder)
    return gone


def _folders() -> list[Path]:
    return sorted(Path(tempfile.gettempdir()).glob(f"{PREFIX}*"))


def _owner(folder: Path) -> tuple[int, str]:
    """Return the owner and when it was started; a folder without a word on it has just been made.

    One that stays so for a minute belongs to nobody.
    """
    try:
        owner, birth = (folder / "owner").read_text(encoding="utf-8").split()
        return int(owner), birth
    except (OSError, ValueError):
        is_old = time.time() - folder.stat().st_mtime > 60
        return (-1, "gone") if is_old else (os.getpid(), _birth(os.getpid()))


def _birth(pid: int) -> str:
    """Return when a process was started, in ticks since boot: numbers of processes are reused."""
    if pid == 0:
        return "0"
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return "none"
    return text.rpartition(")")[2].split()[19]


def _ignore_absent(
    function: object, path: str, error: tuple[type[BaseException], BaseException, object]
) -> None:
    if not issubclass(error[0], FileNotFoundError):
        raise error[1]


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _signal(pid: int, kind: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, kind)
    # a daemon is a child of the process that started it, and a zombie until that waits
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for opened in sockets:
            opened.bind(("127.0.0.1", 0))
        return [listening.getsockname()[1] for listening in sockets]
    finally:
        for opened in sockets:
            opened.close()


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["start", "stop"])
    parser.add_argument("--gpus", type=int, default=2)
    parser.add_argument("--cpus", type=int, default=8)
    arguments = parser.parse_args()
    if arguments.what == "start":
        slurm = PrivateSlurm.start(cpus=arguments.cpus, gpus=arguments.gpus)
        for name, value in slurm.environment.items():
            print(f"export {name}={shlex.quote(value)}")
        return
    stopped = stop_leftovers()
    for folder in _folders():
        if _owner(folder)[0] == 0:
            PrivateSlurm(folder).stop()
            stopped.append(folder)
    for folder in stopped:
        print(f"stopped {folder}", file=sys.stderr)


if __name__ == "__main__":
    main()
