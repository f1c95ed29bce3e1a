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

"""The tables, and whether the targets are met."""

import statistics

from benchmarks.common import report
from benchmarks.common import targets
from benchmarks.scale import figures
from benchmarks.scale import trial

_NONE = "--"
_MAX_SHARE = 5
_MIN_RATIO = 30
_MAX_SLOPE = 15
_AGENT_LEGEND = (
    "Microseconds of CPU a sample, user and system, of the agent's master "
    "and worker with all threads, over whole polling cycles: medians, and "
    "quartiles in brackets. noop: with Ceilometer's driver of this name, so "
    "the agent's own cost. Added: by ceilometer_pipeline and graphite://, as "
    "differences between cycles that followed each other. Driver: CPU of the "
    "polling thread within the driver's calls, which hold the publisher's. "
    "Sender: CPU of its thread. %: of noop; % inside: Driver and Sender.")
_BUS_LEGEND = (
    "Seconds of CPU for a million samples. Whole: the agent and all behind "
    "it. Direct, Bus: what they add to noop, so without the agent's own "
    "cost. Busy: Bus without what broker and notification agent take in the "
    "same time when nothing comes. Ratio: of Busy to Direct, where that is "
    "more than noise; inside: the same with what the agent spends within the "
    "calls of its driver, and in the sender's thread, for the differences.")
_PARTS_LEGEND = (
    "Seconds of CPU for a million samples. Client: what messagingv2 adds to "
    "the agent; inside: what the agent spends within its calls. Broker: "
    "RabbitMQ with all its threads. Agent 2: ceilometer-agent-notification, "
    "which publishes the same lines.")
_LATENCY_LEGEND = (
    "Milliseconds until the receiver's application had read the line of a "
    "sample. From the driver: since the agent called its notification "
    "driver with the sample. From the poll: since the sample's timestamp, "
    "which is when the agent began to poll the meter, so this has the time "
    "in which it polled the other instances. The other agents were stopped.")
_MEMORY_LEGEND = (
    "MB of resident memory at the end, of the worker of each agent and of "
    "the broker.")
_BUS_PARTS = ("broker", "notification agent")


def _number(value):
    if value is None:
        return _NONE
    return ("%.1f" if abs(value) < 100 else "%.0f") % value


def _median(spread):
    return _number(spread and spread.median)


def _spread(spread):
    if spread is None:
        return _NONE
    return "%s (%s, %s)" % tuple(map(_number, spread))


def _percent(spread, base):
    ratio = figures.ratio(spread, base)
    return None if ratio is None else 100 * ratio


def agent_table(results):
    """What driver and publisher cost within the agent."""
    rows = [("VMs", "Samples", "noop", "Added", "%", "Driver", "Sender",
             "% inside")]
    for result in results:
        of = figures.Figures(result)
        inside = of.inside(trial.DIRECT)
        rows.append((
            str(result.instances), str(result.samples), _spread(of.agent),
            _spread(of.direct), _number(_percent(of.direct, of.agent)),
            _median(of.driver(trial.DIRECT)),
            _median(of.sender(trial.DIRECT)),
            _number(_percent(inside, of.agent))))
    return report.simple_table(rows) + "\n" + report.paragraph(_AGENT_LEGEND)


def bus_table(results):
    """What the bus costs, and how many times more that is."""
    if trial.BUS not in results[0].turns:
        return ""
    rows = [("VMs", "Whole direct", "Whole bus", "Direct", "Bus", "Busy",
             "Ratio", "inside")]
    for result in results:
        of = figures.Figures(result)
        rows.append((
            str(result.instances), _median(of.whole(trial.DIRECT)),
            _median(of.whole(trial.BUS)), _median(of.direct),
            _spread(of.bus), _median(of.bus_busy),
            *map(_number, of.ratios())))
    return report.simple_table(rows) + "\n" + report.paragraph(_BUS_LEGEND)


def parts_table(results):
    """What the bus's cost is made of."""
    if trial.BUS not in results[0].turns:
        return ""
    rows = [("VMs", "Client", "inside", "Broker", "Agent 2")]
    for result in results:
        of = figures.Figures(result)
        rows.append((
            str(result.instances), _spread(of.client),
            _median(of.driver(trial.BUS)),
            *(_spread(of.part(name)) for name in _BUS_PARTS)))
    return report.simple_table(rows) + "\n" + report.paragraph(_PARTS_LEGEND)


def latency_table(results):
    """From poll to datapoint."""
    if not results[0].latencies:
        return ""
    rows = [("VMs", "Way", "From the driver", "p99", "Max",
             "From the poll", "p99", "Max")]
    for result in results:
        for name, latencies in result.latencies.items():
            rows.append((str(result.instances), name, *(
                "%.0f" % (1000 * value)
                for seconds in zip(*latencies, strict=True)
                for value in _quantiles(seconds))))
    return report.simple_table(rows) + "\n" + report.paragraph(
        _LATENCY_LEGEND)


def _quantiles(values):
    """Median, 99th percentile and maximum."""
    hundredths = statistics.quantiles(values, n=100, method="inclusive")
    return hundredths[49], hundredths[98], max(values)


def memory_table(results):
    """Resident memory."""
    names = list(results[0].rss_mb)
    rows = [("VMs", *names)]
    rows += [(str(result.instances),
              *(_number(result.rss_mb[name]) for name in names))
             for result in results]
    return report.simple_table(rows) + "\n" + report.paragraph(
        _MEMORY_LEGEND)


def idle(results):
    """What the bus takes when there is nothing to do."""
    return report.bullets(
        "%d VMs: %s, %.1f ms of CPU a second" % (
            result.instances, name, 1000 * share)
        for result in results for name, share in result.idle.items())


def checks(results):
    """What was found right; if it were not, there would be no tables."""
    return report.bullets(
        "%d VMs: %s, %d cycles each: %d samples, a line in each of %d series"
        % (result.instances, " and ".join(result.latencies), result.cycles,
           result.samples, result.series)
        for result in results if result.latencies)


def all_targets(results):
    """What is met and what is not, but for what noise hides."""
    found = []
    for result in results:
        of = figures.Figures(result)
        shares = (_percent(of.direct, of.agent)
                  if of.is_direct_clear else None,
                  _percent(of.inside(trial.DIRECT), of.agent))
        for way, share, ratio in zip(("by differences", "inside"), shares,
                                     of.ratios(), strict=True):
            if share is not None:
                found.append(targets.Target(
                    "%d VMs, added to noop %s, %%" % (result.instances, way),
                    share, _MAX_SHARE))
            if ratio is not None:
                found.append(targets.Target(
                    "%d VMs, bus to direct %s, times" % (
                        result.instances, way), ratio, _MIN_RATIO,
                    is_least=True))
    return report.bullets([*found, *_slope(results)])


def _slope(results):
    medians = [inside.median for inside in (
        figures.Figures(result).inside(trial.DIRECT)
        for result in results) if inside is not None]
    if len(medians) < 2:
        return []
    return [targets.Target(
        "a sample inside, dearest above cheapest size, %",
        100 * (max(medians) / min(medians) - 1), _MAX_SLOPE)]
