"""What to worry about before believing a number, worst first."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from gendmr.config.report import ReportSection
from gendmr.files.atomic import read_json
from gendmr.modalities import modality_of
from gendmr.report.comparison import LOWER, best_first, difference
from gendmr.report.method_schema import MethodSummary, OutcomeSummary, Row
from gendmr.report.performance import COVARIATES
from gendmr.report.schema import StudySummary
from gendmr.report.sections.genetics.apoe import snps_predict_too_well
from gendmr.report.sections.imaging import registration_alarm, registration_warnings
from gendmr.report.significance import any_permuted

ALARM = "ALARM: "  # how a note of a fold begins that says not to believe it
FEW = 30  # people
LEVEL = 0.05
NULL_SKILL = 0.1  # between chance and perfect: an AUC of 0.45 to 0.55 is no signal


def warnings(summary: StudySummary, options: ReportSection, results: Path) -> list[str]:
    """Return sentences; likely leaks first, milder notes last.

    Parameters
    ----------
    summary : StudySummary
        What has been collected; its warnings are not read.
    options : ReportSection
        Limits.
    results : Path
        ``results/<study>``: which SNPs a method read is looked up in its ranking.
    """
    leaks, milder = snps_predict_too_well(summary.methods, options, results)
    # Only methods with a ranking, because readers will act on it.
    ranked = set(summary.ranked)
    main = {outcome.name: _main_method(summary, outcome) for outcome in summary.outcomes}
    learners = {
        outcome.name: [item for item in summary.methods if item.outcome == outcome.name]
        for outcome in summary.outcomes
    }
    return [
        *registration_alarm(summary.registration),
        *_of_the_cohort(summary, results),
        *leaks,
        *_lists_at_chance(summary, results),
        *_changed_files(summary.given),
        *_alarms_of_training(summary.methods),
        *_signal_without_cause(summary.methods, summary.truth),
        *_unjudged(summary.outcomes),
        *(
            text
            for outcome in summary.outcomes
            for text in _covariates(
                learners[outcome.name],
                main[outcome.name],
                outcome.label,
                options.covariates_skill_limit,
            )
        ),
        *(
            text
            for outcome in summary.outcomes
            for text in _against_baselines(learners[outcome.name], main[outcome.name], ranked)
        ),
        *(
            text
            for outcome in summary.outcomes
            for text in _against_plainer(learners[outcome.name])
        ),
        *registration_warnings(summary.registration),
        *_few_people(summary.outcomes),
        *milder,
    ]


def _alarms_of_training(methods: Sequence[MethodSummary]) -> list[str]:
    """Return what methods call an alarm in notes of their folds, each once."""
    alarms: dict[str, list[str]] = {}
    for method in methods:
        for item in method.notes:
            if item["note"].startswith(ALARM):
                where = f"{method.method} in {item['folds']} of {item['of']} folds"
                alarms.setdefault(item["note"].removeprefix(ALARM), []).append(where)
    return [
        f"{text[:1].upper()}{text[1:].rstrip('.')} ({', '.join(each)})."
        for text, each in alarms.items()
    ]


def _of_the_cohort(summary: StudySummary, results: Path) -> list[str]:
    """Return covariates that tell an outcome, and what permutations do not allow for."""
    sentences: list[str] = []
    # Strata limit permutations only: where no method has a null they concern nobody.
    permuted = any_permuted(results / "ranking", summary.ranked)
    for name in ("summary.json", *(["strata.json"] if permuted else [])):
        path = results / "cohort" / name
        if path.is_file():
            sentences += map(str, read_json(path).get("warnings", []))
    return sentences


def _lists_at_chance(summary: StudySummary, results: Path) -> list[str]:
    """Return the rankings on whose first rows folds agree no more than under permuted outcomes."""
    sentences = []
    for method in summary.ranked:
        path = results / "ranking" / method / "summary.json"
        if not path.is_file():
            continue
        lists = []
        for name, agreement in read_json(path).items():
            p = agreement.get("top_k_overlap_p") if isinstance(agreement, dict) else None
            if p is not None and p > LEVEL:
                rows = name.replace("_", " ")
                lists.append(f"the first {agreement['top_k']} {rows} (p = {p:.2f})")
        if lists:
            sentences.append(
                f"{method}: folds agree on {' and '.join(lists)} no more than they do when outcomes"
                f" are permuted: the top of {'this list' if len(lists) == 1 else 'these lists'} is"
                " at chance."
            )
    return sentences


def _main_method(summary: StudySummary, outcome: OutcomeSummary) -> MethodSummary | None:
    """Return the method whose ranking comes first, where it learns the outcome; the reference else.

    Another reference may be chosen to compare with: the ranking stays what is to be believed.
    """
    if outcome.comparison is None:
        return None
    main = summary.method(summary.main)
    if main is not None and main.outcome == outcome.name:
        return main
    return summary.method(outcome.comparison.reference)


def _changed_files(inputs: Row | None) -> list[str]:
    """Return that results are of other files than there are now."""
    return [
        f"{change}: results are of the file before. Touch it and give the same command again."
        for change in (inputs or {}).get("now", [])
    ]


def _signal_without_cause(methods: Sequence[MethodSummary], truth: Row | None) -> list[str]:
    if not (truth and truth["null"]):
        return []
    sentences = []
    for method in methods:
        skill, metric = method.skill, method.primary
        if skill is None or abs(skill) <= NULL_SKILL:
            continue
        bounds = sorted(
            (metric.chance or 0.0)
            + side * NULL_SKILL * ((metric.best or 0.0) - (metric.chance or 0.0))
            for side in (-1, 1)
        )
        sentences.append(
            f"{method.method}: nothing was planted in this null simulation, and the"
            f" {metric.label} is {method.estimate.mean:.2f}, outside {bounds[0]:.2f} to"
            f" {bounds[1]:.2f}: a leak, or very few people."
        )
    return sentences


def _unjudged(outcomes: Sequence[OutcomeSummary]) -> list[str]:
    return [
        f"{item['method']}: no {outcome.primary.label} could be computed: {item['reason']}"
        for outcome in outcomes
        for item in outcome.unjudged
    ]


def _covariates(
    methods: Sequence[MethodSummary], main: MethodSummary | None, outcome: str, limit: float
) -> list[str]:
    sentences = []
    for method in methods:
        mean, skill = method.estimate.mean, method.skill
        if method.reads != [COVARIATES] or mean is None:
            continue
        if main is not None and main is not method:
            sentences += _demographics_match(method, main)
        if skill is not None and skill > limit:
            sentences.append(
                f"Covariates alone ({method.method}) predict {outcome} with"
                f" {_article(method.primary.label)} of {mean:.2f}: it goes with them in these"
                " people, and other methods may be reading that."
            )
    return sentences


def _demographics_match(covariates: MethodSummary, main: MethodSummary) -> list[str]:
    mean, reached = covariates.estimate.mean, main.estimate.mean
    if mean is None or reached is None:
        return []
    sign = covariates.primary.sign
    nearest = main.estimate.low if sign > 0 else main.estimate.high
    if sign * mean < sign * (reached if nearest is None else nearest):
        return []
    delta = difference(covariates, main)
    numbers = (
        f"{covariates.method} reads covariates only and has {_article(covariates.primary.label)} of"
        f" {_with_interval(covariates)}, {main.method} {_with_interval(main)}"
    )
    paired = (
        ""
        if delta.low is None
        else f"; paired by fold {delta.mean:+.3f} ({delta.low:+.3f} to {delta.high:+.3f})"
    )
    if delta.verdict == LOWER:
        return [
            f"Demographics alone come near the model: {numbers}{paired}. The difference holds in"
            f" these folds, but the interval of {main.method} reaches to them."
        ]
    return [
        f"Demographics alone match the model: {numbers}{paired}. What {main.method} predicts may"
        " be no more than these covariates."
    ]


def _with_interval(method: MethodSummary) -> str:
    estimate = method.estimate
    if estimate.low is None or estimate.high is None:
        return f"{estimate.mean:.2f}"
    return f"{estimate.mean:.2f} ({estimate.low:.2f} to {estimate.high:.2f})"


def _article(label: str) -> str:
    return f"an {label}" if label[:1].upper() in "AEIOR" and label.isupper() else f"a {label}"


def _against_baselines(
    methods: Sequence[MethodSummary], main: MethodSummary | None, ranked: Collection[str | None]
) -> list[str]:
    """Compare with the best method of another kind: ablations of the main one claim nothing."""
    if main is None or main.method not in ranked or main.estimate.mean is None:
        return []
    rivals = [
        method
        for method in methods
        if method.kind != main.kind
        and method.reads != [COVARIATES]
        and method.estimate.mean is not None
    ]
    if not rivals:
        return []
    best = best_first(rivals)[0]
    delta = difference(best, main)
    if delta.mean is None or delta.verdict == LOWER:
        return []
    label = main.primary.label
    return [
        f"{main.method} ({label} {main.estimate.mean:.2f}) does not predict better than"
        f" {best.method} ({label} {best.estimate.mean:.2f}) beyond chance in these"
        " folds: its ranking may still be of use, its prediction is no argument for it."
    ]


def _against_plainer(methods: Sequence[MethodSummary]) -> list[str]:
    """Say beside all methods of a modality what a plainer one of the same data reaches alone."""
    sentences = []
    modalities = dict.fromkeys(
        name for method in methods for name in method.reads if name != COVARIATES
    )
    for name in modalities:
        modality = modality_of(name)
        if not modality.against:
            continue
        plainer = modality_of(modality.against)
        claims = [
            method
            for method in methods
            if name in method.reads and method.estimate.mean is not None
        ]
        plain_methods = best_first([method for method in methods if method.reads == [plainer.name]])
        if claims and (not plain_methods or plain_methods[0].estimate.mean is None):
            sentences.append(
                f"{', '.join(method.method for method in claims)} read {modality.label}, and no"
                f" method reads {plainer.label} alone: nothing here tells whether it is"
                f" {modality.label} that predict. Where the study has {plainer.label}, add"
                f" `{plainer.name}: {{kind: ridge, reads: [{plainer.name}]}}` to training.methods."
            )
        elif claims:
            rival = plain_methods[0]
            gains = []
            for method in claims:
                delta = difference(method, rival)
                if delta.mean is not None and delta.low is not None and delta.high is not None:
                    gains.append(
                        f"{method.method} {delta.mean:+.3f} ({delta.low:+.3f} to {delta.high:+.3f})"
                    )
            sentences.append(
                f"{plainer.label.capitalize()} alone ({rival.method}) reach"
                f" {rival.primary.label} {rival.estimate.mean:.3f}. Methods that read"
                f" {modality.label} are better by: {', '.join(gains) or 'not computed'}."
            )
    return sentences


def _few_people(outcomes: Sequence[OutcomeSummary]) -> list[str]:
    sentences = []
    for outcome in outcomes:
        if outcome.comparison is None or outcome.fewest >= FEW:
            continue
        groups = ", ".join(f"{group['group']} {group['n']}" for group in outcome.groups)
        sentences.append(
            f"{outcome.label}: there are fewer than {FEW} people"
            + (f" in one of the groups ({groups})" if len(outcome.groups) > 1 else "")
            + ": every number here is rough."
        )
    return sentences
