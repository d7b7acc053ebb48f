"""What the terminal shows where a person stops a run: two lines, not the commands of its jobs."""

from __future__ import annotations

import logging
import signal
import sys
from types import FrameType

STOPPED = "\n  Stopped by Ctrl-C: the jobs that were running end, and count as not begun."
GO_ON = "  What is finished stays: the same command goes on from there.\n"


class Interruption(logging.Filter):
    """Drops what Snakemake says of its jobs once a person has stopped it.

    Attributes
    ----------
    stopped : bool
        Ctrl-C was pressed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stopped = False

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a message is shown."""
        return not self.stopped

    def listen(self) -> None:
        """Note Ctrl-C from now on, and let Snakemake end the run as it does.

        The terminal sends the signal to the jobs too, whose errors would be told one by one.
        """
        from snakemake.logging import logger

        logger.addFilter(self)
        earlier_handler = signal.getsignal(signal.SIGINT)

        def stop(number: int, frame: FrameType | None) -> None:
            if not self.stopped:
                self.stopped = True
                print(STOPPED, file=sys.stderr, flush=True)
            if callable(earlier_handler):
                earlier_handler(number, frame)

        signal.signal(signal.SIGINT, stop)
