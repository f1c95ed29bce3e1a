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

"""From samples to the lines that are sent, one sample at a time."""

import datetime
import functools
import sys
import threading
import time
import typing

from ceilometer import sample as ceilometer_sample
from oslo_utils import timeutils

from ceilometer_graphite import naming
from ceilometer_graphite import rates
from ceilometer_graphite import wire

# Why a sample is left out, or what is missing of it.
NOT_A_NUMBER = "not_a_number"
NOT_FINITE = "not_finite"
BAD_TIMESTAMP = "bad_timestamp"
LINE_TOO_LONG = "line_too_long"
TABLE_FULL = "rate_table_full"
NO_TIMESTAMP = "samples_without_timestamp"

_LARGEST = sys.float_info.max
_MOST, _LEAST = int(_LARGEST), -int(_LARGEST)
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
# A line has a value and a time as well, of at most 326 bytes.
_MAX_TEXT_BYTES = (wire.MAX_LINE_BYTES - 326) // 2
_PLANS = 4096


class SkippedSample(Exception):
    """A sample that cannot become a line.

    :ivar reason: one of the constants above
    """

    def __init__(self, reason):
        super().__init__(reason)
        self.reason = reason


class Problem(typing.NamedTuple):
    """Something that is wrong with a sample.

    :ivar reason: one of the constants above; None for an error that nothing
        foresaw
    """

    sample: object
    reason: str | None
    error: Exception | None = None


class Converted(typing.NamedTuple):
    """What became of a batch.

    :ivar lines: of the plaintext protocol
    :ivar problems: a list of :class:`Problem`
    """

    lines: list
    problems: list


class Series(typing.NamedTuple):
    """A series that the samples of a meter make.

    :ivar what: ``volume``, ``rate`` or ``gauge``
    :ivar definition: of a rate or a gauge, from
        :mod:`~ceilometer_graphite.definitions`
    """

    what: str
    name: str
    unit: str | None
    definition: object = None


def series(settings, meter, unit, kind):
    """Which series a sample makes.

    :param settings: of :mod:`~ceilometer_graphite.settings`
    :param kind: the sample's type
    :returns: a list of :class:`Series`: the volume, the rate, the gauges
    """
    made = []
    is_counter = kind == ceilometer_sample.TYPE_CUMULATIVE
    if not is_counter or settings.counters != "rate":
        made.append(Series("volume", meter, unit))
    if is_counter and settings.counters != "raw":
        rate = settings.definitions.rate(meter, unit)
        if rate is not None:
            made.append(Series("rate", rate.name, rate.unit, rate))
    return made + [Series("gauge", gauge.name, gauge.unit, gauge)
                   for gauge in settings.definitions.gauges(meter)]


def number(volume):
    """A sample's volume as an int or a float.

    A bool is 0 or 1, and a text that is a number is that number.

    :raises SkippedSample: for None, NaN, infinities (integers beyond the
        floats among them) and what is not a number
    """
    kind = type(volume)
    if kind is not int and kind is not float:
        volume = _plain_number(volume)
    if not -_LARGEST <= volume <= _LARGEST:
        raise SkippedSample(NOT_FINITE)
    return volume


def _plain_number(volume):
    for kind in (int, float):
        if isinstance(volume, kind):
            return kind(volume)
        if isinstance(volume, str):
            try:
                return kind(volume)
            except ValueError:
                continue
    raise SkippedSample(NOT_A_NUMBER)


def timestamp(text):
    """The seconds since 1970 of a sample's timestamp, as a float.

    :param text: ISO 8601; without an offset it is UTC, as Ceilometer's
        polling agent writes it
    :raises SkippedSample: for what is no such time, or none that Whisper
        can store
    """
    if not isinstance(text, str):
        raise SkippedSample(BAD_TIMESTAMP)
    return _seconds(text)


@functools.lru_cache(64)
def _seconds(text):
    try:
        parsed = datetime.datetime.fromisoformat(text)
    except ValueError:
        try:
            parsed = timeutils.parse_isotime(text)
        except ValueError:
            raise SkippedSample(BAD_TIMESTAMP) from None
    if parsed.tzinfo is None:
        parsed = parsed.replace(tzinfo=datetime.timezone.utc)
    seconds = (parsed - _EPOCH).total_seconds()
    if not 1 <= seconds <= wire.MAX_TIMESTAMP:
        raise SkippedSample(BAD_TIMESTAMP)
    return seconds


class _Plan:
    """What becomes of the samples of one meter, unit and type.

    :ivar volume: the text of the meter in the volume's name, or None
    :ivar rate: the same of the rate
    :ivar definition: of the rate
    :ivar scale: what a rate is multiplied by; None where each sample tells
    :ivar more: the other series, as pairs of a :class:`Series` and a text:
        the gauges; where names are not split, all, without texts
    """

    __slots__ = ("volume", "rate", "definition", "scale", "more")

    def __init__(self, settings, *meter_unit_type):
        self.volume = self.rate = self.definition = self.scale = None
        self.more = []
        for each in series(settings, *meter_unit_type):
            if each.what == "rate":
                self.definition = each.definition
                if not each.definition.per:
                    self.scale = each.definition.scale
            text = None
            if settings.namer.is_split:
                text = _checked(settings.namer.of_meter(each.name, each.unit))
            if each.what == "gauge" or text is None:
                self.more.append((each, text))
            else:
                setattr(self, each.what, text)


def _checked(text):
    """A half of a name, which is short enough for a line.

    :raises SkippedSample: when it is not
    """
    if len(text) > _MAX_TEXT_BYTES:
        raise SkippedSample(LINE_TOO_LONG)
    return text


def _problem(sample, error):
    if isinstance(error, SkippedSample):
        return Problem(sample, error.reason)
    return Problem(sample, None, error)


class Converter:
    """Makes lines of samples, and remembers counters for their next rates.

    Safe for concurrent callers.

    :param settings: of :mod:`~ceilometer_graphite.settings`
    :param clock: monotonic seconds
    :param now: seconds since 1970
    """

    def __init__(self, settings, clock=time.monotonic, now=time.time):
        self._gauge_names = settings.definitions.gauge_names
        self._namer = settings.namer
        self._clock = clock
        self._now = now
        self._lock = threading.Lock()
        self._plan = functools.lru_cache(_PLANS)(
            functools.partial(_Plan, settings))
        self._resources = rates.Resources(
            settings.rate_expiry_seconds, settings.rate_max_series)
        self._polled = set()

    def convert(self, samples):
        """Make lines of a batch; never raises for what a sample holds.

        :param samples: a list of ``ceilometer.sample.Sample``
        :returns: :class:`Converted`
        """
        with self._lock:
            self._resources.forget(self._clock())
            return self._walk(samples)

    def _walk(self, samples):
        """One sample after the other; one that raises costs no other."""
        lines, problems, last = [], [], None
        for sample in samples:
            try:
                common = (sample.name, sample.unit, sample.type,
                          sample.timestamp)
                if common != last:  # it seldom is
                    plan, seconds, at = self._look_up(*common)
                    last = common
                volume = sample.volume
                if type(volume) is not int or not _LEAST <= volume <= _MOST:
                    volume = number(volume)
                values = self._namer.values(sample)
                resource = self._resources[values[0]]
                if values != resource.values:
                    self._rename(resource, values)
                if plan.volume is not None:
                    lines.append(wire.line(resource.before + plan.volume
                                           + resource.after, volume, at))
                if plan.rate is not None:
                    value = self._rate(
                        sample, plan, resource, values[1], volume, seconds)
                    if value is not None:
                        lines.append(wire.line(resource.before + plan.rate
                                               + resource.after, value, at))
                if plan.more or not last[3]:
                    more = self._more(
                        sample, plan, resource, values, volume, seconds)
                    lines += [wire.line(*each, at) for each in more.lines]
                    problems += more.problems
            except Exception as e:
                problems.append(_problem(sample, e))
        return Converted(lines, problems)

    def _look_up(self, meter, unit, kind, text):
        """The plan of samples, their second, and the same as a text."""
        plan = self._plan(meter, unit, kind)
        if (kind != ceilometer_sample.TYPE_CUMULATIVE
                and meter in self._gauge_names):
            self._polled.add(meter)
        seconds = timestamp(text) if text else self._now()
        return plan, seconds, str(int(seconds))

    def _rename(self, resource, values):
        """Write the texts around the meter anew."""
        resource.values = None
        if self._namer.is_split:
            before, after = self._namer.around(values)
            _checked(before + after)
            resource.before, resource.after = before, after
        # 1, 1.0 and True are equal, but are written in three ways.
        if all(value is None or type(value) is str for value in values):
            resource.values = values

    def _more(self, sample, plan, resource, values, volume, seconds):
        """The lines of a plan's other series, as pairs, and all problems."""
        made = Converted([], [])
        if not sample.timestamp:
            made.problems.append(Problem(sample, NO_TIMESTAMP))
        for each, text in plan.more:
            path = (_checked(self._namer.write(values, each.name, each.unit))
                    if text is None
                    else resource.before + text + resource.after)
            value = volume
            try:
                if each.what == "rate":
                    value = self._rate(
                        sample, plan, resource, values[1], volume, seconds)
                elif each.what == "gauge":
                    value = self._gauge(sample, each)
            except SkippedSample as e:
                made.problems.append(Problem(sample, e.reason))
            else:
                if value is not None:
                    made.lines.append((path, value))
        return made

    def _gauge(self, sample, each):
        """The number in the metadata, or None."""
        if each.name in self._polled:
            return None
        value = naming.metadata_value(
            naming.metadata(sample), each.definition.metadata)
        return None if value is None else number(value)

    def _rate(self, sample, plan, resource, host, volume, seconds):
        """A rate as it is written, or None."""
        counter = resource.counters.get(sample.name)
        if counter is None:
            hash(sample.resource_id)  # a list cannot tell counters apart
            counter = self._resources.add_counter(resource, sample.name)
            if counter is None:
                raise SkippedSample(TABLE_FULL)
        factor = plan.scale or plan.definition.factor(
            naming.metadata(sample))
        value = counter.per_second(
            host, seconds, sample.monotonic_time, volume,
            self._resources.now, self._resources.expiry)
        if value is None:
            return None
        value *= factor
        if value > _LARGEST:
            raise SkippedSample(NOT_FINITE)
        # 12 digits are more than its clocks can tell. The shortest text for
        # the same float takes three times as long to find.
        return f"{value:.12g}"
