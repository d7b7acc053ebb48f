"""Identifiers and tables as real cohorts have them, through the real command line."""

from __future__ import annotations

import json
import sys
import unicodedata
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gendmr.cli.main import main
from gendmr.cohort.participants import read_participants
from gendmr.config.cohort import CohortSection
from gendmr.errors import GendmrError, IdentifierError
from gendmr.files.identifiers import unsafe_reason
from gendmr.files.tables import read_table
from gendmr.imaging.bids import find_images
from gendmr.modalities.matching import Matching

PLAIN = ["007", "1e5", "NA", "nan", "None", "0", "TRUE", "1.0", "a" * 40, "002_S_0295", "Zoë-1"]
HOSTILE = {
    "../x": "`/`",
    "..\\x": "`\\`",
    "/etc/x": "`/`",
    "it's": "`'`",
    'say"x"': '`"`',
    "a b": "a space",
    "a\u00a0b": "an invisible NO-BREAK SPACE",
    "a\u200bb": "an invisible ZERO WIDTH SPACE",
    "a\u202eb": "an invisible RIGHT-TO-LEFT OVERRIDE",
    "a\x07b": r"an invisible character U\+0007",
    "-rf": "begins with `-`",
    ".hidden": "begins with `.`",
    "$(touch x)": "`$`",
    "`touch x`": "```",
    "a;b": "`;`",
    "a&b": "`&`",
    "a|b": "`|`",
    "a>b": "`>`",
    "<script>": "`<`",
    "{study}": "`{`",
    "a*": "`*`",
    "#1": "`#`",
    "x" * 129: "longer than 128 bytes",
    "sub-": "is empty",
}


@dataclass
class Done:
    """How a command ended."""

    status: int
    stderr: str


@pytest.fixture
def command(monkeypatch, capsys):
    """`gendmr …` as a rule calls it, in this process: its start costs seconds."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["gendmr", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        return Done(ended.value.code or 0, capsys.readouterr().err)

    return run


@pytest.fixture
def command_line(inputs, command):
    """`gendmr cohort join` of the inputs."""

    def run(arguments=None):
        study = arguments or inputs.write()
        sections = {name: entry.model_dump() for name, entry in study["sections"].items()}
        return command(
            *("cohort", "join", "--sources", json.dumps(study["sources"])),
            *("--modalities", json.dumps(sections)),
            *("--options", inputs.section().dump(), "--output", inputs.folder.parent / "cohort"),
        )

    return run


def refused(done, error):
    """Return the message of a command that ended with a named error and no traceback."""
    assert done.status == 2, done.stderr
    assert done.stderr.startswith(f"{error}: "), done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.fixture
def section(tmp_path):
    """A participants.tsv with given identifiers, and its section of the configuration."""

    def write(ids, **options):
        path = tmp_path / "participants.tsv"
        rows = [f"{name}\t{'case' if i % 2 else 'control'}\t70" for i, name in enumerate(ids)]
        path.write_text("participant_id\tdiagnosis\tage\n" + "\n".join(rows) + "\n")
        return CohortSection.parse(
            {"participants": str(path), "covariates": ["age"], "categorical": [], **options}
        )

    return write


@pytest.mark.parametrize("name", PLAIN)
def test_an_identifier_that_looks_like_something_else_is_text(section, name):
    table = read_participants(section([name, f"sub-x{name}"])).people
    assert table["participant_id"].tolist() == [name, f"x{name}"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_identifier_is_refused_by_name(section, name):
    with pytest.raises(IdentifierError, match="1 identifiers cannot be used") as caught:
        read_participants(section(["001", name, "002"]))
    assert repr(name.removeprefix("sub-")) in str(caught.value)
    reason = HOSTILE[name].replace("\\+", "+")
    assert reason in str(caught.value)


@pytest.mark.parametrize("name", ["../../escaped", "<script>alert(1)</script>", "$(touch pwned)"])
def test_a_hostile_identifier_writes_nowhere(inputs, command_line, name):
    inputs.options["bad_rows"] = "stop"
    inputs.participants[3]["participant_id"] = name
    inputs.fam[3] = ("F", name.replace(" ", "_"))
    arguments = inputs.write()
    before = set(inputs.folder.parent.rglob("*"))
    message = refused(command_line(arguments), "IdentifierError")
    assert "participants.tsv, column participant_id" in message
    assert "next step:" in message
    assert set(inputs.folder.parent.rglob("*")) == before


def test_hostile_people_of_the_genotypes_who_are_not_listed_harm_nothing(inputs, command_line):
    inputs.fam[3] = ("F", "../<b>x</b>;$(touch-pwned)")
    done = command_line()
    assert done.status == 0, done.stderr
    out = inputs.folder.parent / "cohort"
    attrition = read_table(out / "attrition.tsv", {"id": "text", "step": "text"}, extra=True)
    assert "../<b>x</b>;$(touch-pwned)" in set(
        attrition.loc[attrition["step"] == "genotypes", "id"]
    )
    assert not list(inputs.folder.parent.rglob("*pwned*"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ids=st.lists(st.text(max_size=12), min_size=1, max_size=6, unique=True))
def test_any_identifier_is_kept_as_it_is_or_refused_by_name(section, ids):
    options = section(ids)
    try:
        read = read_participants(options).people["participant_id"].tolist()
    except GendmrError as error:
        assert "participants.tsv" in str(error)
        return
    assert read == [name.strip().removeprefix("sub-") for name in ids]
    assert not any(unsafe_reason(name) for name in read)
    assert all(Path("folder", name).parent == Path("folder") for name in read)


def test_adni_identifiers_against_bids_labels(inputs, command_line):
    # BIDS labels hold letters and digits only: 002_S_0295 becomes sub-002S0295, or sub-ADNI002S0295
    adni = [f"{2 + i % 3:03d}_S_{295 + i:04d}" for i in range(24)]
    for row, name in zip(inputs.participants, adni, strict=True):
        row["participant_id"] = name
    inputs.fam = [(str(i), name) for i, name in enumerate(adni[:20])]
    inputs.imaged = [f"sub-{name.replace('_', '')}" for name in adni[14:]]
    message = refused(command_line(), "IdentifierError")
    assert "0 people of" in message
    assert "regions.nc: 10 people" in message
    assert "participants.tsv: 24 people, first '002_S_0295'" in message
    assert "likely cause: identifiers differ in punctuation" in message
    assert "set cohort.ignore: [punctuation]: then 10 join" in message
    inputs.options["ignore"] = ["punctuation"]
    done = command_line()
    assert done.status == 0, done.stderr

    inputs.options["ignore"] = []
    inputs.imaged = [f"sub-ADNI{name.replace('_', '')}" for name in adni[14:]]
    message = refused(command_line(), "IdentifierError")
    assert 'set cohort.ignore: [punctuation] and cohort.strip: ["ADNI"]: then 10 join' in message
    inputs.options |= {"ignore": ["punctuation"], "strip": ["ADNI"]}
    done = command_line()
    assert done.status == 0, done.stderr


def test_fid_and_iid_in_one_and_upper_case(inputs, command_line):
    ids = [name for _, name in inputs.fam]
    inputs.fam = [(f"fam{i}", name) for i, name in enumerate(ids)]
    joined_ids = [f"FAM{i}_{name}" for i, name in enumerate(ids)]
    for row, name in zip(inputs.participants[:20], joined_ids, strict=True):
        row["participant_id"] = name
    inputs.imaged = joined_ids[10:]
    message = refused(command_line(), "IdentifierError")
    assert "participants.tsv holds the FID and IID of the .fam" in message
    setting = "cohort.genotype_id: FID_IID and cohort.ignore: [case]"
    assert f"set {setting}: then 20 join" in message
    for part in setting.split(" and "):
        key, value = part.removeprefix("cohort.").split(": ")
        inputs.options[key] = yaml.safe_load(value)
    assert command_line().status == 0


def test_too_few_who_join_stop_the_run_and_the_limit_is_a_setting(inputs, command_line):
    inputs.fam = [(fid, name if i < 9 else f"x{i}") for i, (fid, name) in enumerate(inputs.fam)]
    message = refused(command_line(), "IdentifierError")
    assert "9 people of" in message
    assert "45% of the smaller of the two (cohort.minimum_overlap: 50%)" in message
    inputs.options["minimum_overlap"] = 0.4
    assert command_line().status == 0


def test_composed_and_decomposed_letters_are_the_same_person():
    composed = unicodedata.normalize("NFC", "Zoë")
    decomposed = unicodedata.normalize("NFD", "Zoë")
    assert composed != decomposed
    assert Matching().key(composed) == Matching().key(decomposed)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"age": 71 * 12}, "TableError", ["ages in months (the median is 852)", "by 12"]),
        ({"age": -9}, "TableError", ["from 0 to 120 years", "a code for unknown"]),
        ({"age": "inf"}, "TableError", ["from 0 to 120 years"]),
        ({"age": "89+"}, "TableError", ["column age: 24 of 24 values are no ages", "'000: 89+'"]),
        ({"age": "70,5"}, "TableError", ["decimal commas"]),
        ({"diagnosis": "case"}, "OutcomeError", ["nobody's diagnosis is 'control'", "'case' (24)"]),
        ({"diagnosis": "MCI"}, "OutcomeError", ["nobody's diagnosis is 'case'", "'MCI' (24)"]),
        ({"diagnosis": "n/a"}, "OutcomeError", ["found: no label at all"]),
        ({"participant_id": "sub-1"}, "TableError", ["1 values of participant_id appear more"]),
        ({"participant_id": ""}, "TableError", ["24 rows have no participant_id", "line 2"]),
        ({"site": "A\0B"}, "InputFileError", ["NUL bytes"]),
    ],
)
def test_columns_that_cannot_be_meant(inputs, command_line, change, error, words):
    inputs.participants = [{**row, **change} for row in inputs.participants]
    message = refused(command_line(), error)
    assert "participants.tsv" in message
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("edit", "error", "words"),
    [
        (lambda text: text.replace("age", "Age"), "TableError", "did you mean 'Age' for 'age'?"),
        (lambda text: text.replace("diagnosis", "diagnosi"), "TableError", "'diagnosi' for"),
        (lambda text: text.replace("site", "age"), "TableError", "named twice: 'age'"),
        (lambda text: text.replace("\t", ","), "TableError", "separated by commas, not by tabs"),
        (lambda text: text.replace("control\t", "control\t\t"), "TableError", "rows differ"),
        (lambda text: text.replace("\tM\t", "\t", 1), "TableError", "rows differ"),
        (lambda text: text.splitlines()[0] + "\n", "TableError", "a header and nobody below it"),
        (lambda text: "", "InputFileError", "the file is empty"),
    ],
)
def test_a_participants_table_that_was_edited_by_hand(inputs, command_line, edit, error, words):
    arguments = inputs.write()
    path = inputs.folder / "participants.tsv"
    path.write_text(edit(path.read_text()))
    message = refused(command_line(arguments), error)
    assert words in message
    assert "next step:" in message


@pytest.mark.parametrize(
    ("encoding", "words"),
    [("utf-16", "iconv -f UTF-16 -t UTF-8"), ("latin-1", "iconv -f LATIN1 -t UTF-8")],
)
def test_another_encoding_of_participants_is_named(inputs, command_line, encoding, words):
    inputs.participants[0]["site"] = "Münster"
    arguments = inputs.write()
    path = inputs.folder / "participants.tsv"
    path.write_bytes(path.read_text().encode(encoding))
    assert words in refused(command_line(arguments), "InputFileError")


def test_line_ends_byte_order_mark_and_extra_columns_change_nothing(inputs, command_line):
    assert command_line().status == 0
    out = inputs.folder.parent / "cohort"
    before = (out / "participants.tsv").read_bytes()
    inputs.participants = [{**row, "mmse": "n/a"} for row in inputs.participants]
    arguments = inputs.write()
    path = inputs.folder / "participants.tsv"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n").join([b"\xef\xbb\xbf", b""]))
    done = command_line(arguments)
    assert done.status == 0, done.stderr
    assert (out / "participants.tsv").read_bytes() == before


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ('{"age": {"Units": "months"}}', "TableError", "is in 'months', not in years"),
        ('{"age": ', "InputFileError", "not JSON"),
        ('{"age": {"Units": "years"}, "sex": "text"}', None, ""),
    ],
)
def test_the_description_of_columns_beside_the_table_counts(
    inputs, command_line, text, error, words
):
    arguments = inputs.write()
    (inputs.folder / "participants.json").write_text(text)
    done = command_line(arguments)
    if error is None:
        assert done.status == 0, done.stderr
    else:
        assert words in refused(done, error)


def test_a_diagnosis_in_other_letters_is_listed_and_noted(inputs, command_line):
    for i in (2, 3):
        inputs.participants[i]["diagnosis"] = "Case"
    done = command_line()
    assert done.status == 0, done.stderr
    out = inputs.folder.parent / "cohort"
    attrition = pd.read_csv(out / "attrition.tsv", sep="\t", dtype=str)
    reasons = set(attrition.loc[attrition["step"] == "outcome", "reason"])
    assert reasons == {
        "diagnosis 'Case' is neither case nor control ('case' differs only in letter case)"
    }
    assert "in other letters: 2 people" in (out / "summary.json").read_text()


@pytest.mark.parametrize("name", ["../../escaped", "<script>alert(1)</script>", "$(touch pwned)"])
def test_one_bad_identifier_stops_nobody_else(inputs, command_line, name):
    inputs.participants[3]["participant_id"] = name
    done = command_line()
    assert done.status == 0, done.stderr
    out = inputs.folder.parent / "cohort"
    people = read_table(out / "participants.tsv", {"participant_id": "text"}, extra=True)
    assert len(people) == 23
    attrition = read_table(out / "attrition.tsv", {"id": "text", "step": "text"}, extra=True)
    assert attrition.loc[attrition["step"] == "identifier", "id"].tolist() == [name]
    summary = json.loads((out / "summary.json").read_text())
    assert any(
        "left out for an identifier that cannot be used: 1 person" in note
        for note in summary["notes"]
    )
    flow = summary["flow"]
    assert flow["listed"] == 24
    assert sum(flow["left"].values()) == 1
    inside = {
        path.relative_to(inputs.folder.parent).parts[0] for path in inputs.folder.parent.rglob("*")
    }
    assert inside == {"in", "cohort"}


@pytest.mark.parametrize("age", ["-9", "999", "old", "89+", "70,5", "inf"])
def test_one_age_that_cannot_be_meant_is_unknown_and_told(inputs, command_line, age):
    inputs.participants[3]["age"] = age
    done = command_line()
    assert done.status == 0, done.stderr
    out = inputs.folder.parent / "cohort"
    kinds = {"participant_id": "text", "age": "number"}
    people = read_table(out / "participants.tsv", kinds, extra=True).set_index("participant_id")
    assert people["age"].isna().sum() == 1
    assert pd.isna(people.loc["003", "age"])
    notes = " ".join(json.loads((out / "summary.json").read_text())["notes"])
    assert f'taken as unknown for: 1 person, "003 (age {age!r} cannot be meant' in notes
    inputs.options["bad_rows"] = "stop"
    assert f"'003: {age}'" in refused(command_line(), "TableError")


def test_what_does_not_join_is_told_before_anything_is_computed(inputs, tmp_path, command):
    inputs.write()
    for name in inputs.imaged:
        image = tmp_path / f"bids/{name}/anat/{name}_T1w.nii.gz"
        image.parent.mkdir(parents=True)
        image.touch()
    imaging = {"bids": str(tmp_path / "bids"), "atlas": {"templateflow": "DKT"}}

    def check():
        genotypes = {"inputs": [str(inputs.folder / "qc")], "build": "GRCh37"}
        stages = {"genotypes": genotypes, "imaging": imaging}
        words = ["cohort", "check", "--stages", json.dumps(stages)]
        words += ["--modalities", json.dumps({"snp": {}, "region": {}})]
        words += ["--options", inputs.section().dump(), "--output", tmp_path / "check.json"]
        return command(*words)

    assert check().status == 0
    counts = json.loads((tmp_path / "check.json").read_text())
    del counts["warnings"]
    assert counts == {
        "participants": {"listed": 24, "with_outcome": 24},
        "outcomes": {"diagnosis": 24},
        "modalities": {
            "snp": {"found": 20, "joined": 20},
            "region": {"found": 10, "joined": 10},
        },
    }
    (tmp_path / "bids").rename(tmp_path / "other")
    image = tmp_path / "bids/sub-elsewhere1/anat/sub-elsewhere1_T1w.nii.gz"
    image.parent.mkdir(parents=True)
    image.touch()
    assert "0 people of" in refused(check(), "IdentifierError")
    imaging["bids"] = str(tmp_path / "other")
    inputs.fam = [("F", f"x{i}") for i in range(20)]
    inputs.write()
    assert "qc.fam: 20 people" in refused(check(), "IdentifierError")


def test_a_hostile_folder_of_an_image_is_refused_before_anything_is_planned(tmp_path):
    for label in ("001", "a b", "{study}", "$(touch pwned)", "Zoë"):
        image = tmp_path / f"sub-{label}/anat/sub-{label}_T1w.nii.gz"
        image.parent.mkdir(parents=True)
        image.touch()
    hostile = {"a b": "a space", "{study}": "`{`", "$(touch pwned)": "`$`"}
    with pytest.raises(IdentifierError, match="3 identifiers cannot be used") as caught:
        find_images(str(tmp_path))
    for label, reason in hostile.items():
        assert f"{label!r} (has {reason})" in str(caught.value)
    assert list(find_images(str(tmp_path), exclude=tuple(hostile))) == ["001", "Zoë"]
