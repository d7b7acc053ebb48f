"""Which modalities a study has, and what a method makes of their sections."""

from __future__ import annotations

import pytest

from gendmr.config.modalities import SECTIONS
from gendmr.config.study import Study
from gendmr.errors import ConfigurationError
from studies import make_study, slice_of, study_mapping

RIDGE = {"ridge": {"kind": "ridge"}}


def test_a_study_has_the_modalities_that_its_stages_measure():
    assert list(make_study().modality_sections()) == ["snp", "region"]
    assert list(make_study(available=("snp",)).modality_sections()) == ["snp"]
    assert list(make_study(available=("region",)).modality_sections()) == ["region"]


def test_entries_of_the_study_are_those_of_its_modalities():
    study = make_study(modalities={"region": {"icv": False}, "snp": {"components": 7}})
    sections = study.modality_sections()
    assert not sections["region"].icv and sections["snp"].components == 7
    mapping = study_mapping()
    del mapping["modalities"]
    assert Study.parse(mapping).modality_sections() == {
        name: SECTIONS[name]() for name in ("snp", "region")
    }


def test_a_study_without_any_modality_is_refused():
    with pytest.raises(ConfigurationError, match="the study has no modality"):
        make_study(available=())


def test_an_entry_that_nothing_measures_is_refused():
    mapping = study_mapping(available=("snp",))
    mapping["modalities"]["region"] = {"icv": False}
    with pytest.raises(ConfigurationError, match=r"modalities: 'region': .*no section 'imaging'"):
        Study.parse(mapping)


def test_an_unknown_modality_is_refused():
    mapping = study_mapping()
    mapping["modalities"]["proteome"] = {}
    with pytest.raises(ConfigurationError, match=r"modalities.proteome: unknown key"):
        Study.parse(mapping)


def test_genotypes_need_genes():
    mapping = study_mapping()
    del mapping["annotation"]
    with pytest.raises(ConfigurationError, match="genotypes without a section annotation"):
        Study.parse(mapping)


@pytest.mark.parametrize("require", ["any", "all", "region"])
def test_people_may_be_required_to_have_a_modality(require):
    mapping = study_mapping()
    mapping["cohort"]["require"] = require
    assert Study.parse(mapping).cohort.require == require


@pytest.mark.parametrize(("require", "available"), [("images", None), ("region", ("snp",))])
def test_requiring_a_modality_that_the_study_lacks_is_refused(require, available):
    mapping = study_mapping(available=available or ("snp", "region"))
    mapping["cohort"]["require"] = require
    with pytest.raises(ConfigurationError, match=f"cohort.require = '{require}': no modality"):
        Study.parse(mapping)


def test_a_wrong_interval_is_refused():
    with pytest.raises(ConfigurationError, match=r"modalities.snp.exclude"):
        make_study(modalities={"snp": {"exclude": ["chromosome 19"]}})


def test_intervals_of_study_and_method_are_both_left_out():
    options = slice_of(
        {"kind": "ridge", "exclude": ["19:1-5"]}, modalities={"snp": {"exclude": ["6:1-9"]}}
    )
    assert options.modalities["snp"].exclude == ("6:1-9", "19:1-5")


def test_a_method_with_snps_of_its_own_overrides_the_selection():
    options = slice_of({"kind": "locus", "interval": "2:1-9", "snps": ["rs1"]})
    override = options.modalities["snp"].override
    assert (override.interval, override.names) == ("2:1-9", ("rs1",))
    assert options.modalities["snp"].most(10_000) == 10_000
    assert slice_of({"kind": "ridge"}).modalities["snp"].most(10_000) == 5000


def test_a_slice_holds_only_modalities_that_the_method_reads_or_is_adjusted_by():
    # Covariates come with the ancestry components of genotypes.
    assert list(slice_of({"kind": "ridge", "reads": ["covariates"]}).modalities) == ["snp"]
    assert list(slice_of({"kind": "ridge", "reads": ["region"]}).modalities) == ["region"]
    # A method that tests regions adjusts them for ancestry, whether or not it reads SNPs.
    assert list(slice_of({"kind": "association", "reads": ["region"]}).modalities) == [
        "snp",
        "region",
    ]
    assert list(slice_of({"kind": "locus"}).modalities) == ["snp"]
    alone = slice_of({"kind": "association"}, available=("region",))
    assert list(alone.modalities) == ["region"] and alone.reads == ("region",)
