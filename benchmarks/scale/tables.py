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
from benchmarks.scale import figures

_NONE = "--"
_MAX_SHARE = 5
_MIN_RATIO = 30
_MAX_SLOPE = 15
_MAX_PATCHED = 35


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


def _share(of):
    """What is ours, in % of the whole agent."""
    ratio = figures.ratio(of.inside(), of.whole(figures.DIRECT))
    return None if ratio is None else 100 * ratio


_AGENT = (
    (("noop", lambda of: _spread(of.agent)),
     ("direct", lambda of: _spread(of.whole(figures.DIRECT))),
     ("Added", lambda of: _spread(of.added)),
     ("Driver", lambda of: _median(of.driver())),
     ("Sender", lambda of: _median(of.sender())),
     ("Share", lambda of: _number(_share(of)))),
    "Microseconds of CPU a sample, user and system, of the agent's master and "
    "worker with all threads, over whole polling cycles: medians, and "
    "quartiles in brackets. noop: with Ceilometer's driver of this name; "
    "direct: with ceilometer_pipeline and graphite://. Added: differences "
    "between cycles that followed each other, where they are more than noise. "
    "Driver: CPU of the polling thread within the driver's calls, which hold "
    "the publisher's. Sender: CPU of its thread. Share: both, in % of "
    "direct.")
_BUS = (
    (("Whole direct", lambda of: _median(of.whole(figures.DIRECT))),
     ("Whole bus", lambda of: _median(of.whole(figures.BUS))),
     ("Direct", lambda of: _median(of.inside())),
     ("Bus", lambda of: _spread(of.bus)),
     ("Ratio", lambda of: _number(figures.ratio(of.bus, of.inside())))),
    "Seconds of CPU for a million samples. Whole: the agent and all behind "
    "it. Direct: driver and sender. Bus: what the agent spends within the "
    "calls of messagingv2, and RabbitMQ and the notification agent beyond "
    "what these take when nothing comes. Ratio: of the two.")
_PATCHED = (
    (("noop", lambda of: _spread(of.whole(figures.NOOP))),
     ("patched", lambda of: _spread(of.whole(figures.NOOP_PATCHED))),
     ("Ratio", lambda of: _gain(of, figures.NOOP, figures.NOOP_PATCHED)),
     ("direct", lambda of: _spread(of.whole(figures.DIRECT))),
     ("patched", lambda of: _spread(of.whole(figures.DIRECT_PATCHED))),
     ("Ratio", lambda of: _gain(of, figures.DIRECT, figures.DIRECT_PATCHED))),
    "Microseconds of CPU a sample of the whole agent, medians, and quartiles "
    "in brackets. patched: with patches 1 to 3. Ratio: of the medians, "
    "without and with them.")
_LATENCY_LEGEND = (
    "Milliseconds until the receiver's application had read the line of a "
    "sample. From the driver: since the agent called its notification "
    "driver with the sample. From the poll: since the sample's timestamp, "
    "which is when the agent began to poll the meter, so this has the time "
    "in which it polled the other instances. The other agents did not poll.")
_MEMORY_LEGEND = (
    "MB of resident memory at the end, of the worker of each agent and of "
    "the broker.")


def _gain(of, name, patched):
    ratio = figures.ratio(of.whole(name), of.whole(patched))
    return _NONE if ratio is None else "%.2f" % ratio


def _table(rows, legend):
    return report.simple_table(rows) + "\n" + report.paragraph(legend)


def _of_figures(results, columns, legend, *more):
    """Return a table with a row a size; ``more`` columns take the result."""
    return _table([
        ("Instances", *(title for title, _ in (*more, *columns))),
        *((str(result.instances), *(text(result) for _, text in more),
           *(text(figures.Figures(result)) for _, text in columns))
          for result in results)], legend)


def _latencies(results):
    rows = [("Instances", "Way", "From the driver", "p99", "Max",
             "From the poll", "p99", "Max")]
    for result in results:
        for name, latencies in result.latencies.items():
            rows.append((str(result.instances), name, *(
                "%.0f" % (1000 * value)
                for seconds in zip(*latencies, strict=True)
                for value in _quantiles(seconds))))
    return _table(rows, _LATENCY_LEGEND)


def _quantiles(values):
    """Return the median, the 99th percentile and the maximum."""
    hundredths = statistics.quantiles(values, n=100, method="inclusive")
    return hundredths[49], hundredths[98], max(values)


def _memory(results):
    names = list(results[0].rss_mb)
    return _table([("Instances", *names), *(
        (str(result.instances),
         *(_number(result.rss_mb[name]) for name in names))
        for result in results)], _MEMORY_LEGEND)


def _checks(results):
    """What was found right; if it were not, there would be no tables."""
    return report.bullets(
        "%d instances: %s, %d cycles each: %d samples, a line in each of %d "
        "series"
        % (result.instances, " and ".join(result.latencies), result.cycles,
           result.samples, result.series)
        for result in results if result.latencies)


def sections(results: list) -> list:
    """Return (title, text) of all that was measured.

    :param results: a :class:`~benchmarks.scale.trial.Result` for each size
    """
    found = [("CPU within the agent", _of_figures(
        results, *_AGENT, ("Samples", lambda of: str(of.samples))))]
    if figures.BUS in results[0].turns:
        found.append(("Direct against bus", _of_figures(results, *_BUS)))
    if {figures.NOOP_PATCHED, figures.DIRECT_PATCHED} & {*results[0].turns}:
        found.append(("With patches 1 to 3", _of_figures(
            results, *_PATCHED, ("Samples", lambda of: str(of.samples)))))
    if results[0].latencies:
        found.append(("From poll to datapoint", _latencies(results)))
    found += [("Memory", _memory(results)),
              ("Checked", _checks(results)),
              ("Targets", report.bullets(_targets(results)))]
    return [(title, text) for title, text in found if text]


def _targets(results):
    """Yield what is met and what is not."""
    of_sizes = {result.instances: figures.Figures(result)
                for result in results}
    for instances, of in of_sizes.items():
        for what, figure, limit, is_least in (
                ("our share of the agent, %", _share(of), _MAX_SHARE, False),
                ("bus to direct, times", figures.ratio(of.bus, of.inside()),
                 _MIN_RATIO, True)):
            if figure is not None:
                yield report.Target("%d instances, %s" % (instances, what),
                                    figure, limit, is_least)
        patched = of.whole(figures.DIRECT_PATCHED)
        if patched:
            yield report.Target(
                "%d instances, microseconds a sample, patched" % instances,
                patched.median, _MAX_PATCHED)
    medians = [of.inside().median for of in of_sizes.values() if of.inside()]
    if len(medians) > 1:
        yield report.Target(
            "a sample inside, dearest above cheapest size, %",
            100 * (max(medians) / min(medians) - 1), _MAX_SLOPE)
