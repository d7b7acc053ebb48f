"""Messages of commits have one form, and hooks call the tools that `make test` calls."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml


def check(root: Path, folder: Path, message: str) -> subprocess.CompletedProcess[str]:
    """Run the hook on a message, as git does."""
    path = folder / "COMMIT_EDITMSG"
    path.write_text(message, encoding="utf-8")
    return subprocess.run(
        [str(root / ".githooks/commit-msg"), str(path)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"LC_ALL": "C.UTF-8"},
    )


@pytest.mark.parametrize(
    "message",
    [
        "feat(ranking): levels of any modality",
        "fix: a fold that was killed twice\n\nIts checkpoint was read too early.\n",
        "refactor(config,tasks)!: one section per outcome",
        "docs(how-to): add a method",
        "# what git writes\n\ntest(files): damaged tables\n# more of it\n",
        f"style: {'ü' * 93}",
        "Merge branch 'docs'",
        'Revert "feat: levels"',
        "fixup! feat: levels",
    ],
)
def test_commit_msg__accepts(root, tmp_path, message):
    done = check(root, tmp_path, message)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("", "it is empty"),
        ("# only what git writes\n", "it is empty"),
        ("Shorter lines", "another form"),
        ("feature: levels", "another form"),
        ("feat(Ranking): levels", "another form"),
        ("feat:levels", "another form"),
        ("feat: ", "another form"),
        ("feat(): levels", "another form"),
        ("feat: levels.", "full stop"),
        (f"feat: {'x' * 95}", "longer than 100"),
        ("feat: levels\nof any modality", "second line"),
    ],
)
def test_commit_msg__refuses_with_the_reason_and_the_form(root, tmp_path, message, reason):
    done = check(root, tmp_path, message)
    assert done.returncode == 1
    assert reason in done.stderr
    assert "type(scope): subject" in done.stderr


def test_commit_msg__is_what_git_asks(root, tmp_path):
    def git(*words: str) -> int:
        identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        command = ["git", "-C", str(tmp_path), *identity, *words]
        return subprocess.run(command, capture_output=True, check=False).returncode

    git("init", "-q")
    git("config", "core.hooksPath", str(root / ".githooks"))
    assert git("commit", "--allow-empty", "-m", "Shorter lines") == 1
    assert git("commit", "--allow-empty", "-m", "style: shorter lines") == 0


def test_hooks_of_pre_commit_call_locked_tools(root):
    settings = yaml.safe_load((root / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    locked = (root / "envs/requirements.lock").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([\w-]+):", (root / "Makefile").read_text("utf-8"), re.M))
    assert [repository["repo"] for repository in settings["repos"]] == ["local"]
    tools = set()
    for hook in settings["repos"][0]["hooks"]:
        program, *words = hook["entry"].split()
        tools.add(Path(program).name)
        if program == "make":
            assert words[-1] in targets, hook["id"]
        elif program.startswith(".venv/bin/"):
            assert re.search(rf"^{Path(program).name}==", locked, re.M), hook["id"]
        else:
            assert os.access(root / program, os.X_OK), hook["id"]
    assert tools == {"ruff", "snakefmt", "mypy", "make", "commit-msg"}
