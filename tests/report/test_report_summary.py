"""The summary: what it counts, what it warns of, what it refuses."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from gendmr.config.outcomes import dump_outcomes
from gendmr.config.report import ReportSection
from gendmr.errors import ConfigurationError, InputFileError
from gendmr.files.atomic import sha256, write_json
from gendmr.files.provenance import record_files
from gendmr.files.tables import write_table
from report.studies import OUTCOMES, report_study, summarise

Maker = Callable[..., Path]


def with_truth(results: Path) -> ReportSection:
    return ReportSection(truth=str(results / "simulate" / "truth.json"))


def gendmr(*arguments: object, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gendmr", *map(str, arguments)],
        check=check,
        capture_output=True,
        text=True,
    )


def test_summary_counts_people_and_removals(study: Maker) -> None:
    summary = summarise(study(), ReportSection()).to_json()
    cases, controls = summary["outcomes"][0]["groups"]
    everybody = summary["people"]["everybody"]
    assert (cases["group"], controls["group"]) == ("case", "control")
    assert (cases["n"], controls["n"], everybody["n"]) == (60, 60, 120)
    assert everybody["female"] + everybody["male"] == 120
    assert everybody["patterns"]["snp+region"] == 34
    assert sum(row["n"] for row in summary["people"]["patterns"]) == 120
    assert summary["people"]["families"] == 2
    assert [(row["kind"], row["n"]) for row in summary["left"]] == [
        ("participant", 1),
        ("participant", 1),
        ("participant", 1),
        ("variant", 40),
    ]
    assert summary["left"][-1]["first"] == []


def test_planted_genes_are_marked_only_with_a_truth(study: Maker) -> None:
    results = study()
    marked = summarise(results, with_truth(results)).to_json()
    assert [row["gene"] for row in marked["genes"]["rows"] if row["planted"]] == ["APOE", "GENE7"]
    assert marked["genes"]["among_first"] == 2
    assert {row["gene"]: row["rank"] for row in marked["genes"]["planted"]} == {
        "APOE": 1,
        "GENE7": 8,
        "GENE55": 56,
        "LOST": None,
    }
    assert marked["regions"]["rows"][0]["planted"] is True
    plain = summarise(results, ReportSection()).to_json()
    assert plain["truth"] is None
    assert {row["planted"] for row in plain["genes"]["rows"]} == {None}
    assert "planted" not in json.dumps(plain["warnings"])


def test_methods_keep_the_order_of_the_configuration_and_leave_stale_ones_out(
    study: Maker,
) -> None:
    results = study()
    summary = summarise(
        results, ReportSection(), methods=["ridge-snp", "gendmr"], ranked=["gendmr"]
    ).to_json()
    assert [item["method"] for item in summary["methods"]] == ["ridge-snp", "gendmr"]
    assert summary["other_rankings"] == []


def test_stale_folds_are_left_out(study: Maker) -> None:
    results = study()
    before = summarise(results, ReportSection()).to_json()
    fold = results / "training" / "gendmr" / "repeat-0" / "fold-0"
    shutil.copytree(fold, fold.with_name("fold-9"))
    assert summarise(results, ReportSection()).to_json() == before


def test_study_without_images(study: Maker) -> None:
    results = study(images=False)
    summary = report_study(results, ReportSection()).to_json()
    assert summary["registration"] is None
    assert summary["regions"] is None
    assert [table["modality"] for table in summary["detectable"]["outcomes"][0]["tables"]] == [
        "snp"
    ]
    assert any("No images" in item["note"] for item in summary["not_done"])
    page = (results / "report/summary.html").read_text()
    assert "Brain regions" not in page
    assert "Which genes carry the risk" in " ".join(page.split())


def test_method_without_snps_ranks_no_genes(study: Maker) -> None:
    results = study()
    for name in ("gendmr", "ridge"):
        path = results / "ranking" / name / "genes.tsv"
        path.write_text(path.read_text().splitlines()[0] + "\n")
    summary = report_study(results, with_truth(results)).to_json()
    assert summary["genes"] is None
    assert summary["other_rankings"][0]["regions"]["rows"][0]["region"] == "Hippocampus"
    assert "No method of this study ranks genes" in (results / "report/summary.html").read_text()


def test_given_measurements_are_not_called_registrations(study: Maker) -> None:
    results = study()
    path = results / "imaging" / "quality.tsv"
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    table["dice"], table["outlier"] = "n/a", "True"
    table.to_csv(path, sep="\t", index=False)
    summary = report_study(results, ReportSection()).to_json()
    notes = [item["note"] for item in summary["not_done"] if item["stage"] == "imaging"]
    assert len(notes) == 1
    assert "measurements of regions were given" in notes[0]
    assert any("by their region measurements" in text for text in summary["warnings"])
    page = (results / "report" / "summary.html").read_text()
    assert "Are the measurements plausible?" in page
    assert "registered well" not in page


def test_scans_that_are_not_used_are_listed_with_the_reason(study: Maker) -> None:
    results = study()
    path = results / "imaging" / "quality.tsv"
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    table["status"] = "measured"
    flagged = table["outlier"] == "True"
    table.loc[flagged, ["status", "reason"]] = ["excluded", "Overlap 0.4 is below 0.9."]
    refused = pd.DataFrame(
        {
            "participant_id": [f"bad{n:02d}" for n in range(25)],
            "dice": "n/a",
            "outlier": "False",
            "reason": "ImageError: <b>every voxel</b> is 7",
            "status": "refused",
        }
    )
    pd.concat([table, refused]).to_csv(path, sep="\t", index=False)
    summary = report_study(results, ReportSection()).to_json()
    registration = summary["registration"]
    assert registration["n"] == len(table)
    assert registration["n_left_out"] == 26
    assert {row["status"] for row in registration["left_out"]} == {"excluded", "refused"}
    assert registration["pictured"][0] == table.loc[flagged, "participant_id"].item()
    assert any("not used: when so many" in text for text in summary["warnings"])
    page = (results / "report" / "summary.html").read_text()
    assert "bad01</td><td>refused</td><td>ImageError: &lt;b&gt;every voxel" in page
    assert "bad24" not in page
    assert "The others are in imaging/quality.tsv." in page


def test_half_of_the_scans_flagged_is_the_first_thing_that_is_said(study: Maker) -> None:
    results = study()
    path = results / "imaging" / "quality.tsv"
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    table.loc[: len(table) // 2, "outlier"] = "True"
    table.to_csv(path, sep="\t", index=False)
    first = summarise(results, ReportSection()).to_json()["warnings"][0]
    assert first.startswith(f"{len(table) // 2 + 1} of {len(table)} people have an image or")


def test_flags_of_cases_and_controls_are_compared_on_the_page(study: Maker) -> None:
    results = study()
    path = results / "cohort" / "summary.json"
    row = {"modality": "region", "label": "images", "outcome": "diagnosis", "what": "flagged"}
    row |= {"group": "case", "n": 8, "of": 20, "others": "control", "n_others": 0}
    row |= {"of_others": 22, "odds_ratio": None, "low": 2.2, "high": None, "p": 0.0012}
    path.write_text(json.dumps({**json.loads(path.read_text()), "quality": [row]}))
    report_study(results, ReportSection())
    page = (results / "report" / "summary.html").read_text()
    assert "Is quality control fair?" in page
    assert "odds ratio infinite, 2.2 to infinite, exact p 0.0012" in page


def test_notes_of_all_stages_are_told_once(study: Maker) -> None:
    notes = summarise(study(), ReportSection()).to_json()["not_done"]
    assert {"stage": "cohort", "note": "2 people are kept without age"} in notes
    trained = [note for note in notes if note["stage"] == "training"]
    other_methods = "ridge, ridge-covariates, ridge-region, ridge-snp"
    assert trained == [
        {"stage": "training", "note": "no blocks", "where": "gendmr: 5 of 5 folds"},
        {"stage": "training", "note": "linear", "where": f"{other_methods}: 5 of 5 folds"},
    ]
    assert notes[0]["note"].startswith("No p-values of gendmr")
    assert len(notes) == len({json.dumps(note) for note in notes})


def test_notes_of_single_folds_are_told_with_their_count(study: Maker) -> None:
    results = study()
    for fold, notes in ((0, ["3 SNPs left", "constant"]), (2, ["5 SNPs left"]), (3, ["x", "x"])):
        for name in ("gendmr", "ridge"):
            path = results / "training" / name / "repeat-0" / f"fold-{fold}" / "run.json"
            path.write_text(json.dumps(json.loads(path.read_text()) | {"notes": notes}))
    summary = report_study(results, ReportSection(), methods=["gendmr", "ridge"]).to_json()
    folds_of_note = {note["note"]: note.get("where") for note in summary["not_done"]}
    assert folds_of_note["constant"] == folds_of_note["5 SNPs left"] == "all methods: 1 of 5 folds"
    assert folds_of_note["x"] == "all methods: 1 of 5 folds"  # twice in one fold is one fold
    assert folds_of_note["no blocks"] == "gendmr: 2 of 5 folds"
    page = (results / "report" / "summary.html").read_text()
    for text in ("3 SNPs left", "5 SNPs left", "constant", "no blocks"):
        assert page.count(text) == 1
    assert page.count("1 note that differs in numbers only") == 1


def test_p_values_are_shown_where_a_null_was_run(study: Maker) -> None:
    results = study()
    path = results / "ranking" / "gendmr" / "genes.tsv"
    table = pd.read_csv(path, sep="\t")
    table[["p", "p_fwer", "q"]] = [[0.0125, 0.2, 0.1]] * len(table)
    table.to_csv(path, sep="\t", index=False, na_rep="n/a")
    summary = report_study(results, ReportSection()).to_json()
    assert not any("P-values" in item["note"] for item in summary["not_done"])
    assert "0.0125" in (results / "report" / "summary.html").read_text()
    shown = gendmr("report", "table", "--results", results).stdout
    assert re.search(r"Rank +Gene +rank interval +stability +p +p, family-wise\n", shown)
    assert re.search(r"1 +APOE .* 0\.013 +0\.2\n", shown)
    assert re.search(r"Rank +Region +rank interval +stability\n", shown)


def test_the_null_is_told(study: Maker) -> None:
    results = study()
    ranking = results / "ranking"
    path = ranking / "gendmr" / "genes.tsv"
    table = pd.read_csv(path, sep="\t")
    for column, value in (("z", 3.25), ("p", 0.0125), ("p_fwer", 0.0375), ("q_pooled", 0.04125)):
        table[column] = value
    table.to_csv(path, sep="\t", index=False, na_rep="n/a")
    significant = {"family_wise": 1, "q": 0, "q_pooled": 3}
    agreement = {"count": 40, "top_k": 7, "top_k_overlap": 0.625, "top_k_overlap_p": 0.512}
    agreement |= {"top_k_overlap_under_null": 0.598, "top_k_overlap_by_chance": 0.175}
    bias = {"property": "length", "observed": 0.417, "z": -0.012}
    bias |= {"null": 0.391, "null_low": 0.203, "null_high": 0.506}
    stored = {
        "null": {"permutations": 79, "smallest_p": 0.0125, "tail": True, "sequential": 0,
                 "found": {"genes": significant, "blocks": significant, "regions": significant}},
        "genes": agreement, "regions": agreement, "bias": [bias],
        "notes": ["the top of this list is at chance"],
    }  # fmt: skip
    write_json(ranking / "gendmr" / "summary.json", stored)
    block = {"block": "19:45.4-45.5Mb", "genes": "APOE;TOMM40", "n_gene": 2, "n_snp": 9, "rank": 1}
    block |= {"z": 4.0, "p": 0.0125, "p_fwer": 0.0125, "q": 0.5, "q_pooled": 0.01}
    write_table(ranking / "gendmr" / "blocks.tsv", pd.DataFrame([block]))
    row = {"gene": "SIDE<1>", "chromosome": "19", "methods": 2, "gendmr:rank": 1}
    row |= {"gendmr:p_fwer": 0.0125, "other:rank": 17, "other:p_fwer": None}
    write_table(ranking / "comparison.tsv", pd.DataFrame([row]))
    counts = {"gendmr": {"p_fwer": 1, "q": 0, "q_pooled": 3}}
    counts["other"] = {"p_fwer": None, "q": None, "q_pooled": None}
    shared = [{"one": "gendmr", "other": "other", "genes": 5}]
    write_json(
        ranking / "comparison.json",
        {"top_k": 7, "level": 0.05, "methods": counts, "shared": shared},
    )
    note = "With age among the strata, fewer than 80% could change diagnoses: left out."
    write_json(results / "cohort" / "strata.json", {"notes": [note]})
    aside = "Fold 2 (site B): 3 people are set aside, kin of somebody who is held out."
    write_json(results / "cohort" / "splits.json", {"by": "site", "notes": [aside]})
    summary = report_study(results, ReportSection()).to_json()
    assert {"stage": "cohort", "note": note} in summary["not_done"]
    assert {"stage": "cohort", "note": aside} in summary["not_done"]
    text = " ".join((results / "report" / "summary.html").read_text().split())
    for words in (
        "permuted <b>79 times</b>", "3.25", "0.0375", "0.0413", "1 LD block", "fitted, not counted",
        "APOE, TOMM40", "length of the gene", "+0.42", "62 %", "60 %", "0.512",
        "SIDE&lt;1&gt;", "<b>1</b>", ">17<", "no null", "gendmr and other 5",
    ):  # fmt: skip
        assert words in text, words
    assert any("at chance" in item["note"] for item in summary["not_done"])
    table = gendmr("report", "table", "--results", results).stdout
    # Regions have no p here: it is said of genes alone.
    assert table.count("79 permutations: no p is below 0.013") == 1


def test_files_that_were_given_stand_on_the_page_and_changed_ones_first(
    study: Maker, tmp_path: Path
) -> None:
    results = study()
    table, image = tmp_path / "people.tsv", tmp_path / "scan.nii"
    for path in (table, image):
        path.write_text("as it was")
    record = results / "cohort" / "inputs.json"
    record_files({"tables": [str(table)], "images": [str(image)]}, record)
    first = report_study(results, ReportSection()).to_json()
    text = (results / "report" / "summary.html").read_text()
    digest = sha256(table)
    assert f"<td>{table}</td>" in text
    assert f"<code>{digest}</code>" in text
    assert first["given"]["now"] == []
    versions = json.loads((results / "report" / "versions.json").read_text())
    assert versions["training"]["torch"] == "2.13.0"
    assert versions["report"]["gendmr"] == first["gendmr"]
    assert f"python {versions['report']['python']}" in text

    table.write_text("as it is now")
    second = report_study(results, ReportSection()).to_json()
    (warning,) = [line for line in second["warnings"] if "people.tsv" in line]
    assert f"SHA-256 {digest[:12]}… before, {sha256(table)[:12]}… now" in warning
    assert "results are of the file before" in warning

    record_files({"tables": [str(table)], "images": [str(image)]}, record)
    third = report_study(results, ReportSection()).to_json()
    assert not [line for line in third["warnings"] if "people.tsv" in line]
    notes = [item["note"] for item in third["not_done"] if item["stage"] == "cohort"]
    assert any("people.tsv is not what an earlier run read" in note for note in notes)


def test_rerun_gives_the_same_bytes(study: Maker) -> None:
    results = study()
    files = ["summary.json", "summary.html", "comparison.tsv", "by_modality.tsv"]
    files += [f"figures/{name}.png" for name in ("comparison", "roc", "dominance-gendmr")]
    report_study(results, with_truth(results))
    first = [sha256(results / "report" / file) for file in files]
    report_study(results, with_truth(results))
    assert [sha256(results / "report" / file) for file in files] == first
    assert str(results) not in (results / "report" / "summary.html").read_text()


def test_command_line_writes_the_report_and_prints_the_table(study: Maker) -> None:
    results = study()
    truth = json.dumps({"truth": str(results / "simulate" / "truth.json")})
    outcomes = dump_outcomes(OUTCOMES)
    gendmr("report", "summarize", "--results", results, "--options", truth, "--outcomes", outcomes)
    (results / "tracking" / "mlflow.db").touch()
    table = gendmr("report", "table", "--results", results).stdout
    assert re.search(r"gendmr +0\.80 +0\.72 to 0\.88", table)
    assert re.search(r"1 +APOE .* planted", table)
    assert re.search(r"1 +Hippocampus \(L\) .* planted", table)
    assert "GENE14" in table
    assert "GENE15" not in table
    assert f"gendmr tracking show --results {results}" in table
    assert f"{results}/report/summary.html" in table


def test_table_imports_neither_torch_nor_mlflow_nor_pandas(study: Maker) -> None:
    results = study()
    report_study(results, ReportSection())
    code = (
        "import sys; from pathlib import Path; from gendmr.report.table import study_table;"
        f"study_table(Path({str(results)!r}));"
        "print([m for m in ('torch', 'mlflow', 'pandas', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_bad_input_is_named(study: Maker, tmp_path: Path) -> None:
    results = study()
    refused = gendmr("report", "table", "--results", results, check=False)
    assert refused.returncode == 2
    assert "InputFileError" in refused.stderr
    assert "next step" in refused.stderr
    with pytest.raises(InputFileError, match="no such truth file"):
        summarise(results, ReportSection(truth=str(tmp_path / "absent.json")))
    (tmp_path / "results" / "empty").mkdir()
    with pytest.raises(InputFileError, match="no method"):
        summarise(tmp_path / "results" / "empty", ReportSection())
    (results / "training/gendmr/repeat-0/fold-1/predictions.tsv").unlink()
    with pytest.raises(InputFileError, match=r"predictions\.tsv"):
        summarise(results, ReportSection())
    with pytest.raises(ConfigurationError, match="top_gene: unknown key"):
        ReportSection.parse({"top_gene": 3})
