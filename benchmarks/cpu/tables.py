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

"""What the turns of senders come to: tables, and targets met or missed."""

import statistics

from benchmarks.common import protocols
from benchmarks.common import report
from benchmarks.common import senders
from benchmarks.cpu import stage

LEGEND = (
    "CPU: user and system time of all threads of the process that publishes, "
    "in microseconds a sample, from before the first batch until all bytes "
    "are out; what the benchmark itself does in between is not in it. "
    "x floor: how many times that of the floor, as the median of the rounds; "
    "Rounds: the least and the most. Caller: the part of it in the thread "
    "that publishes. Bytes and Lines: what the receiver counted, a sample. "
    "p50, p99, Max: how long a batch held its caller, in milliseconds. RSS: "
    "resident memory of the process, in MiB, with the benchmark's own. "
    "Floor: one loop that formats a line of each sample, with nothing "
    "checked, no rates and no queue; a join; a sendall. Floor with rates: "
    "the same with names that it keeps in one dictionary and the last sample "
    "of each counter in another. Clients of Graphite "
    "that know no samples are charged for the same loop, which makes paths, "
    "values and seconds for them; the bridge for what sets its gauges. "
    "Publishers have the defaults of their options, with which Ceilometer's "
    "tcp:// and udp:// sign samples; unsigned is with an empty "
    "telemetry_secret.")
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
    """The tables of one comparison.

    :param results: turns by the names of senders, the floor's among them
    """
    floor = results[senders.FLOOR]
    return report.simple_table([_CPU_HEADER, *(
        _cpu_row(name, turns, floor) for name, turns in results.items()
    )]) + "\n" + report.simple_table([_WAIT_HEADER, *(
        _wait_row(name, turns) for name, turns in results.items())])


def compared_targets(results):
    """What issue and documentation promise of one comparison.

    :param results: as for :func:`compared`, of batches of 50
    """
    def target(what, limit, name, other=senders.FLOOR, field="cpu",
               is_least=False):
        if name in results and other in results:
            yield report.Target(
                what, _times(results[name], results[other], field), limit,
                is_least)

    return [
        *target("CPU of tcp with rates, times the floor with rates", 2.5,
                "tcp", senders.RATES_FLOOR),
        *target("CPU of Ceilometer's tcp://, times ours", 8,
                "ceilometer-tcp", "tcp", is_least=True),
        *target("CPU of udp, times the floor", 4, "udp"),
        *target("CPU of naming=tags, times paths", 1.3, "tags", "tcp")]


def flat(results):
    """The table of one sender at nodes of all sizes.

    :param results: turns by (instances, sender)
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
    """How far sizes of nodes are apart.

    :param results: as for :func:`flat`
    """
    ours = [turns for (_, name), turns in results.items()
            if name == senders.OURS]
    times = [_times(turns, ours[0]) for turns in ours]
    return [report.Target("CPU a sample, the most of all sizes of nodes times "
                          "the least", max(times) / min(times), 1.15)]
