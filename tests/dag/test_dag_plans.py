"""Each supported combination of configuration builds its graph."""

from __future__ import annotations

import subprocess
import sys

import pytest
import yaml

from .conftest import ROOT


def test_the_demo_plans_one_job_per_person_and_fold(dry):
    plan = dry.plan()
    methods = len(dry.config["training"]["methods"])
    assert plan["register_t1w"] == dry.config["simulate"]["images"]
    assert plan["train_fold"] == methods * 5
    assert plan["collect_metrics"] == methods
    assert plan["simulate_cohort"] == plan["sync_tracking"] == 1


def test_folds_and_repeats_multiply(dry):
    dry.config["cohort"] |= {"folds": 3, "repeats": 2}
    assert dry.plan()["train_fold"] == len(dry.config["training"]["methods"]) * 6


def test_a_users_own_study(dry):
    dry.own_study(images=3)
    plan = dry.plan()
    assert plan["register_t1w"] == 3
    assert "simulate_cohort" not in plan


def test_a_users_own_study_is_not_laid_over_the_demo(dry):
    dry.own_study(images=3)
    only = {"only": {"kind": "ridge", "reads": ["snp"]}}
    dry.config["training"] = {"methods": only, "null": {"permutations": 250, "chunk": 100}}
    plan = dry.plan()
    assert plan["train_fold"] == 5
    assert plan["train_null"] == 5 * 3
    assert "simulate_images" not in plan


def test_without_permutations_there_is_no_null(dry):
    dry.config["training"]["null"] = {"permutations": 0}
    plan = dry.plan()
    assert "train_null" not in plan and plan["rank_snp_region"] > 0


def test_a_study_without_genotypes(dry):
    dry.own_study(images=3)
    for section in ("genotypes", "annotation"):
        del dry.config[section]
    del dry.config["modalities"]["snp"]
    del dry.config["ranking"]
    dry.config["training"] = {"methods": {"gendmr": {"kind": "gendmr"}}}
    plan = dry.plan()
    assert plan["register_t1w"] == 3 and plan["collect_modality"] == plan["rank_region"] == 1
    assert not {"merge_genotypes", "map_snps", "compare_rankings", "test_enrichment"} & set(plan)


def test_folds_by_a_column_are_as_many_as_it_has_values(dry):
    dry.config["simulate"]["sites"] = 4
    dry.config["cohort"] |= {"fold_by": "site"}
    assert dry.plan()["train_fold"] == len(dry.config["training"]["methods"]) * 4


def test_the_study_of_several_outcomes_plans_folds_of_each(dry):
    dry.config = yaml.safe_load((ROOT / "config/studies/outcomes.yaml").read_text())
    jobs = dry.jobs()
    learned = dry.config["training"]["methods"]
    assert len({entry["outcome"] for entry in learned.values()}) == 4
    folds = {job.wildcards["method"] for job in jobs if job.rule == "train_fold"}
    assert folds == set(learned)


def test_a_study_of_genotypes_only(dry):
    dry.own_study()
    del dry.config["imaging"]
    del dry.config["modalities"]["region"]
    methods = dry.config["training"]["methods"]
    dry.config["training"]["methods"] = {
        name: entry
        for name, entry in methods.items()
        if "region" not in entry.get("reads", ["snp"])
    }
    plan = dry.plan()
    assert "register_t1w" not in plan
    assert plan["train_fold"] == 5 * len(dry.config["training"]["methods"])


@pytest.mark.parametrize("preset", ["testing", "fast", "precise"])
def test_presets(dry, preset):
    dry.config["imaging"]["preset"] = preset
    assert dry.plan()["register_t1w"] > 0


@pytest.mark.parametrize(
    ("stage", "last"),
    [
        ("simulate", "simulate_images"),
        ("genotypes", "simulate_cohort"),
        ("annotation", "map_snps"),
        ("imaging", "collect_regions"),
        ("cohort", "split_folds"),
        ("training", "collect_metrics"),
        ("ranking", "rank_snp_region"),
        ("tracking", "sync_tracking"),
        ("report", "summarize_study"),
    ],
)
def test_each_stage_is_a_target_by_name(dry, stage, last):
    plan = dry.plan(stage)
    assert plan[last] >= 1
    later = {"genotypes": "train_fold", "imaging": "train_fold", "training": "rank_snp_region"}
    assert later.get(stage, "-") not in plan


def test_the_slurm_profile_plans_the_same_jobs(dry):
    assert dry.plan("--profile", "slurm") == dry.plan()


def test_one_fold_by_its_file(dry):
    target = "results/demo/training/gendmr/repeat-0/fold-3/model.safetensors"
    assert dry.plan(target)["train_fold"] == 1


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("training", "fold"), 3, "training.fold: unknown key"),
        (("cohort", "folds"), "five", "cohort.folds = 'five'"),
    ],
)
def test_a_wrong_configuration_stops_before_any_job(dry, path, value, words):
    dry.config[path[0]][path[1]] = value
    done = dry.run("-n")
    assert done.returncode != 0
    assert "ConfigurationError" in done.stderr + done.stdout
    assert words in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


def test_text_for_a_number_on_the_command_line_is_refused_with_the_fix(dry):
    done = dry.run("-n", "--config", "cohort={folds: 0.5}")
    assert done.returncode != 0
    assert "--configfile" in done.stderr + done.stdout


def test_everything_that_is_missing_is_listed_at_once(dry):
    dry.own_study()
    absent = ["own.bim", "genes.loc", "participants.tsv", "atlas.tsv"]
    for name in absent:
        (dry.folder / name).unlink()
    done = dry.run("-n")
    assert done.returncode != 0
    assert "4 of " in done.stderr
    listed = done.stderr.partition("are not there:")[2].partition("Paths are")[0].split()
    assert listed == absent[:1] + absent[1:]
    for name in absent:
        (dry.folder / name).touch()
    assert "are not there" not in dry.run("-n").stderr


def test_a_study_without_its_images_is_named(dry):
    dry.own_study()
    dry.config["imaging"]["bids"] = "elsewhere"
    done = dry.run("-n")
    assert done.returncode != 0
    assert "InputFileError" in done.stderr + done.stdout
    assert "elsewhere" in done.stderr + done.stdout


def test_measurements_take_the_place_of_images(dry):
    dry.own_study()
    (dry.folder / "regions.tsv").touch()
    dry.config["imaging"] = {"measurements": "regions.tsv"}
    plan = dry.plan()
    assert plan["read_measurements"] == 1
    assert not {"register_t1w", "prepare_template", "collect_regions"} & set(plan)
    assert dry.plan("imaging")["read_measurements"] == 1


def test_the_planted_study_simulates_measurements_and_no_images(dry):
    dry.config = yaml.safe_load((ROOT / "config/studies/planted.yaml").read_text())
    plan = dry.plan()
    assert plan["simulate_measurements"] == plan["read_measurements"] == 1
    assert not {"simulate_images", "simulate_atlas", "register_t1w"} & set(plan)
    assert plan["train_fold"] == 5 * len(dry.config["training"]["methods"])
    assert dry.plan("simulate")["simulate_measurements"] == 1


def test_the_study_of_tumours_ranks_genes_and_draws_patches(dry):
    dry.config = yaml.safe_load((ROOT / "config/studies/subspace.yaml").read_text())
    plan = dry.plan()
    assert plan["simulate_tumours"] == plan["collect_slides"] == plan["join_expression"] == 1
    assert "simulate_cohort" not in plan
    methods = dry.config["training"]["methods"].values()
    slides = [method for method in methods if method["kind"] in ("subspace", "mil")
              and "patch" in method.get("reads", ["patch"])]  # fmt: skip
    assert plan["draw_patches"] == len(slides)
    # Places of a bag are no instances that people share: only expression is ranked.
    alone = [method for method in methods if method.get("reads") in (["patch"], ["covariates"])]
    assert plan["rank_expression"] == len(methods) - len(alone)
    # Families of genes are tested in each ranking of expression.
    assert plan["test_expression_enrichment"] == plan["rank_expression"]


def test_the_study_of_lesions_is_planned_before_its_images_are_made(dry):
    dry.config = yaml.safe_load((ROOT / "config/studies/mgi.yaml").read_text())
    plan = dry.plan()
    assert plan["simulate_lesions"] == plan["collect_lesions"] == plan["join_expression"] == 1
    assert "simulate_cohort" not in plan
    methods = dry.config["training"]["methods"]
    folds = sum(count for rule, count in plan.items() if rule.startswith("train_fold"))
    assert folds == 3 * len(methods)
    # Controls are judged, not ranked; without genes there is nothing that people share.
    assert plan["rank_expression"] == 1


def test_sets_are_tested_for_each_ranking_where_they_are_configured(dry):
    plan = dry.plan("ranking")
    assert plan["test_enrichment"] == plan["rank_snp_region"] + plan["rank_snp"] > plan["rank_snp"]
    del dry.config["ranking"]["enrichment"]
    assert "test_enrichment" not in dry.plan("ranking")


def test_what_is_simulated_must_be_what_is_read(dry):
    dry.config["simulate"]["imaging"] = "measurements"
    done = dry.run("-n")
    assert done.returncode != 0
    assert "needs `measurements`, not `bids`" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


MODULE = """
configfile: "study.yaml"
module gendmr:
    snakefile: "{snakefile}"
    config: config
use rule * from gendmr as gendmr_*
rule everything:
    default_target: True
    input: rules.gendmr_all.input
"""


@pytest.mark.parametrize("way", ["--directory", "-s", "module"])
def test_the_workflow_runs_from_elsewhere(dry, tmp_path_factory, way):
    dry.own_study()
    dry.config["ranking"].pop("enrichment")
    (dry.folder / "resources").unlink()
    (dry.folder / "study.yaml").write_text(yaml.safe_dump(dry.config))
    place_options = {
        "--directory": [*("-s", str(ROOT / "Snakefile")), "--directory", str(dry.folder)],
        "-s": ["-s", str(ROOT / "workflow/Snakefile")],
        "module": ["-s", "Snakefile"],
    }[way]
    if way == "module":
        snakefile = ROOT / "workflow/Snakefile"
        (dry.folder / "Snakefile").write_text(MODULE.format(snakefile=snakefile))
    config = [] if way == "module" else ["--configfile", str(dry.folder / "study.yaml")]
    done = subprocess.run(
        [*(sys.executable, "-m", "snakemake", "-n", "--quiet", "rules"), *place_options, *config],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path_factory.mktemp("elsewhere") if way == "--directory" else dry.folder,
    )
    assert done.returncode == 0, done.stderr[-2000:] + done.stdout[-2000:]


# Files that no plan asks for: genotypes between two steps are removed, inputs are made once.
PASSING = ("genotypes/work/merged", "simulate/")
WITH_MASKS = {
    "study": "all",
    "seed": 1,
    "cohort": {
        "participants": "participants.tsv",
        "outcomes": {"tumour": {"kind": "segmentation"}},
    },
    "lesions": {"tif": "slices", "channels": ["pre", "flair", "post"]},
    "connectivity": {"series": "series.npz"},
    "imaging": {"bids": "bids", "atlas": {"templateflow": "DKT"}},
    "expression": {"matrices": [{"path": "expression.tsv", "unit": "log2"}]},
    "modalities": {"slice": {"side": 32}},
    "training": {
        "methods": {
            "threshold": {"kind": "threshold", "channel": "flair"},
            "mgi": {"kind": "mgi"},
        }
    },
}


@pytest.mark.parametrize("study", ["config", "studies/subspace", "studies/outcomes", "masks"])
def test_every_file_of_every_job_is_a_target(dry, study):
    """What is no target, and was lost, would come back only with what reads it."""
    from snakemake.logging import logger

    if study == "masks":
        dry.own_study()
        dry.config = WITH_MASKS
        for number in range(2):
            for name in ("1", "1_mask"):
                path = dry.folder / f"slices/{number:03d}/{number:03d}_{name}.tif"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
        for name in ("series.npz", "expression.tsv"):
            (dry.folder / name).touch()
    else:
        dry.config = yaml.safe_load((ROOT / f"config/{study}.yaml").read_text())
    rule_of_file: dict[str, str] = {}
    targets: set[str] = set()

    def listen(record) -> bool:
        rule = getattr(record, "rule_name", None)
        rule_of_file.update(dict.fromkeys(map(str, getattr(record, "output", None) or ()), rule))
        if rule in ("all", "default"):
            targets.update(map(str, record.input))
        return True

    logger.addFilter(listen)
    try:
        dry.jobs("--forceall")
    finally:
        logger.removeFilter(listen)
    folder = f"results/{dry.config['study']}/"
    lost = {
        path.partition(" (")[0]: rule
        for path, rule in rule_of_file.items()
        if path.partition(" (")[0] not in targets
        and not path.removeprefix(folder).startswith(PASSING)
    }
    assert targets and lost == {}
    if study == "masks":
        names = {path.rpartition("/")[2] for path in targets if "/mgi/" in path}
        assert names >= {"masks.h5", "retrieval.tsv", "retrieval.png"}
