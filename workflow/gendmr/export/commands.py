"""`gendmr export`: files that other programs read."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(name="export")
@click.argument("results", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("kinds", nargs=-1)
def group(results: Path, kinds: tuple[str, ...]) -> None:
    """Write what other programs read: from RESULTS (results/<study>) into its folder export/.

    KINDS are some of scores (PGS Catalog), associations (GWAS-SSF), maps (NIfTI), gene_sets (GMT),
    bids (derivatives), methods (text for a paper, checklists), crate (RO-Crate); without any, all
    of them.
    """
    from gendmr.export.study import export_study

    for export in export_study(results, kinds):
        folders = sorted({str(path.parent) for path in export.files})
        folder = f" in {folders[0]}" if folders else ""
        click.echo(f"{export.kind:<13}{len(export.files):>5} files{folder}")
        for note in export.notes:
            click.echo(f"  note: {note}")
