"""What an error of preprocessed images says to change is changed, and signals are read then."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from gendmr.config.connectivity import ConnectivitySection
from gendmr.connectivity.fmriprep import find_bold
from gendmr.connectivity.signals import extract_signals
from gendmr.errors import AtlasError, GendmrError, ModalityError
from remedies import both, mended, row

SIGNALS = "connectivity/signals.py"
SHAPE, VOLUMES, SIZE = (6, 6, 6), 40, 6.0
AFFINE = np.diag([SIZE, SIZE, SIZE, 1.0])
STEM = "sub-01_task-rest"
SPACE = f"{STEM}_space-MNI152NLin2009cAsym_res-2"
MOVES = [f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz"]
TISSUES = ["csf", "white_matter"]


class Derivatives:
    """What fMRIPrep leaves of one person, and the section; changed by the tests."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.func = folder, folder / "fmriprep/sub-01/func"
        self.func.mkdir(parents=True)
        self.options: dict[str, Any] = {"atlas": str(folder / "atlas.nii")}
        self.bold = self.func / f"{SPACE}_desc-preproc_bold.nii.gz"
        self.confounds = self.func / f"{STEM}_desc-confounds_timeseries.tsv"
        self.atlas()
        self.image()
        self.table()

    def atlas(self, affine: np.ndarray = AFFINE, labels: np.ndarray | None = None) -> None:
        halves = np.zeros(SHAPE, np.int16)
        halves[:3], halves[3:] = 3, 7
        nib.save(
            nib.Nifti1Image(halves if labels is None else labels, affine), self.folder / "atlas.nii"
        )

    def image(self, repetition: float = 2.0, volumes: int = VOLUMES) -> None:
        random = np.random.default_rng(1)
        data = 1000 + random.normal(size=(*SHAPE, volumes))
        data[:3] += 10 * random.normal(size=volumes)
        data[3:] += 10 * random.normal(size=volumes)
        image = nib.Nifti1Image(data.astype(np.float32), AFFINE)
        image.header.set_zooms((SIZE, SIZE, SIZE, repetition))
        image.header.set_xyzt_units("mm", "sec")
        nib.save(image, self.bold)

    def table(self, moved: float = 0.1, volumes: int = VOLUMES) -> None:
        random = np.random.default_rng(2)
        table = pd.DataFrame(random.normal(size=(volumes, 8)), columns=[*MOVES, *TISSUES])
        for name in [*MOVES, *TISSUES]:
            table[f"{name}_derivative1"] = table[name].diff()
            table[f"{name}_power2"] = table[name] ** 2
            table[f"{name}_derivative1_power2"] = table[f"{name}_derivative1"] ** 2
        table["framewise_displacement"] = moved
        table["std_dvars"] = 1.0
        table["cosine00"] = np.cos(np.pi * (np.arange(volumes) + 0.5) / volumes)
        table.to_csv(self.confounds, sep="\t", index=False, na_rep="n/a")
        self.confounds.with_suffix(".json").write_text("{}")

    def extract(self) -> None:
        options = {"folder": str(self.folder / "fmriprep"), **self.options}
        section = ConnectivitySection.parse({"fmriprep": options}).fmriprep
        assert section is not None
        output = self.folder / "out"
        extract_signals(find_bold(section)["01"], "01", section, output)
        why = json.loads((output / "scan.json").read_text()).get("refused")
        if why:
            # As the stage says it of a person whose signals could not be read.
            raise ModalityError(why["what"], cause=why["cause"], next_step=why["next"])


Change = Callable[[Derivatives], object]


def option(**entries: Any) -> Change:
    return lambda scan: scan.options.update(entries)


NOISE = np.random.default_rng(0).normal(size=SHAPE)
FAR = AFFINE + np.eye(4, k=3) * 900
FILTER = "leave `connectivity: fmriprep: low_pass:` out, or mend the header with"
MAPS = np.stack([NOISE > 0, NOISE <= 0], -1).astype(np.float32)
OTHER_CLEANING = "copy both files beside the image, or choose another"
UNTIMED = both(lambda scan: scan.image(0.0), option(low_pass=0.1))
ONE_RUN = "copy image and confounds from one run of fMRIPrep"


@pytest.mark.parametrize(
    ("module", "remedy", "error", "wrong", "mending"),
    [
        row(SIGNALS, "give an image of labels (3-D, whole numbers), or maps (4-D)", AtlasError,
            lambda scan: scan.atlas(labels=NOISE), lambda scan: scan.atlas()),
        row(SIGNALS, "give an image of labels (3-D, whole numbers), or maps (4-D)", AtlasError,
            lambda scan: scan.atlas(labels=NOISE), lambda scan: scan.atlas(labels=MAPS)),
        row(SIGNALS, "give an atlas in the space that the name of the image says", ModalityError,
            lambda scan: scan.atlas(FAR), lambda scan: scan.atlas()),
        row(SIGNALS, FILTER, ModalityError, UNTIMED, option(low_pass=None)),
        row(SIGNALS, FILTER, ModalityError, UNTIMED, lambda scan: scan.image(2.0)),
        row(SIGNALS, "lower `connectivity: fmriprep: low_pass:`", ModalityError,
            option(low_pass=0.3), option(low_pass=0.1)),
        row(SIGNALS, OTHER_CLEANING, ModalityError, option(denoise="compcor"),
            option(denoise="simple")),
        row(SIGNALS, OTHER_CLEANING, ModalityError, lambda scan: scan.confounds.unlink(),
            lambda scan: scan.table()),
        row(SIGNALS, ONE_RUN, ModalityError, lambda scan: scan.table(volumes=VOLUMES - 4),
            lambda scan: scan.table()),
        row(SIGNALS, "raise `connectivity: fmriprep: displacement:`, or exclude the person",
            ModalityError, both(lambda scan: scan.table(moved=3.0), option(denoise="scrubbing")),
            option(displacement=5.0)),
        row(SIGNALS, "copy it again, and check it: gzip -t ", ModalityError,
            lambda scan: scan.bold.write_bytes(b"cut"), lambda scan: scan.image()),
    ],
)  # fmt: skip
def test_extract_signals__after_each_part_of_its_remedy(
    tmp_path: Path,
    module: str,
    remedy: str,
    error: type[GendmrError],
    wrong: Change,
    mending: Change,
) -> None:
    scan = Derivatives(tmp_path)
    wrong(scan)
    with mended(module, remedy, error, scan.extract):
        mending(scan)
