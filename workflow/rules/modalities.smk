"""What the rules of the cohort ask of modalities: their files, their sections, their code."""

import json

from gendmr.cli.preflight import stage_sections
from gendmr.cohort.fold_values import fold_values
from gendmr.cohort.preflight import preflight_modules
from gendmr.config.outcomes import dump_outcomes

SECTIONS = STUDY.modality_sections()
SOURCES = {
    name: section.sources(f"results/{STUDY.study}")
    for name, section in SECTIONS.items()
}
ALL_SOURCES = [path for files in SOURCES.values() for path in files.values()]
GIVEN_SOURCES = [path for section in SECTIONS.values() for path in section.user_files()]
# Sections of the study by stage, as far as they name files that are looked at before anything runs.
STAGES = stage_sections(STUDY)
PREFLIGHT_CODE = preflight_modules(STAGES)
SOURCE_CODE = [f"modalities.{name}.source" for name in MODALITIES]
TASK_CODE = sorted(
    {f"tasks.{outcome.kind}.task" for outcome in STUDY.cohort.outcomes.values()}
)
# Value k of the column cohort.fold_by is held out in fold k.
FOLD_VALUES = fold_values(STUDY.cohort, STUDY.simulate) if STUDY.cohort.fold_by else []


def as_json(value):
    """A parameter of JSON; a text would be searched for wildcards, a function is not."""
    text = json.dumps(value, sort_keys=True)
    return lambda wildcards: text


def sections_json(names):
    """The sections of some modalities, without what only folds read."""
    return json.dumps(
        {name: SECTIONS[name].of_cohort().model_dump(mode="json") for name in names},
        sort_keys=True,
    )


def modalities_json(wildcards):
    """The sections of all modalities of the study."""
    return sections_json(MODALITIES)


def modality_json(wildcards):
    """The section of one modality."""
    return sections_json([wildcards.modality])


def sources_of_modality(wildcards):
    """The files from which the cohort's file of one modality is made."""
    return list(SOURCES[wildcards.modality].values())


def listed_of_modality(wildcards):
    """The files of single people that its table lists, those that are there."""
    return LISTED_FILES[wildcards.modality]


def sources_json(wildcards):
    """The same by what they hold."""
    return json.dumps({wildcards.modality: SOURCES[wildcards.modality]})


def collect_code(wildcards):
    """The fingerprint of the code that collects one modality."""
    return fingerprint("cohort.collect", f"modalities.{wildcards.modality}.source")


def outcomes_json(wildcards):
    """The sections of the outcomes; a text would be searched for wildcards, a function is not."""
    return dump_outcomes(STUDY.cohort.outcomes)
