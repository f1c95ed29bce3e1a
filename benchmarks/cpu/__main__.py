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

"""The CPU time of a sample in each sender, compared with a minimal one.

Run it in the checkout: ``python -m benchmarks.cpu``. It prints tables for
doc/source/performance.rst.
"""

from concurrent import futures
import contextlib
import dataclasses
import math
import pathlib
import tempfile

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
# A part of a polling cycle is enough to measure the slowest senders.
_MAX_CPU_SECONDS = 3


@dataclasses.dataclass(frozen=True)
class Plan:
    """The size of a run.

    :ivar instances: of the node in the main table
    :ivar rate: maximum of batches per second; 0 means back to back
    :ivar sizes: instances of each node in the table of node sizes
    :ivar flat_samples: minimum of samples per turn in that table
    :ivar flat_rounds: rounds for that table
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


def _run(loads, rounds, log_path):
    """Run rounds; a round has one turn of each stage.

    :param loads: {key: load}; a key's last element is the sender's name
    :returns: {key: turns}
    """
    turns = {key: [] for key in loads}
    with contextlib.ExitStack() as stack:
        directory = pathlib.Path(stack.enter_context(
            tempfile.TemporaryDirectory()))
        authority = certificates.Authority(directory / "ca")
        stages = {key: stack.enter_context(cpu_stage.Stage(
            senders.SENDERS[key[-1]], load, authority,
            directory / "-".join(key), log_path))
            for key, load in loads.items()}
        with futures.ThreadPoolExecutor(len(stages)) as pool:
            list(pool.map(cpu_stage.Stage.warm_up, stages.values()))
        for number in range(rounds):
            for key, stage in stages.items():
                turn = stage.take_turn()
                turns[key].append(turn)
                report.progress(
                    "round %d" % (number + 1), *key,
                    "%.2f us/sample, caller %.2f, late bytes %d" % (
                        1e6 * turn.cpu / turn.samples,
                        1e6 * turn.caller_cpu / turn.samples,
                        turn.late_bytes))
    return turns


def _batches(given):
    """Compare all senders with the same load."""
    plan = given.plan
    load = cpu_stage.Load(plan.instances, _BATCH, 1, plan.rate,
                          max_cpu=_MAX_CPU_SECONDS)
    turns = {name: turns for (name,), turns in _run(
        {(name,): load for name in given.senders}, plan.rounds,
        given.log).items()}
    print(report.heading("Batches of %d" % _BATCH))
    print(report.paragraph(
        "%d instances, %d rounds of one polling cycle; a round ends after "
        "%d s of CPU at the latest. %s." % (
            plan.instances, plan.rounds, _MAX_CPU_SECONDS,
            "At most %d batches per second" % plan.rate if plan.rate
            else "Back to back")))
    print(tables.compared(turns), flush=True)
    return tables.compared_targets(turns)


def _flat(given):
    """Compare the floors and graphite:// on nodes of several sizes."""
    plan = given.plan
    turns = _run({
        (str(size), name): cpu_stage.Load(
            size, _BATCH, math.ceil(plan.flat_samples / cycle.Node(
                size, _BATCH).samples_per_cycle), 0)
        for size in plan.sizes for name in tables.FLAT}, plan.flat_rounds,
        given.log)
    print(report.heading("Nodes of several sizes"))
    print(report.paragraph(
        "Batches of %d, %d rounds of whole polling cycles, back to back." % (
            _BATCH, plan.flat_rounds)))
    print(tables.flat(turns), flush=True)
    return tables.flat_targets(turns)


def _footprint(given):
    series = footprint.measure(given.plan.footprint, given.log)
    print(report.heading("Memory"))
    print(footprint.table(*series))
    print(report.paragraph(footprint.LEGEND), flush=True)
    return footprint.judged(*series)


_PARTS = {"batches": _batches, "flat": _flat, "footprint": _footprint}


def _arguments():
    parser = arguments.parser("cpu", __doc__, "--log", "--short")
    arguments.add_names(parser, "--parts", _PARTS, list(_PARTS))
    arguments.add_names(parser, "--senders", senders.SENDERS, _SENDERS)
    given = parser.parse_args()
    given.plan = SHORT if given.short else FULL
    # The tables compare each sender with the floor.
    given.senders = list(dict.fromkeys([senders.FLOOR, *given.senders]))
    return given


def main():
    given = _arguments()
    child.end_with_us()
    print(report.about())
    with report.timed("everything"):
        found = [target for name in given.parts
                 for target in _PARTS[name](given)]
    print(report.paragraph(tables.LEGEND))
    print(report.bullets(found))
    if given.short:
        print("This was a short run; its figures mean nothing.")


if __name__ == "__main__":
    main()
