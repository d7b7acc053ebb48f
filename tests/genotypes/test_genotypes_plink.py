"""Finding PLINK under any name, and failures that are never ignored."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gendmr.errors import ToolError
from gendmr.genotypes import plink
from gendmr.genotypes.plink import Plink, find


@pytest.fixture
def only(tmp_path, monkeypatch):
    """A PATH that holds only what the test puts there."""
    find.cache_clear()
    real = {version: find(version).path for version in ("1.9", "2")}
    find.cache_clear()
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(plink.sys, "prefix", str(tmp_path / "environment"))
    yield folder, real
    find.cache_clear()


def script(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.mark.parametrize("name", ["plink1.9", "plink1", "plink", "p-link"])
def test_plink_19_is_found_under_each_name(only, name):
    folder, real = only
    (folder / name).symlink_to(real["1.9"])
    assert find("1.9").path == str(folder / name)
    assert find("1.9").version.startswith("PLINK v1.9")


@pytest.mark.parametrize("name", ["plink2", "plink2.0", "plink"])
def test_plink_2_is_found_under_each_name(only, name):
    folder, _ = only
    script(folder / name, "echo 'PLINK v2.00a6 64-bit (1 Jan 2025)'")
    assert find("2").version == "PLINK v2.00a6"


def test_the_environment_comes_after_the_path(only, tmp_path):
    script(tmp_path / "environment" / "plink" / "bin" / "plink2", "echo 'PLINK v2.00a9 x'")
    assert find("2").version == "PLINK v2.00a9"


def test_untested__names_a_plink_of_another_series(only):
    folder, real = only
    (folder / "plink1.9").symlink_to(real["1.9"])
    script(folder / "plink2", "echo 'PLINK v2.00a6.9 64-bit (1 Jan 2025)'")
    (note,) = plink.untested()
    assert note.startswith("PLINK v2.00a6.9 was used; tested is PLINK v2.00a3.5")


def test_every_way_of_installing_names_a_release_of_the_tested_series(root):
    """Debian in both images, conda in its environment, in `make setup` and in the error."""
    releases = {
        name: re.findall(pattern, (root / name).read_text())
        for name, pattern in {
            "Dockerfile": r"plink(1\.9|2)=([\w.~]+)\*",
            "gendmr.def": r"plink(1\.9|2)=([\w.~]+)\*",
            "envs/genotypes.yaml": r"- plink(2?)=([\w.]+)",
            "envs/setup.sh": r"plink(2?)=([\w.]+)",
        }.items()
    }
    releases["error"] = re.findall(r"plink(2?)=([\w.]+)", plink.CONDA)
    for name, pairs in releases.items():
        assert len(pairs) >= 2, name
        for program, release in pairs:
            series = plink.SERIES["2" if program == "2" else "1.9"]
            assert release.replace("~", "").startswith(series), (name, release)
    assert all(plink.TESTED[version].startswith(plink.SERIES[version]) for version in plink.TESTED)


def test_another_program_of_the_name_is_not_taken(only):
    folder, _ = only
    script(folder / "plink", "echo 'plink: Release 0.78'")
    with pytest.raises(ToolError) as caught:
        find("1.9")
    assert "Release 0.78" in str(caught.value)
    assert "apt install plink1.9 plink2" in str(caught.value)
    assert f"conda install -c bioconda {plink.CONDA}" in str(caught.value)


def test_a_failure_shows_command_and_log(make_set, tmp_path, capsys):
    with pytest.raises(ToolError) as caught:
        Plink().run(
            "2",
            ["--bfile", "no such set", "--freq"],
            out="x",
            folder=tmp_path,
            people=None,
            variants=None,
        )
    text = str(caught.value)
    assert "Failed to open no such set" in text
    assert (
        "--bfile 'no such set' --freq --write-snplist allow-dups --write-samples --threads 1"
        " --memory 2000 --out x" in text
    )
    assert "Failed to open" in capsys.readouterr().out


def test_the_workplace_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError), plink.workplace(tmp_path / "w") as work:
        (work / "part.bed").write_text("half")
        raise ZeroDivisionError
    assert list((tmp_path / "w").iterdir()) == []
