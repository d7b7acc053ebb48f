"""The results of a study in a notebook: finished, unfinished, none."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gendmr
from checkout import Checkout
from gendmr.errors import InputFileError
from gendmr.files.tables import read_table, write_table
from gendmr.notebook import OpenedStudy
from gendmr.notebook.next_step import command_for
from gendmr.notebook.rows import read_rows
from opened_studies import make_opened_study
from remedies import mended


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_opened_study(tmp_path_factory.mktemp("notebook") / "results" / "mine")


@pytest.fixture
def unfinished(mine: Path, tmp_path: Path) -> Path:
    """The study as it stands while its second method trains; the folds are four of five."""
    results = tmp_path / "results" / "mine"
    shutil.copytree(mine, results)
    for folder in ("report", "ranking"):
        shutil.rmtree(results / folder)
    for path in (results / "training").iterdir():
        if path.name not in ("gendmr", "ridge"):
            shutil.rmtree(path)
    shutil.rmtree(results / "training/ridge/repeat-0/fold-4")
    (results / "training/ridge/metrics.tsv").unlink()
    people = pd.read_csv(results / "cohort/participants.tsv", sep="\t", dtype=str)
    splits = pd.DataFrame({"participant_id": people["participant_id"], "repeat": 0, "fold": 0})
    inner = {f"inner_{fold}": "train" for fold in range(5)}
    write_table(results / "cohort/splits.tsv", splits.assign(**inner))
    return results


def checksums(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


# Everything that a study can be asked for without a choice.
ASKED: dict[str, Callable[[OpenedStudy], object]] = {
    "participants": OpenedStudy.participants,
    "exclusions": OpenedStudy.exclusions,
    "comparison": OpenedStudy.comparison,
    "summary": OpenedStudy.summary,
    "report": lambda study: study.report,
    "metrics": OpenedStudy.metrics,
    "predictions": OpenedStudy.predictions,
    "genes": lambda study: study.genes("gendmr"),
    "regions": lambda study: study.regions("gendmr"),
    "attributions": lambda study: study.attributions("gendmr", fold=3),
    "folds": OpenedStudy.folds,
    "missing": OpenedStudy.missing,
    "tables": OpenedStudy.tables,
    "figures": OpenedStudy.figures,
    "repr": repr,
    "html": OpenedStudy._repr_html_,
}
LATE = {"comparison", "summary", "report", "metrics", "genes", "regions"}


def test_open__reads_everything_of_a_finished_study_and_writes_nothing(mine: Path) -> None:
    before = checksums(mine)
    study = gendmr.open(str(mine))
    for name, read in ASKED.items():
        assert read(study) is not None, name
    assert checksums(mine) == before
    assert study.missing().empty and "not yet" not in repr(study)


def test_open__reads_what_an_unfinished_study_has_and_names_the_rest(unfinished: Path) -> None:
    study = gendmr.open(unfinished)
    for name, read in ASKED.items():
        if name not in LATE:
            assert read(study) is not None, name
            continue
        with pytest.raises(InputFileError, match=r"not there yet") as refused:
            read(study)
        assert "9 of 10 folds of 2 methods" in refused.value.cause
        target = re.search(r"results/mine/(\S+)", refused.value.next_step)
        assert target and not (unfinished / target[1]).exists()
    assert study.methods == ["gendmr", "ridge"]
    assert len(study.metrics("gendmr")), "of a method whose folds are done"
    assert not study.folds("ridge")["finished"].iloc[-1]
    assert {"comparison", "summary", "metrics('ridge')"} <= set(study.missing()["result"])
    assert "ridge (4 of 5 folds)" in repr(study) and "not yet" in repr(study)


def test_missing__asks_no_genes_of_a_study_that_ranks_none(mine: Path, tmp_path: Path) -> None:
    results = shutil.copytree(mine, tmp_path / "results" / "mine")
    (results / "ranking/comparison.tsv").unlink()
    assert gendmr.open(results).missing()["result"].tolist() == ["gene_comparison"]
    for path in results.glob("ranking/*/genes.tsv"):
        path.unlink()
    assert gendmr.open(results).missing().empty


def test_open__refuses_folders_of_no_study_and_names_those_below(
    mine: Path, tmp_path: Path
) -> None:
    for folder in (tmp_path, tmp_path / "gone"):
        with pytest.raises(InputFileError, match="holds no results of a study"):
            gendmr.open(folder)
    with pytest.raises(InputFileError, match="studies below it: 'mine'") as refused:
        gendmr.open(mine.parent)
    remedy = re.fullmatch(r'gendmr\.open\("(.*)"\)', refused.value.next_step)
    assert remedy and gendmr.open(remedy[1]).methods


def test_open__costs_no_import_before_it_is_called() -> None:
    code = "import sys, gendmr; print(sorted({'pandas', 'numpy', 'xarray'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_predictions__are_those_of_the_files(mine: Path) -> None:
    study = gendmr.open(mine)
    predictions = study.predictions("ridge")
    assert set(predictions["fold"]) == {0, 1, 2, 3, 4} and set(predictions["set"]) == {"held-out"}
    stored = read_table(
        mine / "training/ridge/repeat-0/fold-1/predictions.tsv",
        {"participant_id": "text", "logit": "number"},
        extra=True,
    )
    fold_rows = predictions[predictions["fold"] == 1]
    assert fold_rows["participant_id"].tolist() == stored["participant_id"].tolist()
    assert all(len(name) == 3 for name in fold_rows["participant_id"]), "names stay text"
    np.testing.assert_array_equal(fold_rows["logit"], stored["logit"])
    assert set(study.predictions()["method"]) == set(study.methods)
    assert study.predictions("ridge", sets=["train"]).empty


def test_predictions__of_classes_named_by_numbers_stay_text(tmp_path: Path) -> None:
    results = tmp_path / "results" / "mine"
    fold = results / "training" / "any" / "repeat-0" / "fold-0"
    fold.mkdir(parents=True)
    task = {"kind": "multiclass", "column": "stage", "classes": ["01", "1", "2"]}
    run = {"method": "any", "options": {"outcome": "stage", "task": task}}
    (fold / "run.json").write_text(json.dumps(run))
    (fold / "fold.json").write_text(json.dumps({"outcome": "stage", "n_held_out": 2}))
    rows = {"participant_id": ["007", "7"], "set": "held-out", "modalities": "snp"}
    rows |= {"observed": ["01", "1"], "predicted": ["1", "2"], "p_01": [0.2, 0.3]}
    write_table(fold / "predictions.tsv", pd.DataFrame(rows))
    (results / "cohort").mkdir()
    write_table(
        results / "cohort/participants.tsv",
        pd.DataFrame({"participant_id": ["007", "7"], "stage": ["01", "1"], "age": [70, 71]}),
    )
    described = {"stage": {"Levels": {"01": "", "1": ""}}, "age": {"Kind": "number"}}
    (results / "cohort/participants.json").write_text(json.dumps(described))
    study = gendmr.open(results)
    predictions = study.predictions()
    assert predictions["observed"].tolist() == ["01", "1"]
    assert predictions["predicted"].tolist() == ["1", "2"]
    assert predictions["p_01"].tolist() == [0.2, 0.3]
    people = study.participants()
    assert people["stage"].tolist() == ["01", "1"] and people["age"].tolist() == [70, 71]
    assert people["participant_id"].tolist() == ["007", "7"]


def test_attributions__are_labelled_by_people_and_instances(mine: Path) -> None:
    study = gendmr.open(mine)
    attributions = study.attributions("gendmr", fold=1)
    fold_rows = study.predictions("gendmr").query("fold == 1")
    assert attributions["participant"].values.tolist() == fold_rows["participant_id"].tolist()
    value = attributions["value_region"].sel(participant=fold_rows["participant_id"].iloc[2])
    assert value.sel(region="Precuneus").item() == 2 * 3


@pytest.mark.parametrize(
    ("ask", "meant"),
    [
        (lambda study: study.table("training/ridge/metric"), "training/ridge/metrics"),
        (lambda study: study.predictions("ridges"), "ridge"),
        (lambda study: study.attributions("gendmrs"), "gendmr"),
        (lambda study: study.figure("ranking/gendmr/genom"), "ranking/gendmr/genome"),
        (lambda study: study.ranking("gendmr", "gene"), "genes"),
    ],
)
def test_open__asks_whether_another_name_was_meant(
    mine: Path, ask: Callable[[OpenedStudy], object], meant: str
) -> None:
    with pytest.raises(InputFileError, match=f"did you mean '{meant}'") as refused:
        ask(gendmr.open(mine))
    assert refused.value.cause and "study." in refused.value.next_step


def test_open__takes_names_that_it_lists(mine: Path) -> None:
    study = gendmr.open(mine)
    method, level = ["ridges"], ["gene"]
    words = "take a name of study."
    with mended(
        "notebook/files.py", words, InputFileError, lambda: study.predictions(method[0])
    ) as refused:
        assert refused.next_step == "take a name of study.methods"
        method[0] = study.methods[0]
    with mended(
        "notebook/study.py",
        "study.ranking(",
        InputFileError,
        lambda: study.ranking("gendmr", level[0]),
    ) as refused:
        call = re.match(r"study\.ranking\('gendmr', '(\w+)'\)", refused.next_step)
        assert call
        level[0] = call[1]


def test_figure__is_shown_with_half_as_many_pixels_as_it_has(mine: Path) -> None:
    from PIL import Image

    figure = gendmr.open(mine).figure("report/roc")
    bundle, metadata = figure._repr_mimebundle_()
    assert base64.b64decode(bundle["image/png"]) == figure.path.read_bytes()
    with Image.open(figure.path) as picture:
        assert metadata["image/png"]["width"] == picture.width // 2
    assert figure.svg is not None and figure.svg.suffix == ".svg"


def test_repr_html__escapes_what_a_folder_is_called(mine: Path, tmp_path: Path) -> None:
    class Tags(HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:
            assert tag in {"table", "caption", "tbody", "tr", "th", "td"}

    hostile = tmp_path / "<script>&"
    shutil.copytree(mine / "training", hostile / "training")
    shown = gendmr.open(hostile)._repr_html_()
    Tags().feed(shown)
    assert "&lt;script&gt;&amp;" in shown


# What a table of a study can hold: no tab, no line break.
LABEL = st.text(st.characters(exclude_characters="\t\r\n", exclude_categories=["Cs", "Cc"]))


@given(names=st.lists(LABEL.filter(lambda name: name not in ("", "n/a")), min_size=1, max_size=4))
@settings(max_examples=60)
def test_read_rows__gives_names_as_they_were_written(
    names: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("rows") / "table.tsv"
    write_table(path, pd.DataFrame({"gene": names, "score": np.arange(len(names)) / 3}))
    rows = read_rows(path)
    assert rows["gene"].tolist() == names
    np.testing.assert_array_equal(rows["score"], np.arange(len(names)) / 3)


def test_read_rows__refuses_a_table_that_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "table.tsv"
    path.write_bytes(b"gene\tscore\nA\t1\t2\t3\nB\t\xff\xfe")
    with pytest.raises(InputFileError, match="not readable as a table"):
        read_rows(path)


def test_command_for__makes_what_is_missing(tmp_path: Path, root: Path) -> None:
    checkout = Checkout(tmp_path / "my checkout", root / "tests/workflow/tiny.yaml")
    (checkout.results / "simulate").mkdir(parents=True)
    (checkout.results / "simulate" / "truth.json").write_text("{}")
    study = gendmr.open(checkout.results)
    with pytest.raises(InputFileError, match="not there yet") as refused:
        study.participants()
    command = refused.value.next_step
    assert command.startswith("cd ") and command.endswith("--configfile study.yaml")
    done = subprocess.run(
        ["bash", "-c", f"{command} -n"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "join_people" in done.stdout


def test_command_for__is_that_of_the_package_where_no_checkout_is(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("study: mine\n")
    (tmp_path / "broken.yaml").write_text("study: [\n")
    command = command_for(tmp_path / "results" / "mine", "report/summary.json")
    assert command.endswith(
        "gendmr run results/mine/report/summary.json --cores 2 --configfile mine.yaml"
    )
    without_study = command_for(tmp_path / "results" / "other")
    assert without_study.endswith("gendmr run --cores 2 --configfile CONFIGURATION")
