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

"""Tables and targets of the senders' turns."""

import statistics

from benchmarks.common import protocols
from benchmarks.common import report
from benchmarks.common import senders
from benchmarks.cpu import stage

LEGEND = (
    "CPU: user and system time of all threads of the publishing process, in "
    "microseconds per sample, from the first batch until all bytes are sent, "
    "without the benchmark's own work. x floor: the ratio to the floor, "
    "median of the rounds. Rounds: its minimum and maximum. Caller: the CPU "
    "time of the publishing thread. Bytes, Lines: received per sample. p50, "
    "p99, Max: how long publishing a batch blocked the caller, in "
    "milliseconds. RSS: resident memory of the process in MiB, including the "
    "benchmark. Floor: one loop that formats a line for each sample, without "
    "checks, rates or a queue, then a join and a sendall. Floor with rates: "
    "the same with a dictionary of names and one of the last counter values. "
    "The CPU of Graphite clients includes the same loop, which makes paths, "
    "values and seconds; that of the bridge includes setting its gauges. "
    "Publishers have default options, with which Ceilometer's tcp:// and "
    "udp:// sign samples; unsigned means an empty telemetry_secret.")
FLAT = senders.FLOOR, senders.RATES_FLOOR, senders.OURS
_CPU_HEADER = ("Sender", "CPU", "x floor", "Rounds", "Caller", "x floor",
               "Bytes", "Lines")
_WAIT_HEADER = ("Sender", "p50", "p99", "Max", "RSS")
_FLAT_HEADER = ("Instances", "Floor", "With rates", "graphite://", "x first",
                "x floor", "x floor with rates")


def _mean(turns, field):
    return sum(getattr(turn, field) for turn in turns) / sum(
        turn.samples for turn in turns)


def _times(turns, others, field="cpu"):
    return statistics.median(stage.ratios(turns, others, field))


def _cpu_row(name, turns, floor):
    sender = senders.SENDERS[name]
    all_ratios = stage.ratios(turns, floor, "cpu")
    lines = _mean(turns, "lines")
    return (sender.title, "%.2f" % stage.micros(turns, "cpu"),
            "%.2f" % statistics.median(all_ratios),
            "%.2f-%.2f" % (min(all_ratios), max(all_ratios)),
            "%.2f" % stage.micros(turns, "caller_cpu"),
            "%.2f" % _times(turns, floor, "caller_cpu"),
            "%.0f" % _mean(turns, "wire_bytes"),
            "%.2f" % lines if sender.decoder is protocols.Lines
            and not sender.is_encrypted else "")


def _wait_row(name, turns):
    held = sorted(seconds for turn in turns for seconds in turn.held)
    return (senders.SENDERS[name].title,
            *("%.2f" % report.quantile_ms(held, share)
              for share in (0.5, 0.99, 1)),
            "%.0f" % max(turn.rss_mb for turn in turns))


def compared(results):
    """Return the tables of one comparison.

    :param results: {name of a sender: turns}, including the floor
    """
    floor = results[senders.FLOOR]
    return report.simple_table([_CPU_HEADER, *(
        _cpu_row(name, turns, floor) for name, turns in results.items()
    )]) + "\n" + report.simple_table([_WAIT_HEADER, *(
        _wait_row(name, turns) for name, turns in results.items())])


def compared_targets(results):
    """Return the targets of one comparison.

    :param results: as for :func:`compared`, with batches of 50
    """
    def target(what, limit, name, other=senders.FLOOR, field="cpu",
               is_least=False):
        if name in results and other in results:
            yield report.Target(
                what, _times(results[name], results[other], field), limit,
                is_least)

    return [
        *target("CPU of tcp with rates / floor with rates", 2.5,
                "tcp", senders.RATES_FLOOR),
        *target("CPU of Ceilometer's tcp:// / graphite://", 8,
                "ceilometer-tcp", "tcp", is_least=True),
        *target("CPU of udp / floor", 4, "udp"),
        *target("CPU of naming=tags / naming=path", 1.3, "tags", "tcp")]


def flat(results):
    """Return the table of nodes of several sizes.

    :param results: {(instances, name of a sender): turns}
    """
    rows, first = [_FLAT_HEADER], None
    for instances in dict.fromkeys(instances for instances, _ in results):
        *floors, ours = turns = [results[instances, name] for name in FLAT]
        first = first or ours
        rows.append((instances, *(
            "%.2f" % stage.micros(of, "cpu") for of in turns), *(
            "%.2f" % _times(ours, others) for others in (first, *floors))))
    return report.simple_table(rows)


def flat_targets(results):
    """Return the target for the difference between node sizes.

    :param results: as for :func:`flat`
    """
    ours = [turns for (_, name), turns in results.items()
            if name == senders.OURS]
    times = [_times(turns, ours[0]) for turns in ours]
    return [report.Target("CPU per sample, maximum / minimum over node sizes",
                          max(times) / min(times), 1.15)]
