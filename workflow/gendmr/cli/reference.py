"""The reference of files, made from the declarations that write and check them."""

from __future__ import annotations

from collections.abc import Iterator

from gendmr.config.outcomes import KINDS
from gendmr.files.datasets import Schema
from gendmr.modalities import modality_of, names
from gendmr.modalities.store import attributions_schema, null_schema
from gendmr.tasks import task_of

START, END = "<!-- made by `make reference` -->", "<!-- end of what `make reference` made -->"
# Options that a kind of outcome cannot do without, for the columns of its predictions.
EXAMPLES: dict[str, dict[str, object]] = {
    "multiclass": {"column": "stage", "classes": ("one", "two", "three")},
    "quantitative": {"column": "memory"},
    "survival": {"time": "months", "event": "converted"},
}


def reference() -> str:
    """Return the generated part of docs/reference/files.md."""
    return "\n".join([START, "", *_netcdf(), *_predictions(), END, ""])


def updated(page: str) -> str:
    """Return a page whose generated part is made anew."""
    head, tail = page.split(START, 1)
    return head + reference() + tail.split(END, 1)[1].lstrip("\n")


def _netcdf() -> Iterator[str]:
    yield "## NetCDF files, variable by variable"
    yield ""
    for name in names():
        modality = modality_of(name)
        yield from _schema(f"cohort/{name}.nc: {modality.label}", modality.schema)
    yield from _schema("training/…/attributions.nc", attributions_schema())
    yield from _schema("training/…/null/…/chunk-….nc", null_schema())


def _schema(title: str, schema: Schema) -> Iterator[str]:
    yield f"### {title}"
    yield ""
    yield "| variable | dimensions | type | unit | meaning |"
    yield "|---|---|---|---|---|"
    for name, variable in schema.items():
        dims = ", ".join(variable.dims)
        optional = " (where there is one)" if variable.optional else ""
        unit = variable.unit or "–"
        meaning = variable.meaning.replace("|", "\\|") + optional
        yield f"| `{name}` | {dims} | {variable.dtype} | {unit} | {meaning} |"
    yield ""


def _predictions() -> Iterator[str]:
    yield "## predictions.tsv and metrics.tsv, by kind of outcome"
    yield ""
    yield "`predictions.tsv` has `participant_id`, `set` (train, validation, held-out) and"
    yield "`modalities`, then the columns of the task. The first metric is the primary one."
    yield ""
    yield "| kind | columns in cohort/participants.tsv | columns of predictions.tsv | metrics |"
    yield "|---|---|---|---|"
    for kind, section in KINDS.items():
        options = EXAMPLES.get(kind, {})
        task = task_of("NAME", section.model_validate({"kind": kind, **options}))
        stored_columns = ", ".join(
            f"`NAME_{suffix}`" if suffix else "`NAME`" for suffix in task.stored
        )
        columns = ", ".join(f"`{name}`" for name in _shortened(list(task.columns)))
        metrics = ", ".join(f"`{metric.name}` ({metric.label})" for metric in task.metrics)
        yield f"| {kind} | {stored_columns} | {columns} | {metrics} |"
    yield ""


def _shortened(columns: list[str]) -> list[str]:
    """Return columns with the middle of a numbered run left out."""
    runs: dict[str, list[str]] = {}
    for name in columns:
        stem = name.rstrip("0123456789")
        runs.setdefault(stem if stem != name else name, []).append(name)
    shortened: list[str] = []
    for members in runs.values():
        shortened += members if len(members) < 3 else [members[0], "…", members[-1]]
    return shortened
