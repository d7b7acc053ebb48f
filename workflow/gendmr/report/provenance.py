"""With which versions a study was made, and of which files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gendmr.files.atomic import read_json
from gendmr.files.provenance import changed_since, joint_checksum, versions
from gendmr.report.performance import merged

# Versions of this process only; each job recorded its own.
PACKAGES = ("numpy", "scipy", "pandas", "xarray", "matplotlib", "jinja2", "snakemake")
SHOWN = 40  # files; the others are in cohort/inputs.json
PLINK = "genotypes/summary.json"


def made_with(
    results: Path, methods: Sequence[str], training: dict[str, str]
) -> dict[str, dict[str, str]]:
    """Return what `versions.json` holds: stage to name to version, as each job found them.

    Parameters
    ----------
    results : Path
        ``results/<study>``; stages that left no versions are left out.
    methods : sequence of str
        Whose rankings are looked at.
    training : dict
        Versions of all folds, merged.
    """
    plink = _stored(results / PLINK, "plink")
    stages = sorted({path.parent.name for path in results.glob("*/summary.json")} - {"report"})
    by_stage = {
        **{stage: _stored(results / stage / "summary.json", "versions") for stage in stages},
        "genotypes": {f"PLINK {name}": str(number) for name, number in plink.items()},
        "imaging": _stored(results / "imaging" / "template" / "template.json", "versions"),
        "training": training,
        "ranking": merged(
            _stored(results / "ranking" / name / "summary.json", "versions") for name in methods
        ),
        "report": versions(*PACKAGES),
    }
    return {stage: names for stage, names in by_stage.items() if names}


def given_files(results: Path) -> dict[str, Any] | None:
    """Return the files that the study was given, with checksums; None where no record was kept.

    Returns
    -------
    dict or None
        `n` and `sha256` (one checksum over all), `files` (the first ones: `path`, `bytes`,
        `sha256`; tables before images), `more`, `earlier` (changes between runs) and `now` (files
        that are not what the study was made of).
    """
    record = results / "cohort" / "inputs.json"
    if not record.is_file():
        return None
    inputs = read_json(record)
    files = [
        {"path": path, "bytes": item["bytes"], "sha256": item["sha256"]}
        for kind in sorted(inputs["files"], reverse=True)
        for path, item in sorted(inputs["files"][kind].items())
    ]
    return {
        "n": len(files),
        "sha256": joint_checksum((item["path"], item) for item in files),
        "files": files[:SHOWN],
        "more": len(files[SHOWN:]),
        "earlier": inputs["changes"],
        # In another folder all files are absent, which is no sign that they have changed.
        "now": [str(change) for change in changed_since(record) if change.after],
    }


def _stored(path: Path, key: str) -> dict[str, Any]:
    return dict(read_json(path).get(key) or {}) if path.is_file() else {}
