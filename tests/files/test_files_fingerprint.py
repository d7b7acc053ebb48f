"""The fingerprint sees code, not comments; a step's own imports, not its neighbours'."""

from __future__ import annotations

import importlib.util
import shutil
import sys

import pytest

from gendmr.files import fingerprint as installed


@pytest.fixture
def package(tmp_path):
    """A small package with the real fingerprint module in it."""
    root = tmp_path / "gendmr"
    (root / "files").mkdir(parents=True)
    (root / "stage").mkdir()
    for folder in (root, root / "files", root / "stage"):
        (folder / "__init__.py").write_text("")
    shutil.copy(installed.__file__, root / "files" / "fingerprint.py")
    (root / "stage" / "step.py").write_text(
        "def run():\n    from gendmr.stage import helper\n    return helper.VALUE\n"
    )
    (root / "stage" / "helper.py").write_text("VALUE = 1\n")
    (root / "stage" / "other.py").write_text("VALUE = 1\n")
    return root


def fingerprint(root, *modules):
    spec = importlib.util.spec_from_file_location("copied", root / "files" / "fingerprint.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules.pop("copied", None)
    spec.loader.exec_module(module)
    return module.fingerprint(*modules)


def test_comments_docstrings_and_layout_change_nothing(package):
    before = fingerprint(package, "stage.step")
    (package / "stage" / "helper.py").write_text('"""Doc."""\n\n# why\nVALUE = (\n    1\n)\n')
    assert fingerprint(package, "stage.step") == before


def test_an_edit_in_what_is_imported_inside_a_function_changes_it(package):
    before = fingerprint(package, "stage.step")
    (package / "stage" / "helper.py").write_text("VALUE = 2\n")
    assert fingerprint(package, "stage.step") != before


def test_an_edit_elsewhere_changes_nothing(package):
    before = fingerprint(package, "stage.step")
    (package / "stage" / "other.py").write_text("VALUE = 2\n")
    assert fingerprint(package, "stage.step") == before


def test_an_unknown_module_is_refused(package):
    with pytest.raises(ModuleNotFoundError):
        fingerprint(package, "stage.nothing")
