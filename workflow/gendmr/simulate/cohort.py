"""People, genotypes on two arrays, diagnoses, atrophy, and the deliberate faults."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gendmr.config.simulate import SimulateSection
from gendmr.files.atomic import write_json, write_text
from gendmr.files.tables import write_table
from gendmr.seeds import generator
from gendmr.simulate.disease import (
    DiseaseState,
    Planted,
    choose_balanced,
    draw_affected,
    plant,
)
from gendmr.simulate.haplotypes import SnpPanel, make_offspring, simulate_panel
from gendmr.simulate.outcomes import SimulatedColumns, causes_of, draw_outcomes
from gendmr.simulate.placement import genes_to_plant, transcription_starts
from gendmr.simulate.plink import write_fileset
from gendmr.simulate.reference import check_region_names, read_genes, read_regions, side_by_side
from gendmr.simulate.roster import ImageList, roster
from gendmr.simulate.signals import draw_motion
from gendmr.simulate.truth import describe_columns, truth_of

POOL_FACTOR, POOL_EXTRA = 1.3, 60  # people simulated, so that both diagnoses are there
MISSING = 0.002  # share of calls that fail by chance
POOR_PERSON = 0.15  # share of failed calls of the person with a poor call rate
POOR_VARIANT = (0.15, 0.35)  # the same of bad variants
POOR_VARIANTS = 0.01  # share of variants with many failed calls, and as many out of HWE
LOST_HETEROZYGOTES = 0.75  # share of heterozygotes that a badly clustered variant calls homozygous
ON_BOTH = 0.95  # share of variants on both arrays
SWAPPED = 0.05  # share of variants whose A1 and A2 are exchanged on one array
ALLELES = np.array([["A", "G"], ["C", "T"], ["A", "C"], ["G", "T"]])  # no palindromes
AGE = (73.0, 7.5)  # mean and SD, years
SIZE_OF_MEN = 1.035  # linear: intracranial volume 11 % larger
SIZE_SPREAD = 0.02


@dataclass(frozen=True)
class _People:
    """The rows of the cohort: pool member (or parents) behind each label."""

    table: pd.DataFrame  # label, diagnosis, age, sex (declared), site, man (by genotype), second
    haplotypes: np.ndarray  # (variants, people, 2)
    loss: np.ndarray  # (people, regions)
    outcomes: dict[str, SimulatedColumns]  # of the pool; the table holds the columns of these rows


def simulate_cohort(
    genes_path: Path | str,
    regions_path: Path | str,
    section: SimulateSection,
    seed: int,
    folder: Path | str,
) -> None:
    """Write the cohort: everything but what is seen of the brains.

    Parameters
    ----------
    genes_path, regions_path : Path or str
        The tables described in `reference`.
    section : SimulateSection
    seed : int
        The study's seed.
    folder : Path or str
        Receives participants.tsv, participants.json, truth.json, genes.gene.loc, anatomy.tsv, with
        functional scans connections.tsv, and genotypes/array1 and array2 as .bed, .bim and .fam.

    Raises
    ------
    ConfigurationError
        A named region is not in the table, or effects are too strong for a balanced cohort.
    TableError
        A table is malformed or has too few genes.
    """
    folder = Path(folder)
    genes = read_genes(genes_path, section.genes, section.planted)
    if section.gene_gap is not None:
        genes = side_by_side(genes, section.gene_gap)
    regions = read_regions(regions_path)
    check_region_names(section.regions, regions["region"].tolist(), regions_path)
    names = roster(section)

    pool = int(section.people * POOL_FACTOR) + POOL_EXTRA
    second = round(pool * section.second_population)
    panel = simulate_panel(
        genes,
        (pool - second, second),
        snps_per_gene=section.snps_per_gene,
        background_snps=section.background_snps,
        x_chromosome=section.x_chromosome,
        linked=section.gene_gap is not None,
        seed=seed,
    )
    planted, people = _draw_people(section, names, genes, panel, pool, second, seed)
    variants = _finish_variants(panel.variants, panel.haplotypes.mean(axis=(1, 2)), planted, seed)
    dosage = _genotype(people, variants, names, seed)
    for array, (rows, columns) in _arrays(people, variants, names, seed).items():
        _write_array(folder / "genotypes" / array, dosage, variants, people, rows, columns, seed)
    _write_tables(folder, section, names, genes, regions, people, variants, planted, seed)


def _draw_people(
    section: SimulateSection,
    names: ImageList,
    genes: pd.DataFrame,
    panel: SnpPanel,
    pool: int,
    second: int,
    seed: int,
) -> tuple[list[Planted], _People]:
    """Draw the pool's diagnoses, give labels, and add the people with faults."""
    random = generator(seed, "simulate", "people")
    order = random.permutation(pool)
    haplotypes = panel.haplotypes[:, order]
    from_second = order >= pool - second
    man = random.random(pool) < 0.5
    age = np.clip(random.normal(*AGE, pool), 55, 94).round(1)
    site = random.integers(1, section.sites + 1, pool)

    planted = plant(
        section,
        genes_to_plant(section, genes),
        panel.variants,
        haplotypes.mean(axis=(1, 2)),
        seed,
        transcription_starts(genes),
    )
    risk = _risk_copies(planted, haplotypes)
    disease = draw_affected(section, planted, risk, age, from_second, seed)
    outcomes = draw_outcomes(section, causes_of(section, planted, risk, disease), seed)
    planted = _with_odds_ratios(section, planted, disease)

    cases, controls = choose_balanced(disease.case, section.people)
    members = _label_order(cases, controls, section.images, random)
    unused = np.setdiff1d(np.arange(pool), members)
    rows: list[dict[str, Any]] = []
    columns: list[np.ndarray] = []
    losses: list[np.ndarray] = []

    def add(label: str, member: int, **changes: Any) -> None:
        row = {
            "label": label,
            "diagnosis": "AD" if disease.case[member] else "CN",
            "age": age[member],
            "man": bool(man[member]),
            "site": int(site[member]),
            "second": bool(from_second[member]),
            "member": member,
        }
        rows.append(row | changes)
        columns.append(haplotypes[:, member])
        losses.append(disease.loss[member])

    for label, member in zip(names.core, members, strict=True):
        add(label, int(member))
    unseen = members[section.images :] if section.images < section.people - 1 else members
    parent = int(unseen[np.argmax(age[unseen])])
    twin = next(int(member) for member in unseen[::-1] if member != parent)
    free = iter(unused.tolist())
    for label, fault in names.faults.items():
        if fault == "duplicate":
            add(label, twin, site=int(site[twin]) % section.sites + 1)
        elif fault == "child":
            partner = next(m for m in unused[::-1].tolist() if man[m] != man[parent])
            boy = bool(random.random() < 0.5)
            young = round(float(age[parent]) - 26, 1)
            add(label, parent, age=young, man=boy, diagnosis="CN")
            mother, father = (partner, parent) if man[parent] else (parent, partner)
            columns[-1] = make_offspring(
                panel.variants, haplotypes[:, mother], haplotypes[:, father], boy, random
            )
        elif fault != "no_image":
            add(label, next(free))
    table = pd.DataFrame(rows)
    table["sex"] = np.where(table["man"], "M", "F")
    wrong = table["label"] == names.with_fault("sex_mismatch")
    table.loc[wrong, "sex"] = np.where(table.loc[wrong, "man"], "F", "M")
    table["other"] = ""
    by_member = {int(member): label for label, member in zip(names.core, members, strict=True)}
    for fault in ("duplicate", "child"):
        faulty = table["label"] == names.with_fault(fault)
        table.loc[faulty, "other"] = [by_member[member] for member in table.loc[faulty, "member"]]
    table = _with_outcomes(table, outcomes, names)
    return planted, _People(table, np.stack(columns, axis=1), np.stack(losses), outcomes)


def _with_odds_ratios(
    section: SimulateSection, planted: list[Planted], disease: DiseaseState
) -> list[Planted]:
    """Return the planted genes with odds ratios that follow from what else is configured."""
    if section.gene_action != "additive":
        follows = [True] * len(planted)
    else:
        follows = [item.share is not None for item in planted]
    return [
        replace(item, odds_ratio=round(float(ratio), 3)) if does_follow else item
        for item, ratio, does_follow in zip(planted, disease.odds_ratios, follows, strict=True)
    ]


def _risk_copies(planted: list[Planted], haplotypes: np.ndarray) -> np.ndarray:
    """Return copies of each planted risk allele, shape (planted, people)."""
    ancestral = np.array([not item.derived for item in planted], dtype=bool)
    alleles = haplotypes[[item.row for item in planted]]
    return np.asarray(np.abs(alleles - ancestral[:, None, None]).sum(axis=2))


def _with_outcomes(
    table: pd.DataFrame, outcomes: dict[str, SimulatedColumns], names: ImageList
) -> pd.DataFrame:
    """Add the columns of further outcomes, by each row's member of the pool."""
    values = [item.table.iloc[table["member"]].reset_index(drop=True) for item in outcomes.values()]
    table = pd.concat([table, *values], axis=1)
    # The child has a parent's row in the pool, but not the parent's outcomes.
    child = table["label"] == names.with_fault("child")
    table.loc[child, [column for item in values for column in item]] = None
    return table


def _label_order(
    cases: np.ndarray, controls: np.ndarray, images: int, random: np.random.Generator
) -> np.ndarray:
    """Put as many cases as controls among the first `images`, in random order on both sides."""
    people = len(cases) + len(controls)
    imaged = min(round(images * len(cases) / people), len(cases))
    first = np.concatenate([cases[:imaged], controls[: images - imaged]])
    not_imaged = np.concatenate([cases[imaged:], controls[images - imaged :]])
    return np.concatenate([random.permutation(first), random.permutation(not_imaged)])


def _finish_variants(
    variants: pd.DataFrame, derived: np.ndarray, planted: list[Planted], seed: int
) -> pd.DataFrame:
    """Give alleles, decide which variants are bad and which array carries them."""
    random = generator(seed, "simulate", "variants")
    variants = variants.copy()
    alleles = ALLELES[random.integers(0, len(ALLELES), len(variants))]
    swap = random.random(len(variants)) < 0.5
    variants["ancestral"] = np.where(swap, alleles[:, 1], alleles[:, 0])
    variants["derived"] = np.where(swap, alleles[:, 0], alleles[:, 1])
    causal = np.zeros(len(variants), dtype=bool)
    causal[[item.row for item in planted]] = True
    variants["causal"] = causal
    variants["fault"] = np.where(variants["rare"], "rare", "")
    harmless = np.flatnonzero(
        ~causal & ~variants["rare"].to_numpy() & (variants["chromosome"] != "X").to_numpy()
    )
    number = max(2, round(POOR_VARIANTS * len(harmless)))
    shuffled = random.permutation(harmless)
    # Common variants only, because the loss of heterozygotes shows where they are many.
    common = shuffled[number:][np.abs(derived[shuffled[number:]] - 0.5) < 0.25]
    column = variants["fault"].to_numpy(dtype=object)
    column[shuffled[:number]], column[common[:number]] = "low_call_rate", "hwe"
    variants["fault"] = column.astype(str)
    only = random.random(len(variants))
    single_share = (1 - ON_BOTH) / 2
    variants["array1"] = causal | (only >= single_share)
    variants["array2"] = causal | (only < 1 - single_share)
    return variants


def _genotype(people: _People, variants: pd.DataFrame, names: ImageList, seed: int) -> np.ndarray:
    """Return copies of the derived allele (variants, people) int8 as called; -1 is missing."""
    dosage = people.haplotypes.sum(axis=2, dtype=np.int8)
    on_x = (variants["chromosome"] == "X").to_numpy()
    man = people.table["man"].to_numpy()
    haploid = np.ix_(on_x, man)
    dosage[haploid] = 2 * people.haplotypes[..., 0][haploid]
    random = generator(seed, "simulate", "calls")
    clustered = (variants["fault"] == "hwe").to_numpy()
    dropped = (random.random(dosage.shape) < LOST_HETEROZYGOTES) & (dosage == 1)
    dosage = np.where(dropped & clustered[:, None], np.int8(0), dosage)
    failing = np.full(len(variants), MISSING)
    poor = (variants["fault"] == "low_call_rate").to_numpy()
    failing[poor] = random.uniform(*POOR_VARIANT, int(poor.sum()))
    chance = np.repeat(failing[:, None], dosage.shape[1], axis=1)
    person = (people.table["label"] == names.with_fault("low_call_rate")).to_numpy()
    chance[:, person] = np.maximum(chance[:, person], POOR_PERSON)
    return np.where(random.random(dosage.shape) < chance, np.int8(-1), dosage)


def _arrays(
    people: _People, variants: pd.DataFrame, names: ImageList, seed: int
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return the rows (variants) and columns (people) of each array; twins are on both."""
    labels = people.table["label"].to_numpy()
    first = generator(seed, "simulate", "arrays").random(len(labels)) < 0.55
    for label, relative in zip(labels, people.table["other"], strict=True):
        if relative and label == names.with_fault("duplicate"):
            first[labels == label] = ~first[labels == relative]
    genotyped = labels != names.with_fault("no_genotypes")
    return {
        "array1": (np.flatnonzero(variants["array1"]), np.flatnonzero(genotyped & first)),
        "array2": (np.flatnonzero(variants["array2"]), np.flatnonzero(genotyped & ~first)),
    }


def _write_array(
    prefix: Path,
    dosage: np.ndarray,
    variants: pd.DataFrame,
    people: _People,
    rows: np.ndarray,
    columns: np.ndarray,
    seed: int,
) -> None:
    """Write one file set; A1 is the minor allele of its own people, with a few exceptions."""
    random = generator(seed, "simulate", "alleles", prefix.name)
    called = dosage[np.ix_(rows, columns)]
    present = called >= 0
    copies = np.where(present, called, 0).sum(axis=1)
    major = copies > present.sum(axis=1)
    swap = major ^ (random.random(len(rows)) < SWAPPED)
    called = np.where(present & swap[:, None], 2 - called, called)
    typed = variants.iloc[rows]
    bim = pd.DataFrame(
        {
            "chromosome": typed["chromosome"].replace("X", "23").to_numpy(),
            "snp": typed["snp"].to_numpy(),
            "position": typed["position"].to_numpy(),
            "a1": np.where(swap, typed["ancestral"], typed["derived"]),
            "a2": np.where(swap, typed["derived"], typed["ancestral"]),
        }
    )
    listed = people.table.iloc[columns]
    fam = pd.DataFrame(
        {
            "fid": "F" + listed["label"],
            "iid": listed["label"],
            "sex": np.where(listed["sex"] == "M", 1, 2),
        }
    )
    write_fileset(prefix, called.astype(np.int8), bim, fam)


def _write_tables(
    folder: Path,
    section: SimulateSection,
    names: ImageList,
    genes: pd.DataFrame,
    regions: pd.DataFrame,
    people: _People,
    variants: pd.DataFrame,
    planted: list[Planted],
    seed: int,
) -> None:
    table = people.table.copy()
    table.insert(0, "participant_id", "sub-" + table["label"])
    table["site"] = "site" + table["site"].astype(str)
    columns = ["participant_id", "diagnosis", "age", "sex", "site"]
    if section.functional:
        table["motion"] = draw_motion((table["diagnosis"] == "AD").to_numpy(), section, seed)
        columns.append("motion")
        scanned = table[["participant_id", "site", "motion"]].copy()
        for column, name in enumerate(section.connections, len(section.regions)):
            scanned[name] = people.loss[:, column].round(5)
        write_table(folder / "connections.tsv", scanned.sort_values("participant_id"))
    columns += [str(name) for item in people.outcomes.values() for name in item.table]
    listed = table["label"] != names.with_fault("no_participant_row")
    write_table(
        folder / "participants.tsv", table.loc[listed, columns].sort_values("participant_id")
    )
    write_json(folder / "participants.json", describe_columns(people.outcomes, section.functional))

    random = generator(seed, "simulate", "size")
    size = random.normal(1, SIZE_SPREAD, len(table)) * np.where(table["man"], SIZE_OF_MEN, 1)
    anatomy = table[["participant_id", "site"]].assign(size=size.round(5))
    if section.imaging == "measurements":
        anatomy["everywhere"] = _everywhere(section, table).round(5)
    for column, region in enumerate(section.regions):
        anatomy[region] = people.loss[:, column].round(5)
    imaged = table["label"].isin(names.imaged)
    write_table(folder / "anatomy.tsv", anatomy[imaged].sort_values("participant_id"))

    order = genes.assign(number=genes["chromosome"].astype(int)).sort_values(["number", "start"])
    fields = ["entrez", "chromosome", "start", "end", "strand", "symbol"]
    write_text(
        folder / "genes.gene.loc",
        "".join("\t".join(map(str, row)) + "\n" for row in order[fields].itertuples(index=False)),
    )
    truth = truth_of(
        section, names, regions, people.table, people.outcomes, variants, planted, seed
    )
    write_json(folder / "truth.json", truth)


def _everywhere(section: SimulateSection, table: pd.DataFrame) -> pd.Series:
    """Return the share that all regions of a person have lost to age, or lack by ancestry."""
    relative_age = (table["age"] - AGE[0]) / AGE[1]
    return section.age_atrophy * relative_age + section.smaller_regions * table["second"]
