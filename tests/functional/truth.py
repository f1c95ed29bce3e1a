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
"""Computes what Graphite must have, from Ceilometer's file publisher.

The samples come from a `file:///path?json` publisher in the same sink as
ours. This module does not use the plugin's code: it implements names and rates
of the default configuration again. So only the same mistake in both could stay
unnoticed.
"""

import collections
import datetime
import fractions
import json
import math
import pathlib
import re

PREFIX = "ceilometer"
SERIES_A_REQUEST = 200
OWN_BRANCH = "graphite_publisher"
FLAVOR_GAUGES = {"memory": "memory_mb", "cpu_count": "vcpus",
                 "disk_space": "disk_gb"}


def load(path):
    """Return the samples of a file publisher, in order.

    It ignores an incomplete last line.
    """
    text = pathlib.Path(path).read_text()
    complete = text[:text.rfind("\n") + 1]
    return [json.loads(line) for line in complete.splitlines()]


def expected(*runs, two_sources=False):
    """Return the expected {series path: {second: value}}.

    If a series has two points in one second, the later one is kept.

    runs: a list of samples for each agent process. Rates do not continue in
    the next process.
    two_sources: a counter's sample that comes much earlier than usual was
    polled by another source. It makes no rate, and the next rate ignores it.
    """
    wanted = collections.defaultdict(dict)
    for samples in runs:
        previous, usual = {}, {}
        polled = set()
        for sample in samples:
            counter = (sample["resource_id"], sample["name"])
            polled.add(counter)
            before = previous.get(counter)
            if two_sources and before and _is_early(
                    usual, counter, seconds_between(before, sample)):
                before = None
            else:
                previous[counter] = sample
            for name, value in _points(sample, before, polled):
                wanted[series(sample, name)][second_of(sample)] = value
    return wanted


def _is_early(usual, counter, elapsed):
    """Return whether a sample came after less than half the usual distance.

    Without a usual distance the limit is half a second. A longer distance
    changes the usual one by a quarter of the difference.
    """
    distance = usual.get(counter)
    if elapsed < (0.5 if distance is None else distance / 2):
        return True
    if distance is None or elapsed < distance:
        distance = elapsed
    usual[counter] = distance + (elapsed - distance) / 4
    return False


def read_back(web, since):
    """Return ({series path: {second: value}}, paths outside the prefix).

    web: a graphite.GraphiteWeb; since: the first second. The publisher's own
    series are left out.
    """
    paths = [path for path in web.series_paths()
             if path.split(".")[2:3] != [OWN_BRANCH]]
    inside = [path for path in paths if path.startswith(PREFIX + ".")]
    points = {}
    for start in range(0, len(inside), SERIES_A_REQUEST):
        points.update(web.points(inside[start:start + SERIES_A_REQUEST],
                                 since=since))
    return points, sorted(set(paths) - set(inside))


def differences(wanted, web):
    """Describe missing, wrong and extra points in Graphite.

    wanted: the result of expected(). The return value is empty if Graphite
    has exactly these series and points, and no points of the minute before.
    """
    since = min(min(seconds) for seconds in wanted.values()) - 60
    found, strangers = read_back(web, since)
    lines = [f"a series outside the prefix: {path}" for path in strangers]
    for path in sorted(wanted.keys() | found.keys()):
        if path not in found:
            lines.append(f"missing series: {path}")
        elif path not in wanted:
            lines.append(f"unexpected series: {path} {found[path]}")
        else:
            lines += _compare(path, wanted[path], found[path])
    return lines


def _compare(path, wanted, found):
    for second in sorted(wanted.keys() | found.keys()):
        value, expected_value = found.get(second), wanted.get(second)
        if (value is None or expected_value is None
                or not math.isclose(value, expected_value, rel_tol=1e-9)):
            yield f"{path} {value} {second}, expected {expected_value}"


def _points(sample, previous, polled):
    """Yield the (series name, value) pairs of one sample.

    polled: (resource, meter) pairs so far. A polled meter replaces a flavor's
    gauge of the same name: `memory`, if the guest has a balloon device.
    """
    name, value = sample["name"], sample["volume"]
    metadata = sample["resource_metadata"]
    if sample["type"] != "cumulative":
        if value is not None:
            yield name, value
        return
    if name == "cpu":
        for gauge, key in FLAVOR_GAUGES.items():
            if (sample["resource_id"], gauge) not in polled:
                yield gauge, metadata[key]
    rate = previous and _rate(previous, sample)
    if rate is None:
        return
    if name == "cpu":
        percent = rate / 1e9 / max(map(vcpus_of, (previous, sample))) * 100
        if percent <= 110:
            yield "cpu_util", min(100, percent)
    else:
        yield f"{name}.rate", rate


def vcpus_of(sample):
    metadata = sample["resource_metadata"]
    return metadata.get("cpu_number") or metadata["vcpus"]


def _rate(previous, sample):
    """Return the growth per second, None if a counter or clock fell."""
    grown = sample["volume"] - previous["volume"]
    seconds = seconds_between(previous, sample)
    return grown / seconds if grown >= 0 and seconds > 0 else None


def have_monotonic(*samples):
    """Return whether all samples have a monotonic time."""
    return all(sample.get("monotonic_time") for sample in samples)


def seconds_between(previous, sample):
    if have_monotonic(previous, sample):
        return sample["monotonic_time"] - previous["monotonic_time"]
    return (_time(sample) - _time(previous)).total_seconds()


def series(sample, name, prefix=PREFIX):
    """Return the default series name of a meter, or of a name from it."""
    metadata = sample["resource_metadata"]
    host, instance = metadata.get("instance_host"), sample["resource_id"]
    if "instance_id" in metadata and host:
        instance = "%(display_name)s_%(instance_id)s" % metadata
    fields = [host and host.split(".")[0], sample["project_id"], instance]
    parts = [prefix, *map(component, fields), name]
    device = metadata.get("disk_name") or metadata.get("vnic_name")
    if device:
        parts.append(component(device))
    return ".".join(parts)


def component(text):
    return re.sub("[^A-Za-z0-9_-]", "_", text or "none")


def exact_seconds(sample):
    """Return a sample's time in epoch seconds, as a fraction."""
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    return fractions.Fraction(
        (_time(sample) - epoch) // datetime.timedelta(microseconds=1), 10 ** 6)


def _time(sample):
    moment = datetime.datetime.fromisoformat(sample["timestamp"])
    return moment.replace(tzinfo=moment.tzinfo or datetime.timezone.utc)


def second_of(sample):
    return int(_time(sample).timestamp())
