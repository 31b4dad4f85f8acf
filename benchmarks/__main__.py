"""hostsmith beside its peers on disposable hosts: `make bench`, or `python -m benchmarks`.

    python -m benchmarks [--into FOLDER]                 measure; takes root
    python -m benchmarks --from FILE... [--into FOLDER]  tables and plots of earlier runs' results.json

The environment says what is measured: QUICK=1, RUNS=5, DELAYS=0,20,80 (milliseconds), HOSTS=1,4,16,50,
ONLY=unchanged,deploy (jobs), TOOLS=hostsmith,script.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from pathlib import Path

from hostsmith.errors import HostsmithError

from .cost import CommandError
from .delay import HERE
from .lab import LabError
from .measure import measure
from .options import OptionError, Options, options
from .plot import plot
from .report import report
from .results import JoinError, Results, joined, machine
from .tools.ansible import Ansible
from .tools.capistrano import Capistrano
from .tools.hostsmith import Hostsmith
from .tools.pyinfra import Pyinfra
from .tools.remote import RemoteError
from .tools.script import Script

TOOLS = (Hostsmith, Script, Pyinfra, Ansible, Capistrano)
FAILURES = (CommandError, LabError, RemoteError, HostsmithError)


def main() -> int:
    """Returns the exit status: 0 all was measured, 1 something failed, 2 it was not understood what to measure."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    earlier = "results.json of earlier runs, each of which has measured something else"
    parser.add_argument("--from", dest="earlier", type=Path, nargs="+", metavar="FILE", help=earlier)
    parser.add_argument("--into", type=Path, metavar="FOLDER", default=HERE.parent / "build" / "bench")
    words = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: the hosts must go
    try:
        if words.earlier:
            results = joined([Results.load(path) for path in words.earlier])
        else:
            results = measured(options(os.environ, TOOLS), words.into)
    except (OptionError, JoinError) as error:
        parser.error(str(error))
    except FAILURES as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; its hosts are gone", file=sys.stderr)
        return 1
    show(results, words.into)
    return 0


def measured(wanted: Options, into: Path) -> Results:
    """Measure, and keep the results as they come."""
    results = Results(machine(), left_out=list(wanted.left_out))
    with tempfile.TemporaryDirectory() as folder:
        measure(wanted, Path(folder), results, lambda: results.save(into / "results.json"))
    return results


def show(results: Results, into: Path) -> None:
    """Print the tables, and keep them beside the plots."""
    into.mkdir(parents=True, exist_ok=True)
    text = report(results)
    print(text)
    results.save(into / "results.json")
    (into / "results.md").write_text(text)
    for path in plot(results, into):
        print(path, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
