"""The house stands as ARCHITECTURE.md draws it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys

import pytest
import yaml

from gendmr.config.methods import KINDS as METHOD_KINDS
from gendmr.files.fingerprint import imports

STAGES = [
    "simulate",
    "genotypes",
    "annotation",
    "imaging",
    "expression",
    "histology",
    "connectivity",
    "lesions",
    "cohort",
    "training",
    "ranking",
    "tracking",
    "report",
]
FLOOR = {
    "config": 0,
    "files": 0,
    "errors": 0,
    "seeds": 0,
    "style": 0,
    "chapters": 0,
    "statistics": 0,
    "tasks": 0,
    "genotypes": 1,
    "annotation": 1,
    "imaging": 1,
    "expression": 1,
    "histology": 1,
    "connectivity": 1,
    "lesions": 1,
    "simulate": 1,
    "engine": 1,
    "modalities": 2,
    "cohort": 3,
    "preprocessing": 4,
    "methods": 5,
    "training": 6,
    "ranking": 7,
    "cli": 8,
    "export": 8,
    "predict": 8,
    "run": 8,
    "bundle": 8,
    "init": 8,
    "notebook": 8,
    "estimate": 8,
    "report": 8,
    "tracking": 8,
}
# One floor, and still not each other's business.
STRANGERS = {
    *("genotypes", "annotation", "imaging", "expression", "histology", "connectivity"),
    *("lesions", "simulate", "engine"),
    *("report", "tracking", "estimate", "export", "bundle", "init", "notebook", "predict", "run"),
}
# Within the ground floor: what knows nothing of a study must not read its configuration.
PURE = {"statistics": {"statistics"}, "errors": set(), "seeds": set()}


def modules(root):
    package = root / "workflow" / "gendmr"
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        if parts[-1] == "__init__":
            parts = parts[:-1]
        if parts and parts[0] != "__main__":
            yield ".".join(parts)


def violations(module, imported):
    package = module.split(".")[0]
    for name in imported:
        imported_package = name.split(".")[1]
        # The command line names the commands of each stage, by string, not by import.
        if imported_package == package:
            continue
        if (
            FLOOR[imported_package] > FLOOR[package]
            or imported_package not in PURE.get(package, {imported_package})
            or (
                FLOOR[imported_package] == FLOOR[package]
                and package in STRANGERS
                and imported_package in STRANGERS
            )
        ):
            yield f"{module} imports {name}"


def test_each_package_imports_only_from_floors_beneath(root):
    wrong = [
        line for module in modules(root) for line in violations(module, imports(f"gendmr.{module}"))
    ]
    assert wrong == []


def test_no_two_packages_import_each_other(root):
    """Floors forbid circles between floors; this forbids them within one."""
    arrows: dict[str, set[str]] = {}
    for module in modules(root):
        package = module.split(".")[0]
        imported_packages = {name.split(".")[1] for name in imports(f"gendmr.{module}")} - {package}
        arrows.setdefault(package, set()).update(imported_packages)

    def reach(start):
        reached, waiting = set(), [start]
        while waiting:
            for target in arrows.get(waiting.pop(), ()):
                if target not in reached:
                    reached.add(target)
                    waiting.append(target)
        return reached

    assert [package for package in sorted(arrows) if package in reach(package)] == []


def test_the_check_of_floors_can_fail():
    assert list(violations("statistics.x", {"gendmr.config.cohort"}))
    assert list(violations("genotypes.x", {"gendmr.cohort.view"}))
    assert list(violations("genotypes.x", {"gendmr.imaging.bids"}))
    assert not list(violations("cohort.x", {"gendmr.genotypes.filesets", "gendmr.errors"}))


@pytest.mark.parametrize("stage", STAGES)
def test_one_name_per_stage_everywhere(root, stage):
    for path in (
        f"workflow/rules/{stage}.smk",
        f"workflow/gendmr/{stage}/commands.py",
        f"workflow/gendmr/config/{stage}.py",
        f"envs/{stage}.yaml",
        f"tests/{stage}",
    ):
        assert (root / path).exists(), path
    rules = (root / f"workflow/rules/{stage}.smk").read_text()
    assert f"\nrule {stage}:" in rules
    called = set(re.findall(r"python -m gendmr (\S+)", rules))
    assert called == {stage}


def test_the_snakefile_is_a_table_of_contents(root):
    assert len((root / "workflow/Snakefile").read_text().splitlines()) <= 60
    assert len((root / "workflow/rules/common.smk").read_text().splitlines()) <= 150


@pytest.mark.parametrize("stage", STAGES)
def test_every_job_states_its_needs(root, stage):
    text = (root / f"workflow/rules/{stage}.smk").read_text()
    assert not re.search(r"^\s*run:|lambda", text, re.M)
    # Rules in a loop have no name of their own.
    for block in re.split(r"^(?:rule | +rule\b ?)", text, flags=re.M)[1:]:
        name = block.split(":")[0]
        assert '"""' in block, f"{name} has no docstring"
        if "shell:" not in block:
            continue
        needs = ("log:", "benchmark:", "conda:", "threads:", "code=")
        for needed in needs:
            assert needed in block, f"{name} lacks {needed}"
        # Training asks for what the method takes: `fold_memory` doubles as well.
        for resource in ("mem_mb", "runtime"):
            doubles = rf"{resource}=(double_per_attempt\(|fold_|null_)"
            assert re.search(doubles, block), f"{name} lacks {resource}"


# No epochs where nothing is trained in steps; nothing pruned where few variants are left.
MAY_BE_EMPTY = {"history.jsonl", "pruned.txt"}


@pytest.mark.parametrize("stage", STAGES)
def test_an_empty_output_is_no_result(root, stage):
    text = (root / f"workflow/rules/{stage}.smk").read_text()
    outputs = re.findall(r"^( +)output:\n(.*?)^\1log:", text, re.M | re.S)
    assert outputs
    for indent, block in outputs:
        items = re.split(rf"^{indent}    (?=[\w\"])", block, flags=re.M)[1:]
        assert items
        for item in items:
            may_be_empty = any(f"/{name}" in item for name in MAY_BE_EMPTY)
            assert may_be_empty or re.match(r"(\w+=)?nonempty\(", item), item


def test_the_link_for_profile_slurm_works_in_a_clone(root):
    assert (root / "slurm").is_symlink()
    assert (root / "slurm" / "config.v8+.yaml").is_file()


def test_the_profile_that_loads_itself_only_reruns_what_was_cut_off(root):
    # a table of resources in it would silently take the place of a site's
    assert (root / "profiles").is_symlink()
    profile = yaml.safe_load((root / "profiles/default/config.v8+.yaml").read_text())
    assert profile == {"rerun-incomplete": True}


@pytest.mark.parametrize("words", [[], ["simulate"], ["genotypes"], ["training"], ["tracking"]])
def test_help_imports_nothing_heavy(words):
    code = (
        f"import sys; sys.argv = ['gendmr', *{words!r}, '--help']\n"
        "from gendmr.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'ants', 'mlflow', 'nilearn', 'matplotlib', 'sklearn', 'msprime'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("HEAVY []\n"), done.stdout


# Kinds of method that are also words of other things: a file, a way to choose SNPs, the house.
ALSO_WORDS = {"gendmr", "association", "fusion", "locus", "polygenic", "threshold"}
WINGS = ("methods", "modalities", "tasks", "simulate")


def test_the_spine_names_no_method(root):
    kinds = set(METHOD_KINDS) - ALSO_WORDS
    assert {"migtrans", "mgi", "subspace", "ridge"} <= kinds
    package = root / "workflow" / "gendmr"
    named = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).parts
        if parts[0] in WINGS or parts[:2] == ("config", "methods"):
            continue
        words = {
            node.value
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        if words & kinds:
            named[str(path.relative_to(package))] = sorted(words & kinds)
    for path in (root / "workflow" / "rules").glob("*.smk"):
        words = set(re.findall(r"[\"'](\w+)[\"']", path.read_text(encoding="utf-8")))
        if words & kinds:
            named[path.name] = sorted(words & kinds)
    assert named == {}
