"""What a person sees in the terminal when a run starts and when it fails."""

from __future__ import annotations

from pathlib import Path

from gendmr.config.study import Study

LAST_LINES = 15


def start_panel(study: Study, *, images: int) -> str:
    """Return what is about to run and where it will be found."""
    name = study.study
    given = study.imaging.measurements if study.imaging else None
    seen = f"measurements of regions, {given}" if given else f"{images} participants"
    null = study.training.with_null
    permuted = f"{study.training.null.permutations} permutations of {', '.join(null)}"
    tracking = f"results/{name}/tracking/mlflow.db" if study.tracking.enabled else "off"
    return (
        f"\n  GenDMR · study {name} · seed {study.seed}"
        f"\n  images    {seen}"
        f"\n  methods   {', '.join(study.training.methods)}"
        f"\n  folds     {study.cohort.folds} x {study.cohort.repeats} repeats, one job each"
        f"\n  null      {permuted if null else 'none: no p-values'}"
        f"\n  tracking  {tracking}"
        f"\n  results   results/{name}/"
        f"\n  logs      logs/{name}/\n"
    )


def failure_panel(study: str, since: float, folder: Path | str = "logs") -> str:
    """Return the last lines of the log of each job that failed since a time, and the next step.

    Parameters
    ----------
    study : str
        Name of the study.
    since : float
        When the run started, in seconds since the epoch: logs of earlier runs are left out.
    folder : Path or str
        Folder of the studies' logs.
    """
    logs = sorted(Path(folder, study).rglob("*.log"), key=lambda path: path.stat().st_mtime)
    failed = [
        (path, lines)
        for path in logs
        if path.stat().st_mtime >= since
        and (lines := path.read_text(encoding="utf-8", errors="replace").splitlines())
        and any(_is_error(line) for line in lines)
    ]
    parts = []
    for path, lines in failed:
        indented = "\n".join(f"    {line}" for line in lines[-LAST_LINES:])
        parts.append(f"\n  Failed: {path}\n{indented}\n")
    if not failed:
        parts.append(f"\n  No job's log names an error; the logs are in {Path(folder, study)}/\n")
    parts.append("\n  Mend it and give the same command again: what is finished stays.\n")
    return "".join(parts)


def _is_error(line: str) -> bool:
    name = line.split(":", 1)[0].strip()
    return name.isidentifier() and name.endswith(("Error", "Exception", "Interrupt"))
