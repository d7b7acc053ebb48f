"""The stage `genotypes` on real PLINK sets."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gendmr.config.genotypes import GenotypesSection
from gendmr.errors import GenotypeFileError
from gendmr.genotypes.builds import BUILDS, read_reference
from gendmr.genotypes.components import compute_components
from gendmr.genotypes.filesets import check_fileset, read_bim, read_fam
from gendmr.genotypes.merging import merge_genotypes
from gendmr.genotypes.participants import filter_participants
from gendmr.genotypes.plink import Plink, find
from gendmr.genotypes.variants import filter_variants
from plink_reader import read_dosages
from positions import chain_between

pytestmark = pytest.mark.real_data

FIRST_DEGREE = 0.177


def stage(folder: Path, prefix: Path, **settings) -> Path:
    section = GenotypesSection(inputs=(str(prefix),), **settings)
    merge_genotypes(section, folder / "work", Plink())
    filter_participants(section, folder / "work", Plink())
    filter_variants(section, folder / "work", Plink())
    compute_components(section, folder / "work", Plink(), seed=1)
    return folder


@pytest.mark.slow
def test_kinship_of_hapmap_people_agrees_with_the_reference(real_data, tmp_path):
    """KING of 173 people from 20,000 variants against KING from 150,000 (GENESIS).

    The variants have no positions, only numbers in file order on one chromosome; KING uses neither
    order nor distance. Two ancestries make heterozygosity bimodal, so its filter is wide here.
    """
    source = real_data / "genotypes" / "genesis_asw_mxl"
    folder = stage(
        tmp_path,
        source / "plink" / "asw_mxl173",
        kinship=0.06,
        heterozygosity_sd=9.0,
    )
    expected = pd.read_csv(
        source / "expected" / "king_robust_kinship_173_from150kSNPs.tsv.gz", sep="\t", index_col=0
    )
    pairs = pd.read_csv(folder / "kinship.tsv", sep="\t")
    ours = {frozenset((row.id1, row.id2)): row.kinship for row in pairs.itertuples()}
    names = expected.index.tolist()
    reference = {
        frozenset((a, b)): expected.loc[a, b] for i, a in enumerate(names) for b in names[i + 1 :]
    }
    first = {pair for pair, kinship in reference.items() if kinship > FIRST_DEGREE}
    assert len(first) == 105
    assert all(ours.get(pair, 0) > FIRST_DEGREE for pair in first)
    assert {tuple(sorted(p)) for p in first} <= {
        tuple(sorted((row.id1, row.id2)))
        for row in pairs[pairs["relation"] == "first"].itertuples()
    }
    error = np.array([ours[pair] - reference[pair] for pair in first])
    assert abs(error.mean()) < 0.005 and error.std() < 0.02
    # At the limit of the sampling error one more pair may look like first degree.
    assert (pairs["relation"] == "first").sum() <= 107
    second = {pair for pair, kinship in reference.items() if kinship > 0.0884}
    assert len(second & set(ours)) >= 0.97 * len(second)
    assert check_fileset(folder / "qc").n_people == 173


@pytest.mark.slow
def test_chromosome_10_passes(real_data, tmp_path):
    prefix = real_data / "genotypes" / "snpstats_chr10" / "chr10_cc1000"
    folder = stage(tmp_path, prefix, build="NCBI36", kinship=0.354)
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["participants"]["read"] == 1000 and summary["participants"]["kept"] >= 990
    assert summary["variants"]["read"] == 28_501 and summary["variants"]["kept"] > 26_000
    assert "rs870041" in set(read_bim(folder / "qc")["snp"])
    assert "sex not checked: no X variants" in summary["notes"]
    build = summary["inputs"][0]["build"]
    assert (build["found"], build["variants"]) == ("NCBI36", 527)
    assert build["shares"] == {"NCBI36": 1.0, "GRCh37": 0.0, "GRCh38": 0.0}
    # Two ancestries: the first component separates the strata without a mistake.
    strata = pd.read_csv(prefix.parent / "subjects.tsv", sep="\t").set_index("id")["stratum"]
    scores = pd.read_csv(folder / "components.tsv", sep="\t").set_index("id")["PC1"]
    groups = scores.groupby(strata.reindex(scores.index))
    (low, high) = sorted((group.min(), group.max()) for _, group in groups)
    assert low[1] < high[0]
    rows = pd.Index(read_fam(prefix)["iid"]).get_indexer(read_fam(folder / "qc")["iid"])
    columns = pd.Index(read_bim(prefix)["snp"]).get_indexer(read_bim(folder / "qc")["snp"])
    expected = read_dosages(prefix)[np.ix_(rows, columns)]
    np.testing.assert_array_equal(read_dosages(folder / "qc"), expected)


@pytest.mark.slow
def test_a_fam_separated_by_spaces_passes(real_data, tmp_path):
    prefix = real_data / "genotypes" / "eagle_1kg_eur" / "EUR_test"
    folder = stage(tmp_path, prefix, kinship=0.2)
    fam = read_fam(folder / "qc")
    assert set(fam["iid"]) <= set(read_fam(prefix)["iid"])
    assert len(fam) >= 370
    notes = json.loads((folder / "summary.json").read_text())["notes"]
    assert any("build GRCh37 not checked: only 2 reference positions found" in n for n in notes)
    assert fam["fid"].iloc[0] == "1" and fam["iid"].iloc[0] == "HG00096"


@pytest.mark.parametrize("name", ["snpstats_chr10/chr10_cc1000", "eagle_1kg_eur/EUR_test"])
def test_dosages_equal_plink_export(real_data, tmp_path, name):
    prefix = real_data / "genotypes" / name
    some = np.arange(0, check_fileset(prefix).n_variants, 20)
    (tmp_path / "some.txt").write_text("\n".join(read_bim(prefix)["snp"].iloc[some]))
    subprocess.run(
        [
            *(find("1.9").path, "--bfile", str(prefix), "--keep-allele-order", "--recode", "A"),
            *("--extract", str(tmp_path / "some.txt"), "--allow-no-sex", "--memory", "1000"),
            *("--out", str(tmp_path / "out")),
        ],
        check=True,
        capture_output=True,
    )
    rows = (tmp_path / "out.raw").read_text().replace("NA", "-1").splitlines()[1:]
    expected = np.array([row.split()[6:] for row in rows], dtype=np.int8)
    np.testing.assert_array_equal(read_dosages(prefix)[:, some], expected)


@pytest.mark.parametrize("declared", ["GRCh37", "GRCh38"])
def test_chromosome_10_is_of_no_other_build(real_data, tmp_path, declared):
    prefix = real_data / "genotypes" / "snpstats_chr10" / "chr10_cc1000"
    with pytest.raises(GenotypeFileError, match=f"of NCBI36, not of {declared}") as caught:
        stage(tmp_path, prefix, build=declared)
    assert "in NCBI36 100.0 %, GRCh37 0.0 %, GRCh38 0.0 %" in str(caught.value)


def test_chromosome_10_is_lifted_to_the_build_of_the_reference(root, real_data, tmp_path):
    """28,501 real variants by a chain file of the blocks that lie between reference SNPs."""
    prefix = real_data / "genotypes" / "snpstats_chr10" / "chr10_cc1000"
    table = read_reference(root / "resources" / "build_positions.tsv").dropna()
    chain = chain_between(table.astype(dict.fromkeys(BUILDS, int)), tmp_path / "x.over.chain.gz")
    lift = {str(prefix): {"build": "NCBI36", "chain": str(chain)}}
    section = GenotypesSection.parse({"inputs": [str(prefix)], "lift": lift})
    merge_genotypes(section, tmp_path / "work", Plink())
    summary = json.loads((tmp_path / "work" / "merge.json").read_text())
    build = summary["inputs"][0]["build"]
    assert (build["declared"], build["found"]) == ("GRCh37", "GRCh37")
    assert build["shares"]["GRCh37"] == 1.0
    before, after = read_bim(prefix), read_bim(tmp_path / "work" / "merged")
    assert len(after) > 0.98 * len(before)
    shift = (
        after["position"].to_numpy()
        - before.set_index("snp").loc[after["snp"], "position"].to_numpy()
    )
    assert set(shift) == set((table["GRCh37"] - table["NCBI36"]).astype(int))
    columns = pd.Index(before["snp"]).get_indexer(after["snp"])
    np.testing.assert_array_equal(
        read_dosages(tmp_path / "work" / "merged"), read_dosages(prefix)[:, columns]
    )


@pytest.mark.parametrize("reference", ["5", "6"])
def test_counts_of_real_alleles_are_those_of_plink(real_data, tmp_path, reference):
    """Variant by variant, with column 5 or 6 of the .bim as the reference allele."""
    prefix = real_data / "genotypes" / "eagle_1kg_eur" / "EUR_test"
    choice = ["--ref-allele", "force", f"{prefix}.bim", reference, "2", "--make-bed"]
    counts = ["--freq", "counts", "cols=ref,alt,altfreq,nobs"]
    for source, arguments, out in ((prefix, choice, "set"), (tmp_path / "set", counts, "counts")):
        command = [find("2").path, "--bfile", str(source), *arguments, "--memory", "700"]
        subprocess.run([*command, "--out", str(tmp_path / out)], check=True, capture_output=True)
    plink_counts = pd.read_csv(tmp_path / "counts.acount", sep="\t", dtype={"#ID": str})
    dosages, bim = read_dosages(prefix), read_bim(prefix)
    assert plink_counts["#ID"].tolist() == bim["snp"].tolist()
    assert (plink_counts["REF"] == bim["a1" if reference == "5" else "a2"]).all()
    called = dosages >= 0
    of_a1 = np.where(called, dosages, 0).sum(axis=0)
    all_alleles = 2 * called.sum(axis=0)
    expected = all_alleles - of_a1 if reference == "5" else of_a1
    np.testing.assert_array_equal(plink_counts["ALT_CTS"], expected)
    np.testing.assert_array_equal(plink_counts["OBS_CT"], all_alleles)


def test_a_sample_major_set_is_refused_with_the_command_that_converts_it(real_data, tmp_path):
    prefix = real_data / "genotypes" / "hibag_hapmap_ceu" / "HapMap_CEU"
    with pytest.raises(GenotypeFileError, match="sample-major") as caught:
        check_fileset(prefix)
    command = re.search(r"plink1\.9 .*", str(caught.value)).group().split()
    # The data folder is read-only: the same command, written elsewhere.
    command = [find("1.9").path, *command[1:-1], str(tmp_path / "converted")]
    subprocess.run(command, check=True, capture_output=True)
    fileset = check_fileset(tmp_path / "converted")
    assert (fileset.n_people, fileset.n_variants) == (90, 5316)
    assert (read_dosages(tmp_path / "converted") < 0).mean() == pytest.approx(0.088, abs=0.002)
    # Its positions are those of GRCh37 less one, which nothing in the files says.
    with pytest.raises(GenotypeFileError, match="one less than those of GRCh37: 0-based"):
        stage(tmp_path / "g", tmp_path / "converted")
