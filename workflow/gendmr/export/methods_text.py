"""Paragraphs for the methods section of a paper: what was really run, with versions and references.

Every number comes from a file of the study. A stage that did not run has no paragraph. The text is
free to copy (CC0), as fMRIPrep's boilerplate is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gendmr import __version__
from gendmr.config.methods import KINDS
from gendmr.config.methods.base import COVARIATES
from gendmr.export.checklists import strobe, tripod
from gendmr.export.measured_text import PARAGRAPHS
from gendmr.export.results import Export, StudyResults, listed
from gendmr.files.atomic import read_json, write_text

BIBLIOGRAPHY = Path(__file__).with_name("references.bib")
CITATION = re.compile(r"\[@([^\]]+)\]")
# `package-nilearn` is cited where its version is told, `kind-mgi` where a method of that kind ran.
KEYWORDS = re.compile(r"keywords=\{([^}]*)\}")
NO_PACKAGES = {"gendmr", "commit", "python", "platform"}


def write_methods_text(study: StudyResults, output: Path) -> Export:
    """Write `methods.md`, `methods.bib` and the checklists `tripod-ai.md` and `strobe.md`.

    Parameters
    ----------
    study : StudyResults
    output : Path
        Folder.
    """
    text = methods_text(study)
    keys = sorted({key.strip("@ ") for group in CITATION.findall(text) for key in group.split(";")})
    entries = bibliography()
    files = {
        "methods.md": text,
        "methods.bib": "\n".join(entries[key] for key in keys) + "\n",
        "tripod-ai.md": tripod(study),
        "strobe.md": strobe(study),
    }
    for name, content in files.items():
        write_text(output / name, content)
    return Export("methods", [output / name for name in files])


def bibliography() -> dict[str, str]:
    """Return the entries of references.bib by key."""
    entries = {}
    for line in BIBLIOGRAPHY.read_text(encoding="utf-8").splitlines():
        if match := re.match(r"@\w+\{([^,]+),", line):
            entries[match.group(1)] = line
    return entries


def methods_text(study: StudyResults) -> str:
    """Return the paragraphs as Markdown, with citations in Pandoc's form."""
    paragraphs = [
        f"# Methods of {study.name}\n\n"
        f"Results were made by GenDMR {__version__}, a workflow in Snakemake"
        f" {_version(study, 'report', 'snakemake')} [@molder2021snakemake]."
    ]
    for paragraph in (_genotypes, _annotation, _imaging, _measured, _cohort, _training, _ranking):
        paragraphs += [" ".join(paragraph(study))]
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph) + "\n"


def summary_of(study: StudyResults, stage: str) -> Mapping[str, Any]:
    """Return summary.json of a stage, empty where the stage did not run."""
    path = study.folder / stage / "summary.json"
    content: dict[str, Any] = read_json(path) if path.is_file() else {}
    return content


def _versions(study: StudyResults, stage: str) -> Mapping[str, str]:
    path = study.folder / "report" / "versions.json"
    stages = read_json(path) if path.is_file() else {}
    versions: dict[str, str] = stages.get(stage, {})
    return versions


def _version(study: StudyResults, stage: str, package: str) -> str:
    return str(_versions(study, stage).get(package, "(version not recorded)"))


def _genotypes(study: StudyResults) -> Iterator[str]:
    summary = summary_of(study, "genotypes")
    if not summary.get("plink"):
        return
    yield "**Genotypes.**"
    plink = summary["plink"]
    yield f"Genotypes were filtered with {plink['1.9']} and {plink['2']} [@chang2015plink]."
    sets = summary["inputs"]
    yield (
        f"{_count(len(sets), 'input set')} in {summary['build']} held"
        f" {_list(str(input_set['people']) for input_set in sets)} people and"
        f" {_list(str(input_set['variants']) for input_set in sets)} variants."
    )
    yield _thresholds(summary.get("thresholds", {}))
    removed = [
        f"{_count(item['removed'], item['kind'])} ({item['reason']})"
        for item in summary["removed"]
        if item["removed"]
    ]
    if removed:
        yield f"Removed were {_list(removed)}."
    people = summary["participants"]
    yield f"{people['kept']} of {people['read']} people remained."
    pairs = summary.get("pairs", {})
    if any(pairs.values()):
        yield (
            "Kinship was estimated by KING's robust estimator [@manichaikul2010king]:"
            f" {_list(f'{count} pairs ({name})' for name, count in pairs.items() if count)}."
        )


def _thresholds(thresholds: Mapping[str, Any]) -> str:
    limits = [
        f"{name.replace('_', ' ')} {value:g}"
        for name, value in thresholds.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    ]
    return f"Thresholds: {', '.join(limits)}." if limits else ""


def _annotation(study: StudyResults) -> Iterator[str]:
    summary = summary_of(study, "annotation")
    if not summary:
        return
    windows = summary["windows_kb"]
    yield "**Genes.**"
    yield (
        f"A SNP belongs to a gene of the table ({summary['genes']['read']} genes,"
        f" {summary['build']}) when it lies inside, up to {windows['upstream']:g} kb upstream or"
        f" {windows['downstream']:g} kb downstream by strand; {summary['snps']['assigned']} of"
        f" {summary['snps']['read']} SNPs do."
    )


def _imaging(study: StudyResults) -> Iterator[str]:
    summary = summary_of(study, "imaging")
    path = study.folder / "imaging" / "template" / "template.json"
    if not summary:
        return
    yield "**Images.**"
    if not path.is_file():
        yield f"Measurements of regions of {summary['measured']} people were made elsewhere."
        return
    template = read_json(path)
    yield (
        f"{summary['scans']} T1-weighted images were corrected for bias [@tustison2010n4] and"
        f" registered to {template['space']} with ANTs [@avants2011ants] (antspyx"
        f" {template['versions']['antspyx']}, preset {template['preset']}, working resolution"
        f" {template['working_mm']:g} mm). Grey matter, times the Jacobian determinant of the"
        f" registration, was summed over the {template['regions']} regions of the atlas"
        f" “{template['atlas']}”. {summary['refused']} images were refused,"
        f" {summary['excluded']} excluded, {summary['flagged']} flagged as outliers and kept."
    )


def _measured(study: StudyResults) -> Iterator[str]:
    paragraphs = []
    for stage, (title, sentences) in PARAGRAPHS.items():
        summary = summary_of(study, stage)
        if summary:
            notes = [note if note.endswith(".") else f"{note}." for note in summary["notes"]]
            software = _software(summary.get("versions", {}))
            paragraphs.append(" ".join([f"**{title}.**", *sentences(summary), *notes, *software]))
    yield "\n\n".join(paragraphs)


def _software(versions: Mapping[str, str]) -> list[str]:
    """Return a sentence on packages and their versions, cited where they are in references.bib."""
    packages = [
        f"{name} {number}{_cited(f'package-{name}')}"
        for name, number in versions.items()
        if name not in NO_PACKAGES
    ]
    return [f"Software: {listed(packages)}."] if packages else []


def _cited(keyword: str) -> str:
    """Return the citation of the entries of references.bib with a keyword, or an empty text."""
    keys = [
        key
        for key, entry in bibliography().items()
        if (match := KEYWORDS.search(entry)) and keyword in re.split(r",\s*", match.group(1))
    ]
    return f" [{'; '.join(f'@{key}' for key in keys)}]" if keys else ""


def _cohort(study: StudyResults) -> Iterator[str]:
    summary = summary_of(study, "cohort")
    people = len(study.people)
    yield "**Cohort and folds.**"
    yield f"{people} people were analysed."
    for title in summary.get("flow", {}).get("analysed", [])[1:]:
        yield f"{title['title']}: {title['n']}."
    folds = {run.run["fold"] for runs in study.folds.values() for run in runs}
    repeats = {run.run["repeat"] for runs in study.folds.values() for run in runs}
    kinship = study.people_kinds.get("family", {}).get("KinshipThreshold", "(not recorded)")
    several = f", repeated {len(repeats)} times" if len(repeats) > 1 else ""
    yield (
        f"They were split into {len(folds)} folds {_split_by(study)}{several}; no family (kinship"
        f" of at least {kinship}) is in two of them. Within the training people of each fold a part"
        " served for early stopping and thresholds. Everything that was fitted (selection of"
        " variants, ancestry components, imputation, scaling, adjustment) was fitted on training"
        " people alone."
    )


def _split_by(study: StudyResults) -> str:
    path = study.folder / "cohort" / "splits.json"
    column = read_json(path).get("by") if path.is_file() else None
    return f"by {column}" if column else "balanced by outcome and by what was measured"


def _training(study: StudyResults) -> Iterator[str]:
    yield "**Methods.**"
    # What a method is says its own section, so that this text knows no method.
    for name, folds in study.folds.items():
        run = folds[0].run
        section = KINDS[run["kind"]]
        about = str(section.__doc__).strip().split("\n\n", maxsplit=1)[0].rstrip(".")
        uses = section.adjusted or COVARIATES in run["reads"]
        covariates = listed(run["options"]["covariates"]) if uses else ""
        published = _cited("kind-" + run["kind"])
        yield (
            f"*{name}* ({about}){published} learned {run['outcome']} from {listed(run['reads'])},"
            f" {f'adjusted for {covariates}' if covariates else 'without adjustment'}."
        )
    networks = [name for name, folds in study.folds.items() if KINDS[folds[0].run["kind"]].network]
    if networks:
        versions = study.folds[networks[0]][0].run["versions"]
        yield f"Networks were trained in PyTorch {versions.get('torch', '')} [@paszke2019pytorch]."
    if len(networks) < len(study.folds):
        learner = next(name for name in study.methods if name not in networks)
        versions = study.folds[learner][0].run["versions"]
        yield (
            f"The others used scikit-learn {versions.get('scikit-learn', '')}"
            " [@pedregosa2011scikit]."
        )
    yield (
        "Intervals over folds follow Nadeau and Bengio [@nadeau2003inference]; pooled over people"
        " they are bootstrap percentiles."
    )


def _ranking(study: StudyResults) -> Iterator[str]:
    summaries = {
        name: read_json(path)
        for name in study.methods
        if (path := study.folder / "ranking" / name / "summary.json").is_file()
    }
    if not summaries:
        return
    yield "**Rankings.**"
    scores = {str(summary["score"]) for summary in summaries.values()}
    yield (
        f"Genes, regions and other instances were ranked for {listed(list(summaries))} by their"
        f" attributions in held-out people (score {_list(sorted(scores))})."
    )
    with_null = {
        name: summary["null"]["permutations"]
        for name, summary in summaries.items()
        if summary.get("null") and summary["null"].get("permutations")
    }
    if with_null:
        permutations = _list(f"{name}: {count}" for name, count in with_null.items())
        yield (
            f"p-values come from permuted outcomes ({permutations}"
            " permutations; outcomes changed hands within strata and everything that sees them was"
            " fitted again) as (b + 1)/(m + 1) [@phipson2010zero]; p_fwer is that of the largest"
            " statistic [@westfall1993resampling], q the false discovery rate [@benjamini1995fdr]."
        )
    else:
        yield "No permutation null was run: there are no p-values."


def _list(words: Iterator[str] | list[str]) -> str:
    return listed(list(words))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("s" if number != 1 else "")
