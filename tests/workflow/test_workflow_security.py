"""Nothing that a file or a person says is run: no pickle, no shell, no tag, no archive."""

from __future__ import annotations

import ast
import json
import os
import pickle  # noqa: TID251 - written here, to see that nobody reads it
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from gendmr.config.cohort import CohortSection
from gendmr.config.study import Study
from gendmr.errors import ConfigurationError, GendmrError

SOURCES = ("workflow", "benchmarks", "tests", "envs")
# Each runs code that a file holds, or a text as a command.
MODULES = {
    *("pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"),
    *("tarfile", "zipfile", "pty", "commands"),
}
CALLS = {
    *("eval", "exec", "compile", "__import__"),
    *("os.system", "os.popen", "os.execv", "os.spawnv", "subprocess.getoutput"),
    *("subprocess.getstatusoutput", "asyncio.create_subprocess_shell"),
    *("torch.load", "torch.save", "pd.read_pickle", "shutil.unpack_archive"),
    *("yaml.load", "yaml.load_all", "yaml.unsafe_load", "yaml.full_load", "yaml.unsafe_load_all"),
}
# What is as safe as it looks dangerous.
ALLOWED = {
    "workflow/gendmr/run/commands.py": ["os.execv"],  # a list for this Python, without a shell
    "tests/run/test_run_wheel.py": ["zipfile"],  # names in a wheel that the test has just built
}
RUN = {"run", "Popen", "check_output", "check_call", "call"}
THIS = "tests/workflow/test_workflow_security.py"


def name_of(node: ast.expr) -> str:
    """Return `a.b.c` of a dotted name, or an empty text."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{name_of(node.value)}.{node.attr}"
    return ""


def offences(source: str) -> list[str]:
    """Return what a source does that could run what a file or a person says."""
    offending = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            offending += [alias.name for alias in node.names if alias.name.split(".")[0] in MODULES]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in MODULES:
            offending.append(str(node.module))
        elif isinstance(node, ast.Call):
            offending += _offences_of_call(node)
    return offending


def _offences_of_call(node: ast.Call) -> list[str]:
    called = name_of(node.func)
    offending = [called] if called in CALLS or called.endswith(".to_pickle") else []
    keywords = {word.arg: word.value for word in node.keywords}
    if called in {"np.load", "numpy.load"}:
        allowed = keywords.get("allow_pickle")
        if not (isinstance(allowed, ast.Constant) and allowed.value is False):
            offending.append("np.load without allow_pickle=False")
    elif "allow_pickle" in keywords and getattr(keywords["allow_pickle"], "value", True):
        offending.append("allow_pickle")
    shell = keywords.get("shell")
    if shell is not None and getattr(shell, "value", True):
        offending.append("shell=True")
    module, _, function = called.rpartition(".")
    if module == "subprocess" and function in RUN:
        command = node.args[0] if node.args else keywords.get("args")
        if isinstance(command, (ast.Constant, ast.JoinedStr, ast.BinOp)):
            offending.append(f"{called} of a text")
    return offending


def test_no_source_reads_a_pickle_unpacks_an_archive_or_runs_a_text(root):
    offences_of = {}
    for folder in SOURCES:
        for path in sorted((root / folder).rglob("*.py")):
            name = str(path.relative_to(root))
            if name != THIS and (wrong := offences(path.read_text(encoding="utf-8"))):
                offences_of[name] = wrong
    assert offences_of == ALLOWED, "and take what is gone from the list"


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "import numpy as np\nnp.load('x')",
        "np.load('x', allow_pickle=True)",
        "xr.open_dataset('x', allow_pickle=choice)",
        "torch.load('x')",
        "frame.to_pickle('x')",
        "yaml.load(text)",
        "eval('1')",
        "subprocess.run(f'ls {name}')",
        "subprocess.run('ls ' + name)",
        "subprocess.run(words, shell=True)",
        "subprocess.Popen(words, shell=choice)",
        "os.system('ls')",
    ],
)
def test_the_check_of_sources_can_fail(source):
    assert offences(source)


# What the shell of a rule may hold unquoted: numbers, and paths made of checked names alone.
OURS = re.compile(
    r"(log|output(\.\w+)?|threads|resources\.\w+|wildcards\.(fold|repeat|method|modality|chunk|study)"
    r"|params\.(ranking|top_k|permutations\[[01]\]|seed|build|cohort|folder|results|template|genotypes|chunks|start|count"
    r"|simulated|components|reads|genes|evidence)"
    r"|input(\.(participants|attrition|kinship|genes|annotation|images|components|table|labels"
    r"|regions|anatomy|attributions|variants|null|splits|strata|snp|region))?)"
)


def test_rules_quote_what_a_person_typed(root):
    loose = []
    for path in sorted((root / "workflow/rules").glob("*.smk")):
        text = path.read_text(encoding="utf-8")
        for shell in re.findall(r"    shell:\n((?:\s+\".*\"\n?)+)", text):
            for place in re.findall(r"(?<!\{)\{([^{}]+)\}(?!\})", shell):
                quoted = place.endswith(":q") or f"'{{{place}}}'" in shell
                if not quoted and not OURS.fullmatch(place):
                    loose.append(f"{path.name}: {{{place}}}")
    assert loose == []


@pytest.mark.parametrize(
    "text",
    [
        "a: !!python/object/apply:os.system ['touch pwned']",
        "!!python/object/new:subprocess.Popen [['touch', 'pwned']]",
        "a: &a [*a]\nb: {",
        "\tstudy: x",
        "- 1",
        "42",
        "{",
        '{"study": ',
    ],
)
def test_a_configuration_makes_plain_values_or_is_refused(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "study.yaml"
    path.write_text(text)
    for value in (path, text) if text.startswith("{") else (path,):
        with pytest.raises(ConfigurationError) as caught:
            Study.parse(value)
        assert "next step" in str(caught.value)
    assert not (tmp_path / "pwned").exists()


class Bomb:
    """What a pickle can do when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


def test_an_array_with_a_pickle_inside_is_not_read(tmp_path):
    with (tmp_path / "merge.missingness.npy").open("wb") as stream:
        np.save(stream, np.array([Bomb(tmp_path / "pwned")], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="allow_pickle"):
        np.load(tmp_path / "merge.missingness.npy", allow_pickle=False)
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("suffix", [".nc", ".tsv"])
def test_a_pickle_in_the_place_of_measurements_is_refused(tmp_path, suffix):
    path = tmp_path / f"regions{suffix}"
    path.write_bytes(pickle.dumps(Bomb(tmp_path / "pwned")))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "gendmr", "imaging", "measurements"),
            *("--options", json.dumps({"measurements": str(path)})),
            *("--output", str(tmp_path / "out")),
        ],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert re.match(r"(InputFile|Table|Modality)Error: ", done.stderr)
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("study", "study", "../escaped"),
        ("study", "study", "$(touch pwned)"),
        ("training", "methods", {"../escaped": {"kind": "ridge"}}),
        ("training", "methods", {"-rf": {"kind": "ridge"}}),
        ("training", "methods", {"a b": {"kind": "ridge"}}),
    ],
)
def test_names_that_become_folders_are_checked(root, section, key, value):
    import yaml

    config = yaml.safe_load((root / "config/config.yaml").read_text())
    (config if section == "study" else config[section])[key] = value
    with pytest.raises(ConfigurationError):
        Study.parse(config)


def test_paths_with_quotes_spaces_and_commands_reach_the_program_as_they_are(tmp_path):
    odd = tmp_path / 'it\'s $(touch pwned); "two words"'
    odd.mkdir()
    options = CohortSection.parse({"participants": str(odd / "participants.tsv")}).dump()
    from gendmr.cohort.participants import read_participants

    with pytest.raises(GendmrError, match=re.escape(str(odd))):
        read_participants(CohortSection.parse(options))
    assert [path.name for path in tmp_path.iterdir()] == [odd.name]


def test_servers_answer_this_machine_only_unless_asked(root):
    from mlflow.cli import server

    hosts = [option.default for option in server.params if option.name == "host"]
    assert hosts == ["127.0.0.1"]
    open_to_all = []
    for folder in ("workflow", "docs", "config", "envs"):
        for path in (root / folder).rglob("*"):
            if path.suffix in {".py", ".md", ".smk", ".yaml", ".sh", ".html"}:
                text = path.read_text(encoding="utf-8")
                if re.search(r"0\.0\.0\.0|--host (?!127\.0\.0\.1|localhost)", text):
                    open_to_all.append(str(path))
    assert open_to_all == []


def locked(root: Path) -> dict[str, str]:
    lines = (root / "envs/requirements.lock").read_text(encoding="utf-8").splitlines()
    return {
        canonicalize_name(line.split("==")[0]): line.split("==")[1]
        for line in lines
        if line and not line.startswith("#")
    }


def test_the_lock_pins_one_version_of_each_package(root):
    lines = (root / "envs/requirements.lock").read_text(encoding="utf-8").splitlines()
    packages = [line for line in lines if line and not line.startswith("#")]
    assert [line for line in packages if not re.fullmatch(r"[\w.-]+==[\w.+!]+", line)] == []
    assert len(locked(root)) == len(packages)


def test_what_is_installed_is_what_is_locked(root):
    if not (Path(sys.prefix) / ".installed").is_file():
        pytest.skip("this environment was not made by make setup")
    different = {
        name: f"locked {wanted}, installed {installed}"
        for name, wanted in locked(root).items()
        if (installed := version(name)) != wanted
    }
    assert different == {}


# pandas-plink asks for an older numpy than its code needs; of deepbet only the weights are read:
# envs/requirements.in says so. torch and what its builds bring is installed before the lock.
LOOSE = ("pandas-plink", "deepbet")
WITH_TORCH = re.compile(r"torch|triton|nvidia-.*|cuda-.*|pip")


def test_the_lock_is_complete_and_agrees_with_itself(root):
    if not (Path(sys.prefix) / ".installed").is_file():
        pytest.skip("this environment was not made by make setup")
    pins = locked(root)
    wrong = []
    for name in [*pins, "torch"]:
        try:
            requires = distribution(name).requires or []
        except PackageNotFoundError:
            wrong.append(f"{name} is not installed")
            continue
        for line in requires:
            need = Requirement(line)
            required = canonicalize_name(need.name)
            if need.marker and not need.marker.evaluate({"extra": ""}):
                continue
            if WITH_TORCH.fullmatch(required) or name in LOOSE:
                continue
            if required not in pins:
                wrong.append(f"{name} needs {line}, which is not locked")
            elif not need.specifier.contains(pins[required], prereleases=True):
                wrong.append(f"{name} needs {line}, locked is {pins[required]}")
    assert wrong == []
