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

"""Tables and targets of a fleet."""

from benchmarks.common import report
from benchmarks.fleet import cluster
from benchmarks.fleet import trial

LEGEND = (
    "Lost: datapoints in no file of a cache, after SIGTERM to all caches. "
    "Hole: a datapoint that a cache lacks although it has the series. Before, "
    "after: published before or after the signal. CPU: user and system time "
    "in microseconds per published line, before the restarts; that of the "
    "publishers includes creating the samples. Back: time from the start of "
    "the relay until it had accepted the publishers' connections. Accepted: "
    "maximum of connections in one second. Overflows: how often the relay's "
    "backlog was full.")


def name(hashing, replication):
    return "%s, %d cop%s" % (
        hashing, replication, "y" if replication == 1 else "ies")


def _by_number(counter):
    """Format a number for each cache."""
    return " / ".join(str(counter[number])
                      for number in range(cluster.CACHES))


def _dropped(totals):
    return sum(count for name, count in totals.items()
               if name.startswith("lines_dropped."))


def _unsent(result):
    """Return the number of lines that publishers still had at the end."""
    totals = result.report.totals
    return (result.account.published + totals["lines_replayed"]
            - totals["lines_sent"] - _dropped(totals))


def _seconds(value):
    return "--" if value is None else "%.1f s" % value


def _facts(result):
    """Return {name: figure} of a trial."""
    account, totals = result.account, result.report.totals
    work, herd = result.work, result.herd
    return {
        "Lines published": account.published,
        "Lost": account.copies[0],
        "In the files of one cache": account.copies[1],
        "In the files of two caches": account.copies[2],
        "With another value": account.wrong,
        "Series on one cache": account.homes[1],
        "Series on two caches": account.homes[2],
        "Series of each cache": _by_number(account.series),
        "Lines of each cache": _by_number(account.points),
        "Sent again by publishers": totals["lines_replayed"],
        "Dropped by publishers": _dropped(totals),
        "Not sent by publishers": _unsent(result),
        "Dropped by the relay": result.relay_dropped,
        "Lines per second": "%.0f" % work.rate,
        "Bytes per line": "%.1f" % (account.bytes / account.published),
        "CPU of the publishers": "%.0f" % work.publishers_cpu,
        "CPU of the relay": "%.0f" % work.relay_cpu,
        "CPU of the caches": "%.0f" % work.caches_cpu,
        "RSS of a publisher": "%.0f KiB" % (1024 * result.report.rss_mb),
        "RSS of the relay, maximum": "%.0f MiB" % result.relay_rss_mb,
        "Queued in the relay, maximum": result.relay_queued,
        "Half of them back": _seconds(herd.half_seconds),
        "All of them back": _seconds(herd.seconds),
        "Accepted": herd.peak,
        "Overflows": herd.overflows,
    }


def _hole_rows(title, result):
    signals = dict(trial.EVENTS)
    for cache in range(cluster.CACHES):
        # A cache without a signal was behind the relay that was killed.
        of = cache if cache in signals else None
        ended_at = result.ended_at[of]
        holes = result.account.holes[cache]
        before = [at for at in holes if at < ended_at]
        yield (title, str(cache), "%s%s" % (
            "relay: " if of is None else "", signals[of].name),
            str(len(before)),
            "%.1f s" % (ended_at - min(before)) if before else "--",
            str(len(holes) - len(before)))


def tables(results):
    """Return all tables.

    :param results: a :class:`~benchmarks.fleet.trial.Result` for each
        (hash, replication)
    """
    titles = [name(*variant) for variant in results]
    columns = [_facts(result) for result in results.values()]
    return "\n".join((
        report.simple_table([
            ("What", *titles),
            *((what, *(str(column[what]) for column in columns))
              for what in columns[0])]),
        report.simple_table([
            ("Fleet", "Cache", "Event", "Holes before", "Oldest", "After"),
            *(row for title, result in zip(
                titles, results.values(), strict=True)
              for row in _hole_rows(title, result))])))


def judged(results):
    """Return the targets: with two copies, no line is lost."""
    return [target for (hashing, replication), result in results.items()
            for target in _judged(name(hashing, replication), replication,
                                  result)]


def _judged(title, replication, result):
    account = result.account
    series = sum(account.homes.values())
    promised = {
        "lines dropped or not sent by publishers":
            _dropped(result.report.totals) + _unsent(result),
        "datapoints with another value": account.wrong,
        "series not on %d of the caches" % replication:
            series - account.homes[replication],
    }
    if replication > 1:
        promised["lines lost"] = account.copies[0]
    return [report.Target("%s: %s" % (title, what), figure, 0)
            for what, figure in promised.items()]
