"""Helpers of the rules: the typed configuration, its slices, code fingerprints, lists of people."""

import sys

sys.path.insert(0, workflow.basedir)

from gendmr.config.study import Study
from gendmr.errors import GendmrError
from gendmr.files.fingerprint import fingerprint

try:
    STUDY = Study.parse(config, where="configuration")
except GendmrError as error:
    raise WorkflowError(f"{type(error).__name__}: {error}") from None

STUDY_NAME = STUDY.study
RESULTS = f"results/{STUDY_NAME}"
LOGS = f"logs/{STUDY_NAME}"
