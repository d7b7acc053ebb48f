"""The small study end to end: what is there, and what reruns after which change."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml

from checkout import ROOT
from gendmr.config.study import Study
from gendmr.estimate.cost import cost_of, load_rates, measured
from gendmr.estimate.plan import planned_jobs
from gendmr.estimate.size import study_size
from gendmr.files.atomic import read_json
from gendmr.files.tables import read_table
from pages import files_of

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
FILES = [
    "model.safetensors",
    "history.jsonl",
    "fold.json",
    "predictions.tsv",
    "attributions.nc",
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
    for folder in ("workflow", "config", "resources", "envs"):
        for path in (finished.folder / folder).rglob("*"):
            if path.is_file() and path not in saved and "__pycache__" not in path.parts:
                path.unlink()


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
        for name in FILES:
            path = finished.results / f"training/gendmr/repeat-0/fold-{fold}/{name}"
            assert path.is_file(), path
            assert path.stat().st_size > 0, path


def test_the_run_cost_what_was_estimated(finished):
    study = Study.parse(finished.folder / "study.yaml")
    with contextlib.chdir(finished.folder):
        jobs = planned_jobs("--configfile", "study.yaml", "--forceall")
        assert planned_jobs("--configfile", "study.yaml") == []
        scans = sum(job.rule == "register_t1w" for job in jobs)
        cost = cost_of(jobs, study, study_size(study, scans=scans))
        took = measured("tiny")
    factor = load_rates()["factor"]
    assert 1 / factor["total"] < cost.cpu / sum(took.values()) < factor["total"]
    assert {stage.name for stage in cost.stages} == set(took)
    for stage in cost.stages:
        if took[stage.name] > 2:  # one job of a second is mostly the start of Python
            assert 1 / factor["stage"] < stage.cpu / took[stage.name] < factor["stage"], stage


def test_every_person_of_the_input_is_kept_or_listed(finished):
    simulated = read_table(
        finished.results / "simulate/participants.tsv", {"participant_id": "text"}, extra=True
    )["participant_id"].str.removeprefix("sub-")
    included = read_table(
        finished.results / "cohort/participants.tsv", {"participant_id": "text"}, extra=True
    )["participant_id"]
    listed = read_table(
        finished.results / "cohort/attrition.tsv", {"kind": "text", "id": "text"}, extra=True
    )
    gone = listed.loc[listed["kind"] == "participant", "id"]
    assert set(simulated) <= set(included) | set(gone)
    assert len(set(simulated) & set(included)) > 0.8 * len(simulated)


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
    included = read_table(
        finished.results / "cohort/participants.tsv",
        {"participant_id": "text", "has_snp": "flag", "has_region": "flag"},
        extra=True,
    ).set_index("participant_id")
    for fault in truth["faults"]:
        person = fault["participant_id"].removeprefix("sub-")
        incomplete = person in included.index and not (
            included.loc[person, "has_snp"] and included.loc[person, "has_region"]
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


FOLLOWS = {"sync_tracking": 1, "summarize_study": 1}
# Checks and checksums of the inputs take seconds and run whenever what they read has changed.
NOT_COUNTED = {"default", "total", "check_people", "record_inputs"}


# A method is ranked by the rule of what it reads.
BOTH = {"gendmr": "snp_region", "ridge-snp": "snp"}
ONE = ("gendmr",)
# Jobs of a null in a fold: one that fits nothing has all permutations.
CHUNKS = {"gendmr": 1, "ridge-snp": 2}


def drawn(methods=tuple(BOTH)):
    return {f"draw_{BOTH[name]}": 1 for name in methods} | FOLLOWS


def ranked(methods=tuple(BOTH)):
    rankings = {f"rank_{BOTH[name]}": 1 for name in methods}
    return {**rankings, **drawn(methods), "compare_rankings": 1}


def trained(methods=tuple(BOTH), n_folds=3):
    return {
        "train_fold": len(methods) * n_folds,
        "train_null": n_folds * sum(CHUNKS[name] for name in methods),
        "collect_metrics": len(methods),
        **ranked(methods),
    }


COHORT = {
    "join_people": 1,
    "collect_modality": 2,
    "split_folds": 1,
    "stratify_people": 1,
    **trained(),
}


def touch_everything(finished):
    """As a checkout of another version and back leaves the files."""
    for folder in ("workflow", "config", "resources", "envs"):
        for path in (finished.folder / folder).rglob("*"):
            if path.is_file():
                path.touch()
    (finished.folder / "study.yaml").touch()


def comment_everything(finished):
    for path in (finished.folder / "workflow/gendmr").rglob("*.py"):
        text = path.read_text()
        path.write_text(text.replace('"""', '"""Said anew: ', 1) + "\n# a remark\n")


def edit_method(finished):
    path = finished.folder / "workflow/gendmr/methods/gendmr/method.py"
    path.write_text(path.read_text() + "\nEDITED = 1\n")


def option(*keys, **values):
    """Return a change of the configuration: entries below some keys."""

    def change(finished):
        def update(config):
            for key in keys:
                config = config.setdefault(key, {})
            config.update(values)

        edit(finished, update)

    return change


def new_members(*pages):
    """Return a change of the code: the members that some how-to pages add."""

    def change(finished):
        for path, body in files_of(ROOT, *pages).items():
            if path.startswith("workflow/"):
                target = finished.folder / path
                assert not target.exists(), path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(body)

    return change


def new_metric(finished):
    path = finished.folder / "workflow/gendmr/tasks/binary/metrics.py"
    metric = 'Metric("informedness", "informedness", "higher", lambda rows: 0.0, 0.0)'
    path.write_text(path.read_text() + f"\n\nMETRICS += ({metric},)\n")


def new_figure(finished):
    path = finished.folder / "workflow/gendmr/tasks/binary/figures.py"
    figure = 'TaskFigure("scores", "Scores of cases and controls.", draw_calibration)'
    path.write_text(path.read_text() + f"\n\nFIGURES += ({figure},)\n")


def one_more_scan(finished):
    edit(finished, lambda config: config.pop("simulate"))
    path = finished.results / "simulate/bids/sub-9999/anat/sub-9999_T1w.nii.gz"
    path.parent.mkdir(parents=True)
    path.touch()


def one_more_row(finished):
    edit(finished, lambda config: config.pop("simulate"))
    path = finished.results / "simulate/participants.tsv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, "sub-9999\t" + lines[-1].partition("\t")[2]]) + "\n")


# The rows of docs/how-to/reruns.md; seeds are asked for apart.
RERUNS = {
    "nothing, a touched file, a `git checkout` there and back": (touch_everything, {}),
    "a comment or a docstring": (comment_everything, {}),
    "code of one method": (edit_method, trained(ONE)),
    "an option of one method": (option("training", "methods", "gendmr", heads=2), trained(ONE)),
    "`training.null.permutations`, more": (
        option("training", "null", permutations=6),
        {"train_null": 6, **ranked()},
    ),
    "an option of `ranking`": (option("ranking", top_k=7), ranked()),
    "another `score` than evidence, of GenDMR": (
        option("ranking", "methods", gendmr={"score": "mean_abs"}),
        {"train_null": 6, **ranked(ONE)},
    ),
    "an option of `ranking.figures`": (
        option("ranking", "figures", label=3),
        drawn(),
    ),
    "an option of `report`": (option("report", top_genes=5), {"summarize_study": 1}),
    "`cohort.folds`": (option("cohort", folds=4), {**COHORT, **trained(n_folds=4)}),
    "`seed`": (option(seed=8), None),
    "one threshold of `genotypes`": (
        option("genotypes", maf=0.03),
        {
            **{"merge_genotypes": 1, "filter_genotypes": 1, "draw_genotypes": 1, "map_snps": 1},
            **COHORT,
        },
    ),
    "a new method, or a new kind of outcome, in the code": (new_members("method", "task"), {}),
    "a new modality in the code": (new_members("modality"), {}),
    "a new metric of a task": (new_metric, {"collect_metrics": 2, **FOLLOWS}),
    "a new figure of a task": (new_figure, {"summarize_study": 1}),
    "one new scan": (one_more_scan, {"register_t1w": 1, "collect_regions": 1, **COHORT}),
    "one more row in participants.tsv": (one_more_row, COHORT),
}


@pytest.fixture
def data(finished):
    """Take away what a test adds to the data, and put the table of people back."""
    path = finished.results / "simulate/participants.tsv"
    content, stamp = path.read_bytes(), path.stat().st_mtime_ns
    yield
    path.write_bytes(content)
    os.utime(path, ns=(stamp, stamp))
    shutil.rmtree(finished.results / "simulate/bids/sub-9999", ignore_errors=True)


def test_a_second_run_plans_nothing(finished):
    assert finished.plan() == {}


@pytest.mark.parametrize("row", RERUNS)
def test_only_what_must_runs_again(finished, restore, data, row):
    change, expected = RERUNS[row]
    change(finished)
    plan = finished.plan()
    plan = {name: plan[name] for name in plan if name not in NOT_COUNTED}
    if expected is None:
        assert {name: plan[name] for name in trained()} == trained()
    else:
        assert plan == expected


def test_the_page_of_reruns_says_what_is_tested(root):
    page = (root / "docs/how-to/reruns.md").read_text()
    table = page.partition("| change | runs again |")[2].partition("\n\n")[0]
    assert [line.split(" | ")[0].strip("| ") for line in table.splitlines()[2:]] == list(RERUNS)
    for command in set(re.findall(r"`(snakemake [^`]*)`", page)):
        assert "profiles/local" not in command


def reasons(finished, *words):
    """Return the files of each planned job by rule, and why it runs, of the first job of each."""
    from snakemake.logging import logger

    outputs, why = {}, {}

    def listen(record) -> bool:
        if getattr(record, "shellcmd", None) and hasattr(record, "reason"):
            files = [str(name).partition(" (")[0] for name in record.output]
            outputs.setdefault(record.rule_name, files)
            why.setdefault(record.rule_name, str(record.reason))
        return True

    logger.addFilter(listen)
    try:
        with contextlib.chdir(finished.folder):
            planned_jobs("--configfile", "study.yaml", *words)
    finally:
        logger.removeFilter(listen)
    return outputs, why


def test_each_kind_of_result_that_is_lost_is_made_again(finished):
    """Of one job of each rule every file is taken away; the plan names them as missing."""
    outputs, _ = reasons(finished, "--forceall")
    rules = [rule for rule in outputs if not rule.startswith("simulate_")]
    assert len(rules) > 15
    for rule in rules:
        files = [finished.folder / name for name in outputs[rule]]
        existing = [path for path in files if path.exists()]
        assert existing, rule  # all but genotypes that only pass between two steps
        for path in existing:
            path.rename(path.with_name(f".{path.name}.away"))
        try:
            _, why = reasons(finished)
        finally:
            for path in existing:
                path.with_name(f".{path.name}.away").rename(path)
        for path in existing:
            assert str(path.relative_to(finished.folder)) in why.get(rule, ""), (rule, path, why)


def test_a_lost_figure_comes_back_alone_and_the_report_is_packed(finished):
    figure = finished.results / "genotypes/figures/components.png"
    before = figure.read_bytes()
    figure.unlink()
    plan = finished.plan()
    assert {name for name in plan if name != "total"} <= {"draw_genotypes", "default", *FOLLOWS}
    finished.snakemake()
    assert figure.read_bytes() == before
    done = finished.snakemake("--report", "report.html", check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (finished.folder / "report.html").stat().st_size > 100_000


FOLD = "results/tiny/training/gendmr/repeat-0/fold-1/model.safetensors"


def test_the_commands_for_single_folds(finished):
    alone = finished.plan("-f", FOLD)
    assert {name: alone[name] for name in alone if name != "total"} == {"train_fold": 1}
    models = finished.folder.glob(FOLD.replace("fold-1", "fold-*"))
    all_folds = finished.plan("-R", *(str(path.relative_to(finished.folder)) for path in models))
    assert all_folds["train_fold"] == 3
    assert all_folds["rank_snp_region"] == 1


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


def jobs_of(process):
    """Return the jobs that train a fold; a child may end between its listing and its reading."""
    jobs = []
    for child in psutil.Process(process.pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if {"gendmr", "training", "fold"} <= set(child.cmdline()):
                jobs.append(child)
    return jobs


def test_after_snakemake_was_killed_the_same_command_ends_with_the_same_bytes(finished):
    before = finished.sums("training/**/*")
    process = finished.start(FOLD, "-R", FOLD)
    while process.poll() is None and not jobs_of(process):
        time.sleep(0.1)
    jobs = psutil.Process(process.pid).children(recursive=True)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    # no orphan goes on to write beside the job that takes its place
    assert psutil.wait_procs(jobs, timeout=30)[1] == []
    assert list((finished.folder / ".snakemake/locks").iterdir())
    assert list((finished.folder / ".snakemake/incomplete").iterdir())
    done = finished.snakemake(FOLD, "-R", FOLD)
    assert "The last run was killed: its locks are removed" in done.stderr
    assert finished.sums("training/**/*") == before
    assert not (finished.results / "training/gendmr/checkpoints").exists()


def test_ctrl_c_ends_with_two_lines_and_the_same_command_goes_on(finished):
    before = finished.sums("training/**/*")
    process = finished.start(FOLD, "-R", FOLD, start_new_session=True)
    while process.poll() is None and not jobs_of(process):
        time.sleep(0.1)
    # A terminal sends it to snakemake and to its jobs alike.
    os.killpg(process.pid, signal.SIGINT)
    stdout, stderr = process.communicate()
    assert process.returncode == 1
    assert stdout == "" or "{" not in stdout
    last_lines = [
        line for line in stderr.partition("Stopped by Ctrl-C")[2].splitlines() if line.strip()
    ]
    assert len(last_lines) == 2 and "the same command goes on from there" in last_lines[1]
    finished.snakemake(FOLD, "-R", FOLD)
    assert finished.sums("training/**/*") == before


def test_a_run_that_is_alive_keeps_its_locks(finished):
    code = "import sys; from gendmr.files.session import join_session as j; j(); sys.stdin.read()"
    environment = os.environ | {"PYTHONPATH": str(finished.folder / "workflow")}
    with subprocess.Popen(
        [sys.executable, "-c", f"{code.replace('sys.stdin', 'print(flush=True); sys.stdin')}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=finished.folder,
        env=environment,
    ) as process:
        process.stdout.readline()
        locks = finished.folder / ".snakemake/locks"
        locks.mkdir(exist_ok=True)
        (locks / "0.output.lock").write_text(f"{FOLD}\n")
        try:
            done = finished.snakemake(FOLD, "-R", FOLD, check=False)
            assert done.returncode != 0
            assert "cannot be locked" in done.stdout + done.stderr
        finally:
            process.stdin.close()
    assert (locks / "0.output.lock").is_file()
    # once it is dead, they go
    finished.plan()
    assert not list(locks.glob("*"))


def little_room():
    """As on a full disk: no file of the process or of what it starts may be larger."""
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, hard))


def test_a_file_that_finds_no_room_costs_one_job_and_the_console_says_how_to_run_it(finished):
    before = finished.sums("training/**/*")
    (finished.folder / FOLD).unlink()
    with finished.start(FOLD, preexec_fn=little_room) as process:
        text = "".join(process.communicate())
    assert process.returncode == 1
    remaining = (finished.folder / FOLD).parent.glob("[!.]*")  # Snakemake leaves checksums
    assert list(remaining) == []
    for words in (f"train_fold failed: {FOLD}", "OutputError: ", "not written", "df -h"):
        assert words in text
    assert "Traceback" not in text
    command = shlex.split(text.partition("to run just this again:\n")[2].splitlines()[0])
    assert command[:2] == ["snakemake", FOLD]
    again = finished.start(*command[1:])
    assert "1 of 1 jobs" in "".join(again.communicate())
    assert finished.sums("training/**/*") == before


def test_a_job_that_ends_well_and_leaves_nothing_in_its_files_is_refused(finished, restore):
    before = finished.sums("training/**/*")
    (finished.folder / "workflow/gendmr/__main__.py").write_text(
        "import sys\nfrom pathlib import Path\n"
        "folder = Path(sys.argv[sys.argv.index('--output') + 1])\n"
        f"for name in {FILES!r}:\n    (folder / name).touch()\n"
    )
    done = finished.snakemake(FOLD, "-R", FOLD, check=False)
    assert done.returncode != 0
    assert "unexpected empty output files" in done.stdout + done.stderr
    assert "which files Snakemake found missing or empty" in done.stdout + done.stderr
    remaining = [path for path in (finished.folder / FOLD).parent.glob("[!.]*") if path.is_file()]
    assert remaining == []
    source = Path(__file__).resolve().parents[2] / "workflow/gendmr/__main__.py"
    shutil.copy(source, finished.folder / "workflow/gendmr/__main__.py")
    finished.snakemake(FOLD)
    assert finished.sums("training/**/*") == before


def test_after_a_truncated_bed_and_lost_results_the_same_command_ends_with_the_same_bytes(finished):
    """One run mends both, since each alone repeats nearly the whole study."""
    before = finished.sums("ranking/**/*.tsv") | finished.sums("cohort/*")
    path = finished.results / "simulate/genotypes/array1.bed"
    whole, stamp = path.read_bytes(), path.stat().st_mtime_ns
    sums = finished.sums("imaging/**/*")
    try:
        path.write_bytes(whole[:-10])
        done = finished.snakemake("genotypes", check=False)
        assert done.returncode != 0
        text = done.stdout + done.stderr
        assert "merge_genotypes failed: results/tiny/genotypes/work/merged.bed" in text
        assert "GenotypeFileError" in text
        assert "array1.bed" in text
        assert "next step" in text
        assert "Traceback" not in text
        assert finished.sums("imaging/**/*") == sums
        # the failed step is not forgotten because later files exist from before
        assert finished.plan()["merge_genotypes"] == 1
        assert finished.snakemake("genotypes", check=False).returncode != 0
    finally:
        path.write_bytes(whole)
        os.utime(path, ns=(stamp, stamp))
    for name in ("ranking/gendmr/genes.tsv", "cohort/splits.tsv"):
        (finished.results / name).unlink()
    finished.snakemake()
    assert finished.plan() == {}
    assert finished.sums("ranking/**/*.tsv") | finished.sums("cohort/*") == before


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
    # Nothing inside ends the script in which Snakemake keeps the text of its first page.
    begin = page.index('<script id="workflow-desc">')
    text = page[begin : page.index("</script>", begin)].rstrip()
    assert text.endswith('";') and "srcdoc=" in text and "How it was made" in text
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


def test_every_result_names_its_versions_and_what_was_given(finished):
    record = read_json(finished.results / "cohort/inputs.json")
    digest_of = {
        path: item["sha256"] for kind in record["files"].values() for path, item in kind.items()
    }
    for path, digest in digest_of.items():
        assert hashlib.sha256((finished.folder / path).read_bytes()).hexdigest() == digest, path
    names = {Path(path).name for path in digest_of}
    assert {"participants.tsv", "array1.bed", "array1.bim", "array1.fam", "truth.json"} <= names
    fold = read_json(finished.results / "training/gendmr/repeat-0/fold-0/run.json")
    ranking = read_json(finished.results / "ranking/gendmr/summary.json")
    for result in (fold, ranking):
        assert result["given"]["tables"] == {
            path: digest_of[path] for path in record["files"]["tables"]
        }
        assert {"gendmr", "python", "platform", "numpy"} <= set(result["versions"])
        assert result["inputs"]["snp.nc"]
    versions = read_json(finished.results / "report/versions.json")
    assert {"genotypes", "training", "ranking", "report"} <= set(versions)
    assert {"PLINK 1.9", "PLINK 2"} <= set(versions["genotypes"])
    page = (finished.results / "report/summary.html").read_text()
    for path, digest in digest_of.items():
        assert path in page
        assert digest in page


def test_a_changed_input_is_named_and_only_what_reads_it_reruns(finished):
    path = finished.results / "simulate/truth.json"
    whole, stamp = path.read_bytes(), path.stat().st_mtime_ns
    before = hashlib.sha256(whole).hexdigest()
    try:
        path.write_bytes(whole + b"\n")
        after = hashlib.sha256(path.read_bytes()).hexdigest()
        done = finished.snakemake("-n")
        message = (
            f"simulate/truth.json has changed (SHA-256 {before[:12]}… before, {after[:12]}… now)"
        )
        assert message in done.stderr
        assert set(finished.plan()) - {"total", "default", "all"} <= {
            "cohort",
            "record_inputs",
            "report",
            "summarize_study",
        }
        assert finished.plan()["record_inputs"] == 1
        # older than its results, so that Snakemake sees nothing to do: it is named all the same
        os.utime(path, ns=(stamp - 10**12, stamp - 10**12))
        done = finished.snakemake("-n")
        assert message in done.stderr
        assert "touch it" in done.stderr
    finally:
        path.write_bytes(whole)
        os.utime(path, ns=(stamp, stamp))
    assert "has changed" not in finished.snakemake("-n").stderr
    assert finished.plan() == {}
