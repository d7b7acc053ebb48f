"""A bug report holds configuration, versions and logs, and nobody's name."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from gendmr import __version__
from gendmr.bundle.attachment import pack
from gendmr.bundle.commands import group
from gendmr.errors import ConfigurationError
from gendmr.files.tables import write_table
from remedies import mended


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A study that failed: a configuration with an unknown key, a log that names a person."""
    (tmp_path / "study.yaml").write_text("study: mine\nnonsense: [1\n")
    log = tmp_path / "logs/mine/imaging/S0042.log"
    log.parent.mkdir(parents=True)
    log.write_text("ImageError: sub-S0042: empty, S0042.nii.gz of 10042 voxels; S00421 is fine\n")
    folder = tmp_path / "results/mine/cohort"
    folder.mkdir(parents=True)
    people = pd.DataFrame({"participant_id": ["S0042", "7"], "age": [71.5, 80.25]})
    write_table(folder / "participants.tsv", people)
    (folder / "snp.nc").write_bytes(b"genotypes")
    return tmp_path


def contents(path: Path) -> dict[str, str]:
    parts = re.split(r"^={20} (.+)$", path.read_text(), flags=re.MULTILINE)
    texts = [text.strip("\n") + "\n" for text in parts[2::2]]
    return dict(zip(parts[1::2], texts, strict=True))


def test_bundle__holds_what_a_report_needs_and_no_person(root: Path) -> None:
    bundle = pack(root / "study.yaml", root=root)
    texts = contents(bundle.path)
    assert texts["configuration.yaml"] == (root / "study.yaml").read_text()
    assert f"gendmr {__version__}" in texts["versions.txt"]
    everything = "\n".join([*texts, *texts.values()])
    assert "S0042." not in everything and "sub-S0042" not in everything
    assert "71.5" not in everything and "genotypes" not in everything
    (log,) = [text for name, text in texts.items() if name.startswith("logs/")]
    assert (
        log
        == "ImageError: person00001: empty, S0042.nii.gz".replace(
            "S0042.nii.gz", "person00001.nii.gz"
        )
        + " of 10042 voxels; S00421 is fine\n"
    )
    assert any("1 names of fewer than 3" in note for note in bundle.notes)


def test_bundle__command_prints_what_is_inside(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    result = CliRunner().invoke(group, ["--configfile", "study.yaml"])
    assert result.exit_code == 0, result.output
    assert "configuration.yaml" in result.output
    assert (root / "gendmr-bundle-mine.txt").is_file()


@pytest.mark.parametrize("text", [None, "seed: 1\n"])
def test_bundle__refuses_what_names_no_study(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "study.yaml").write_text(text)
    with pytest.raises(ConfigurationError):
        pack(tmp_path / "study.yaml", root=tmp_path)


def test_pack__of_the_configuration_of_the_run(root: Path) -> None:
    path = [root / "gone.yaml"]
    module = "bundle/attachment.py"
    with mended(module, "check --configfile", ConfigurationError, lambda: pack(path[0], root=root)):
        path[0] = root / "study.yaml"
    path[0] = root / "other.yaml"
    path[0].write_text("name: mine\n")
    words = "name the file that the run was given, such as config/config.yaml"
    with mended(module, words, ConfigurationError, lambda: pack(path[0], root=root)):
        path[0] = root / "study.yaml"
