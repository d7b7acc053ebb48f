"""The run as an RO-Crate: what ran, with which versions, what it left (Process Run Crate 0.5).

The crate is the folder of the study; files with measurements of single persons are named by no
entry, so that a copy for others can leave them out.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gendmr import __version__
from gendmr.export.results import Export, StudyResults
from gendmr.files.atomic import read_json

PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
# The paper whose method is reconstructed: the software has no page of its own.
URL = "https://arxiv.org/abs/2506.01456"
# Results of groups of people, by what they are; patterns below results/<study>.
RESULTS = (
    ("report/summary.html", "the study on one page"),
    ("report/summary.json", "the numbers of that page"),
    ("report/versions.json", "versions by stage"),
    ("report/comparison.tsv", "methods compared"),
    ("training/*/metrics.tsv", "metrics by fold"),
    ("ranking/*/genes.tsv", "ranked genes"),
    ("ranking/*/blocks.tsv", "ranked LD blocks"),
    ("ranking/*/regions.tsv", "ranked regions"),
    ("ranking/*/snps.tsv", "ranked SNPs"),
    ("ranking/comparison.tsv", "rankings compared"),
)
FORMATS = {
    ".tsv": "text/tab-separated-values",
    ".json": "application/json",
    ".html": "text/html",
    ".gz": "application/gzip",
    ".gmt": "text/tab-separated-values",
    ".md": "text/markdown",
    ".bib": "application/x-bibtex",
    ".yaml": "application/yaml",
}


def write_crate(study: StudyResults, exports: Sequence[Export]) -> Export:
    """Write `ro-crate-metadata.json` into the folder of the study.

    Parameters
    ----------
    study : StudyResults
    exports : sequence of Export
        What else was exported: part of the crate, but for images of single persons.
    """
    from rocrate.model.contextentity import ContextEntity
    from rocrate.rocrate import ROCrate

    crate = ROCrate(version="1.3")
    crate.name = f"GenDMR study {study.name}"
    crate.description = (
        f"Results of the study {study.name}: methods {', '.join(study.methods)}; outcomes"
        f" {', '.join(study.outcomes)}."
    )
    crate.license = "not yet chosen: the authors of the study decide"
    crate.root_dataset["conformsTo"] = {"@id": PROFILE}
    profile = {"@type": ["CreativeWork", "Profile"], "name": "Process Run Crate", "version": "0.5"}
    crate.add(ContextEntity(crate, PROFILE, profile))
    times = [run.stat().st_mtime for run in study.folder.glob("training/*/*/*/run.json")]
    ended = datetime.datetime.fromtimestamp(max(times), tz=datetime.UTC).replace(microsecond=0)
    crate.root_dataset["datePublished"] = ended.isoformat()
    described: list[tuple[Path, str]] = [
        (path, meaning)
        for pattern, meaning in RESULTS
        for path in sorted(study.folder.glob(pattern))
    ]
    described += [
        (path, export.kind) for export in exports if export.kind != "bids" for path in export.files
    ]
    files = []
    for path, meaning in described:
        properties: dict[str, Any] = {"name": meaning}
        if path.suffix in FORMATS:
            properties["encodingFormat"] = FORMATS[path.suffix]
        properties["contentSize"] = str(path.stat().st_size)
        files.append(
            crate.add_file(path, path.relative_to(study.folder).as_posix(), properties=properties)
        )
    software = crate.add(
        ContextEntity(crate, "#gendmr", {
            "@type": "SoftwareApplication", "name": "GenDMR", "version": __version__, "url": URL,
            "softwareRequirements": _requirements(study),
        })
    )  # fmt: skip
    crate.root_dataset["mentions"] = crate.add(
        ContextEntity(crate, "#run", {
            "@type": "CreateAction", "name": f"the run of {study.name}",
            "endTime": ended.isoformat(), "actionStatus": "http://schema.org/CompletedActionStatus",
        })
    )  # fmt: skip
    action = crate.dereference("#run")
    action["instrument"] = software
    action["result"] = files
    # Only the metadata: the files are where they belong.
    crate.metadata.write(study.folder)
    export = Export("crate", [study.folder / "ro-crate-metadata.json"])
    export.notes.append("the licence of the crate is for the authors of the study to choose")
    return export


def _requirements(study: StudyResults) -> list[str]:
    """Return names and versions of the software of all stages."""
    path = study.folder / "report" / "versions.json"
    stages = read_json(path) if path.is_file() else {}
    requirements = {
        f"{name} {version}"
        for versions in stages.values()
        for name, version in versions.items()
        if name not in ("commit", "gendmr", "platform")
    }
    return sorted(requirements)
