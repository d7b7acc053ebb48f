"""The fingerprint sees code, not comments; a step's own imports, not its neighbours'."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

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
    source = Path(installed.__file__).parents[1]
    for name in ("errors.py", "files/atomic.py", "files/seal.py", "files/fingerprint.py"):
        shutil.copy(source / name, root / name)
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


def test_what_jobs_ask_for_changes_nothing(package):
    """Rates and resources of a section say what a job takes, not what it does."""
    section = package / "stage" / "helper.py"
    section.write_text("class S:\n    rates: dict = {}\n    width: int = 1\n")
    before = fingerprint(package, "stage.step")
    section.write_text("class S:\n    rates: dict = {1: 2}\n    width: int = 1\n")
    assert fingerprint(package, "stage.step") == before
    section.write_text("class S:\n    rates: dict = {}\n    width: int = 2\n")
    assert fingerprint(package, "stage.step") != before


def test_an_edit_in_what_is_imported_inside_a_function_changes_it(package):
    before = fingerprint(package, "stage.step")
    (package / "stage" / "helper.py").write_text("VALUE = 2\n")
    assert fingerprint(package, "stage.step") != before


def test_an_edit_elsewhere_changes_nothing(package):
    before = fingerprint(package, "stage.step")
    (package / "stage" / "other.py").write_text("VALUE = 2\n")
    assert fingerprint(package, "stage.step") == before


@pytest.mark.parametrize("place", ["page.html.j2", "templates/page.html.j2", "templates/a/b.css"])
def test_data_beside_a_module_counts_for_whoever_runs_it_and_nobody_else(package, place):
    (package / "house").mkdir()
    (package / "house" / "__init__.py").write_text("")
    (package / "house" / "reader.py").write_text("VALUE = 1\n")
    data = package / "house" / place
    data.parent.mkdir(parents=True, exist_ok=True)
    data.write_text("old")
    before = [fingerprint(package, name) for name in ("house.reader", "stage.step")]
    data.touch()
    assert [fingerprint(package, name) for name in ("house.reader", "stage.step")] == before
    data.write_text("new")
    after = [fingerprint(package, name) for name in ("house.reader", "stage.step")]
    assert after[0] != before[0]
    assert after[1] == before[1]
    data.rename(data.with_name(f"other{data.suffix}"))
    assert fingerprint(package, "house.reader") != after[0]


def test_data_of_a_subpackage_is_its_own(package):
    (package / "stage" / "inner").mkdir()
    (package / "stage" / "inner" / "__init__.py").write_text("")
    before = fingerprint(package, "stage.step")
    (package / "stage" / "inner" / "rates.yaml").write_text("a: 1")
    assert fingerprint(package, "stage.step") == before


def test_every_data_file_of_the_package_has_a_suffix_that_counts_and_is_shipped(root):
    shipped = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]
    patterns = shipped["package-data"]["gendmr"]
    assert set(patterns) == {f"**/*{suffix}" for suffix in installed.DATA_SUFFIXES} | {"py.typed"}
    unlisted = {
        path.name
        for path in (root / "workflow" / "gendmr").rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc", *installed.DATA_SUFFIXES)
    }
    assert unlisted == {"py.typed"}


def test_a_template_of_the_report_concerns_the_report_alone(root, tmp_path):
    package = tmp_path / "gendmr"
    shutil.copytree(root / "workflow" / "gendmr", package)
    rules = "".join(path.read_text() for path in (root / "workflow" / "rules").glob("*.smk"))
    modules = set(re.findall(r"(?:fingerprint|code)\(\s*\"([\w.]+)\"", rules))
    modules.add("report.study")  # the report names its modules by the outcomes of the study
    assert modules > {"report.study", "cohort.join", "training.fold"}
    before = {name: fingerprint(package, name) for name in modules}
    template = package / "report" / "templates" / "genes.html.j2"
    template.write_text(template.read_text().replace("Genes", "Loci"))
    changed = {name for name in modules if fingerprint(package, name) != before[name]}
    assert {name.split(".")[0] for name in changed} == {"report"}


def test_an_unknown_module_is_refused(package):
    with pytest.raises(ModuleNotFoundError):
        fingerprint(package, "stage.nothing")


@pytest.mark.parametrize("damage", [None, "", "{", '{"a": 1}', "[]"])
def test_what_was_remembered_changes_nothing_but_the_time(package, tmp_path, damage):
    store = tmp_path / "code.json"
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path;"
        "from gendmr.files import fingerprint as f; f.persist_cache(Path(sys.argv[2]));"
        "real, calls = f._parse, [];"
        "f._parse = lambda source: calls.append(1) or real(source);"
        "print(f.fingerprint('stage.step'), len(calls))"
    )

    def told():
        words = [sys.executable, "-c", script, str(package.parent), str(store)]
        done = subprocess.run(words, check=True, capture_output=True, text=True, cwd="/")
        return done.stdout.split()

    first, parsed = told()
    assert first == fingerprint(package, "stage.step")
    assert parsed != "0"
    if damage is not None:
        store.write_text(damage)
    assert told() == [first, "0" if damage is None else parsed]
    assert told() == [first, "0"]
    (package / "stage" / "helper.py").write_text("VALUE = 3\n")
    changed, parsed = told()
    assert changed == fingerprint(package, "stage.step") != first
    assert parsed == "1"
