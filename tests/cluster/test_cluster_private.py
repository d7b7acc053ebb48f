"""The private Slurm leaves nothing behind, even where whoever started it was killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from .private_slurm import PrivateSlurm, lacks, stop_leftovers

pytestmark = [pytest.mark.cluster, pytest.mark.skipif(lacks() is not None, reason=str(lacks()))]

START = """
import os, sys, time
sys.path.insert(0, sys.argv[1])
from private_slurm import PrivateSlurm
slurm = PrivateSlurm.start(gpus=2, owner=os.getpid())
slurm.command("sbatch", "--output", f"{slurm.folder}/job.out", "--wrap", "sleep 600")
print(slurm.folder, flush=True)
time.sleep(600)
"""


def test_what_a_killed_owner_left_is_found_and_removed():
    with subprocess.Popen(
        [sys.executable, "-c", START, str(Path(__file__).parent)], stdout=subprocess.PIPE, text=True
    ) as owner:
        folder = Path(owner.stdout.readline().strip())
        slurm = PrivateSlurm(folder)
        try:
            running = slurm.command("squeue", "--noheader", "--format", "%T").split()
            assert running in (["RUNNING"], ["PENDING"], ["CONFIGURING"])
            assert (folder / "devices/gpu1").is_char_device()
            assert len(slurm.processes()) >= 3
            assert folder not in stop_leftovers(), "its owner lives"
        finally:
            owner.kill()
    stop_leftovers()
    assert slurm.processes() == []
    assert not folder.exists()
    assert str(folder) not in Path("/proc/self/mounts").read_text()
