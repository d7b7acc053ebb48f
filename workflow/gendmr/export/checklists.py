"""TRIPOD+AI and STROBE checklists, filled in where the workflow knows the answer.

Items are named in our own words after Collins et al. 2024 (TRIPOD+AI, BMJ 385, e078378) and von
Elm et al. 2007 (STROBE); the wording that counts is that of the statements. What only the authors
know is left for them and says so: no answer is made up.
"""

from __future__ import annotations

from collections.abc import Callable

from gendmr import __version__
from gendmr.export.results import StudyResults, listed
from gendmr.files.atomic import read_json

AUTHORS = "*for the authors*"
Answer = Callable[[StudyResults], str]


def tripod(study: StudyResults) -> str:
    """Return the checklist TRIPOD+AI as a table in Markdown."""
    return _table(study, "TRIPOD+AI", TRIPOD_ITEMS)


def strobe(study: StudyResults) -> str:
    """Return the checklist STROBE as a table in Markdown."""
    return _table(study, "STROBE", STROBE_ITEMS)


def _table(study: StudyResults, title: str, items: tuple[tuple[str, str, Answer], ...]) -> str:
    rows = [(number, item, answer(study) or AUTHORS) for number, item, answer in items]
    n_answered = sum(text != AUTHORS for *_, text in rows)
    lines = [
        f"# {title}: {study.name}",
        "",
        f"{n_answered} of {len(rows)} items are answered from files of the study (GenDMR"
        f" {__version__}); the others are for the authors.",
        "",
        "| item | topic | answer |",
        "|---|---|---|",
        *(f"| {number} | {item} | {text.replace('|', '/')} |" for number, item, text in rows),
    ]
    return "\n".join(lines) + "\n"


def _authors(study: StudyResults) -> str:
    return ""


def _source(study: StudyResults) -> str:
    path = study.folder / "cohort" / "inputs.json"
    if not path.is_file():
        return ""
    kinds = read_json(path)["files"]
    counts = [f"{len(files)} of {kind}" for kind, files in kinds.items() if files]
    return f"input files with checksums in cohort/inputs.json: {listed(counts)}"


def _people(study: StudyResults) -> str:
    return (
        f"{len(study.people)} people; who left, at which step and why is in cohort/attrition.tsv,"
        " the flow in cohort/figures/flow.png"
    )


def _outcome(study: StudyResults) -> str:
    return "; ".join(f"{name}: {task.label} ({task.kind})" for name, task in study.outcomes.items())


def _predictors(study: StudyResults) -> str:
    reads = {name: listed(folds[0].run["reads"]) for name, folds in study.folds.items()}
    return "; ".join(f"{name} reads {text}" for name, text in reads.items())


def _covariates(study: StudyResults) -> str:
    columns_of = {name: study.covariates(name) for name in study.outcomes}
    return "; ".join(
        f"{name}: adjusted for {listed(columns) or 'no covariate'}"
        for name, columns in columns_of.items()
    )


def _size(study: StudyResults) -> str:
    return "none was calculated; what could have been detected is in report/summary.html"


def _missing(study: StudyResults) -> str:
    return (
        "people without a modality are kept; a missing value is the training mean of its fold; who"
        " lacks an outcome leaves the methods of that outcome"
    )


def _analysis(study: StudyResults) -> str:
    folds = {(run.run["repeat"], run.run["fold"]) for runs in study.folds.values() for run in runs}
    return (
        f"cross-validation over {len(folds)} folds that split no family; everything is fitted on"
        " training people; see methods.md"
    )


def _fairness(study: StudyResults) -> str:
    path = study.folder / "report" / "by_ancestry.tsv"
    return "performance by ancestry group in report/by_ancestry.tsv" if path.is_file() else ""


def _models(study: StudyResults) -> str:
    return f"{listed(study.methods)}; options in training/*/repeat-*/fold-*/run.json"


def _performance(study: StudyResults) -> str:
    path = study.folder / "report" / "comparison.tsv"
    return "with intervals in report/comparison.tsv, all methods" if path.is_file() else ""


def _code(study: StudyResults) -> str:
    return f"GenDMR {__version__}, MIT licence; versions of all packages in report/versions.json"


def _validation(study: StudyResults) -> str:
    return "internal, by cross-validation; no other cohort was used by the workflow"


def _described(study: StudyResults) -> str:
    path = study.folder / "cohort" / "summary.json"
    return "people by group in report/summary.html, cohort/summary.json" if path.is_file() else ""


def _of_fold(name: str) -> Answer:
    """Return an answer that names a file of each fold."""
    return lambda study: f"training/*/repeat-*/fold-*/{name}"


def _fixed(text: str) -> Answer:
    """Return an answer that is the same for every study."""
    return lambda study: text


TRIPOD_ITEMS: tuple[tuple[str, str, Answer], ...] = (
    ("1", "title names the prediction model", _authors),
    ("2", "abstract", _authors),
    ("3a", "background, rationale", _authors),
    ("3b", "intended users and care pathway", _authors),
    ("3c", "health inequalities", _authors),
    ("4", "objectives", _authors),
    ("5a", "sources of data", _source),
    ("5b", "dates of data", _authors),
    ("6a", "setting, centres", _authors),
    ("6b", "eligibility", _authors),
    ("6c", "treatments", _authors),
    ("7", "preparation of data", _fixed("see methods.md")),
    ("8a", "outcome, how it is assessed", _outcome),
    ("8b", "assessors of the outcome", _authors),
    ("8c", "blinding of the outcome", _authors),
    ("9a", "choice of predictors", _predictors),
    ("9b", "definition of predictors", _covariates),
    ("9c", "assessors of predictors", _authors),
    ("10", "sample size", _size),
    ("11", "missing data", _missing),
    ("12a", "use of the data, internal validation", _analysis),
    ("12b", "handling of predictors", _covariates),
    ("12c", "kind of model and how it is built", _models),
    ("12d", "heterogeneity between clusters", _authors),
    ("12e", "measures of performance", _performance),
    ("12f", "updating of the model", _fixed("none")),
    ("12g", "how predictions are calculated", _of_fold("predictions.tsv")),
    ("13", "class imbalance", _fixed("where an outcome has classes, losses weigh them equally")),
    ("14", "fairness", _fairness),
    ("15", "output of the model", _outcome),
    ("16", "training against evaluation data", _validation),
    ("17", "ethical approval", _authors),
    ("18a", "funding", _authors),
    ("18b", "conflicts of interest", _authors),
    ("18c", "protocol", _authors),
    ("18d", "registration", _authors),
    ("18e", "data sharing", _authors),
    ("18f", "code sharing", _code),
    ("19", "patient and public involvement", _authors),
    ("20a", "flow of participants", _people),
    ("20b", "characteristics of participants", _described),
    ("20c", "comparison of development and evaluation data", _validation),
    ("21", "people and events in each analysis", _people),
    ("22", "full model", _of_fold("model.safetensors")),
    ("23a", "performance with intervals", _performance),
    ("23b", "heterogeneity of performance", _fairness),
    ("24", "results of updating", _fixed("none")),
    ("25", "interpretation", _authors),
    ("26", "limitations", _fixed("what was not done is listed in report/summary.html")),
    ("27a", "poor or unavailable input", _missing),
    ("27b", "interaction of users with the model", _authors),
    ("27c", "next steps", _authors),
)  # fmt: skip
STROBE_ITEMS: tuple[tuple[str, str, Answer], ...] = (
    ("1", "title and abstract", _authors),
    ("2", "background", _authors),
    ("3", "objectives", _authors),
    ("4", "design", _authors),
    ("5", "setting, locations, dates", _authors),
    ("6", "eligibility, sources, selection of participants", _authors),
    ("7", "outcomes, exposures, confounders", _outcome),
    ("8", "sources and measurement", _source),
    ("9", "bias", _covariates),
    ("10", "study size", _size),
    ("11", "quantitative variables", _covariates),
    ("12", "statistical methods, missing data, sensitivity", _analysis),
    ("13", "numbers at each stage, reasons, flow diagram", _people),
    ("14", "descriptive data", _described),
    ("15", "outcome data", _described),
    ("16", "main results with intervals", _performance),
    ("17", "other analyses", _fairness),
    ("18", "key results", _authors),
    ("19", "limitations", _fixed("what was not done is listed in report/summary.html")),
    ("20", "interpretation", _authors),
    ("21", "generalisability", _authors),
    ("22", "funding", _authors),
)
