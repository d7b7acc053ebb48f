"""Mistakes in a configuration, generated: each is named with what to write, and that works."""

from __future__ import annotations

import copy
import json
import re

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from gendmr.config.base import keys_of
from gendmr.config.study import Study
from gendmr.errors import ConfigurationError, GendmrError

DEMO = """
study: mistakes
seed: 7
genotypes:
  inputs: [array]
  hwe: 0.5
  maf: 0.1
  pruning_window: 50
  chromosomes: ["2"]
  lift: {array: {build: NCBI36, chain: over.chain}}
annotation: {genes: genes.loc, upstream_kb: 35.0}
imaging:
  bids: bids
  atlas: {labels: labels.nii, table: labels.tsv}
  outliers: {dice_below: 0.9}
modalities: {snp: {selection: {maximum: 100}}}
cohort:
  participants: participants.tsv
  outcomes: {diagnosis: {kind: binary, case: ["yes"], control: ["2"]}}
  covariates: [age, sex]
training:
  methods: {one: {kind: ridge, reads: [snp]}, two: {kind: gendmr}}
  null: {permutations: 5}
  optimisation: {learning_rate: 0.001}
ranking: {top_k: 10}
report: {title: mistakes}
"""


def demo():
    """Return the configuration; YAML takes the key `null` for nothing, which JSON mends."""
    return json.loads(json.dumps(yaml.safe_load(DEMO)))


def places(value, where=()):
    """Yield the place of every key of a configuration."""
    if isinstance(value, dict):
        for key, inner in value.items():
            # Names that a user chooses are no keys.
            if where[-1:] not in (("lift",), ("outcomes",), ("methods",)):
                yield (*where, key)
            yield from places(inner, (*where, key))


def at(config, place):
    for key in place:
        config = config[key]
    return config


SCHEMA = Study.model_json_schema()
PLACES = [place for place in places(demo()) if len(place[-1]) > 3]


def test_the_configuration_of_these_tests_is_valid():
    Study.parse(demo())


@settings(max_examples=80, deadline=None)
@given(
    place=st.sampled_from(PLACES),
    mistake=st.sampled_from(["drop", "double", "swap", "upper", "plural", "hyphen"]),
    where=st.integers(1, 30),
)
def test_a_misspelt_key_at_any_level_is_named_with_the_right_one(place, mistake, where):
    *section, key = place
    at_letter = 1 + where % (len(key) - 2)
    head, letter, tail = key[:at_letter], key[at_letter], key[at_letter + 1 :]
    wrong = {
        "drop": head + tail,
        "double": head + letter + letter + tail,
        "swap": head + tail[:1] + letter + tail[1:],
        "upper": key.upper(),
        "plural": key.removesuffix("s") if key.endswith("s") else f"{key}s",
        "hyphen": key.replace("_", "-") if "_" in key else f"{key}_",
    }[mistake]
    config = demo()
    valid_keys = keys_of(SCHEMA, section)
    if wrong in valid_keys or wrong == key:
        return
    inner = at(config, section)
    inner[wrong] = inner.pop(key)
    with pytest.raises(ConfigurationError) as error:
        Study.parse(config)
    assert "did you mean" in error.value.what
    # What is printed is put in the place of the mistake, and is then valid again, where it is the
    # key that was meant: sections have keys that are near one another.
    named = re.search(rf"did you mean '(\w+)' for '{re.escape(wrong)}'", error.value.what)
    assert named is not None, error.value.what
    assert named[1] in valid_keys
    if named[1] == key:
        inner[key] = inner.pop(wrong)
        Study.parse(config)


NUMBERS = [
    ("genotypes", "hwe"),
    ("genotypes", "maf"),
    ("annotation", "upstream_kb"),
    ("imaging", "outliers", "dice_below"),
    ("training", "optimisation", "learning_rate"),
]


@settings(max_examples=60, deadline=None)
@given(
    place=st.sampled_from(NUMBERS),
    written=st.sampled_from(
        [
            "1e-5",
            "1E-3",
            "2e-2",
            "+1e-5",
            '"0.1"',
            "'0.05'",
            "0,05",
            "1,5e-3",
            '"1e-4"',
            '",4"',
            '".1"',
        ]
    ),
)
def test_a_number_that_yaml_takes_for_text_is_refused_with_what_to_write(place, written):
    *section, key = place
    config = demo()
    at(config, section)[key] = yaml.safe_load(written)
    with pytest.raises(ConfigurationError) as error:
        Study.parse(config)
    hint = re.search(r"write (\S+)", error.value.what)
    assert hint is not None, error.value.what
    at(config, section)[key] = yaml.safe_load(hint[1])
    value = at(Study.parse(config).model_dump(), place)
    expected = float(written.strip("\"'").replace(",", "."))
    assert value == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("place", "written", "remedy"),
    [
        (("genotypes", "pruning_window"), '"50"', "50"),
        (("cohort", "outcomes", "diagnosis", "case"), "[yes]", '["yes"]'),
        (("cohort", "outcomes", "diagnosis", "case"), "[on, no]", '["on", "no"]'),
        (("cohort", "outcomes", "diagnosis", "control"), "[0]", '["0"]'),
        (("cohort", "outcomes", "diagnosis", "control"), "[1.0]", '["1.0"]'),
        (("genotypes", "chromosomes"), "[19]", '["19"]'),
        (("report", "title"), "2024-01-31", '"2024-01-31"'),
        (("report", "title"), "2024", '"2024"'),
    ],
)
def test_a_text_or_number_of_another_type_is_refused_with_what_to_write(place, written, remedy):
    *section, key = place
    config = demo()
    at(config, section)[key] = yaml.safe_load(written)
    with pytest.raises(ConfigurationError, match="write") as error:
        Study.parse(config)
    assert "quotation marks" in str(error.value)
    count = len(at(config, section)[key]) if written.startswith("[") else 1
    assert str(error.value).count("write") == count and "at least one" not in str(error.value)
    mended = copy.deepcopy(config)
    at(mended, section)[key] = yaml.safe_load(remedy)
    Study.parse(mended)


def test_what_is_missing_is_named_without_all_the_rest():
    config = demo()
    del config["annotation"]["genes"]
    with pytest.raises(ConfigurationError) as error:
        Study.parse(config)
    assert error.value.what.splitlines()[1:] == [
        "  annotation.genes: missing, and it has no default"
    ]


def rename(*place: str, to: str):
    def change(config: dict) -> None:
        section = at(config, place[:-1])
        section[to] = section.pop(place[-1])

    return change


def put(*place: str, value: object):
    def change(config: dict) -> None:
        at(config, place[:-1])[place[-1]] = value

    return change


def put_all(**values: object):
    """Change keys of one section: `section__key=value`."""

    def change(config: dict) -> None:
        for name, value in values.items():
            section, _, key = name.partition("__")
            config[section][key] = value

    return change


# How a mistake is made, and what is said of it. No two of them touch the same entry.
MISTAKES = {
    # misspelt keys, of several levels and of a method
    "key": (rename("ranking", "top_k", to="topk"), "ranking.topk: unknown key; did you mean"),
    "deep key": (
        rename("modalities", "snp", "selection", "maximum", to="maximun"),
        "selection.maximun: unknown key; did you mean 'maximum'",
    ),
    "needed key": (
        rename("imaging", "atlas", "labels", to="label"),
        "imaging.atlas.files.label: unknown key; did you mean 'labels'",
    ),
    "unknown key": (put("report", "qqqqq", value=1), "report.qqqqq: unknown key"),
    # values of another type, and out of range
    "text": (put("genotypes", "hwe", value="1e-5"), "write 1.0e-5"),
    "range": (put("training", "null", "permutations", value=-1), "permutations = -1"),
    "item": (put("genotypes", "chromosomes", value=["2", "90"]), "90: autosomes are written"),
    "no choice": (put("ranking", "score", value="attention"), "ranking.score = 'attention'"),
    # entries of one section that do not go together, several at once
    "sexes": (
        put_all(genotypes__sex_female_max=0.9, genotypes__sex_male_min=0.1),
        "sex_female_max must be below sex_male_min",
    ),
    "degrees": (
        put_all(genotypes__kinship=0.4, genotypes__duplicate_kinship=0.3),
        "kinship must not exceed duplicate_kinship",
    ),
    "brain": (put("imaging", "brain", value="given"), "`brain: given` needs `mask`"),
    "places": (put("imaging", "places", value="p.tsv"), "`places` goes with `measurements`"),
    "columns": (put("cohort", "columns", value={"gender": "sex"}), "columns renames what is not"),
    "labels": (
        put("cohort", "outcomes", "diagnosis", "control", value=["yes"]),
        "labels of cases and of controls at once: 'yes'",
    ),
    # sections that do not fit one another
    "strata": (put("cohort", "strata", value=["scanner"]), "cohort.strata names 'scanner'"),
    "covariates": (
        put("training", "covariates", value=["motion"]),
        "training.covariates names 'motion'",
    ),
    "reads": (
        put("training", "methods", "one", value={"kind": "ridge", "reads": ["edge"]}),
        "training.methods.one.reads: the study has no modality 'edge'",
    ),
    "outcome": (
        put("training", "methods", "two", value={"kind": "gendmr", "outcome": "memory"}),
        "training.methods.two.outcome = 'memory': no such outcome",
    ),
    "reference": (put("report", "reference", value="three"), "report.reference = 'three'"),
    "idle": (put("modalities", "edge", value={}), "no section 'connectivity' that measures it"),
    "form": (
        put("genotypes", "inputs", value=["array", "old.ped", "new.bed"]),
        "old.ped: .ped is no form that is read",
    ),
    "seed": (put("seed", value="one"), "seed = 'one'"),
}  # fmt: skip


def said_of(config: dict) -> str:
    with pytest.raises(GendmrError) as error:
        Study.parse(config, where="study.yaml")
    return str(error.value)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_parse__names_each_mistake_and_no_other(mistake):
    config = demo()
    MISTAKES[mistake][0](config)
    message = said_of(config)
    assert MISTAKES[mistake][1] in message
    named = {name for name, (_, words) in MISTAKES.items() if words in message}
    assert named == {mistake}
    assert "things are missing" not in message or mistake == "form", message


@settings(max_examples=60, deadline=None)
@given(mistakes=st.sets(st.sampled_from(sorted(MISTAKES)), min_size=2))
def test_parse__lists_any_mistakes_at_once(mistakes):
    config = demo()
    for mistake in sorted(mistakes):
        MISTAKES[mistake][0](config)
    message = said_of(config)
    for mistake in mistakes:
        assert MISTAKES[mistake][1] in message, (mistake, message)
    for mistake in MISTAKES.keys() - mistakes:
        assert MISTAKES[mistake][1] not in message, (mistake, message)


def test_parse__lists_every_input_of_another_form():
    config = demo()
    config["genotypes"]["inputs"] = ["old.ped", "new.bed", "array", "array"]
    message = said_of(config)
    for words in ("old.ped: .ped is no form", "new.bed: give the path", "named twice: 'array'"):
        assert words in message


def test_parse__a_key_of_another_meaning_is_not_read_as_one_that_is_a_little_like_it():
    config = demo()
    config["training"]["methods"]["one"]["modalities"] = config["training"]["methods"]["one"].pop(
        "reads"
    )
    message = said_of(config)
    assert "1 wrong entry" in message and "modalities: unknown key; did you mean" in message
    assert "modality_options =" not in message
