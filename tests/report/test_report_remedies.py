"""What an error of the report says to correct is corrected, and the report goes on."""

from __future__ import annotations

import pytest

from gendmr.errors import InputFileError
from gendmr.report.findings import read_truth
from remedies import mended


@pytest.mark.parametrize("part", ["path", "none"])
def test_read_truth__of_this_study_or_none(tmp_path, part):
    path = [str(tmp_path / "gone.json")]
    words = "correct report.truth, or leave it out for real people"
    with mended("report/findings.py", words, InputFileError, lambda: read_truth(path[0])):
        path[0] = str(tmp_path / "truth.json") if part == "path" else None
        (tmp_path / "truth.json").write_text("{}")
