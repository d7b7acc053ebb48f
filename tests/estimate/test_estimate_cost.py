"""The estimate grows with what costs, counts only what is left to do, and knows every rule."""

from __future__ import annotations

import re

import pytest
import yaml
from click.testing import CliRunner

from gendmr.cli.main import root as commands
from gendmr.config.methods import KINDS as METHODS
from gendmr.config.study import Study
from gendmr.errors import ConfigurationError, InputFileError
from gendmr.estimate.cost import (
    Cost,
    Stage,
    cost_of,
    load_rates,
    measured,
    stage_of,
    stages_of_rules,
    table,
)
from gendmr.estimate.plan import Job, planned_jobs
from gendmr.estimate.size import (
    NULL_OF_EVIDENCE,
    TRAINING,
    Size,
    drivers,
    known_size,
    rule_family,
    study_size,
)
from remedies import mended

KINDS = ["gendmr", "ridge", "locus", "polygenic", "association", "fusion"]
INSTANCES = {"snp": 3000, "region": 100}
SIZE = Size(1000, 500_000, 100, INSTANCES, INSTANCES)


def sized(people=1000, variants=500_000, snps=3000):
    return Size(people, variants, 100, {"snp": snps, "region": 100}, INSTANCES)


def study(**changes):
    base = {
        "study": "own",
        "seed": 1,
        "genotypes": {"inputs": ["own"]},
        "annotation": {"genes": "genes.loc"},
        "imaging": {"bids": "bids", "atlas": {"labels": "a.nii.gz", "table": "a.tsv"}},
        "cohort": {"participants": "people.tsv"},
        "training": {"methods": {kind: {"kind": kind} for kind in KINDS}},
    }
    for path, value in changes.items():
        section, key = path.split("__")
        base[section] = base.get(section, {}) | {key: value}
    return Study.parse(base)


def seconds(job, of=None, size=SIZE):
    return cost_of([job], of or study(), size).cpu


def test_every_rule_and_method_of_the_house_has_rates(root):
    names = set(load_rates()["rules"])
    for rule in stages_of_rules():
        text = "".join(path.read_text() for path in (root / "workflow/rules").glob("*.smk"))
        if f"rule {rule}:" not in text:  # stands once for each set of modalities or files
            assert rule in TRAINING or rule in names, f"no rates for {rule}_…: estimate/rates.yaml"
            continue
        block = re.split(rf"rule {rule}:", text)[1].split("\nrule ")[0]
        if "shell:" not in block.split("rule ")[0]:
            continue
        assert rule in TRAINING or rule in names, f"no rates for {rule}: estimate/rates.yaml"
    for kind in KINDS:
        rules = {*TRAINING, *([NULL_OF_EVIDENCE] if kind == "gendmr" else [])}
        assert set(METHODS[kind].rates) == rules, f"no rates in config/methods/{kind}.py"


def test_a_null_of_evidence_costs_less_than_one_of_fits():
    job = Job("train_null", {"method": "gendmr", "repeat": "0", "fold": "0", "chunk": "0"})
    by_risk = study(ranking__score="mean_abs")
    assert seconds(job) < 0.5 * seconds(job, by_risk)


def test_a_fold_that_leaves_more_files_costs_what_a_fold_of_its_method_does():
    plain, copy = (
        Job(rule, {"method": "ridge", "repeat": "0", "fold": "0"})
        for rule in ("train_fold", "train_fold_masks")
    )
    assert seconds(plain) == seconds(copy) > 0
    assert stage_of(copy, study()) == "training"


def test_a_rule_without_a_rate_is_named():
    with pytest.raises(ConfigurationError, match="walk_dog"):
        cost_of([Job("walk_dog")], study(), SIZE)


@pytest.mark.parametrize("kind", KINDS)
def test_more_people_and_snps_cost_more_in_every_fold(kind):
    job = Job("train_fold", {"method": kind, "repeat": "0", "fold": "0"})
    assert seconds(job) < seconds(job, size=sized(people=2000))
    assert seconds(job) < seconds(job, size=sized(snps=6000))


@pytest.mark.parametrize("kind", KINDS)
def test_permutations_of_the_last_chunk_are_those_it_has(kind):
    of = study(ranking__score="mean_abs")  # 199 permutations: 100 and 99
    first, last = (
        Job("train_null", {"method": kind, "repeat": "0", "fold": "0", "chunk": chunk})
        for chunk in "01"
    )
    assert seconds(last, of) < seconds(first, of)


def test_a_method_pays_for_what_it_reads_only():
    methods = {"images": {"kind": "ridge", "reads": ["region"]}, "both": {"kind": "ridge"}}
    of = study(training__methods=methods)
    images, images_and_snps = (
        Job("train_fold", {"method": name, "repeat": "0", "fold": "0"}) for name in methods
    )
    assert seconds(images, of) < seconds(images_and_snps, of)
    assert seconds(images, of) == seconds(images, of, size=sized(snps=6000))


def test_a_method_without_rates_is_listed_and_no_error(monkeypatch):
    monkeypatch.setattr(METHODS["ridge"], "rates", {})
    jobs = [
        Job("train_fold", {"method": "ridge", "repeat": "0", "fold": str(fold)})
        for fold in range(3)
    ]
    cost = cost_of([*jobs, Job("collect_metrics", {"method": "ridge"})], study(), SIZE)
    assert cost.unmeasured == {"train_fold ridge": 3}
    assert [stage.jobs for stage in cost.stages] == [1]
    text = table(cost, cores=2, gpus=0)
    assert "Not measured, and in no sum above: train_fold ridge (3 jobs)." in text
    assert "train_fold ridge (3 jobs)" in table(cost_of(jobs, study(), SIZE), cores=2, gpus=0)


@pytest.mark.parametrize("method", ["mgi", "unet", "threshold"])
def test_a_fold_of_slices_costs_more_where_slices_are_larger(root, method):
    written = yaml.safe_load((root / "config/studies/mgi.yaml").read_text())
    larger = written | {"modalities": {"slice": {"side": 96}}}
    job = Job("train_fold", {"method": method, "repeat": "0", "fold": "0"})
    seconds_at_48, seconds_at_96 = (
        cost_of([job], sized_study, study_size(sized_study)).cpu
        for sized_study in map(Study.parse, (written, larger))
    )
    assert 10 < seconds_at_48 < 1000 if method != "threshold" else seconds_at_48 < 60
    assert seconds_at_96 > 2 * seconds_at_48


@pytest.mark.parametrize("rule", ["rank", "draw"])
def test_rules_of_some_modalities_have_the_rates_of_their_verb(rule):
    two_modalities, single_modality = Job(f"{rule}_snp_region"), Job(f"{rule}_region")
    assert seconds(two_modalities) == seconds(single_modality) > 0
    assert cost_of([two_modalities], study(), SIZE).stages[0].name == "ranking"
    with pytest.raises(ConfigurationError, match=f"{rule}_dog"):
        cost_of([Job(f"{rule}_dog")], study(), SIZE)


STUDIES = ("calibration", "mgi", "migtrans", "outcomes", "planted", "subspace")


@pytest.mark.parametrize("name", STUDIES)
def test_no_rule_that_stands_once_is_taken_for_one_of_a_set_of_modalities(name, root):
    """Such as `join_expression`, in a study whose modalities are called `expression`."""
    written = yaml.safe_load((root / f"config/studies/{name}.yaml").read_text(encoding="utf-8"))
    study_of_modalities = Study.parse(written)
    rules = [rule for rule in stages_of_rules() if not rule.startswith(TRAINING)]
    assert "join_expression" in rules
    assert [rule_family(Job(rule), study_of_modalities) for rule in rules] == rules


@pytest.mark.parametrize("name", ["mgi", "subspace"])
def test_a_study_of_the_house_is_estimated_before_anything_of_it_is_there(name, root, monkeypatch):
    monkeypatch.chdir(root)
    words = ["estimate", "--configfile", f"config/studies/{name}.yaml", "--cores", "2"]
    result = CliRunner().invoke(commands, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    # A sum without methods that nobody has measured is no estimate of the whole.
    words = "at least" if "Not measured" in result.output else "about"
    assert f"On 2 cores: {words}" in result.output
    assert re.search(r"^training +\d+", result.output, re.MULTILINE)


def test_a_study_is_estimated_in_any_folder(root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["estimate", "--configfile", str(root / "config/studies/outcomes.yaml")]
    result = CliRunner().invoke(commands, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "On 2 cores: about" in result.output


def test_a_study_without_genotypes_has_a_size_and_costs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "people.tsv").write_text("participant_id\tdiagnosis\n" + "01\tAD\n" * 25)
    (tmp_path / "a.tsv").write_text("number\tname\n" + "1\tR\n" * 12)
    images = Study.parse(
        {
            "study": "images",
            "seed": 1,
            "imaging": {"bids": "bids", "atlas": {"labels": "a.nii.gz", "table": "a.tsv"}},
            "cohort": {"participants": "people.tsv"},
            "training": {"methods": {"ridge": {"kind": "ridge"}}},
        }
    )
    size = study_size(images, scans=2)
    assert (size.people, size.variants) == (25, 0)
    assert size.instances == size.available == {"region": 12}
    assert seconds(Job("train_fold", {"method": "ridge"}), images, size) > 0
    (tmp_path / "people.tsv").unlink()
    assert known_size(images) is None
    with pytest.raises(InputFileError, match=r"people\.tsv"):
        study_size(images)


def test_seconds_of__labelled_heads_cost_a_registration_each():
    heads = [{"image": f"{name}.nii.gz", "labels": f"{name}-labels.nii.gz"} for name in "abc"]
    studies = [
        Study.parse(
            {
                "study": "images",
                "seed": 1,
                "imaging": {"bids": "bids", "atlas": atlas},
                "cohort": {"participants": "people.tsv"},
                "training": {"methods": {"ridge": {"kind": "ridge"}}},
            }
        )
        for atlas in ({"labels": "a.nii.gz"}, {"heads": heads})
    ]
    size = Size(people=2, variants=0, scans=2, instances={}, available={})
    rates = load_rates()["rules"]
    for rule in ("register_t1w", "prepare_template"):
        one, several = (seconds(Job(rule, {}), study, size) for study in studies)
        assert several - one == pytest.approx(3 * rates[rule]["seconds"]["fast_heads"])


def test_epochs_preset_and_variants_count():
    network = Job("train_fold", {"method": "gendmr", "repeat": "0", "fold": "0"})
    methods = {kind: {"kind": kind} for kind in KINDS}
    some, more = (
        study(training__methods=methods, training__optimisation={"epochs": n}) for n in (5, 50)
    )
    assert seconds(network, some) < seconds(network, more)
    scan = Job("register_t1w", {"participant": "01"})
    testing, fast, precise = (
        seconds(scan, study(imaging__preset=preset)) for preset in ("testing", "fast", "precise")
    )
    assert testing < fast < precise
    merge = Job("merge_genotypes")
    assert seconds(merge) > 10 * seconds(merge, size=sized(variants=5000))


def test_wall_time_never_beats_the_longest_job():
    cost = Cost([Stage("imaging", jobs=10, cpu=100, longest=10)])
    assert cost.wall(1, 0) == 100
    assert cost.wall(4, 0) == 25
    assert cost.wall(100, 0) == 10
    networks = Cost([Stage("training", jobs=10, cpu=100, gpu=100, longest=10)])
    assert networks.wall(8, 2) == 50
    assert "Nothing is left" in table(Cost(), cores=2, gpus=0)
    assert "no GPU was measured" in table(networks, cores=8, gpus=2)


def test_size_is_told_from_the_heads_of_genotypes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, people in (("a", range(30)), ("b", range(30))):
        (tmp_path / f"{name}.fam").write_text("".join(f"0 P{i} 0 0 1 -9\n" for i in people))
        (tmp_path / f"{name}.bim").write_text("1\trs1\t0\t1\tA\tG\n" * 50)
    (tmp_path / "genes.loc").write_text("1\t1\t100\t200\t+\tG\n" * 4)
    size = study_size(study(genotypes__inputs=["a", "b"]), scans=2)
    assert (size.people, size.variants) == (30, 100)
    assert size.instances["snp"] == 40 and size.available["snp"] == 100
    (tmp_path / "b.fam").write_text("".join(f"0 Q{i} 0 0 1 -9\n" for i in range(20)))
    merged = study_size(study(genotypes__inputs=["a", "b"]), scans=2)
    assert (merged.people, merged.variants) == (50, 50)
    named, counts = {"genotypes__inputs": ["absent"]}, {}
    words = "check `genotypes: inputs:`, or add --people N --variants M"
    with mended(
        "estimate/size.py",
        words,
        InputFileError,
        lambda: study_size(study(**named), scans=2, **counts),
    ):
        counts |= {"people": 30, "variants": 50}
    counts.clear()
    with mended(
        "estimate/size.py",
        words,
        InputFileError,
        lambda: study_size(study(**named), scans=2, **counts),
    ):
        named["genotypes__inputs"] = ["a", "b"]
    declared = study_size(study(genotypes__inputs=["absent"]), scans=2, people=7, variants=9)
    assert (declared.people, declared.variants) == (7, 9)


def test_folds_by_a_column_are_counted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [f"0{site}\tAD\tplace{site}" for site in range(9)]
    (tmp_path / "people.tsv").write_text(
        "participant_id\tdiagnosis\tsite\n" + "\n".join(rows) + "\n"
    )
    by_site = Study.parse(
        {
            "study": "sites",
            "seed": 1,
            "imaging": {"measurements": "regions.tsv"},
            "cohort": {"participants": "people.tsv", "fold_by": "site", "folds": 2},
        }
    )
    assert drivers(Job("collect_metrics"), by_site, study_size(by_site))["folds"] == 9


def test_benchmark_files_are_summed_by_stage(tmp_path):
    head = "s\tcpu_time\n"
    for path, value in (("imaging/01", "2.5"), ("imaging/02", "NA"), ("training/a/fold-1", "4")):
        file = tmp_path / f"own/{path}.benchmark.tsv"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{head}1.0\t{value}\n")
    assert measured("own", tmp_path) == {"imaging": 2.5, "training": 4.0}


def test_the_command_estimates_the_demo(root, monkeypatch):
    monkeypatch.chdir(root)
    done = CliRunner().invoke(commands, ["estimate", "--configfile", "config/config.yaml", "--all"])
    assert done.exit_code == 0, done.output
    rows = {line.split()[0]: line.split() for line in done.output.splitlines() if line}
    images = yaml.safe_load((root / "config/config.yaml").read_text())["simulate"]["images"]
    assert int(rows["imaging"][1]) == images + 2
    assert float(rows["all"][2]) > 0.05
    assert "may be off by a factor of" in done.output


def test_a_plan_that_cannot_be_made_says_why(root, monkeypatch):
    monkeypatch.chdir(root)
    with pytest.raises(ConfigurationError, match="absent"):
        planned_jobs("--configfile", "absent.yaml")


def test_help_lists_every_target(root):
    text = (root / "Makefile").read_text()
    targets = set(re.search(r"^\.PHONY: (.*)$", text, re.M)[1].split())
    assert {"estimate", "demo"} <= targets
    assert targets == set(re.findall(r"^([a-z-]+):", text, re.M))
    assert targets == set(re.findall(r"^# make ([a-z-]+)", text, re.M))


def test_stages_of_rules__knows_every_rule_of_every_file(root):
    stages = stages_of_rules()
    for path in (root / "workflow" / "rules").glob("*.smk"):
        for name in re.findall(r"^\s*rule (\w+):", path.read_text(), re.M):
            assert stages.get(name) == path.stem, name
