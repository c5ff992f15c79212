"""``python -m brianprop``: the command line."""

import sys

from brianprop.experiments.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
