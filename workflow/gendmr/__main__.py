"""`python -m gendmr`: the command line that every rule calls."""

from gendmr.cli.main import main

if __name__ == "__main__":
    main()
