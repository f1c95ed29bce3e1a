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

"""Compares lines with samples, in exact fractions.

It implements the documentation of Ceilometer and of this plugin without their
code. Two samples of one counter that were polled at nearly the same time may
reach two publishers in different orders; both orders are right.
"""

import collections
import fractions
import itertools

from tests.functional import truth

# Maximum seconds between two samples whose order may differ.
TOGETHER = 0.9
# Rates are written with 12 digits; a wall clock is a float of 52 bits.
BY_MONOTONIC_CLOCK, BY_WALL_CLOCK = fractions.Fraction(1, 10 ** 11), (
    fractions.Fraction(1, 10 ** 6))
# Minimum and maximum of the samples of cpu for which a polled meter suppresses
# its gauge.
KEPT_AWAY, BACK_AGAIN = 2, 9


class Lines:
    """Points by series and second; marks those that were looked up."""

    def __init__(self, lines):
        self._left = collections.defaultdict(set)
        for line in lines:
            series, value, second = line.split(" ")
            self._left[series, int(second)].add(value)
        self.count = sum(map(len, self._left.values()))
        self._seen = set()

    def find(self, point):
        """Return a matching point, or None.

        :param point: (series, second, value, tolerance); a value from a
            sample is unchanged, and has no tolerance
        """
        series, second, value, tolerance = point
        for text in self._left.get((series, second), ()):
            if str(value) == text if tolerance is None else abs(
                    fractions.Fraction(text) - value) <= value * tolerance:
                return series, second, text
        return None

    def mark(self, found):
        self._seen.add(found)

    def extra(self):
        """Return the points that were not looked up."""
        return sorted({(series, second, text)
                       for (series, second), texts in self._left.items()
                       for text in texts} - self._seen)


def problems(samples, lines, name, with_counters=False):
    """Describe missing and extra lines.

    :param lines: :class:`Lines`
    :param name: makes a series name from a sample and a meter
    :param with_counters: whether counters are published as well as rates
    """
    missing = []
    for point in _volumes(samples, name, with_counters):
        _take(point, lines, missing)
    for kept, point in _gauges(samples, name):
        _take(point, lines, missing if not kept else [])
    counters = collections.defaultdict(list)
    for sample in samples:
        if sample["type"] == "cumulative" and _is_available(sample):
            counters[sample["resource_id"], sample["name"]].append(sample)
    for each in counters.values():
        missing += _rates(each, lines, name)
    return (["missing: %s %s %s" % (series, float(value), second)
             for series, second, value, _ in missing]
            + ["extra: %s %s %s" % (series, text, second)
               for series, second, text in lines.extra()])


def _take(point, lines, missing):
    found = lines.find(point)
    if found is None:
        missing.append(point)
    else:
        lines.mark(found)


def _is_available(sample):
    """Return whether a value is not libvirt's -1 for "not available"."""
    return sample["volume"] is not None and (
        sample["type"] != "cumulative" or sample["volume"] >= 0)


def _point(sample, series, value, tolerance=None):
    return series, truth.second_of(sample), value, tolerance


def _volumes(samples, name, with_counters):
    for sample in samples:
        if _is_available(sample) and (
                with_counters or sample["type"] != "cumulative"):
            yield _point(sample, name(sample, sample["name"]),
                         sample["volume"])


def _gauges(samples, name):
    """Yield (whether a polled meter may suppress it, point) of gauges.

    Gauges that a polled meter must suppress are left out.
    """
    since, polled = {}, collections.Counter()
    for sample in samples:
        if sample["name"] in truth.FLAVOR_GAUGES:
            place = sample["resource_id"], sample["name"], _host(sample)
            since[place] = 0
            polled[place] += 1
        if sample["name"] != "cpu" or not _is_available(sample):
            continue
        for gauge, key in truth.FLAVOR_GAUGES.items():
            place = sample["resource_id"], gauge, _host(sample)
            passed = since.get(place)
            if passed is not None:
                since[place] = passed = passed + 1
            value = sample["resource_metadata"].get(key)
            # The order may differ in the first poll of a meter.
            if value is not None and (passed is None or passed > KEPT_AWAY
                                      or polled[place] == 1):
                yield (gauge == "memory" and (
                    passed is None or passed <= BACK_AGAIN),
                    _point(sample, name(sample, gauge), value))


def _rates(samples, lines, name):
    """Look up the rates of one counter; return the missing ones.

    A state is (last sample, usual distance, number of points found, the last
    point and those before). Each possible order of samples leads to a state.
    A state that misses a point is dropped if there is another one.
    """
    states, missing = [(None, None, 0, None)], []
    for group in _together(samples):
        following = {}
        for state, order in itertools.product(
                states, itertools.permutations(group)):
            lost = []
            for sample in order:
                state = _step(state, sample, lines, name, lost)
            key = id(state[0]), state[1]
            if key not in following or _is_better(
                    state, lost, *following[key]):
                following[key] = state, lost
        least = min(len(lost) for _, lost in following.values())
        best = [each for each in following.values() if len(each[1]) == least]
        missing += best[0][1]
        states = [state for state, _ in best]
    found = max(states, key=lambda state: state[2])[3]
    while found:
        point, found = found
        lines.mark(point)
    return missing


def _is_better(state, lost, other, others_lost):
    return (-len(lost), state[2]) > (-len(others_lost), other[2])


def _together(samples):
    group = samples[:1]
    for sample in samples[1:]:
        if len(group) < 3 and abs(
                truth.seconds_between(group[-1], sample)) < TOGETHER:
            group.append(sample)
        else:
            yield group
            group = [sample]
    yield group


def _step(state, sample, lines, name, lost):
    last, usual, count, found = state
    if last is None or _host(last) != _host(sample):
        return sample, None, count, found
    clock = truth.have_monotonic(last, sample)
    elapsed = fractions.Fraction(_clock(sample, clock)) - fractions.Fraction(
        _clock(last, clock))
    early = usual / 2 if usual else fractions.Fraction(1, 2)
    if (-early if clock else 0) <= elapsed < early:
        return state
    if elapsed < 0 or (usual and elapsed > 4 * usual):
        return sample, None, count, found
    usual = (elapsed if not usual or elapsed < usual
             else usual + (elapsed - usual) / 4)
    point = _rate(last, sample, elapsed, name,
                  BY_MONOTONIC_CLOCK if clock else BY_WALL_CLOCK)
    if point is not None:
        there = lines.find(point)
        if there is None:
            lost.append(point)
        else:
            count, found = count + 1, (there, found)
    return sample, usual, count, found


def _rate(last, sample, elapsed, name, tolerance):
    grown = fractions.Fraction(sample["volume"]) - fractions.Fraction(
        last["volume"])
    if grown < 0:
        return None
    if sample["name"] != "cpu":
        return _point(sample, name(sample, sample["name"] + ".rate"),
                      grown / elapsed, tolerance)
    percent = grown / elapsed / 10 ** 7 / max(
        map(truth.vcpus_of, (last, sample)))
    if percent > 110:
        return None
    return _point(sample, name(sample, "cpu_util"), min(100, percent),
                  tolerance)


def _host(sample):
    return sample["resource_metadata"].get("instance_host")


def _clock(sample, is_monotonic):
    return (sample["monotonic_time"] if is_monotonic
            else truth.exact_seconds(sample))
