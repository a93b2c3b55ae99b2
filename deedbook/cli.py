"""The command line: `deedbook run | demo | replay | verify | keys | ops`."""

import sys

USAGE = "usage: deedbook run | demo | replay DIR | verify DIR | keys | ops"


def main() -> int:
    """Print the usage; exit status 2, as for any command that is not known."""
    print(USAGE, file=sys.stderr)
    return 2
