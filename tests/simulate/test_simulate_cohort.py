"""A whole cohort, read as its users read it: by PLINK and as tables."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from gendmr.config.simulate import SimulateSection
from gendmr.errors import ConfigurationError
from gendmr.simulate.cohort import simulate_cohort

from .conftest import SEED, read_cohort


def run_plink(plink: str, output: Path, *arguments: str) -> None:
    subprocess.run(
        [plink, *arguments, "--out", str(output), "--silent", "--allow-no-sex"], check=True
    )


@pytest.fixture(scope="module")
def merged(tmp_path_factory: pytest.TempPathFactory, cohort: SimpleNamespace, plink: str) -> Path:
    """Both arrays merged by PLINK, which refuses other alleles or positions."""
    prefix = tmp_path_factory.mktemp("merged") / "all"
    folder = cohort.folder / "genotypes"
    run_plink(
        plink, prefix, "--bfile", f"{folder}/array1", "--bmerge", f"{folder}/array2", "--make-bed"
    )
    return prefix


def fault(cohort: SimpleNamespace, name: str) -> dict[str, str]:
    (record,) = [item for item in cohort.truth["faults"] if item["fault"] == name]
    return {key: value.removeprefix("sub-") for key, value in record.items() if key != "fault"}


def test_the_table_of_participants(cohort: SimpleNamespace, tiny: SimulateSection) -> None:
    table = cohort.participants
    assert list(table) == ["participant_id", "diagnosis", "age", "sex", "site"]
    assert table["participant_id"].is_unique
    assert table["participant_id"].str.fullmatch(r"sub-\d{4}").all()
    core = table[table["participant_id"] <= f"sub-{tiny.people:04d}"]
    assert core["diagnosis"].value_counts().to_dict() == {"AD": 40, "CN": 40}
    assert set(table["sex"]) == {"M", "F"}
    assert table["age"].astype(float).between(25, 95).all()
    imaged = core.iloc[: tiny.images]
    assert imaged["diagnosis"].value_counts().to_dict() == {"AD": 4, "CN": 4}


def test_the_two_arrays(cohort: SimpleNamespace, tiny: SimulateSection) -> None:
    first, second = (cohort.fam[array] for array in ("array1", "array2"))
    assert not set(first["iid"]) & set(second["iid"])
    people = pd.concat([first, second])
    assert len(people) == tiny.people + 5
    assert (people["fid"] == "F" + people["iid"]).all()
    assert set(people["phenotype"]) == {"-9"}
    first_bim, second_bim = (cohort.bim[array] for array in ("array1", "array2"))
    shared = first_bim.merge(second_bim, on=["chromosome", "snp", "position"])
    assert 0.9 < len(shared) / len(set(first_bim["snp"]) | set(second_bim["snp"])) < 0.98
    pairs = [
        [frozenset(pair) for pair in zip(shared[f"a1_{side}"], shared[f"a2_{side}"], strict=True)]
        for side in "xy"
    ]
    assert pairs[0] == pairs[1]
    assert 0.05 < (shared["a1_x"] != shared["a1_y"]).mean() < 0.5
    planted = {gene["snp"] for gene in cohort.truth["genes"]}
    assert planted <= set(shared["snp"])


def test_plink_counts_what_the_truth_says(
    cohort: SimpleNamespace, merged: Path, plink: str, tmp_path: Path
) -> None:
    run_plink(plink, tmp_path / "out", "--bfile", str(merged), "--freq", "--missing", "--hardy")
    frequency = pd.read_csv(tmp_path / "out.frq", sep=r"\s+").set_index("SNP")
    hardy = pd.read_csv(tmp_path / "out.hwe", sep=r"\s+").groupby("SNP")["P"].min()
    missing = pd.read_csv(tmp_path / "out.lmiss", sep=r"\s+").set_index("SNP")["F_MISS"]
    shared = set(cohort.bim["array1"]["snp"]) & set(cohort.bim["array2"]["snp"])
    by_fault = {name: [] for name in ("rare", "low_call_rate", "hwe")}
    for item in cohort.truth["variants"]:
        by_fault[item["fault"]].append(item["snp"])
    assert all(len(snps) >= 2 for snps in by_fault.values())
    assert (frequency.loc[by_fault["rare"], "MAF"] < 0.03).all()
    poor = missing[by_fault["low_call_rate"]]
    assert (poor > 0.08).all()
    good = sorted(shared - {snp for snps in by_fault.values() for snp in snps})
    assert missing[good].mean() < 0.01
    assert (missing[good] < 0.06).all()
    assert (hardy[by_fault["hwe"]] < 1e-3).mean() > 0.7
    assert (hardy[good].dropna() < 1e-6).sum() == 0


def test_plink_finds_the_person_with_the_wrong_sex(
    cohort: SimpleNamespace, merged: Path, plink: str, tmp_path: Path
) -> None:
    run_plink(plink, tmp_path / "out", "--bfile", str(merged), "--check-sex")
    table = pd.read_csv(tmp_path / "out.sexcheck", sep=r"\s+", dtype={"IID": str})
    problems = table.loc[table["STATUS"] == "PROBLEM", "IID"].tolist()
    assert problems == [fault(cohort, "sex_mismatch")["participant_id"]]
    men = table[(table["PEDSEX"] == 1) & ~table["IID"].isin(problems)]
    assert (men["F"] > 0.99).all()


def test_plink_finds_the_twin_the_child_and_the_poor_sample(
    cohort: SimpleNamespace, merged: Path, plink: str, tmp_path: Path
) -> None:
    subprocess.run(
        [
            *("plink2", "--bfile", str(merged), "--autosome", "--geno", "0.2", "--threads", "1"),
            *("--make-king-table", "--out", str(tmp_path / "king"), "--silent"),
        ],
        check=True,
    )
    table = pd.read_csv(tmp_path / "king.kin0", sep="\t", dtype={"IID1": str, "IID2": str})
    closest = table.nlargest(2, "KINSHIP")
    pairs = [
        {person, relative}
        for person, relative in zip(closest["IID1"], closest["IID2"], strict=True)
    ]
    twin, child = fault(cohort, "duplicate"), fault(cohort, "child")
    assert pairs == [set(twin.values()), set(child.values())]
    assert closest["KINSHIP"].tolist() == pytest.approx([0.5, 0.25], abs=0.06)
    run_plink(plink, tmp_path / "out", "--bfile", str(merged), "--missing", "--geno", "0.4")
    missing = pd.read_csv(tmp_path / "out.imiss", sep=r"\s+", dtype={"IID": str})
    poor = missing.loc[missing["F_MISS"] > 0.1, "IID"].tolist()
    assert poor == [fault(cohort, "low_call_rate")["participant_id"]]


def test_who_lacks_what(cohort: SimpleNamespace) -> None:
    genotyped = {*cohort.fam["array1"]["iid"], *cohort.fam["array2"]["iid"]}
    listed = set(cohort.participants["participant_id"].str.removeprefix("sub-"))
    imaged = set(pd.read_csv(cohort.folder / "anatomy.tsv", sep="\t")["participant_id"].str[4:])
    assert genotyped - listed == {fault(cohort, "no_participant_row")["participant_id"]}
    assert listed - genotyped == {fault(cohort, "no_genotypes")["participant_id"]}
    assert imaged - genotyped == {fault(cohort, "no_genotypes")["participant_id"]}
    lost = fault(cohort, "no_image")["participant_id"]
    assert lost in genotyped & listed
    assert lost not in imaged
    assert len(imaged) == 8


def test_the_truth_names_real_places(cohort: SimpleNamespace, tables: tuple[Path, Path]) -> None:
    genes = pd.read_csv(tables[0], sep="\t", dtype={"chromosome": str}).set_index("symbol")
    assert cohort.truth["genes"][0]["gene"] == "APOE"
    for item in cohort.truth["genes"]:
        gene = genes.loc[item["gene"]]
        assert item["chromosome"] == gene["chromosome"]
        assert gene["start"] - 10_000 <= item["position"] <= gene["end"] + 10_000
        row = cohort.bim["array1"].set_index("snp").loc[item["snp"]]
        assert row["position"] == item["position"]
        assert item["risk_allele"] in (row["a1"], row["a2"])
    assert sum(item["through"] != "diagnosis" for item in cohort.truth["genes"]) == 4
    assert {item["region"] for item in cohort.truth["regions"]} == {
        "hippocampus_L",
        "hippocampus_R",
        "entorhinal_L",
        "entorhinal_R",
    }


def test_the_risk_allele_is_commoner_in_cases(
    cohort: SimpleNamespace, merged: Path, plink: str, tmp_path: Path
) -> None:
    people = cohort.participants
    labels = people["participant_id"].str.removeprefix("sub-")
    pd.DataFrame(
        {"f": "F" + labels, "i": labels, "d": np.where(people["diagnosis"] == "AD", 2, 1)}
    ).to_csv(tmp_path / "pheno", sep=" ", header=False, index=False)
    run_plink(
        plink,
        tmp_path / "out",
        *("--bfile", str(merged), "--assoc", "--pheno", str(tmp_path / "pheno")),
    )
    association = pd.read_csv(tmp_path / "out.assoc", sep=r"\s+").set_index("SNP")
    strongest = cohort.truth["genes"][0]
    row = association.loc[strongest["snp"]]
    same = row["A1"] == strongest["risk_allele"]
    ratio = row["OR"] if same else 1 / row["OR"]
    assert 1.5 < ratio < 6


def test_the_table_of_genes_is_magmas(cohort: SimpleNamespace, tables: tuple[Path, Path]) -> None:
    genes = pd.read_csv(
        cohort.folder / "genes.gene.loc",
        sep="\t",
        header=None,
        dtype=str,
        names=["entrez", "chromosome", "start", "end", "strand", "symbol"],
    )
    source = pd.read_csv(tables[0], sep="\t", dtype=str).set_index("symbol")
    assert len(genes) == 40
    columns = ["entrez", "chromosome", "start", "end", "strand"]
    assert (genes.set_index("symbol")[columns] == source.loc[genes["symbol"], columns]).all(None)


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_same_seed_gives_the_same_bytes_and_null_mode_the_same_genotypes(
    tmp_path: Path, cohort: SimpleNamespace, tables: tuple[Path, Path], tiny: SimulateSection
) -> None:
    simulate_cohort(*tables, tiny, SEED, tmp_path / "again")
    assert digests(tmp_path / "again") == digests(cohort.folder)
    null = tiny.model_copy(update={"null_mode": True})
    simulate_cohort(*tables, null, SEED, tmp_path / "null")
    null_cohort = read_cohort(tmp_path / "null")
    assert null_cohort.truth["null"] is True
    assert null_cohort.truth["genes"] == null_cohort.truth["regions"] == []
    assert null_cohort.truth["faults"][0]["fault"]
    assert null_cohort.participants["diagnosis"].value_counts()["AD"] >= 40


def test_an_unknown_region_is_refused(tmp_path: Path, tables: tuple[Path, Path]) -> None:
    section = SimulateSection(people=80, images=8, regions=("hippocampus",))
    with pytest.raises(ConfigurationError, match="'hippocampus' not in"):
        simulate_cohort(*tables, section, 1, tmp_path)
    assert not list(tmp_path.iterdir())
