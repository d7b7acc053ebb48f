"""The rules of the stage: a bad scan among good ones, by Snakemake."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
import yaml

from gendmr.files.datasets import read_dataset
from gendmr.files.regions import REGIONS
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


def test_labelled_heads_measure_two_people_and_a_killed_run_goes_on(
    labelled_heads, anatomy, scan_of, root, tmp_path
):
    for name, scale in (("first", 1.0), ("second", 1.03)):
        path = tmp_path / f"bids/sub-{name}/anat/sub-{name}_T1w.nii.gz"
        scan_of(path, anatomy, scale=scale)
    imaging = labelled_heads(tmp_path).model_dump(mode="json", exclude_defaults=True)
    config = yaml.safe_load((root / "tests/workflow/tiny.yaml").read_text())
    del config["simulate"], config["report"]
    config["imaging"] = imaging | {"bids": "bids"}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "snakemake", "-s", str(root / "Snakefile"), "-d"]
    command += [str(tmp_path), "--cores", "1", "imaging", "--configfile", "study.yaml"]
    results, log = tmp_path / "results/tiny/imaging", tmp_path / "run.log"
    with log.open("w") as stream:
        broken_off = subprocess.Popen(
            command, cwd=tmp_path, stdout=stream, stderr=stream, start_new_session=True
        )
        while broken_off.poll() is None and not list(results.glob("*/quality.json")):
            time.sleep(0.2)
        os.killpg(broken_off.pid, signal.SIGKILL)
        broken_off.wait()
    assert not (results / "regions.nc").exists(), log.read_text()[-3000:]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "prepare_template" not in done.stdout + done.stderr
    quality = pd.read_csv(results / "quality.tsv", sep="\t")
    assert quality["participant_id"].tolist() == ["first", "second"]
    assert quality["status"].tolist() == ["measured"] * 2
    assert not quality["outlier"].any(), quality["reason"].tolist()
    notes = json.loads((results / "summary.json").read_text())["notes"]
    assert any(note.startswith("Atlas two heads: 2 labelled heads were") for note in notes)
    volumes = read_dataset(results / "regions.nc", REGIONS)["volume"].to_numpy()
    # The second person is the first with a head 3 % larger along each axis.
    np.testing.assert_allclose(volumes[1] / volumes[0], 1.03**3, rtol=0.1)
