"""The reference of files says what the code writes."""

from __future__ import annotations

from gendmr.cli.reference import updated
from gendmr.modalities import modality_of, names
from gendmr.modalities.store import attributions_schema


def test_the_page_of_files_is_made_of_the_schemas_that_are_in_force(root):
    page = (root / "docs/reference/files.md").read_text(encoding="utf-8")
    assert updated(page) == page, "make reference"


def test_every_variable_of_every_modality_is_on_the_page(root):
    page = (root / "docs/reference/files.md").read_text(encoding="utf-8")
    for name in names():
        section = page.split(f"### cohort/{name}.nc")[1].split("###")[0]
        for variable in modality_of(name).schema:
            assert f"| `{variable}` |" in section
    for variable in attributions_schema():
        assert f"| `{variable}` |" in page
