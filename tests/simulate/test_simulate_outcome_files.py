"""Files of a cohort with further outcomes: what is added, and that nothing else changes."""

from __future__ import annotations

import hashlib
import json
import subprocess
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from gendmr.config.outcomes import KINDS
from gendmr.config.simulate import SimulateSection
from gendmr.simulate.cohort import simulate_cohort

from .conftest import SEED, TINY, read_cohort

OUTCOMES: dict[str, Any] = {
    "memory": {"kind": "quantitative", "missing": 0.0},
    "conversion": {"kind": "survival", "missing": 0.2},
    "stage": {"kind": "multiclass", "labels": ["CN", "EMCI", "LMCI", "AD"], "missing": 0.0},
}
COLUMNS = ["memory", "months", "converted", "stage"]


def simulate(tables: tuple[Path, Path], folder: Path, **changes: Any) -> SimpleNamespace:
    simulate_cohort(*tables, SimulateSection.parse(TINY | changes), SEED, folder)
    return read_cohort(folder)


@pytest.fixture(scope="module")
def further(tmp_path_factory: pytest.TempPathFactory, tables: tuple[Path, Path]) -> SimpleNamespace:
    """The tiny cohort with further outcomes."""
    return simulate(tables, tmp_path_factory.mktemp("further"), outcomes=OUTCOMES)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory, tables: tuple[Path, Path]) -> SimpleNamespace:
    """Fifteen hundred people and twelve genes, all of them planted."""
    return simulate(
        tables,
        tmp_path_factory.mktemp("large"),
        people=1500,
        images=0,
        genes=12,
        snps_per_gene=3,
        background_snps=100,
        x_chromosome=False,
        faults=False,
        outcomes=OUTCOMES,
    )


def label_of(cohort: SimpleNamespace, fault: str, key: str = "participant_id") -> str:
    (entry,) = [item for item in cohort.truth["faults"] if item["fault"] == fault]
    return entry[key]


def test_nothing_but_columns_and_entries_is_added(
    cohort: SimpleNamespace, further: SimpleNamespace
) -> None:
    names = {path.relative_to(cohort.folder) for path in cohort.folder.rglob("*.*")}
    assert names == {path.relative_to(further.folder) for path in further.folder.rglob("*.*")}
    differing = {
        str(name)
        for name in names
        if (cohort.folder / name).read_bytes() != (further.folder / name).read_bytes()
    }
    assert differing == {"participants.tsv", "participants.json", "truth.json"}
    before, after = (
        (simulated.folder / "participants.tsv").read_text().splitlines()
        for simulated in (cohort, further)
    )
    assert ["\t".join(line.split("\t")[:5]) for line in after] == before
    assert after[0].split("\t")[5:] == COLUMNS
    assert {key: value for key, value in further.truth.items() if key != "outcomes"} == cohort.truth
    assert list(further.truth["outcomes"]) == sorted(OUTCOMES)


def test_without_outcomes_files_are_those_of_the_simulator_that_had_none(
    cohort: SimpleNamespace,
) -> None:
    """Digests of what the simulator wrote before it knew outcomes, with the locked versions."""
    if (version("msprime"), version("numpy")) != ("1.4.4", "2.4.6"):
        pytest.skip("digests are of msprime 1.4.4 and numpy 2.4.6")
    digests = {
        name: hashlib.sha256((cohort.folder / name).read_bytes()).hexdigest()[:16]
        for name in ("participants.tsv", "participants.json", "truth.json", "anatomy.tsv")
    }
    assert digests == {
        "participants.tsv": "450dec5367509109",
        "participants.json": "cb07b574d66dd983",
        "truth.json": "a742e0ae13ade50d",
        "anatomy.tsv": "31641cd1f562c217",
    }


def test_an_outcome_does_not_depend_on_the_others(
    tmp_path: Path, tables: tuple[Path, Path], further: SimpleNamespace
) -> None:
    alone = simulate(tables, tmp_path, outcomes={"stage": OUTCOMES["stage"]})
    assert (alone.participants["stage"] == further.participants["stage"]).all()
    assert alone.truth["outcomes"]["stage"] == further.truth["outcomes"]["stage"]


def test_who_has_values(further: SimpleNamespace) -> None:
    table = further.participants.set_index("participant_id")
    assert (table.loc[label_of(further, "child"), COLUMNS] == "n/a").all()
    twin, other = (label_of(further, "duplicate", key) for key in ("participant_id", "other"))
    assert (table.loc[twin, COLUMNS] == table.loc[other, COLUMNS]).all()
    for fault in ("no_genotypes", "no_image", "low_call_rate"):
        assert (table.loc[label_of(further, fault), ["memory", "stage"]] != "n/a").all()
    without_child = table.drop(index=label_of(further, "child"))
    assert (without_child[["memory", "stage"]] != "n/a").all(None)
    assert (without_child["months"] == "n/a").eq(without_child["converted"] == "n/a").all()
    assert 0.05 < (without_child["months"] == "n/a").mean() < 0.35
    assert set(without_child["converted"]) == {"0", "1", "n/a"}
    assert without_child["months"].str.fullmatch(r"\d+\.\d|n/a").all()
    assert set(without_child["stage"]) == {"CN", "EMCI", "LMCI", "AD"}


def test_columns_are_described(further: SimpleNamespace) -> None:
    described = json.loads((further.folder / "participants.json").read_text())
    assert sorted(described) == sorted(further.participants)
    assert described["months"]["Units"] == "month"
    assert set(described["converted"]["Levels"]) == {"0", "1"}
    assert set(described["stage"]["Levels"]) == {"CN", "EMCI", "LMCI", "AD"}


def test_the_truth_has_an_entry_for_each_outcome(further: SimpleNamespace) -> None:
    diagnosis = {item["gene"]: item for item in further.truth["genes"]}
    assert len(diagnosis) == 12
    entries = further.truth["outcomes"]
    assert {name: item["kind"] for name, item in entries.items()} == {
        name: item["kind"] for name, item in OUTCOMES.items()
    }
    assert entries["conversion"]["columns"] == ["months", "converted"]
    assert entries["stage"]["labels"] == ["CN", "EMCI", "LMCI", "AD"]
    for name, item in entries.items():
        assert [gene["gene"] for gene in item["genes"]] == list(diagnosis)
        assert [region["region"] for region in item["regions"]] == [
            region["region"] for region in further.truth["regions"]
        ]
        for gene in item["genes"]:
            shared_keys = ("chromosome", "position", "snp", "risk_allele", "through")
            assert all(gene[key] == diagnosis[gene["gene"]][key] for key in shared_keys)
        keys = {"effect", "effect_second"} if name == "stage" else {"effect"}
        for entry in (*item["genes"], *item["regions"]):
            assert {key for key in entry if key.startswith("effect")} == keys
    effects = [[gene["effect"] for gene in entries[name]["genes"]] for name in sorted(entries)]
    assert np.linalg.matrix_rank(np.array(effects)) == 3


def test_plink_finds_the_declared_effects_on_a_score(
    large: SimpleNamespace, plink: str, tmp_path: Path
) -> None:
    folder = large.folder / "genotypes"
    people = large.participants
    labels = people["participant_id"].str.removeprefix("sub-")
    pd.DataFrame({"f": "F" + labels, "i": labels, "score": people["memory"]}).to_csv(
        tmp_path / "scores", sep=" ", header=False, index=False
    )
    common = ("--allow-no-sex", "--silent")
    merged = ("--bfile", f"{folder}/array1", "--bmerge", f"{folder}/array2", "--make-bed")
    subprocess.run([plink, *merged, *common, "--out", str(tmp_path / "all")], check=True)
    test = ("--bfile", str(tmp_path / "all"), "--assoc", "--pheno", str(tmp_path / "scores"))
    subprocess.run([plink, *test, *common, "--out", str(tmp_path / "out")], check=True)
    tested = pd.read_csv(tmp_path / "out.qassoc", sep=r"\s+").set_index("SNP")
    alleles = pd.read_csv(tmp_path / "all.bim", sep="\t", header=None).set_index(1)[4]
    entry = large.truth["outcomes"]["memory"]
    assert len(entry["genes"]) == 12
    z = []
    for gene in entry["genes"]:
        row = tested.loc[gene["snp"]]
        sign = 1 if alleles[gene["snp"]] == gene["risk_allele"] else -1
        z.append((sign * row["BETA"] - gene["effect"]) / row["SE"])
        if abs(gene["effect"]) > 4 * row["SE"]:
            assert np.sign(sign * row["BETA"]) == np.sign(gene["effect"])
    assert max(np.abs(z)) < 4
    effects = np.abs([gene["effect"] for gene in entry["genes"]])
    assert effects.max() > 4 * tested.loc[entry["genes"][0]["snp"], "SE"]


def test_null_mode_declares_no_effects(tmp_path: Path, tables: tuple[Path, Path]) -> None:
    null = simulate(tables, tmp_path, null_mode=True, outcomes=OUTCOMES)
    assert list(null.participants)[5:] == COLUMNS
    for entry in null.truth["outcomes"].values():
        assert entry["genes"] == entry["regions"] == []


def test_the_study_of_outcomes_asks_for_the_columns_that_are_simulated(root: Path) -> None:
    study = yaml.safe_load((root / "config/studies/outcomes.yaml").read_text())
    section = SimulateSection.parse(study["simulate"])
    simulated = {
        column for name, item in section.outcomes.items() for column in item.columns or (name,)
    }
    declared = study["cohort"]["outcomes"]
    requested = {"diagnosis"}
    for entry in declared.values():
        outcome = KINDS[entry["kind"]].parse(entry)
        requested |= {getattr(outcome, key) for key in ("column", "time", "event") if key in entry}
    assert requested == {"diagnosis", *simulated}
    stage = section.outcomes["stage"]
    assert set(stage.labels) == set(declared["stage"]["classes"])
    methods = study["training"]["methods"]
    assert {method["outcome"] for method in methods.values() if "outcome" in method} <= set(
        declared
    )
