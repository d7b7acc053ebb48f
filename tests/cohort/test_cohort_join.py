"""Joining: what is kept, what leaves, what is said about it."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import yaml

from gendmr.cohort.participants import read_participants
from gendmr.errors import (
    AnnotationError,
    ConfigurationError,
    GenotypeFileError,
    IdentifierError,
    InputFileError,
    OutcomeError,
    TableError,
)
from gendmr.files.atomic import sha256
from gendmr.files.tables import read_table
from gendmr.modalities.snp.modality import NO_DISTANCE
from gendmr.modalities.store import read_modality

HOSTILE = ["0070", "7x", "1e5", "NA", "n-a", "a" * 40, "002_S_0295", "None", "0", "TRUE", "1.0"]


def binary(**changes):
    return {"diagnosis": {"kind": "binary", **changes}}


def participants(out):
    return pd.read_csv(out / "participants.tsv", sep="\t", dtype=str, keep_default_na=False)


def attrition(out):
    return pd.read_csv(out / "attrition.tsv", sep="\t", dtype=str, keep_default_na=False)


def test_people_with_one_modality_are_kept_and_a_missing_one_is_a_missing_row(inputs, join):
    out = join(inputs)
    table = participants(out).set_index("participant_id")
    assert len(table) == 24
    assert (table["has_snp"] == "True").sum() == 20
    assert (table["has_region"] == "True").sum() == 10
    snp = read_modality(out / "snp.nc", "snp")
    region = read_modality(out / "region.nc", "region")
    assert snp["participant"].values.tolist() == sorted(name for _, name in inputs.fam)
    assert region["participant"].values.tolist() == [f"{i:03d}" for i in range(14, 24)]
    assert snp.attrs["build"] == "GRCh37"
    assert region.attrs["space"] == "MNI152NLin2009aSym"


def test_each_person_gets_their_own_genotypes_and_regions_whatever_the_order(inputs, join):
    rng = np.random.default_rng(3)
    inputs.fam = [inputs.fam[i] for i in rng.permutation(len(inputs.fam))]
    inputs.participants = [inputs.participants[i] for i in rng.permutation(24)]
    inputs.imaged = [inputs.imaged[i] for i in rng.permutation(10)]
    out = join(inputs)
    snp = read_modality(out / "snp.nc", "snp")
    for row, (_, name) in enumerate(inputs.fam):
        dosages = snp["dosage"].sel(participant=name).values
        assert dosages.tolist() == inputs.dosage[row, :4].tolist()
    measured = read_modality(inputs.folder / "regions.nc", "region")
    collected = read_modality(out / "region.nc", "region")
    for name in inputs.imaged:
        before = measured.sel(participant=name)
        after = collected.sel(participant=name.removeprefix("sub-"))
        assert after["volume"].values.tolist() == before["volume"].values.tolist()
        assert float(after["icv"]) == float(before["icv"])


def test_only_autosomes_enter_and_the_others_are_listed(inputs, join):
    out = join(inputs)
    assert read_modality(out / "snp.nc", "snp")["snp"].values.tolist() == [
        "rs0",
        "rs1",
        "rs2",
        "rs3",
    ]
    removed = attrition(out).query("kind == 'variant'")
    assert removed[["id", "stage", "step"]].values.tolist() == [
        ["rs99", "genotypes", "frequency"],
        ["rs4", "cohort", "autosomes"],
    ]


def test_genes_of_a_snp_stand_in_the_order_of_distance(inputs, join):
    snp = read_modality(join(inputs) / "snp.nc", "snp")
    assert snp["gene"].values.tolist() == ["INSIDE;NEAR", "", "FAR", ""]
    assert snp["distance"].values.tolist() == [0, NO_DISTANCE, 4000, NO_DISTANCE]


def test_hostile_identifiers_join_as_they_are(inputs, join):
    for i, name in enumerate(HOSTILE):
        inputs.participants[i]["participant_id"] = f"sub-{name}"
        inputs.fam[i] = ("F", name)
    inputs.imaged = HOSTILE
    out = join(inputs)
    rows = participants(out).set_index("participant_id").loc[HOSTILE]
    assert rows["has_snp"].tolist() == rows["has_region"].tolist() == ["True"] * len(HOSTILE)
    columns = {"participant_id": "text"}
    read = read_table(out / "participants.tsv", columns, extra=True)["participant_id"]
    assert set(HOSTILE) < set(read)


@pytest.mark.parametrize(
    ("choice", "fam"),
    [("IID", ("F", "sub-000")), ("FID_IID", ("00", "0")), ("FID", ("000", "1"))],
)
def test_the_configured_identifier_of_the_fam_joins(inputs, choice, fam, join):
    inputs.options["genotype_id"] = choice
    ids = [name for _, name in inputs.fam]
    inputs.fam = {
        "IID": inputs.fam,
        "FID": [(name, "1") for name in ids],
        "FID_IID": [("F", name) for name in ids],
    }[choice]
    if choice == "FID_IID":
        for row in inputs.participants:
            row["participant_id"] = "F_" + row["participant_id"][4:]
        inputs.imaged = [f"F_{name[4:]}" for name in inputs.imaged]
        fam = ("F", "000")
    inputs.fam[0] = fam
    out = join(inputs)
    assert (participants(out)["has_snp"] == "True").sum() == 20


def test_diagnoses_are_pooled_and_others_listed(inputs, join):
    inputs.options["outcomes"] = binary(column="group", case=["AD", "LMCI"], control=["CN"])
    labels = ["AD", "CN", "LMCI", "CN", "EMCI", "n/a", ""] + ["AD", "CN"] * 9
    for row, label in zip(inputs.participants, labels[:24], strict=True):
        row["group"] = label
        del row["diagnosis"]
    out = join(inputs)
    table = participants(out).set_index("participant_id")
    assert table.loc[["000", "001", "002"], "diagnosis"].tolist() == ["case", "control", "case"]
    reason_of = attrition(out).query("step == 'outcome'").set_index("id")["reason"]
    assert reason_of.to_dict() == {
        "005": "no diagnosis",
        "006": "no diagnosis",
        "004": "diagnosis 'EMCI' is neither case nor control",
    }


def test_labels_spelt_otherwise_are_shown(inputs, join):
    inputs.options["outcomes"] = binary(case=["Case"])
    with pytest.raises(OutcomeError, match=r"nobody's diagnosis is 'Case' \(case\).*'case' \(12\)"):
        join(inputs)


def test_a_label_cannot_be_case_and_control(inputs):
    inputs.options["outcomes"] = binary(case=["AD"], control=["AD"])
    with pytest.raises(ConfigurationError, match="labels of cases and of controls"):
        inputs.section()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": {"gendre": "gender"}}, "columns renames what is not used: 'gendre'"),
        ({"categorical": ["sex", "ward"]}, "categorical names no covariates: 'ward'"),
        ({"covariates": ["age", "diagnosis"]}, "reserved names"),
        ({"folds": 1}, "folds"),
        ({"folds": "5"}, "folds"),
        ({"fold": 5}, "unknown key"),
    ],
)
def test_wrong_configurations_are_refused(inputs, options, message):
    inputs.options.update(options)
    with pytest.raises(ConfigurationError, match=message):
        inputs.section()


def test_columns_named_otherwise_and_sex_spelt_as_bids_allows(inputs, join):
    for row in inputs.participants:
        row["gender"] = {"M": "male", "F": "f"}[row.pop("sex")]
        row["education"] = 12
    inputs.options |= {"columns": {"sex": "gender"}, "covariates": ["age", "sex", "education"]}
    out = join(inputs)
    table = participants(out)
    assert list(table)[:5] == ["participant_id", "diagnosis", "age", "sex", "education"]
    assert set(table["sex"]) == {"M", "F"}
    described = json.loads((out / "participants.json").read_text())
    assert {name: entry.get("Kind") for name, entry in described.items() if "Kind" in entry} == {
        "age": "number",
        "sex": "category",
        "education": "number",
    }


def test_a_missing_covariate_column_and_one_that_is_no_number(inputs, join):
    inputs.options["covariates"] = ["age", "sex", "education"]
    with pytest.raises(TableError, match="'education'"):
        join(inputs)
    inputs.options["covariates"] = ["age", "sex"]
    inputs.participants[2]["age"] = "old"
    inputs.options["bad_rows"] = "stop"
    with pytest.raises(TableError, match=r"column age: 1 of 24 values are no ages .*'002: old'"):
        join(inputs)


def test_missing_covariates_stay_missing_and_are_noted(inputs, join):
    inputs.participants[0]["age"] = None
    inputs.participants[1]["site"] = ""
    out = join(inputs)
    table = participants(out).set_index("participant_id")
    assert table.loc["000", "age"] == "n/a"
    assert table.loc["001", "site"] == "n/a"
    notes = json.loads((out / "summary.json").read_text())["notes"]
    assert "kept without age: 1 person, '000'." in notes
    assert "kept without site: 1 person, '001'." in notes


def test_strangers_are_listed_with_the_likely_person(inputs, join):
    inputs.fam[3] = ("F", "3")
    inputs.fam.append(("F", "nobody"))
    out = join(inputs)
    removed = attrition(out).query("stage == 'cohort' and kind == 'participant'")
    assert removed[["id", "step", "reason"]].values.tolist() == [
        [
            "3",
            "genotypes",
            "genotypes, but not in participants.tsv ('003' differs only in leading zeros)",
        ],
        ["nobody", "genotypes", "genotypes, but not in participants.tsv"],
        ["003", "modality", "neither genotypes nor images"],
    ]
    notes = " ".join(json.loads((out / "summary.json").read_text())["notes"])
    assert "2 people with genotypes, but not in participants.tsv: '3', 'nobody'. 1 of them" in notes


@pytest.mark.parametrize(
    ("listed", "genotyped", "setting"),
    [
        ("0{}", "{}", "cohort.ignore: [zeros]"),
        ("S{}", "s{}", "cohort.ignore: [case]"),
        ("S_{}", "s{}", "cohort.ignore: [case, punctuation]"),
        ("{}", "ADNI_{}", 'cohort.strip: ["ADNI_"]'),
        ("x{}", "{}", 'cohort.strip: ["x"]'),
    ],
)
def test_the_error_of_a_mismatch_names_the_setting_that_mends_it(
    inputs, listed, genotyped, setting, join
):
    ids = [str(100 + i) for i in range(24)]
    for row, name in zip(inputs.participants, ids, strict=True):
        row["participant_id"] = listed.format(name)
    inputs.fam = [(f"F{i}", genotyped.format(name)) for i, name in enumerate(ids[:20])]
    inputs.imaged = [listed.format(name) for name in ids[14:]]
    with pytest.raises(IdentifierError) as caught:
        join(inputs)
    message = str(caught.value)
    assert message.startswith("0 people of ")
    assert "qc.fam: 20 people" in message
    assert "participants.tsv: 24 people" in message
    assert f"set {setting}: then 20 join" in message
    key, value = setting.removeprefix("cohort.").split(": ")
    inputs.options[key] = yaml.safe_load(value)
    assert (participants(join(inputs))["has_snp"] == "True").sum() == 20


def test_the_setting_that_the_error_names_makes_it_run(inputs, join):
    inputs.fam = [(name, f"{i}") for i, (_, name) in enumerate(inputs.fam, start=900)]
    with pytest.raises(IdentifierError, match=r"set cohort\.genotype_id: FID: then 20 join"):
        join(inputs)
    inputs.options["genotype_id"] = "FID"
    assert (participants(join(inputs))["has_snp"] == "True").sum() == 20


def test_files_of_two_studies_are_called_so(inputs, join):
    inputs.fam = [("F", f"x{i:05d}y") for i in range(20)]
    with pytest.raises(IdentifierError, match="different studies"):
        join(inputs)


def test_images_that_join_nobody_stop_the_run_too(inputs, join):
    inputs.imaged = [f"sub-mri{i}" for i in range(10)]
    with pytest.raises(IdentifierError, match=r"0 people of .*regions\.nc"):
        join(inputs)


def test_few_images_of_many_people_are_no_mismatch(inputs, join):
    inputs.imaged = inputs.imaged[:2]
    inputs.options["minimum_overlap"] = 1.0
    assert (participants(join(inputs))["has_region"] == "True").sum() == 2


@pytest.mark.parametrize(
    ("ignore", "spelling"),
    [(["case"], "s-00A"), (["punctuation"], "S00a"), (["zeros"], "S-0a")],
)
def test_ignored_differences_join(inputs, ignore, spelling, join):
    inputs.options["ignore"] = ignore
    inputs.participants[0]["participant_id"] = "S-00a"
    inputs.fam[0] = ("F", spelling)
    table = participants(join(inputs)).set_index("participant_id")
    assert table.loc["S-00a", "has_snp"] == "True"


def test_two_people_who_become_one_are_an_error(inputs, join):
    inputs.options["ignore"] = ["zeros"]
    inputs.participants[1]["participant_id"] = "sub-0"
    with pytest.raises(IdentifierError, match="000 and 0"):
        join(inputs)


def test_the_same_person_with_and_without_prefix_is_an_error(inputs, join):
    inputs.participants[1]["participant_id"] = "000"
    with pytest.raises(IdentifierError, match="with and without `sub-`"):
        join(inputs)


def test_an_iid_of_two_families_is_an_error(inputs, join):
    inputs.fam[1] = ("other", inputs.fam[0][1])
    with pytest.raises(IdentifierError, match=r"qc\.fam \(IID\)"):
        join(inputs)


@pytest.mark.parametrize(
    ("require", "remaining"), [("any", 24), ("snp", 20), ("region", 10), ("all", 6)]
)
def test_required_modalities(inputs, require, remaining, join):
    inputs.options["require"] = require
    out = join(inputs)
    assert len(participants(out)) == remaining
    assert (attrition(out)["step"] == "modality").sum() == 24 - remaining


def test_modalities_of_different_people_leave_nobody(inputs, join):
    inputs.options["require"] = "all"
    inputs.imaged = [f"sub-{name}" for name in ("020", "021", "022", "023")]
    with pytest.raises(IdentifierError, match="nobody of 24 people"):
        join(inputs)


def test_families_run_through_people_who_are_not_analysed(inputs, join):
    inputs.participants.append(
        {**inputs.participants[0], "participant_id": "gone", "diagnosis": ""}
    )
    inputs.kinship = [("002", "gone", 0.25), ("gone", "009", 0.3), ("004", "005", 0.05)]
    inputs.removed = [("gone", "missingness")]
    table = participants(join(inputs)).set_index("participant_id")
    assert table.loc["009", "family"] == table.loc["002", "family"] == "002"
    assert table.loc["004", "family"] == "004"
    assert table.loc["005", "family"] == "005"


def test_a_chain_of_noisy_pairs_is_noted(inputs, join):
    names = [name for _, name in inputs.fam][:14]
    inputs.kinship = [(a, b, 0.1) for a, b in pairwise(names)]
    notes = " ".join(json.loads((join(inputs) / "summary.json").read_text())["notes"])
    assert "The largest family has 14 of 24 people: a chain of pairs." in notes
    inputs.options["kinship"] = 0.2
    notes = " ".join(json.loads((join(inputs) / "summary.json").read_text())["notes"])
    assert "family" not in notes


def test_a_duplicate_removed_from_genotypes_keeps_the_image_and_the_family(inputs, join):
    inputs.fam = [(fid, name) for fid, name in inputs.fam if name != "019"]
    inputs.removed = [("019", "duplicate")]
    inputs.kinship = [("003", "019", 0.49)]
    table = participants(join(inputs)).set_index("participant_id")
    assert table.loc["019", ["has_snp", "has_region"]].tolist() == ["False", "True"]
    assert table.loc["019", "family"] == table.loc["003", "family"]


def test_kin_of_removed_people_are_found_by_fid_and_iid(inputs, join):
    inputs.options["genotype_id"] = "FID_IID"
    for row in inputs.participants:
        row["participant_id"] = "F_" + row["participant_id"][4:]
    inputs.imaged = [f"F_{name[4:]}" for name in inputs.imaged]
    inputs.fam = [("F", name) for _, name in inputs.fam if name != "019"]
    inputs.removed = [("019", "duplicate")]
    inputs.kinship = [("003", "019", 0.49)]
    out = join(inputs)
    table = participants(out).set_index("participant_id")
    assert table.loc["F_019", "family"] == table.loc["F_003", "family"]
    assert "F_019" in set(attrition(out).query("step == 'duplicate'")["id"])


def test_flagged_images_are_kept_and_unmeasured_ones_listed(inputs, join):
    inputs.flagged = ["sub-015"]
    inputs.unmeasured = ["sub-001"]
    out = join(inputs)
    table = participants(out).set_index("participant_id")
    assert table.loc["015", "has_region"] == "True"
    removed = attrition(out).query("stage == 'imaging'")
    assert removed[["id", "step", "reason"]].values.tolist() == [
        ["015", "flagged", "outlier, kept: low overlap"],
        ["001", "no regions measured", "no regions measured: no valid affine"],
    ]


def test_a_person_whose_scan_is_refused_stays_with_genotypes(inputs, join):
    inputs.refused = ["sub-001"]
    inputs.imaged = [name for name in inputs.imaged if name != "sub-001"]
    out = join(inputs)
    person = participants(out).set_index("participant_id").loc["001"]
    assert (person["has_snp"], person["has_region"]) == ("True", "False")
    removed = attrition(out).query("stage == 'imaging'")
    assert removed[["id", "step", "reason"]].values.tolist() == [
        ["001", "scan refused", "no regions measured: ImageError: no affine"]
    ]
    flow = json.loads((out / "summary.json").read_text())["flow"]["modalities"]["region"]
    assert flow["removed"] == {"scan refused": 1}
    assert flow["in"] == flow["passed"] + 1


def test_a_study_without_images(inputs, join):
    inputs.images = False
    out = join(inputs)
    assert not (out / "region.nc").exists()
    table = participants(out)
    assert "has_snp" in table and "has_region" not in table
    assert list(json.loads((out / "summary.json").read_text())["flow"]["modalities"]) == ["snp"]
    assert set(attrition(out).query("step == 'modality'")["reason"]) == {"no genotypes"}


def test_a_study_without_genotypes_has_no_kin_and_no_variants(inputs, join):
    inputs.genotypes = False
    out = join(inputs)
    assert not (out / "snp.nc").exists()
    table = participants(out)
    assert len(table) == 10 and "has_snp" not in table
    assert table["family"].tolist() == table["participant_id"].tolist()
    summary = json.loads((out / "summary.json").read_text())
    assert summary["flow"]["instances"] == summary["instances"] == {}
    assert read_modality(out / "region.nc", "region").sizes["participant"] == 10


def test_a_modality_that_nobody_has_is_an_error(inputs, join):
    inputs.imaged = []
    with pytest.raises(IdentifierError, match=r"regions\.nc: nobody is in it"):
        join(inputs)


def test_a_modality_of_people_without_an_outcome_only_is_an_error(inputs, join):
    for i in range(14, 24):
        inputs.participants[i]["diagnosis"] = "n/a"
    with pytest.raises(IdentifierError, match=r"nobody of 14 people of the cohort has images"):
        join(inputs)


def test_an_allele_of_300_000_bases_costs_nothing(inputs, join):
    inputs.long_allele = 300_000
    inputs.chromosomes = tuple(["1"] * 3000)
    out = join(inputs)
    snp = read_modality(out / "snp.nc", "snp")
    assert len(str(snp["other_allele"].values[0])) == 300_000
    assert set(snp["other_allele"].values[1:].tolist()) == {"G"}
    # Of fixed width, 3,000 alleles of four bytes a base would be 3.6 GB.
    assert (out / "snp.nc").stat().st_size < 2_000_000
    assert np.array_equal(snp["dosage"].values, inputs.dosage)


def test_a_bed_that_does_not_fit_its_people_is_refused_when_it_is_read(inputs, join_cohort):
    arguments = inputs.write()
    with (inputs.folder / "qc.bed").open("ab") as bed:
        bed.write(b"\0")
    with pytest.raises(GenotypeFileError, match=r"qc\.bed: .* bytes, but 5 variants"):
        join_cohort(arguments, inputs.folder / "out")


def test_the_numbers_of_the_flow_add_up(inputs, join):
    inputs.fam.append(("F", "nobody"))
    inputs.removed = [("019", "missingness"), ("018", "duplicate"), ("x", "missingness")]
    inputs.fam = [(fid, name) for fid, name in inputs.fam if name not in {"018", "019"}]
    inputs.unmeasured = ["sub-001"]
    for i in (2, 21):
        inputs.participants[i]["diagnosis"] = "MCI"
    inputs.options["require"] = "snp"
    out = join(inputs)
    flow = json.loads((out / "summary.json").read_text())["flow"]
    everybody, with_both, snp_only, region_only = (entry["n"] for entry in flow["analysed"])
    assert everybody == len(participants(out)) == with_both + snp_only + region_only
    for entry in flow["analysed"]:
        assert sum(entry["outcomes"]["diagnosis"].values()) == entry["n"]
    removed = sum(flow["left"].values()) + sum(flow["no_modality"].values())
    assert flow["listed"] - removed == everybody
    for name, only in (("snp", snp_only), ("region", region_only)):
        entry = flow["modalities"][name]
        assert entry["in"] - sum(entry["removed"].values()) == entry["passed"]
        assert entry["passed"] - sum(entry["left"].values()) == with_both + only
    assert flow["modalities"]["snp"]["removed"] == {"missingness": 2, "duplicate": 1}
    variants = flow["instances"]["variant"]
    assert variants["removed"] == {"frequency": 1, "autosomes": 1}
    assert variants["in"] - sum(variants["removed"].values()) == variants["passed"] == 4


def test_genes_of_another_build_are_called_so(inputs, join_cohort):
    arguments = inputs.write()
    genes = inputs.folder / "snp2gene.tsv"
    genes.write_text(genes.read_text().replace("rs", "snp"))
    with pytest.raises(AnnotationError, match="none of 4 variants of the cohort has a gene"):
        join_cohort(arguments, inputs.folder / "out")


def test_no_autosome_at_all(inputs, join):
    inputs.chromosomes = ("X", "Y")
    with pytest.raises(GenotypeFileError, match="none of 2 variants"):
        join(inputs)


def test_a_missing_participants_file(inputs, join_cohort):
    arguments = inputs.write()
    (inputs.folder / "participants.tsv").unlink()
    with pytest.raises(InputFileError, match="no such file"):
        join_cohort(arguments, inputs.folder / "out")


def test_the_same_bytes_on_a_rerun_and_in_any_order_of_rows(tmp_path, make_study, join):
    files = ["participants.tsv", "attrition.tsv", "snp.nc", "region.nc", "summary.json"]
    files += ["participants.json", "figures/flow.png"]
    first = make_study(tmp_path / "a" / "in", n=24, n_imaged=10)
    second = make_study(tmp_path / "b" / "in", n=24, n_imaged=10)
    second.participants.reverse()
    first_out, second_out = join(first), join(second)
    assert [sha256(first_out / name) for name in files] == [
        sha256(second_out / name) for name in files
    ]


def test_the_command_line_does_the_same(inputs, join):
    out = join(inputs)
    arguments = inputs.write()
    by_hand = inputs.folder.parent / "by-hand"
    sections = {name: entry.model_dump() for name, entry in arguments["sections"].items()}
    options = ["--sources", json.dumps(arguments["sources"]), "--modalities", json.dumps(sections)]
    options += ["--options", inputs.section().dump()]
    people = ["--participants", by_hand / "participants.tsv"]
    for words in (
        ["join", *options, "--output", by_hand],
        ["collect", *options, *people, "--modality", "snp", "--output", by_hand / "snp.nc"],
        ["collect", *options, *people, "--modality", "region", "--output", by_hand / "region.nc"],
    ):
        subprocess.run([sys.executable, "-m", "gendmr", "cohort", *words], check=True)
    assert sha256(by_hand / "region.nc") == sha256(out / "region.nc")
    assert sha256(by_hand / "snp.nc") == sha256(out / "snp.nc")
    assert sha256(by_hand / "participants.tsv") == sha256(out / "participants.tsv")


def test_participants_are_read_in_the_order_of_the_file(inputs):
    inputs.write()
    table = read_participants(inputs.section()).people
    assert table["participant_id"].tolist() == [f"{i:03d}" for i in range(24)]
    assert table["age"].dtype == "float64"


def test_stored_strings_are_strings(inputs, join):
    with xr.open_dataset(join(inputs) / "snp.nc", engine="h5netcdf") as stored:
        assert all(isinstance(name, str) for name in stored["participant"].values.tolist())
