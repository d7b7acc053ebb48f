"""Commands that errors of genotypes print, carried out: afterwards genotypes are the same."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from gendmr.config.genotypes import GenotypesSection
from gendmr.errors import GenotypeFileError, IdentifierError
from gendmr.genotypes.filesets import check_fileset, read_bim, read_fam
from gendmr.genotypes.merging import merge_genotypes
from gendmr.genotypes.plink import Plink, find
from plink_reader import read_dosages
from remedies import carry_out


def dosages(people: int = 24, variants: int = 30) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 3, (people, variants)).astype(np.int8)


def merge(folder: Path, *inputs: Path | str, **options) -> dict:
    section = GenotypesSection.parse({"inputs": [str(path) for path in inputs], **options})
    merge_genotypes(section, folder, Plink())
    return json.loads((folder / "merge.json").read_text())


def test_check_fileset__rows_of_one_person_are_numbered_as_it_says(make_set, tmp_path):
    fam = [(f"F{i % 20}", f"P{i % 20}", "0", "0", "0", "-9") for i in range(24)]
    fileset = make_set(tmp_path / "set", dosages(), fam=fam)
    with pytest.raises(IdentifierError, match=r"4 people \(FID IID\) appear more than once") as e:
        check_fileset(fileset.prefix)
    carry_out(e.value)
    check_fileset(fileset.prefix)
    names = read_fam(fileset.prefix)["iid"].tolist()
    assert names == [f"P{i}" for i in range(20)] + [f"P{i}_2" for i in range(4)]
    np.testing.assert_array_equal(read_dosages(fileset.prefix), fileset.dosages)


def test_check_fileset__a_pgen_that_is_called_bed_is_converted_as_it_says(make_set, tmp_path):
    fileset = make_set(tmp_path / "set", dosages())
    prefix = fileset.prefix
    arguments = ["--bfile", str(prefix), "--make-pgen", "--out", str(tmp_path / "other")]
    subprocess.run([find("2").path, *arguments], check=True, capture_output=True)
    prefix.with_suffix(".bed").write_bytes((tmp_path / "other.pgen").read_bytes())
    with pytest.raises(GenotypeFileError, match="neither 01") as e:
        check_fileset(prefix)
    carry_out(e.value)
    np.testing.assert_array_equal(read_dosages(f"{prefix}.plink1"), fileset.dosages)


@pytest.mark.parametrize("header", ["#FID IID PAT MAT SEX PHENO", "FID IID PAT MAT sex pheno"])
def test_check_fileset__a_header_of_a_fam_is_taken_out_as_it_says(make_set, tmp_path, header):
    fileset = make_set(tmp_path / "set", dosages())
    path = fileset.prefix.with_suffix(".fam")
    path.write_text(f"{header}\n{path.read_text()}")
    with pytest.raises(IdentifierError, match=r"a header|begin with '#'") as e:
        check_fileset(fileset.prefix)
    carry_out(e.value)
    check_fileset(fileset.prefix)
    assert read_fam(fileset.prefix)["iid"].tolist() == [f"P{i}" for i in range(24)]


def test_merge__positions_from_zero_are_moved_as_it_says(reference, make_set, tmp_path):
    rows = reference[reference["chromosome"] == "10"]
    bim = [
        ["10", snp, "0", str(int(position) - 1), "A", "G"]
        for snp, position in zip(rows["snp"], rows["GRCh38"], strict=True)
        if int(position) > 0
    ][:1000]
    bim.sort(key=lambda row: int(row[3]))
    prefix = make_set(tmp_path / "set", dosages(12, len(bim)), bim=bim).prefix
    with pytest.raises(GenotypeFileError, match="0-based") as e:
        merge(tmp_path / "w", prefix, build="GRCh38")
    path = prefix.with_suffix(".bim")
    carry_out(e.value, **{"OLD.bim": str(path), "NEW.bim": f"{path}.new"})
    Path(f"{path}.new").rename(path)
    merge(tmp_path / "w", prefix, build="GRCh38")
    moved = read_bim(tmp_path / "w/merged")["position"]
    assert moved.tolist() == [int(row[3]) + 1 for row in bim]


def test_merge__people_under_two_families_are_renamed_as_it_says(make_set, tmp_path):
    genotypes = dosages()
    first = make_set(tmp_path / "one", genotypes).prefix
    fam = [(f"G{i}" if i < 2 else f"F{i}", f"P{i}", "0", "0", "0", "-9") for i in range(24)]
    second = make_set(tmp_path / "two", genotypes, fam=fam).prefix
    with pytest.raises(IdentifierError, match="2 IIDs are in both sets under different FIDs") as e:
        merge(tmp_path / "w", first, second, check_build=False)
    names = tmp_path / "names"
    names.write_text("G0 P0 F0 P0\nG1 P1 G1 other\n")
    carry_out(e.value, NAMES=str(names))
    merge(tmp_path / "w", first, f"{second}.renamed", check_build=False)
    assert "other" in read_fam(tmp_path / "w/merged")["iid"].tolist()
