"""The configuration is typed: what is wrong is named with its key, its value and the fix."""

from __future__ import annotations

import json

import pytest
import yaml

from gendmr.config.study import Study
from gendmr.errors import ConfigurationError


@pytest.fixture
def demo(root):
    return yaml.safe_load((root / "config/config.yaml").read_text())


def test_the_demo_is_valid_and_survives_a_round_trip(demo):
    study = Study.parse(demo)
    assert study.study == "demo"
    assert Study.parse(study.dump()) == study


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("cohort", "foldz"), 5, r"cohort.foldz: unknown key"),
        (("cohort", "folds"), "5", r"cohort.folds = '5': .*integer"),
        (("cohort", "folds"), 1, r"cohort.folds = 1: .*greater than or equal to 2"),
        (("seed",), -1, r"seed = -1"),
        (("study",), "../x", r"study = '../x'"),
        (("ranking", "score"), "attention", r"ranking.score = 'attention'"),
    ],
)
def test_a_wrong_entry_is_named(demo, path, value, words):
    section = demo
    for key in path[:-1]:
        section = section.setdefault(key, {})
    section[path[-1]] = value
    with pytest.raises(ConfigurationError, match=words):
        Study.parse(demo)


def test_a_missing_section_and_a_missing_file_are_named(demo, tmp_path):
    del demo["cohort"]
    with pytest.raises(ConfigurationError, match="cohort"):
        Study.parse(demo)
    with pytest.raises(ConfigurationError, match="no such configuration file"):
        Study.parse(tmp_path / "none.yaml")


def test_every_study_of_the_folder_is_valid(root):
    for path in sorted((root / "config").rglob("*.yaml")):
        assert Study.parse(path).study, path


def test_every_key_teaches(root):
    """The schema is what editors show: each entry has a sentence of its own."""
    schema = Study.model_json_schema()
    silent = [
        f"{name}.{key}"
        for name, model in [("Study", schema), *schema["$defs"].items()]
        for key, entry in model.get("properties", {}).items()
        if "description" not in entry and "$ref" not in entry and "const" not in entry
    ]
    assert len(silent) <= 10, silent


def test_the_schema_for_editors_is_up_to_date(root):
    stored = json.loads((root / "workflow/schemas/study.schema.json").read_text())
    assert stored == json.loads(json.dumps(Study.model_json_schema())), (
        "run: gendmr schema > workflow/schemas/study.schema.json"
    )


def test_a_copy_of_the_demo_that_still_simulates_is_refused_and_mended_as_it_says(demo):
    demo["study"] = "mine"
    with pytest.raises(ConfigurationError, match="makes its own cohort") as error:
        Study.parse(demo)
    assert "delete the section simulate" in error.value.next_step
    renamed = json.loads(json.dumps(demo).replace("results/demo/", "results/mine/"))
    assert Study.parse(renamed).simulate is not None
    del demo["simulate"]
    demo["report"].pop("truth")
    assert Study.parse(demo).simulate is None


def test_own_genotypes_beside_a_simulated_cohort_are_refused(demo):
    demo["genotypes"]["inputs"] = ["data/array"]
    with pytest.raises(ConfigurationError, match="'data/array'"):
        Study.parse(demo)


def test_design__chooses_defaults_that_are_left_out_and_no_others(demo):
    def options(method, **study):
        demo["training"]["methods"] = {"one": {"kind": "gendmr", **method}}
        demo["training"]["optimisation"] = study
        demo["training"].pop(None, None)  # `null`, as YAML reads the key
        demo["ranking"].pop("methods", None)
        return Study.parse(demo).method_options("one")

    evidence, network = options({}), options({"design": "network"})
    assert (evidence.method.evidence, evidence.method.contrast) == ("all", 0.1)
    assert (network.method.evidence, network.method.contrast) == ("none", 0.0)
    assert (evidence.method.roles, network.method.roles) == ("exchange", "self")
    assert (evidence.optimisation.epochs, network.optimisation.epochs) == (25, 60)
    settings = {
        "design": "network",
        "evidence": "both",
        "contrast": 0.2,
        "optimisation": {"epochs": 7},
    }
    method_options = options(settings, patience=3)
    assert (method_options.method.evidence, method_options.method.contrast) == ("both", 0.2)
    assert (method_options.optimisation.epochs, method_options.optimisation.patience) == (7, 3)
