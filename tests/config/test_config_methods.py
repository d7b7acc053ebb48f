"""Methods of a study: found by listing a folder, checked against its outcomes and modalities."""

from __future__ import annotations

import json
import sys

import pytest

from gendmr.config.base import Section
from gendmr.config.members import sections_in
from gendmr.config.methods import KINDS
from gendmr.config.methods.base import MethodSection, NetworkSection
from gendmr.config.outcomes import KINDS as OUTCOME_KINDS
from gendmr.config.study import Study
from gendmr.config.training import MethodOptions
from gendmr.errors import ConfigurationError
from studies import OUTCOMES, make_study, study_mapping

COMBINATIONS = [
    (kind, outcome)
    for kind, section in KINDS.items()
    for outcome, entry in OUTCOMES.items()
    if entry["kind"] in section.tasks and (section.readable is None or "snp" in section.readable)
]
every_combination = pytest.mark.parametrize(("kind", "outcome"), COMBINATIONS)


def test_methods_and_outcomes_are_those_of_the_folders(root):
    folder = root / "workflow/gendmr/config"
    for name, kinds in (("methods", KINDS), ("outcomes", OUTCOME_KINDS)):
        modules = {path.stem for path in (folder / name).glob("*.py")} - {"__init__", "base"}
        assert set(kinds) == modules
        for kind, section in kinds.items():
            assert section.model_fields["kind"].default == kind
    assert {"gendmr", "ridge"} <= set(KINDS)


def test_a_new_module_is_a_new_member(tmp_path, monkeypatch):
    package = tmp_path / "made_up"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "base.py").write_text("from gendmr.config.methods.base import MethodSection\n")
    member = "from made_up.base import MethodSection\n\n\nclass Member(MethodSection):\n    pass\n"
    (package / "one.py").write_text(member)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("sys.modules", dict(sys.modules))
    assert list(sections_in("made_up", [str(package)], MethodSection)) == ["one"]
    (package / "two.py").write_text(member + "\n\nclass Other(MethodSection):\n    pass\n")
    with pytest.raises(ImportError, match=r"made_up\.two: needs exactly one section, has 2"):
        sections_in("made_up", [str(package)], MethodSection)
    (package / "two.py").write_text("")
    sys.modules.pop("made_up.two", None)
    with pytest.raises(ImportError, match=r"made_up\.two: needs exactly one section, has 0"):
        sections_in("made_up", [str(package)], MethodSection)


@every_combination
def test_a_slice_survives_the_command_line(kind, outcome):
    study = make_study({"m": {"kind": kind, "outcome": outcome}}, outcomes=OUTCOMES)
    options = study.method_options("m")
    assert options.outcome == outcome and options.task == study.cohort.outcomes[outcome]
    assert (options.optimisation is not None) == KINDS[kind].network
    text = options.dump()
    again = MethodOptions.parse(text, where="training.methods.m")
    assert again == options and again.dump() == text
    assert type(again.modalities["snp"]) is type(options.modalities["snp"])
    # Sums over modalities are in their order: the last digit must not depend on who asked for them.
    assert list(again.modalities) == list(options.modalities)
    assert Study.parse(study.dump()) == study


@every_combination
def test_a_slice_does_not_change_with_what_stands_beside_it(kind, outcome):
    entry = {"m": {"kind": kind, "outcome": outcome, "reads": ["snp"]}}
    wanted = {outcome: OUTCOMES[outcome]}
    alone = make_study(entry, available=("snp",), outcomes=wanted).method_options("m").dump()
    other_entry = {"other": {"kind": "ridge", "outcome": "diagnosis", "penalties": [3.0]}}
    together = make_study(
        entry | other_entry, outcomes=OUTCOMES, modalities={"region": {"icv": False}}
    )
    assert together.method_options("m").dump() == alone
    # What it reads is part of it.
    changed = make_study(entry, outcomes=OUTCOMES, modalities={"snp": {"component_r2": 0.3}})
    assert changed.method_options("m").dump() != alone


def test_a_slice_names_the_modules_that_its_jobs_run():
    study = make_study({"m": {"kind": "ridge", "reads": ["region"]}})
    assert study.method_options("m").code("training.fold") == (
        "training.fold",
        "methods.ridge.method",
        "config.methods.ridge",
        "tasks.binary.task",
        "config.outcomes.binary",
        "modalities.region.transform",
        "config.modalities.region",
    )


def test_learning_rates_retrain_no_baseline():
    methods = {"ridge": {"kind": "ridge"}, "gendmr": {"kind": "gendmr"}}
    before, after = make_study(methods), make_study(methods, optimisation={"learning_rate": 1e-4})
    assert before.method_options("ridge").dump() == after.method_options("ridge").dump()
    assert before.method_options("gendmr").dump() != after.method_options("gendmr").dump()


@pytest.mark.parametrize(
    ("available", "outcome", "expected"),
    [
        (
            ("snp", "region"),
            "diagnosis",
            ["gendmr", "ridge", "ridge-snp", "ridge-region", "ridge-covariates"],
        ),
        (("snp",), "diagnosis", ["gendmr", "ridge", "ridge-snp", "ridge-covariates"]),
        (("region",), "memory", ["gendmr", "ridge", "ridge-region", "ridge-covariates"]),
    ],
)
def test_without_methods_those_that_fit_the_study_are_trained(available, outcome, expected):
    study = make_study(available=available, outcomes={outcome: OUTCOMES[outcome]})
    assert list(study.methods) == expected
    for name in study.methods:
        options = study.method_options(name)
        assert options.outcome == outcome
        assert set(options.reads) <= {*available, "covariates"}
    assert study.method_options("gendmr").reads == available


def test_default_methods_read_only_modalities_that_they_can_read():
    """Bags of patches have no instances that people share, so a ridge cannot read them."""
    study = Study.parse(
        {
            "study": "slides",
            "seed": 1,
            "histology": {"slides": "slides.tsv"},
            "expression": {"matrices": [{"path": "genes.tsv", "unit": "tpm"}]},
            "cohort": {"participants": "participants.tsv"},
        }
    )
    assert list(study.methods) == ["ridge", "ridge-expression", "ridge-covariates"]
    for name in study.methods:
        assert "patch" not in study.method_options(name).reads


def test_a_method_learns_the_first_outcome_or_the_one_it_names():
    methods = {"a": {"kind": "ridge"}, "b": {"kind": "ridge", "outcome": "memory"}}
    study = make_study(methods, outcomes=OUTCOMES)
    assert (study.outcome_of("a"), study.outcome_of("b")) == ("diagnosis", "memory")


def test_what_a_method_reads_is_in_the_order_of_the_study():
    methods = {name: {"kind": name} for name in ("gendmr", "ridge", "locus", "association")}
    study = make_study(methods)
    reads = {name: study.method_options(name).reads for name in methods}
    assert reads == {
        "gendmr": ("snp", "region"),
        "ridge": ("snp", "region", "covariates"),
        "locus": ("snp", "covariates"),
        "association": ("snp", "region"),
    }


@pytest.mark.parametrize(
    ("method", "available", "words"),
    [
        ({"kind": "ridge", "outcome": "mood"}, None, r"m.outcome = 'mood': no such outcome"),
        (
            {"kind": "polygenic", "outcome": "stage"},
            None,
            "polygenic cannot learn stage, which is multiclass",
        ),
        ({"kind": "ridge", "reads": ["region"]}, ("snp",), r"no modality 'region'; it has 'snp'"),
        ({"kind": "ridge", "reads": ["protein"]}, None, r"no modality 'protein'"),
        ({"kind": "locus"}, ("region",), r"no modality 'snp'; it has 'region'"),
        ({"kind": "polygenic"}, ("region",), r"no modality 'snp'; it has 'region'"),
        ({"kind": "locus", "reads": ["covariates"]}, None, "locus reads more than covariates"),
        ({"kind": "locus", "reads": ["region"]}, None, r"locus cannot read 'region'; it reads"),
        ({"kind": "gendmr", "reads": ["covariates"]}, None, r"training.methods.m.gendmr.reads"),
        (
            {"kind": "association", "reads": ["snp", "covariates"]},
            None,
            r"association cannot read 'covariates'",
        ),
        ({"kind": "ridge", "reads": []}, None, r"training.methods.m.ridge.reads"),
        ({"kind": "ridge", "modalities": ["snp"]}, None, r"ridge.modalities: unknown key"),
        ({"kind": "ridge", "penalties": [0.0]}, None, "penalties must be above 0"),
        ({"kind": "polygenic", "thresholds": [2.0]}, None, "thresholds are p-values"),
        ({"kind": "locus", "interval": "APOE"}, None, r"locus.interval"),
        ({"kind": "forest"}, None, r"training.methods.m.kind = 'forest'"),
    ],
    ids=str,
)
def test_a_method_that_cannot_be_trained_is_refused(method, available, words):
    with pytest.raises(ConfigurationError, match=words):
        make_study({"m": method}, outcomes=OUTCOMES, available=available or ("snp", "region"))


@pytest.mark.parametrize("name", ["", "../x", "-m", "a b", "m" * 41])
def test_a_name_that_is_no_folder_is_refused(name):
    with pytest.raises(ConfigurationError, match="is not a name of a method"):
        make_study({name: {"kind": "ridge"}})


def test_a_reference_that_is_no_method_is_refused():
    mapping = study_mapping({"m": {"kind": "ridge"}}) | {"report": {"reference": "n"}}
    with pytest.raises(ConfigurationError, match=r"report.reference = 'n': no such method"):
        Study.parse(mapping)
    mapping["report"]["reference"] = "m"
    assert Study.parse(mapping).report.reference == "m"


def test_ranking_of__a_kind_says_how_it_is_ranked_where_the_configuration_does_not():
    def score_of(name, **ranking):
        study = Study.parse(study_mapping(METHODS_WITH_EVIDENCE) | {"ranking": ranking})
        options = study.ranking_of(name)
        return options.score, options.aggregation

    assert score_of("whole") == ("evidence", "bayes")
    assert score_of("blind") == score_of("ridge") == ("mean_abs", "sum")
    assert score_of("whole", aggregation="max") == ("mean_abs", "max")
    assert score_of("whole", top_k=5) == ("evidence", "bayes")
    section = {"methods": {"whole": {"aggregation": "mean"}}}
    assert score_of("whole", **section) == ("mean_abs", "mean")
    named = {"methods": {"ridge": {"aggregation": "max"}}}
    assert score_of("whole", **named) == ("evidence", "bayes")


def test_refits__evidence_of_permuted_outcomes_needs_no_network():
    def refits(name, **ranking):
        return Study.parse(study_mapping(METHODS_WITH_EVIDENCE) | {"ranking": ranking}).refits(name)

    assert not refits("whole")
    assert refits("blind") and refits("ridge")
    assert refits("whole", score="mean_abs")
    assert refits("whole", methods={"whole": {"aggregation": "mean"}})
    assert not refits("whole", methods={"whole": {"score": "evidence", "aggregation": "max"}})


METHODS_WITH_EVIDENCE = {
    "whole": {"kind": "gendmr"},
    "blind": {"kind": "gendmr", "evidence": "none"},
    "ridge": {"kind": "ridge"},
}


def test_a_null_is_of_methods_that_are_ranked():
    methods = {"a": {"kind": "ridge", "reads": ["covariates"]}, "b": {"kind": "ridge"}}
    study = make_study(methods, null={"permutations": 7, "chunk": 3})
    assert study.ranked_methods() == study.null_methods() == ["b"]
    assert (study.null_chunks("a"), study.null_chunks("b")) == (0, 3)
    ranges = [study.null_range("b", chunk) for chunk in range(3)]
    assert ranges == [(0, 3), (3, 3), (6, 1)]
    for name in ("a", "nobody"):
        with pytest.raises(ConfigurationError, match=rf"null\.methods: '{name}'"):
            make_study(methods, null={"methods": [name]})
    evidence = make_study(METHODS_WITH_EVIDENCE, null={"permutations": 37, "chunk": 3})
    assert [evidence.null_chunks(name) for name in METHODS_WITH_EVIDENCE] == [2, 13, 13]
    assert [evidence.null_range("whole", chunk) for chunk in range(2)] == [(0, 30), (30, 7)]
    none = make_study(methods, null={"permutations": 0})
    assert none.null_methods() == [] and none.null_chunks("b") == 0


def test_optimisation_of_a_method_over_the_study_over_its_defaults():
    class Patient(NetworkSection):
        kind: str = "patient"
        defaults = NetworkSection.defaults.model_copy(update={"epochs": 90, "patience": 30})

    def optimised(optimisation, study):
        section = Patient.parse({"optimisation": optimisation})
        return section.optimised(type(section.optimisation).parse(study))

    assert optimised({}, {}).epochs == 90 and optimised({}, {}).batch_size == 64
    assert optimised({}, {"epochs": 40}).epochs == 40
    assert optimised({"epochs": 10}, {"epochs": 40}).epochs == 10
    # The default of all methods, said by the study, counts more than that of the method.
    assert optimised({}, {"epochs": 25}).epochs == 25
    mixed = optimised({"clip": 2.0}, {"batch_size": 8})
    assert (mixed.clip, mixed.batch_size, mixed.patience) == (2.0, 8, 30)


@pytest.mark.parametrize("where", ["study", "method"])
def test_an_unknown_key_of_the_optimisation_is_named(where):
    wrong = {"optimisation": {"learning_rat": 0.1}}
    with pytest.raises(ConfigurationError, match=r"optimisation\.learning_rat: unknown key"):
        if where == "study":
            make_study({"m": {"kind": "gendmr"}}, **wrong)
        else:
            make_study({"m": {"kind": "gendmr"} | wrong})
    with pytest.raises(ConfigurationError, match=r"ridge\.optimisation: unknown key"):
        make_study({"m": {"kind": "ridge", "optimisation": {"epochs": 3}}})


def test_sections_are_frozen_and_survive_json():
    for section in KINDS.values():
        assert issubclass(section, Section)
        original = section()
        assert section.parse(json.loads(original.dump())) == original
