"""Looks up the locked packages in the list of known vulnerabilities, with pip-audit in a venv.

    python envs/audit.py VENV [--when-reachable]

Status 0: every package was looked up, none has a known vulnerability that is not accepted below.
Status 1: some have. Status 3: the list could not be reached, so nothing is known; with
--when-reachable that is said, and the status is 0. pip-audit alone says "no known vulnerabilities"
of packages that it could not look up.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
TOOL = "pip-audit==2.10.1"
# Identifier of a vulnerability to the reason why it does not matter here.
ACCEPTED: dict[str, str] = {}


def main(words: list[str]) -> int:
    """Audit envs/requirements.lock and the pinned torch; return the exit status."""
    venv, tolerant = Path(words[0]), "--when-reachable" in words
    wanted = _pins()
    try:
        report = _ask(venv, wanted)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        lines = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
        return _unknown(lines[-1] if lines else type(error).__name__, tolerant)
    missed = [item for item in report if "skip_reason" in item]
    found = [
        f"{item['name']} {item['version']}: {vuln['id']}"
        f" (fixed in {', '.join(vuln['fix_versions']) or 'no release'})"
        for item in report
        for vuln in item.get("vulns", [])
        if vuln["id"] not in ACCEPTED
    ]
    if found:
        print(f"[audit] {len(found)} known vulnerabilities:", *found, sep="\n  ", file=sys.stderr)
        print(
            "[audit] next step: raise the pin in envs/requirements.in, make lock", file=sys.stderr
        )
        return 1
    if len(missed) == len(report):
        return _unknown(missed[0]["skip_reason"] if missed else "no answer", tolerant)
    if missed:
        names = ", ".join(item["name"] for item in missed[:5])
        return _unknown(f"{len(missed)} of {len(report)} not looked up: {names}", tolerant)
    print(f"[audit] {len(report)} packages looked up, no known vulnerability")
    return 0


def _pins() -> list[str]:
    lock = (HERE / "requirements.lock").read_text(encoding="utf-8").splitlines()
    torch = re.search(r"^torch==[\d.]+", (HERE / "requirements.in").read_text(), re.MULTILINE)
    return [line for line in lock if "==" in line] + ([torch[0]] if torch else [])


def _ask(venv: Path, wanted: list[str]) -> list[dict[str, Any]]:
    program = venv / "bin" / "pip-audit"
    if not program.is_file():
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True, capture_output=True)
        pip = [str(venv / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
        subprocess.run([*pip, "install", "-q", TOOL], check=True, capture_output=True, text=True)
    listed = venv / "wanted.txt"
    listed.write_text("".join(f"{line}\n" for line in wanted), encoding="utf-8")
    done = subprocess.run(
        [str(program), "-r", str(listed), "--no-deps", "--disable-pip", "-f", "json"],
        check=False,
        capture_output=True,
        text=True,
        timeout=600,
    )
    if not done.stdout.strip():
        raise ValueError(done.stderr.strip() or f"pip-audit ended with {done.returncode}")
    answer: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    return answer


def _unknown(reason: str, tolerant: bool) -> int:
    print(f"[audit] NOT AUDITED, nothing is known: {reason}", file=sys.stderr)
    print("[audit] next step: make audit where the package index is reached", file=sys.stderr)
    return 0 if tolerant else 3


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
