"""The list of everybody and everything that was removed, first reason wins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from gendmr.files.atomic import write_text

COLUMNS = ("kind", "id", "stage", "step", "reason", "value", "threshold")


class Removals:
    """Rows of `attrition.tsv` in the order of the steps.

    Parameters
    ----------
    kind : {"participant", "variant"}
        What is removed.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._rows: dict[str, tuple[str, str, str, str]] = {}

    def add(
        self,
        ids: Iterable[str],
        step: str,
        reason: str,
        values: Iterable[Any],
        threshold: Any,
    ) -> None:
        """Add identifiers that are not listed yet; `threshold` is one value or one for each."""
        ids, values = list(ids), list(values)
        limits: Sequence[Any] = threshold if isinstance(threshold, list) else [threshold] * len(ids)
        for name, value, limit in zip(ids, values, limits, strict=True):
            self._rows.setdefault(name, (step, reason, _text(value), _text(limit)))

    def rename(self, names: dict[str, str]) -> None:
        """Give identifiers other names, also where a reason ends in one."""
        renamed = {}
        for name, (step, reason, value, threshold) in self._rows.items():
            words, colon, detail = reason.partition(": ")
            first, space, remark = detail.partition(" ")
            text = f"{words}{colon}{names.get(first, first)}{space}{remark}"
            renamed[names.get(name, name)] = (step, text, value, threshold)
        self._rows = renamed

    @property
    def ids(self) -> list[str]:
        """Identifiers so far."""
        return list(self._rows)

    def reason_of(self, name: str) -> str:
        """Return why somebody or something leaves; empty where it does not."""
        return self._rows[name][1] if name in self._rows else ""

    def counts(self) -> list[dict[str, Any]]:
        """Return step, reason (up to the colon that introduces a person) and number, in order."""
        counter = Counter((row[0], row[1].partition(":")[0]) for row in self._rows.values())
        return [
            {"kind": self.kind, "step": step, "reason": reason, "removed": number}
            for (step, reason), number in counter.items()
        ]

    def summary(self) -> str:
        """Return the counts as one line for error messages."""
        return "; ".join(f"{item['reason']} {item['removed']}" for item in self.counts()) or "none"

    def rows(self) -> str:
        """Return the rows as tab-separated lines without a header."""
        return "".join(
            f"{self.kind}\t{name}\tgenotypes\t{step}\t{reason}\t{value}\t{threshold}\n"
            for name, (step, reason, value, threshold) in self._rows.items()
        )

    def write(self, path: Path) -> None:
        """Write the table with its header."""
        write_text(path, "\t".join(COLUMNS) + "\n" + self.rows())


def _text(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
