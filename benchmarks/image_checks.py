"""What the checks of a scan cost: reading it with them, against nibabel alone, and the stage.

python benchmarks/image_checks.py SCAN [SCAN ...] --atlas LABELS --table TABLE --preset testing
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import nibabel as nib
import numpy as np

from gendmr.config.imaging import ImagingSection
from gendmr.imaging.participant import register_participant
from gendmr.imaging.scan import read_scan, refuse_labels
from gendmr.imaging.template import prepare_template


def seconds(work: Callable[[], object], rounds: int) -> float:
    """Return the least processor time of some rounds."""
    durations = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        durations.append(time.process_time() - start)
    return min(durations)


def bare(path: Path) -> None:
    """Read a scan into RAS order as nibabel does it."""
    image = nib.load(path)
    data = np.asarray(image.dataobj, dtype=np.float32)
    np.ascontiguousarray(
        np.asarray(nib.as_closest_canonical(nib.Nifti1Image(data, image.affine)).dataobj)
    )


def checked(path: Path) -> None:
    """Read a scan as the stage does it."""
    refuse_labels(read_scan(path), path)


def main() -> None:
    """Print one line per scan and the median share."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scans", nargs="+", type=Path)
    parser.add_argument("--atlas", required=True)
    parser.add_argument("--table", required=True)
    parser.add_argument("--preset", default="testing")
    parser.add_argument("--brain", default="stripped")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    section = ImagingSection.parse(
        {
            "bids": "unused",
            "atlas": {"labels": options.atlas, "table": options.table},
            "preset": options.preset,
            "brain": options.brain,
        }
    )
    shares = []
    with tempfile.TemporaryDirectory() as folder:
        prepare_template(section, Path(folder, "template"))
        for path in options.scans:
            alone, ours = (seconds(partial(read, path), options.rounds) for read in (bare, checked))
            stage = seconds(
                partial(
                    register_participant,
                    path,
                    "01",
                    Path(folder, "template"),
                    section,
                    seed=1,
                    output=Path(folder, "01"),
                ),
                1,
            )
            shares.append((ours - alone) / stage)
            print(
                f"{path.name}: nibabel {alone:.2f} s, with checks {ours:.2f} s,"
                f" stage {stage:.1f} s: {shares[-1]:+.1%}"
            )
    print(f"median share of the checks: {statistics.median(shares):.1%}")


if __name__ == "__main__":
    main()
