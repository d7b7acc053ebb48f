"""The small study end to end: what is there, and what reruns after which change."""

from __future__ import annotations

import json
import os
import re

import pytest
import yaml

from gendmr.files.atomic import read_json
from gendmr.files.tables import read_table

pytestmark = [pytest.mark.slow]

EXPECTED = [
    "simulate/participants.tsv",
    "simulate/truth.json",
    "genotypes/qc.bed",
    "genotypes/qc.bim",
    "genotypes/qc.fam",
    "genotypes/attrition.tsv",
    "genotypes/kinship.tsv",
    "genotypes/components.tsv",
    "annotation/snp2gene.tsv",
    "imaging/regions.nc",
    "imaging/quality.tsv",
    "cohort/participants.tsv",
    "cohort/attrition.tsv",
    "cohort/splits.tsv",
    "cohort/snp.nc",
    "cohort/region.nc",
    "training/gendmr/metrics.tsv",
    "ranking/gendmr/genes.tsv",
    "ranking/gendmr/regions.tsv",
    "tracking/mlflow.db",
    "tracking/synced.json",
    "report/summary.html",
    "report/summary.json",
]
FOLD = [
    "model.safetensors",
    "history.jsonl",
    "metrics.json",
    "predictions.tsv",
    "attention.nc",
    "run.json",
]


@pytest.fixture
def restore(finished):
    """Put every source file back as it was after a test that edits some."""
    saved = {
        path: path.read_bytes()
        for folder in ("workflow", "config", "resources", "envs")
        for path in (finished.folder / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    study = finished.folder / "study.yaml"
    saved[study] = study.read_bytes()
    yield
    for path, content in saved.items():
        if path.read_bytes() != content:
            path.write_bytes(content)


def edit(finished, change):
    path = finished.folder / "study.yaml"
    config = yaml.safe_load(path.read_text())
    change(config)
    path.write_text(yaml.safe_dump(config))


def folds(finished):
    config = yaml.safe_load((finished.folder / "study.yaml").read_text())
    return len(config["training"]["methods"]), config["cohort"]["folds"]


def test_all_results_are_there(finished):
    absent = [name for name in EXPECTED if not (finished.results / name).is_file()]
    assert absent == []
    _, n_folds = folds(finished)
    for fold in range(n_folds):
        for name in FOLD:
            path = finished.results / f"training/gendmr/repeat-0/fold-{fold}/{name}"
            assert path.is_file(), path
            assert path.stat().st_size > 0 or name == "attention.nc", path


def test_every_person_of_the_input_is_kept_or_listed(finished):
    given = read_table(
        finished.results / "simulate/participants.tsv", {"participant_id": "text"}, extra=True
    )["participant_id"].str.removeprefix("sub-")
    kept = read_table(
        finished.results / "cohort/participants.tsv", {"participant_id": "text"}, extra=True
    )["participant_id"]
    listed = read_table(
        finished.results / "cohort/attrition.tsv", {"kind": "text", "id": "text"}, extra=True
    )
    gone = listed.loc[listed["kind"] == "participant", "id"]
    assert set(given) <= set(kept) | set(gone)
    assert len(set(given) & set(kept)) > 0.8 * len(given)


def test_every_planted_fault_is_found(finished):
    truth = read_json(finished.results / "simulate/truth.json")
    assert truth["faults"]
    listed = read_table(
        finished.results / "cohort/attrition.tsv", {"kind": "text", "id": "text"}, extra=True
    )
    text = set(listed["id"]) | {
        name.removeprefix("sub-")
        for name in read_table(
            finished.results / "genotypes/kinship.tsv", {"id1": "text", "id2": "text"}, extra=True
        )[["id1", "id2"]]
        .to_numpy()
        .ravel()
    }
    kept = read_table(
        finished.results / "cohort/participants.tsv",
        {"participant_id": "text", "has_snp": "flag", "has_region": "flag"},
        extra=True,
    ).set_index("participant_id")
    for fault in truth["faults"]:
        person = fault["participant_id"].removeprefix("sub-")
        incomplete = person in kept.index and not (
            kept.loc[person, "has_snp"] and kept.loc[person, "has_region"]
        )
        assert person in text or incomplete, fault


def test_held_out_people_are_predicted_once_and_never_trained_on(finished):
    _, n_folds = folds(finished)
    held_out = []
    for fold in range(n_folds):
        table = read_table(
            finished.results / f"training/gendmr/repeat-0/fold-{fold}/predictions.tsv",
            {"participant_id": "text", "set": "text"},
            extra=True,
        )
        parts = {name: set(part["participant_id"]) for name, part in table.groupby("set")}
        assert not parts["train"] & parts["held-out"]
        assert not parts["validation"] & parts["held-out"]
        held_out += sorted(parts["held-out"])
    everybody = read_table(
        finished.results / "cohort/participants.tsv", {"participant_id": "text"}, extra=True
    )["participant_id"]
    assert sorted(held_out) == sorted(everybody)


def test_a_second_run_plans_nothing(finished):
    assert finished.plan() == {}


def test_touching_every_source_file_plans_nothing(finished):
    for folder in ("workflow", "config", "resources", "envs"):
        for path in (finished.folder / folder).rglob("*"):
            if path.is_file():
                path.touch()
    (finished.folder / "study.yaml").touch()
    assert finished.plan() == {}


def test_a_comment_reruns_nothing(finished, restore):
    for path in (finished.folder / "workflow/gendmr").rglob("*.py"):
        path.write_text(path.read_text() + "\n# a remark\n")
    assert finished.plan() == {}


def test_an_edit_in_a_methods_code_reruns_its_folds(finished, restore):
    methods, n_folds = folds(finished)
    path = finished.folder / "workflow/gendmr/methods/gendmr.py"
    path.write_text(path.read_text() + "\nEDITED = 1\n")
    plan = finished.plan()
    assert plan["train_fold"] == n_folds < methods * n_folds
    assert "register_t1w" not in plan


def test_a_ranking_option_retrains_nothing(finished, restore):
    edit(finished, lambda config: config.setdefault("ranking", {}).update(top_k=7))
    plan = finished.plan()
    assert "train_fold" not in plan
    assert plan["rank_genes"] >= 1


def test_more_folds_or_another_seed_retrain_all(finished, restore):
    methods, n_folds = folds(finished)
    edit(finished, lambda config: config["cohort"].update(folds=n_folds + 1))
    plan = finished.plan()
    assert plan["train_fold"] == methods * (n_folds + 1)
    assert "register_t1w" not in plan


def test_one_qc_threshold_reruns_genotypes_and_what_follows_but_no_image(finished, restore):
    edit(finished, lambda config: config["genotypes"].update(maf=0.03))
    plan = finished.plan()
    assert plan["train_fold"] == folds(finished)[0] * folds(finished)[1]
    assert "register_t1w" not in plan


def test_rerunning_one_fold_leaves_the_others_byte_identical(finished):
    before = finished.sums("training/**/*")
    target = "results/tiny/training/gendmr/repeat-0/fold-1/model.safetensors"
    plan = finished.plan("-R", target)
    assert plan["train_fold"] == 1
    stamps = {
        path: path.stat().st_mtime_ns
        for path in (finished.results / "training").rglob("model.safetensors")
    }
    finished.snakemake("-R", target)
    again = [path for path, stamp in stamps.items() if path.stat().st_mtime_ns != stamp]
    assert [str(path.relative_to(finished.folder)) for path in again] == [target]
    # the rerun fold too: same input, configuration and seed give the same bytes
    assert finished.sums("training/**/*") == before


def test_a_lost_result_is_made_again_with_the_same_bytes(finished):
    before = finished.sums("ranking/**/*.tsv") | finished.sums("cohort/*")
    for name in ("ranking/gendmr/genes.tsv", "cohort/splits.tsv"):
        (finished.results / name).unlink()
    finished.snakemake()
    assert finished.sums("ranking/**/*.tsv") | finished.sums("cohort/*") == before


def test_a_truncated_bed_is_named_and_earlier_results_stay(finished):
    path = finished.results / "simulate/genotypes/array1.bed"
    whole, stamp = path.read_bytes(), path.stat().st_mtime_ns
    kept = finished.sums("imaging/**/*")
    try:
        path.write_bytes(whole[:-10])
        done = finished.snakemake("genotypes", check=False)
        assert done.returncode != 0
        text = done.stdout + done.stderr
        assert "GenotypeFileError" in text
        assert "array1.bed" in text
        assert "next step" in text
        assert "Traceback" not in text
        assert finished.sums("imaging/**/*") == kept
        # the failed step is not forgotten because later files exist from before
        assert finished.plan()["merge_genotypes"] == 1
        assert finished.snakemake("genotypes", check=False).returncode != 0
    finally:
        path.write_bytes(whole)
        os.utime(path, ns=(stamp, stamp))
    finished.snakemake()
    assert finished.plan() == {}


EMPTY_MODEL = """
python() {
  command python "$@" || return
  case "$*" in
    *" training fold "*) : > results/tiny/training/gendmr/repeat-0/fold-1/model.safetensors ;;
  esac
}
"""


def test_a_job_that_ends_well_with_an_empty_result_has_failed(finished, tmp_path, monkeypatch):
    before = finished.sums("training/**/*")
    target = "results/tiny/training/gendmr/repeat-0/fold-1/model.safetensors"
    (tmp_path / "bashrc").write_text(EMPTY_MODEL)
    with monkeypatch.context() as patch:
        # every shell of a job reads it
        patch.setenv("BASH_ENV", str(tmp_path / "bashrc"))
        done = finished.snakemake("-f", target, check=False)
    assert done.returncode != 0
    assert "empty output files" in done.stdout + done.stderr
    assert not (finished.folder / target).exists()
    finished.snakemake()
    assert finished.sums("training/**/*") == before


def test_the_report_is_one_file_without_links_outside(finished):
    finished.snakemake("--report", "report.html")
    page = (finished.folder / "report.html").read_text()
    assert len(page) > 100_000
    assert not re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=\"https?://", page)
    summary = (finished.results / "report/summary.html").read_text()
    assert "not done" in summary.lower()
    assert not re.findall(r"(?:src|href)=\"(?!data:|#)[^\"]+\"", summary)


def test_runs_are_recorded_once_per_fold(finished):
    import sqlite3

    methods, n_folds = folds(finished)
    synced = json.loads((finished.results / "tracking/synced.json").read_text())
    assert synced
    with sqlite3.connect(finished.results / "tracking/mlflow.db") as store:
        names = [row[0] for row in store.execute("select name from runs")]
        running = store.execute("select count(*) from runs where status = 'RUNNING'").fetchone()[0]
    assert running == 0
    assert len(names) >= methods * (n_folds + 1)
    assert not (finished.folder / "mlruns").exists()
