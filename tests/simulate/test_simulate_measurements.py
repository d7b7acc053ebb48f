"""Measurements without images: what was planted is in them, and nothing else."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from gendmr.config.simulate import SimulateSection
from gendmr.errors import ConfigurationError
from gendmr.modalities.store import read_modality
from gendmr.simulate.cohort import simulate_cohort
from gendmr.simulate.disease import draw_affected, plant
from gendmr.simulate.measurements import measure, simulate_measurements
from gendmr.simulate.reference import read_regions
from gendmr.simulate.roster import roster
from remedies import mended

from .conftest import SEED, TINY, read_cohort

PEOPLE = 20_000
PLANTED = {
    "people": 9000,
    "imaging": "measurements",
    "through_regions": 0.5,
    "variance_explained": 0.02,
    "susceptibility": 0.08,
    "atrophy": 0.04,
    "age_atrophy": 0.02,
}


def draw(tables: tuple[Path, Path], **options: object) -> SimpleNamespace:
    """Draw many people with independent genotypes, and measure them."""
    section = SimulateSection.parse(PLANTED | options)
    random = np.random.default_rng(3)
    names = [f"G{number}" for number in range(section.planted)]
    variants = pd.DataFrame({"gene": names, "inside": True})
    planted = plant(section, names, variants, np.full(len(names), 0.3), 1)
    alleles = random.binomial(2, 0.3, (len(planted), PEOPLE))
    age = random.normal(73, 7.5, PEOPLE)
    second = random.random(PEOPLE) < section.second_population
    outcome = draw_affected(section, planted, alleles, age, second, 1)
    anatomy = pd.DataFrame(
        {
            "size": random.normal(1, 0.02, PEOPLE),
            "everywhere": section.age_atrophy * (age - 73) / 7.5 + section.smaller_regions * second,
        }
    )
    anatomy["participant_id"] = [str(number) for number in range(PEOPLE)]
    for column, region in enumerate(section.regions):
        anatomy[region] = outcome.loss[:, column]
    measured = measure(anatomy, read_regions(tables[1]), section, 1)
    volume = pd.DataFrame(measured["volume"].values, columns=measured["region"].values)
    return SimpleNamespace(
        section=section,
        planted=planted,
        alleles=alleles,
        age=age,
        second=second,
        outcome=outcome,
        # Of a head of one size: the volume is proportional to it.
        share=volume.div(measured["icv"].values, axis=0),
    )


@pytest.fixture(scope="module")
def drawn(tables: tuple[Path, Path]) -> SimpleNamespace:
    return draw(tables)


def test_half_of_the_weaker_genes_act_through_regions(drawn: SimpleNamespace) -> None:
    ways = [item.through for item in drawn.planted]
    assert ways[0] == "diagnosis"
    assert sum(way != "diagnosis" for way in ways) == 6
    assert set(ways) == {"diagnosis", *drawn.section.regions}


def test_a_gene_explains_its_share_of_its_region_and_of_no_other(drawn: SimpleNamespace) -> None:
    controls = ~drawn.outcome.case
    age = pd.Series(drawn.age - drawn.age.mean())
    slopes = drawn.share.mul(age, axis=0).mean() / age.var()
    adjusted = drawn.share - np.outer(age, slopes)
    for item, counts in zip(drawn.planted, drawn.alleles, strict=True):
        squared = adjusted[controls].corrwith(pd.Series(counts)[controls]) ** 2
        for region, explained in squared.items():
            if region == item.through:
                assert 0.015 < explained < 0.025
            elif item.through != "diagnosis":
                assert explained < 0.002


def test_regions_carry_the_diagnosis_where_the_disease_is(drawn: SimpleNamespace) -> None:
    case = drawn.outcome.case
    effect = (drawn.share[case].mean() - drawn.share[~case].mean()) / drawn.share[~case].std()
    named = effect[list(drawn.section.regions)]
    unnamed = effect.drop(list(drawn.section.regions))
    assert (named < -0.4).all()
    # Age makes cases and controls differ everywhere, but little.
    assert (unnamed.abs() < 0.15).all()


def test_the_odds_ratio_that_follows_is_what_an_association_test_finds(
    drawn: SimpleNamespace,
) -> None:
    case = drawn.outcome.case
    for item, counts, ratio in zip(
        drawn.planted, drawn.alleles, drawn.outcome.odds_ratios, strict=True
    ):
        frequency = [counts[group].mean() / 2 for group in (case, ~case)]
        log_odds = np.log([p / (1 - p) for p in frequency])
        error = np.sqrt(2 * 2 / (2 * 0.3 * 0.7 * PEOPLE))
        assert abs(log_odds[0] - log_odds[1] - np.log(ratio)) < 3.5 * error + 0.03, item.gene
    shared = [item.share is not None for item in drawn.planted]
    assert 1.05 < drawn.outcome.odds_ratios[shared].mean() < 1.2


def test_confounders_can_be_switched_on_and_off(tables: tuple[Path, Path]) -> None:
    on = draw(tables, age_effect=0.5, smaller_regions=0.05, confounding=1.0)
    off = draw(tables, age_effect=0.0, age_atrophy=0.0, confounding=0.0)
    # A region that the disease spares.
    insula = {name: who.share["insula_L"] for name, who in (("on", on), ("off", off))}
    assert np.corrcoef(on.age, insula["on"])[0, 1] < -0.1
    assert abs(np.corrcoef(off.age, insula["off"])[0, 1]) < 0.03
    assert np.corrcoef(on.second, insula["on"])[0, 1] < -0.1
    assert abs(np.corrcoef(off.second, insula["off"])[0, 1]) < 0.03
    assert np.corrcoef(on.second, on.outcome.case)[0, 1] > 0.1
    assert abs(np.corrcoef(off.second, off.outcome.case)[0, 1]) < 0.03


def test_nothing_is_planted_in_null_mode(tables: tuple[Path, Path]) -> None:
    null = draw(tables, null_mode=True)
    assert null.planted == []
    correlation = null.share.corrwith(pd.Series(null.outcome.case.astype(float)))
    assert correlation.abs().max() < 4 / np.sqrt(PEOPLE)


@pytest.fixture(scope="module")
def section() -> SimulateSection:
    planted = {key: value for key, value in PLANTED.items() if key != "people"}
    return SimulateSection.parse(TINY | planted | {"images": 60, "x_chromosome": False})


@pytest.fixture(scope="module")
def measured(
    tmp_path_factory: pytest.TempPathFactory, tables: tuple[Path, Path], section: SimulateSection
) -> SimpleNamespace:
    """A whole cohort with measurements, as the command line makes it."""
    folder = tmp_path_factory.mktemp("measured")
    simulate_cohort(*tables, section, SEED, folder)
    simulate_measurements(folder / "anatomy.tsv", tables[1], section, SEED, folder / "regions.nc")
    return read_cohort(folder)


def test_the_people_who_were_to_be_imaged_are_measured(
    measured: SimpleNamespace, section: SimulateSection
) -> None:
    regions = read_modality(measured.folder / "regions.nc", "region")
    labels = [name.removeprefix("sub-") for name in regions["participant"].values.tolist()]
    assert sorted(labels) == sorted(roster(section).imaged)
    assert regions.sizes["region"] == 40
    assert regions["volume"].values.min() > 0
    assert 1.1e6 < regions["icv"].values.mean() < 1.8e6


def test_the_truth_says_which_way_each_gene_acts(measured: SimpleNamespace) -> None:
    genes = measured.truth["genes"]
    direct = [item for item in genes if item["through"] == "diagnosis"]
    assert len(direct) == len(genes) - len(direct) == 6
    for item in genes:
        if item in direct:
            assert item["variance_explained"] is None
            assert item["odds_ratio"] >= 1.25
        else:
            assert item["variance_explained"] == 0.02
            assert 1.0 < item["odds_ratio"] < 1.25


def test_there_is_no_x_where_none_was_asked_for(measured: SimpleNamespace) -> None:
    for table in measured.bim.values():
        assert "23" not in set(table["chromosome"])


def test_the_same_seed_gives_the_same_bytes(
    measured: SimpleNamespace, tables: tuple[Path, Path], section: SimulateSection, tmp_path: Path
) -> None:
    for seed, same in ((SEED, True), (SEED + 1, False)):
        path = tmp_path / f"{seed}.nc"
        simulate_measurements(measured.folder / "anatomy.tsv", tables[1], section, seed, path)
        assert (path.read_bytes() == (measured.folder / "regions.nc").read_bytes()) is same


@pytest.mark.parametrize("key", ["variance_explained", "age_atrophy", "smaller_regions"])
def test_what_images_cannot_show_is_refused_for_them(key: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{key}: only with"):
        SimulateSection.parse({key: 0.05})


def test_genes_cannot_explain_more_than_there_is(tables: tuple[Path, Path]) -> None:
    for change in (
        {"variance_explained": 0.005},
        {"regions": ["hippocampus_L", "hippocampus_R", "amygdala_L", "amygdala_R", "thalamus_L"]},
        {"susceptibility": 0.1},
    ):
        options = {"regions": ["hippocampus_L"], "susceptibility": 0.015}
        words = "lower simulate.variance_explained, name more regions, or raise"
        with mended(
            "simulate/disease.py",
            words,
            ConfigurationError,
            lambda options=options: draw(tables, **options),
        ) as refused:
            assert "'hippocampus_L' would explain more than 90%" in refused.what
            options.update(change)
