"""`python -m bench [NAME [options]]`: run one experiment, or all."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

from bench import crowd, dividends, engine, fanout, gateway, journal, replay


class Experiment(NamedTuple):
    """`configure` adds its options; `run` prints its figures and returns the exit code, 1 where a check fails."""

    about: str | None
    configure: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


EXPERIMENTS = {
    "engine": Experiment(engine.__doc__, engine.configure, engine.run),
    "journal": Experiment(journal.__doc__, journal.configure, journal.run),
    "replay": Experiment(replay.__doc__, replay.configure, replay.run),
    "gateway": Experiment(gateway.__doc__, gateway.configure, gateway.run),
    "crowd": Experiment(crowd.__doc__, crowd.configure, crowd.run),
    "fanout": Experiment(fanout.__doc__, fanout.configure, fanout.run),
    "dividends": Experiment(dividends.__doc__, dividends.configure, dividends.run),
}


def main(words: Sequence[str] | None = None) -> int:
    """Run the named experiment, or all of them as they are."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    names = parser.add_subparsers(dest="name")
    for name, experiment in EXPERIMENTS.items():
        experiment.configure(names.add_parser(name, help=experiment.about))
    arguments = parser.parse_args(words)
    if arguments.name is not None:
        return EXPERIMENTS[arguments.name].run(arguments)
    return max(experiment.run(parser.parse_args([name])) for name, experiment in EXPERIMENTS.items())


if __name__ == "__main__":
    sys.exit(main())
