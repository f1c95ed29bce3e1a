#
# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""What a sample costs each sender, beside the least that it can cost.

Run it from the checkout: ``python -m benchmarks.cpu``. It prints tables for
doc/source/performance.rst.
"""

from concurrent import futures
import contextlib
import dataclasses
import math
import pathlib
import sys
import tempfile
import time

from benchmarks.common import arguments
from benchmarks.common import report
from benchmarks.common import senders
from benchmarks.cpu import cycle
from benchmarks.cpu import footprint
from benchmarks.cpu import stage as cpu_stage
from benchmarks.cpu import tables
from lab import certificates
from lab import child

_SENDERS = (senders.RATES_FLOOR, "tcp", "raw", "both", "tags", "udp", "pickle",
            "tls", "spool", "ceilometer-tcp", "ceilometer-tcp-unsigned",
            "ceilometer-udp", "ceilometer-http", "ceilometer-prometheus",
            "graphyte", "graphitesend", "bridge", "connect")
_BATCH = 50
# The slowest senders are as slow in a part of a polling cycle.
_MAX_CPU_SECONDS = 3


@dataclasses.dataclass(frozen=True)
class Plan:
    """How much is done.

    :ivar instances: of the node of the main table
    :ivar rate: batches a second at most; 0 is back to back
    :ivar sizes: nodes at which a sample has to cost the same
    :ivar flat_samples: that each of them publishes at least in a turn
    """

    instances: int
    rate: int
    sizes: tuple
    flat_samples: int
    rounds: int
    flat_rounds: int
    footprint: footprint.Plan


FULL = Plan(200, 100, (100, 1000, 10000), 20000, 7, 5, footprint.FULL)
SHORT = Plan(3, 0, (3, 12), 1, 2, 2, footprint.SHORT)


class Contest:
    """Makes stages, and gives each of them its turn, round by round.

    :param directory: for what senders keep on disk
    :param log_path: for what they print
    """

    def __init__(self, directory, log_path):
        self._directory = directory
        self._authority = certificates.Authority(directory / "ca")
        self._log_path = log_path

    def run(self, loads, rounds):
        """Each round is a turn of each.

        :param loads: by key, of which the last element is the sender's name
        :returns: a list of turns by key
        """
        turns = {key: [] for key in loads}
        with contextlib.ExitStack() as stack:
            stages = {key: stack.enter_context(cpu_stage.Stage(
                senders.SENDERS[key[-1]], load, self._authority,
                self._directory / "-".join(key), self._log_path))
                for key, load in loads.items()}
            with futures.ThreadPoolExecutor(len(stages)) as pool:
                list(pool.map(cpu_stage.Stage.warm_up, stages.values()))
            for number in range(rounds):
                for key, stage in stages.items():
                    turns[key].append(stage.take_turn())
                    self._tell(number, key, turns[key][-1])
        return turns

    @staticmethod
    def _tell(number, key, turn):
        print("round", number + 1, *key,
              "%.2f us/sample, caller %.2f, late bytes %d" % (
                  1e6 * turn.cpu / turn.samples,
                  1e6 * turn.caller_cpu / turn.samples, turn.late_bytes),
              file=sys.stderr, flush=True)


def _batches(contest, given):
    """All senders with the same load."""
    plan = given.plan
    load = cpu_stage.Load(plan.instances, _BATCH, 1, plan.rate,
                          max_cpu=_MAX_CPU_SECONDS)
    turns = {name: turns for (name,), turns in contest.run(
        {(name,): load for name in given.senders}, plan.rounds).items()}
    print(report.heading("Batches of %d" % _BATCH))
    print(report.paragraph(
        "%d instances, %d rounds of one polling cycle, or of what a sender "
        "can publish of it in %d s of CPU, %s." % (
            plan.instances, plan.rounds, _MAX_CPU_SECONDS,
            "%d batches a second at most" % plan.rate if plan.rate
            else "back to back")))
    print(tables.compared(turns), flush=True)
    return tables.compared_targets(turns)


def _flat(contest, given):
    """The floors and ours at nodes of several sizes."""
    plan = given.plan
    turns = contest.run({
        (str(size), name): cpu_stage.Load(
            size, _BATCH, math.ceil(plan.flat_samples / cycle.Node(
                size, _BATCH).samples_per_cycle), 0)
        for size in plan.sizes for name in tables.FLAT}, plan.flat_rounds)
    print(report.heading("Nodes of all sizes"))
    print(report.paragraph(
        "Batches of %d, %d rounds of whole polling cycles, back to back." % (
            _BATCH, plan.flat_rounds)))
    print(tables.flat(turns), flush=True)
    return tables.flat_targets(turns)


def _footprint(_, given):
    series = footprint.measure(given.plan.footprint, given.log)
    print(report.heading("Memory"))
    print(footprint.table(*series))
    print(report.paragraph(footprint.LEGEND), flush=True)
    return footprint.judged(*series)


_PARTS = {"batches": _batches, "flat": _flat, "footprint": _footprint}


def _arguments():
    parser = arguments.parser("cpu", __doc__)
    arguments.add_short(parser)
    parser.add_argument("--parts", default=list(_PARTS), metavar="NAME,...",
                        type=arguments.names_of(_PARTS),
                        help="of " + ", ".join(_PARTS))
    parser.add_argument("--senders", default=_SENDERS, metavar="NAME,...",
                        type=arguments.names_of(senders.SENDERS),
                        help="beside the floor, of "
                             + ", ".join(senders.SENDERS))
    given = parser.parse_args()
    given.plan = SHORT if given.short else FULL
    given.senders = list(dict.fromkeys([senders.FLOOR, *given.senders]))
    return given


def main():
    given = _arguments()
    child.end_with_us()
    begin = time.monotonic()
    print(report.about())
    with tempfile.TemporaryDirectory() as directory:
        contest = Contest(pathlib.Path(directory), given.log)
        found = [target for name in given.parts
                 for target in _PARTS[name](contest, given)]
    print(report.paragraph(tables.LEGEND))
    print(report.bullets(found))
    if given.short:
        print("This was short: it shows that all works, and no figure holds.")
    print("took %.0f s" % (time.monotonic() - begin), file=sys.stderr)


if __name__ == "__main__":
    main()
