"""The command line: one group per stage, imported only when it is called."""
