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

"""Tables and targets of real agents."""

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
    """Return the share of driver and sender in the agent's CPU, in %."""
    ratio = figures.ratio(of.inside, of.whole(figures.DIRECT))
    return None if ratio is None else 100 * ratio


def _gain(of, name, patched):
    ratio = figures.ratio(of.whole(name), of.whole(patched))
    return _NONE if ratio is None else "%.2f" % ratio


_AGENT = (
    (("noop", lambda of: _spread(of.agent)),
     ("direct", lambda of: _spread(of.whole(figures.DIRECT))),
     ("Added", lambda of: _spread(of.added)),
     ("Driver", lambda of: _median(of.driver)),
     ("Sender", lambda of: _median(of.sender)),
     ("Share", lambda of: _number(_share(of)))),
    "CPU microseconds per sample, user and system, of the agent's master and "
    "worker with all threads, over whole polling cycles: medians, and "
    "quartiles in brackets. noop: with Ceilometer's driver of this name; "
    "direct: with ceilometer_pipeline and graphite://. Added: differences "
    "between consecutive cycles, if they are more than noise. Driver: the "
    "polling thread in calls of the driver, which include the publisher. "
    "Sender: the publisher's network thread. Share: both, in % of direct.")
_BUS = (
    (("Whole direct", lambda of: _median(of.whole(figures.DIRECT))),
     ("Whole bus", lambda of: _median(of.whole(figures.BUS))),
     ("Direct", lambda of: _median(of.inside)),
     ("Bus", lambda of: _spread(of.bus)),
     ("Ratio", lambda of: _number(figures.ratio(of.bus, of.inside)))),
    "CPU seconds per million samples. Whole: the agent and all processes "
    "behind it. Direct: driver and sender. Bus: the agent in calls of "
    "messagingv2, and RabbitMQ and the notification agent without their CPU "
    "time when idle. Ratio: Bus / Direct.")
_PATCHED = (
    (("noop", lambda of: _spread(of.whole(figures.NOOP))),
     ("patched", lambda of: _spread(of.whole(figures.NOOP_PATCHED))),
     ("Ratio", lambda of: _gain(of, figures.NOOP, figures.NOOP_PATCHED)),
     ("direct", lambda of: _spread(of.whole(figures.DIRECT))),
     ("patched", lambda of: _spread(of.whole(figures.DIRECT_PATCHED))),
     ("Ratio", lambda of: _gain(of, figures.DIRECT, figures.DIRECT_PATCHED))),
    "CPU microseconds per sample of the whole agent: medians, and quartiles "
    "in brackets. patched: with patches 1 to 3. Ratio: of the medians, "
    "without and with the patches.")
_LATENCY_LEGEND = (
    "Milliseconds until the receiver's application has read the line of a "
    "sample. From the driver: since the agent called its notification "
    "driver. From the poll: since the sample's timestamp, when the agent "
    "began to poll the meter; it includes polling all other instances. The "
    "other agents did not poll meanwhile.")
_MEMORY_LEGEND = (
    "MB of resident memory at the end, of each agent's worker and of the "
    "broker.")


def _table(rows, legend):
    return report.simple_table(rows) + "\n" + report.paragraph(legend)


def _of_figures(results, columns, legend, *more):
    """Return a table with a row per size; ``more`` columns take the result."""
    return _table([
        ("Instances", *(title for title, _ in (*more, *columns))),
        *((str(result.instances), *(text(result) for _, text in more),
           *(text(figures.Figures(result)) for _, text in columns))
          for result in results)], legend)


def _latencies(results):
    rows = [("Instances", "Variant", "From the driver", "p99", "Max",
             "From the poll", "p99", "Max")]
    for result in results:
        for name, latencies in result.latencies.items():
            rows.append((str(result.instances), name, *(
                "%.0f" % report.quantile_ms(sorted(seconds), share)
                for seconds in zip(*latencies, strict=True)
                for share in (0.5, 0.99, 1))))
    return _table(rows, _LATENCY_LEGEND)


def _memory(results):
    names = list(results[0].rss_mb)
    return _table([("Instances", *names), *(
        (str(result.instances),
         *(_number(result.rss_mb[name]) for name in names))
        for result in results)], _MEMORY_LEGEND)


def _checks(results):
    """Describe the checks. If one fails, the program ends earlier."""
    return report.bullets(
        "%d instances: %s, %d cycles each: %d samples, a line in each of %d "
        "series"
        % (result.instances, " and ".join(result.latencies), result.cycles,
           result.samples, result.series)
        for result in results if result.latencies)


def sections(results: list) -> list:
    """Return (title, text) of each table, of the checks and the targets.

    :param results: a :class:`~benchmarks.scale.trial.Result` for each size
    """
    samples = ("Samples", lambda of: str(of.samples))
    found = [("CPU within the agent", _of_figures(results, *_AGENT, samples))]
    if figures.BUS in results[0].turns:
        found.append(("Direct against bus", _of_figures(results, *_BUS)))
    if {figures.NOOP_PATCHED, figures.DIRECT_PATCHED} & {*results[0].turns}:
        found.append(("With patches 1 to 3",
                      _of_figures(results, *_PATCHED, samples)))
    if results[0].latencies:
        found.append(("From poll to datapoint", _latencies(results)))
    found += [("Memory", _memory(results)),
              ("Checked", _checks(results)),
              ("Targets", report.bullets(_targets(results)))]
    return [(title, text) for title, text in found if text]


def _targets(results):
    of_sizes = {result.instances: figures.Figures(result)
                for result in results}
    for instances, of in of_sizes.items():
        patched = of.whole(figures.DIRECT_PATCHED)
        for what, figure, limit, is_least in (
                ("share of the agent's CPU in %", _share(of), _MAX_SHARE,
                 False),
                ("bus / direct", figures.ratio(of.bus, of.inside), _MIN_RATIO,
                 True),
                ("microseconds per sample, patched",
                 patched and patched.median, _MAX_PATCHED, False)):
            if figure is not None:
                yield report.Target("%d instances, %s" % (instances, what),
                                    figure, limit, is_least)
    medians = [of.inside.median for of in of_sizes.values() if of.inside]
    if len(medians) > 1:
        yield report.Target(
            "CPU per sample, maximum above minimum over sizes, in %",
            100 * (max(medians) / min(medians) - 1), _MAX_SLOPE)
