"""The rules of the stage: a bad scan among good ones, by Snakemake."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import yaml

from gendmr.imaging.scan import read_scan, write_image

pytestmark = [pytest.mark.slow]


@pytest.fixture(scope="module")
def study(section, anatomy, scan_of, root, tmp_path_factory):
    """A folder in which Snakemake runs: a good scan, one with NaN, one that was not fetched."""
    folder = tmp_path_factory.mktemp("study")
    bids = folder / "bids"
    good = scan_of(bids / "sub-good/anat/sub-good_T1w.nii.gz", anatomy)
    scan = read_scan(good)
    hole = np.where(scan.data == scan.data.max(), np.nan, scan.data)
    write_image(bids / "sub-nan/anat/sub-nan_T1w.nii.gz", hole, scan.affine)
    lost = bids / "sub-lost/anat/sub-lost_T1w.nii.gz"
    lost.parent.mkdir(parents=True)
    lost.symlink_to(folder / "annex")
    config = yaml.safe_load((root / "tests/workflow/tiny.yaml").read_text())
    del config["simulate"], config["report"]
    config["imaging"] = {**section.model_dump(mode="json", exclude_defaults=True), "bids": "bids"}

    def run(*words: str, **imaging: object) -> subprocess.CompletedProcess[str]:
        changed = {**config, "imaging": config["imaging"] | imaging}
        (folder / "study.yaml").write_text(yaml.safe_dump(changed))
        command = [sys.executable, "-m", "snakemake", "-s", str(root / "Snakefile")]
        command += ["-d", str(folder), "--cores", "1", "imaging", *words]
        return subprocess.run(
            [*command, "--configfile", str(folder / "study.yaml")],
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,
        )

    done = run()
    assert done.returncode == 0, done.stderr[-3000:]
    return folder, run


def test_the_good_scan_is_measured_and_the_others_are_listed(study):
    folder, _ = study
    path = folder / "results/tiny/imaging/quality.tsv"
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    assert table["participant_id"].tolist() == ["good", "lost", "nan"]
    assert table["status"].tolist() == ["measured", "refused", "refused"]
    log = (folder / "logs/tiny/imaging/lost.log").read_text()
    assert log.startswith("Scan not used. InputFileError: bids/sub-lost/anat/sub-lost_T1w.nii.gz")


def test_who_is_left_out_reruns_no_registration(study):
    _, run = study
    rule = {"exclude_by": ["similarity"], "robust_z": 3.0}
    done = run("-n", "--quiet", "rules", on_bad_scan="stop", exclude=["nan"], outliers=rule)
    assert done.returncode == 0
    assert "collect_regions" in done.stdout + done.stderr
    assert "register_t1w" not in done.stdout + done.stderr
    assert "prepare_template" not in done.stdout + done.stderr
