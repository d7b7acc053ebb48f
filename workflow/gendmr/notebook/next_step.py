"""What to type for a result that is not there yet."""

from __future__ import annotations

import shlex
from pathlib import Path

import yaml


def command_for(folder: Path, target: str = "") -> str:
    """Return the command that makes a result of a study, or all of them.

    Parameters
    ----------
    folder : Path
        `results/<study>`.
    target : str
        The result below it, `report/comparison.tsv`; absent: all of the study.

    Returns
    -------
    str
        A line for a shell; where no configuration of the study is found, one in capitals.
    """
    folder = folder.resolve()
    root = folder.parent.parent
    configuration = configuration_of(root, folder.name)
    # The rules lie in a checkout, or in the package that was installed by name.
    program = "snakemake" if (root / "workflow" / "Snakefile").is_file() else "gendmr run"
    config_path = "CONFIGURATION" if configuration is None else shlex.quote(configuration)
    words = f"{program} {shlex.quote(f'results/{folder.name}/{target}')}" if target else program
    return f"cd {shlex.quote(str(root))} && {words} --cores 2 --configfile {config_path}"


def configuration_of(root: Path, study: str) -> str | None:
    """Return the configuration, below `root`, whose study has this name; None where none has."""
    for pattern in ("config/config.yaml", "config/studies/*.yaml", "*.yaml"):
        for path in sorted(root.glob(pattern)):
            if _study_of(path) == study:
                return path.relative_to(root).as_posix()
    return None


def _study_of(path: Path) -> str | None:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        # A file that is no configuration is not the one that is looked for.
        return None
    return str(content["study"]) if isinstance(content, dict) and "study" in content else None
