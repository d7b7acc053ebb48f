"""A small study on the private Slurm, and what Slurm tells of its jobs."""

from __future__ import annotations

import os
import re
import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import yaml

from checkout import Checkout

from .private_slurm import PrivateSlurm

HERE = Path(__file__).parent
FIRST = re.compile(r"^JobId=(\d+)")


@dataclass
class Study:
    """The small study in a checkout of its own, run on the private Slurm."""

    slurm: PrivateSlurm
    checkout: Checkout

    @classmethod
    def in_folder(cls, slurm: PrivateSlurm, folder: Path) -> Study:
        """Lay the study out in a folder, for `--profile slurm` and the profile of a site."""
        checkout = Checkout(
            folder, HERE / "tiny.yaml", profile=("--profile", "slurm", "--profile", "site")
        )
        site = checkout.folder / "site"
        site.mkdir()
        partitions = {"cpu": {"max_runtime": 120}, "gpu": {"max_runtime": 240, "max_gpu": 2}}
        (site / "partitions.yaml").write_text(yaml.safe_dump({"partitions": partitions}))
        (site / "config.yaml").write_text(
            yaml.safe_dump(
                {
                    "slurm-partition-config": "site/partitions.yaml",
                    "slurm-init-seconds-before-status-checks": 1,
                    "latency-wait": 5,
                }
            )
        )
        checkout.environment = slurm.environment
        return cls(slurm, checkout)

    def jobs(self, since: int = 0) -> list[dict[str, str]]:
        """Return what Slurm knows of all jobs with a larger number than `since`."""
        text = self.slurm.command("scontrol", "show", "job", "--oneliner")
        job_rows = [
            dict(word.partition("=")[::2] for word in line.split())
            for line in text.splitlines()
            if FIRST.match(line)
        ]
        return sorted(
            (job for job in job_rows if int(job["JobId"]) > since),
            key=lambda job: int(job["JobId"]),
        )

    def last(self) -> int:
        """Return the number of the last job."""
        return max((int(job["JobId"]) for job in self.jobs()), default=0)

    def fold(self, number: int) -> Path:
        """Return the folder of one fold of the network."""
        return self.checkout.results / f"training/gendmr/repeat-0/fold-{number}"

    def sums(self) -> dict[str, str]:
        """Return the checksum of everything that training has made, but a null asked for later."""
        sum_of = self.checkout.sums("training/**/*")
        return {name: value for name, value in sum_of.items() if "/null/" not in name}

    def forget_fold(self, number: int) -> str:
        """Remove a finished fold and return the target that makes it again."""
        shutil.rmtree(self.fold(number))
        return str((self.fold(number) / "model.safetensors").relative_to(self.checkout.folder))

    def freeze_folds(self, *numbers: int, seconds: float = 300) -> list[int]:
        """Stop the training of folds after their first checkpoint; return their Slurm jobs.

        A stopped process stands for one that is slow: what then ends it does so in the middle of
        training, however fast the machine is.
        """
        end = time.monotonic() + seconds
        jobs: dict[int, int] = {}
        while len(jobs) < len(numbers):
            assert time.monotonic() < end, f"of folds {numbers} only {list(jobs)} train"
            for number in set(numbers) - set(jobs):
                pid = self._training(number)
                # checkpoints are made every five epochs, after the line on the epoch
                if pid is not None and "\nepoch 10:" in self.log(number):
                    os.kill(pid, signal.SIGSTOP)
                    jobs[number] = int(_environment(pid)[b"SLURM_JOB_ID"])
            time.sleep(0.01)
        return [jobs[number] for number in numbers]

    def log(self, number: int) -> str:
        """Return what the training of a fold has said."""
        path = self.checkout.folder / f"logs/tiny/training/gendmr/repeat-0/fold-{number}.log"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def _training(self, number: int) -> int | None:
        """Return the process that trains a fold, if there is one."""
        wanted = [b"-m", b"gendmr", b"training", b"fold"]
        for pid in self.slurm.processes():
            try:
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if words[1:5] == wanted and words[words.index(b"--fold") + 1] == b"%d" % number:
                return pid
        return None


def _environment(pid: int) -> dict[bytes, bytes]:
    words = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return dict(word.partition(b"=")[::2] for word in words)
