"""All exports of a study, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from gendmr.errors import ConfigurationError, did_you_mean, first_few
from gendmr.export.associations import write_associations
from gendmr.export.bids import write_bids
from gendmr.export.crate import write_crate
from gendmr.export.gene_sets import write_gene_sets
from gendmr.export.maps import write_maps
from gendmr.export.methods_text import write_methods_text
from gendmr.export.results import Export, StudyResults
from gendmr.export.scores import write_scores

# Kind, which is also the folder below export/, to what writes it; the crate describes them all.
KINDS: dict[str, Callable[[StudyResults, Path], Export]] = {
    "scores": write_scores,
    "associations": write_associations,
    "maps": write_maps,
    "gene_sets": write_gene_sets,
    "bids": write_bids,
    "methods": write_methods_text,
}
CRATE = "crate"


def export_study(results: Path, kinds: Sequence[str] = ()) -> list[Export]:
    """Write files that other programs read into `results/export/`.

    Parameters
    ----------
    results : Path
        `results/<study>`.
    kinds : sequence of str
        Keys of `KINDS`, or `crate`; none: all.

    Raises
    ------
    ConfigurationError
        No such kind.
    InputFileError
        No study is there, or it has not run.
    ToolError
        PLINK 2 is missing or failed.
    """
    unknown = [kind for kind in kinds if kind not in (*KINDS, CRATE)]
    if unknown:
        raise ConfigurationError(
            f"no such export: {first_few(unknown)}; there are {first_few([*KINDS, CRATE], 20)}"
            f"{did_you_mean(unknown, [*KINDS, CRATE])}",
            next_step="name some of these, or none for all",
        )
    study = StudyResults(results)
    exports = [
        write(study, results / "export" / kind)
        for kind, write in KINDS.items()
        if not kinds or kind in kinds
    ]
    if not kinds or CRATE in kinds:
        exports.append(write_crate(study, exports))
    return exports
