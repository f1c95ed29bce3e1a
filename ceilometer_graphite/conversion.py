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

"""Converts samples to lines, one sample at a time."""

import datetime
import decimal
import functools
import math
import numbers
import sys
import threading
import time
import typing

from ceilometer import sample as ceilometer_sample
from oslo_utils import timeutils

from ceilometer_graphite import naming
from ceilometer_graphite import rates
from ceilometer_graphite import wire

# Why a sample or its rate is left out, or what the sample lacks.
NOT_A_NUMBER = "not_a_number"
NOT_FINITE = "not_finite"
NOT_AVAILABLE = "not_available"
BAD_TIMESTAMP = "bad_timestamp"
LINE_TOO_LONG = "line_too_long"
TABLE_FULL = "rate_table_full"
RATE_EXPIRED = "rate_expired"
RATE_TOO_HIGH = "rate_too_high"
RATE_NAME_TAKEN = "rate_name_taken"
NO_TIMESTAMP = "samples_without_timestamp"

_LARGEST = sys.float_info.max
_TOP, _LEAST = int(_LARGEST), -int(_LARGEST)
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
# The value and the time in a line take at most 326 bytes.
_MAX_TEXT_BYTES = (wire.MAX_LINE_BYTES - 326) // 2
_PLANS = 4096


class SkippedSample(Exception):
    """A sample cannot become a line.

    :ivar reason: one of the constants above
    """

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


class Problem(typing.NamedTuple):
    """Something that is wrong with a sample.

    :ivar reason: one of the constants above, or None for an unexpected error
    """

    sample: object
    reason: str | None
    error: Exception | None = None


class Converted(typing.NamedTuple):
    """The result of converting a batch.

    :ivar lines: lines of the plaintext protocol
    :ivar problems: a list of :class:`Problem`
    """

    lines: list
    problems: list


class Series(typing.NamedTuple):
    """A series that samples of a meter have points in.

    :ivar what: ``volume``, ``rate`` or ``gauge``
    :ivar definition: the definition of a rate or a gauge, from
        :mod:`~ceilometer_graphite.definitions`
    """

    what: str
    name: str
    unit: str | None
    definition: object = None


def series(settings, meter: str, unit: str | None, kind: str
           ) -> list[Series]:
    """Return the series that a sample has points in.

    :param settings: a :class:`~ceilometer_graphite.settings.Settings`
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


def number(volume: typing.Any) -> int | float:
    """Convert a sample's volume to an int or a float.

    Booleans, texts of numbers, decimals and other real numbers are accepted.

    :raises SkippedSample: for None, NaN, infinities, integers beyond the
        range of a float, and what is not a number
    """
    if type(volume) not in (int, float):
        volume = _plain_number(volume)
    if not -_LARGEST <= volume <= _LARGEST:
        raise SkippedSample(NOT_FINITE)
    return volume


def _plain_number(volume):
    try:
        if isinstance(volume, (str, numbers.Integral)):
            return int(volume)
    except ValueError:
        pass
    if isinstance(volume, (str, numbers.Real, decimal.Decimal)):
        try:
            return float(volume)
        except ValueError:
            pass
        except OverflowError:
            return math.inf
    raise SkippedSample(NOT_A_NUMBER)


def timestamp(text: typing.Any) -> float:
    """Convert a sample's timestamp to seconds since 1970, as a float.

    :param text: a time in ISO 8601; without an offset it is UTC, as
        Ceilometer's polling agent writes it
    :raises SkippedSample: if it is not a time, or if Whisper cannot store it
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
    """How to convert the samples of one meter, unit and type.

    :ivar least: the smallest valid volume; a counter below 0 is "not
        available"
    :ivar volume: the text of the meter in the volume's name, or None
    :ivar rate: the text of the meter in the rate's name, or None
    :ivar definition: the definition of the rate
    :ivar more: pairs of a :class:`Series` and its text: the gauges, or all
        series, without texts, if names are not split
    :ivar is_rival: whether a rate or a gauge may have the meter's name
    :ivar seen: monotonic seconds when the last counter of it came
    """

    __slots__ = ("least", "volume", "rate", "definition", "more", "is_rival",
                 "seen")

    def __init__(self, settings, meter, unit, kind):
        self.volume = self.rate = self.definition = self.seen = None
        self.least = 0 if kind == ceilometer_sample.TYPE_CUMULATIVE else _LEAST
        self.more = []
        self.is_rival = False
        for each in series(settings, meter, unit, kind):
            text = None
            if settings.namer.is_split:
                text = _checked(settings.namer.of_meter(each.name, each.unit))
            if each.what == "rate":
                self.definition = each.definition
            elif each.what == "volume":
                self.is_rival = settings.definitions.may_make(str(meter))
            if each.what == "gauge" or text is None:
                self.more.append((each, text))
            else:
                setattr(self, each.what, text)


def _checked(text):
    """Return a half of a name.

    :raises SkippedSample: if it is too long for a line
    """
    if len(text) > _MAX_TEXT_BYTES:
        raise SkippedSample(LINE_TOO_LONG)
    return text


def _problem(sample, error):
    if isinstance(error, SkippedSample):
        return Problem(sample, error.reason)
    return Problem(sample, None, error)


class Converter:
    """Converts samples to lines, and remembers counters for the next rates.

    Safe for concurrent callers.

    :param settings: a :class:`~ceilometer_graphite.settings.Settings`
    :param clock: returns monotonic seconds
    :param now: returns seconds since 1970
    """

    def __init__(self, settings, clock: typing.Callable = time.monotonic,
                 now: typing.Callable = time.time):
        self._namer = settings.namer
        self._clock = clock
        self._now = now
        self._lock = threading.Lock()
        self._plan = functools.lru_cache(_PLANS)(
            functools.partial(_Plan, settings))
        self._resources = rates.Resources(
            settings.rate_expiry_seconds, settings.rate_max_series)

    def convert(self, samples: list) -> Converted:
        """Convert a batch. Never raises for what a sample contains.

        :param samples: a list of ``ceilometer.sample.Sample``
        """
        with self._lock:
            self._resources.forget(self._clock())
            return self._walk(samples)

    def _walk(self, samples):
        """Convert each sample; one that raises does not affect others."""
        lines, problems, last = [], [], None
        for sample in samples:
            try:
                common = (sample.name, sample.unit, sample.type,
                          sample.timestamp)
                if common != last:  # it seldom is
                    plan, seconds, at, last = self._look_up(*common)
                volume = sample.volume
                if type(volume) is not int or not plan.least <= volume <= _TOP:
                    volume = _volume(volume, plan)
                values = self._namer.values(sample)
                resource = self._resources[values[0]]
                if values != resource.values:
                    resource = self._renamed(resource, values)
                if plan.volume is not None:
                    lines.append(_line(resource, plan.volume, volume, at))
                if plan.more or plan.is_rival or not last[3]:
                    more = self._more(
                        sample, plan, resource, values, volume, seconds)
                    lines += [wire.line(*each, at) for each in more.lines]
                    problems += more.problems
                if plan.rate is not None:
                    value = self._rate(
                        sample, plan, resource, values[1], volume, seconds)
                    if value is not None:
                        lines.append(_line(resource, plan.rate, value, at))
            except Exception as e:
                problems.append(_problem(sample, e))
        return Converted(lines, problems)

    def _look_up(self, meter, unit, kind, text):
        """Return what samples share: plan, seconds, their text, a key."""
        seconds = timestamp(text) if text else self._now()
        return (self._plan(meter, unit, kind), seconds, str(int(seconds)),
                (meter, unit, kind, text))

    def _renamed(self, resource, values):
        """Return the resource of a sample whose names have changed.

        Its instance has a new name or has moved; or this is another resource
        with the same id, such as NICs that share a filter.
        """
        known, subject = resource.values, naming.subject(values)
        if known is not None and naming.subject(known) != subject:
            resource = self._resources[subject]
            if resource.values == values:
                return resource
        resource.values = None
        if self._namer.is_split:
            before, after = self._namer.around(values)
            _checked(before + after)
            resource.before, resource.after = sys.intern(before), after
        # 1, 1.0 and True are equal, but their texts differ.
        if all(value is None or type(value) is str for value in values):
            resource.values = values
        return resource

    def _more(self, sample, plan, resource, values, volume, seconds):
        """Return (path, value) pairs of the other series, and problems."""
        made = Converted([], [])
        if not sample.timestamp:
            made.problems.append(Problem(sample, NO_TIMESTAMP))
        if plan.is_rival:
            self._note_polled(resource, sample.name, values[1])
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
                    value = _gauge(sample, resource, values[1], each)
            except SkippedSample as e:
                made.problems.append(Problem(sample, e.reason))
            else:
                if value is not None:
                    made.lines.append((path, value))
        return made

    def _note_polled(self, resource, meter, host):
        if resource.polled is None:
            resource.polled = {}
        polled = resource.polled.get((meter, str(host)))
        if polled is None:
            resource.polled[meter, str(host)] = rates.Polled()
        else:
            polled.come()

    def _rate(self, sample, plan, resource, host, volume, seconds):
        """Return the rate of a sample as text or number, or None.

        :raises SkippedSample: if it should have a rate, but has none
        """
        definition, now = plan.definition, self._resources.now
        counter = resource.counters.get(sample.name)
        if counter is None:
            counter = self._add_counter(sample, plan, resource)
        divisor = largest = 1
        if definition.per:
            divisor = definition.divisor(naming.metadata(sample))
            largest = max(divisor, counter.divisor)
        is_late = now - counter.seen > self._resources.expiry
        counter.seen = plan.seen = now
        value = counter.per_second(
            host, seconds, sample.monotonic_time, volume, divisor, is_late)
        if resource.polled and _gives_way(resource, definition.name, host):
            raise SkippedSample(RATE_NAME_TAKEN)
        if value is None:
            if is_late:
                raise SkippedSample(RATE_EXPIRED)
            return None
        value *= definition.scale / largest
        if value > _LARGEST or value > definition.max:
            value = _capped(value, definition.max)
        # 12 digits are more than the clocks are exact to. To find the shortest
        # text of the same float would take three times as long.
        return f"{value:.12g}" if value else "0"

    def _add_counter(self, sample, plan, resource):
        hash(sample.resource_id)  # a list is no valid id
        counter = self._resources.add_counter(
            resource, sample.name, self._resources.now
            if plan.seen is None else plan.seen)
        if counter is None:
            raise SkippedSample(TABLE_FULL)
        return counter


def _line(resource, text, value, at):
    """Write a line of a resource's series whose meter has this text."""
    return wire.line(resource.before + text + resource.after, value, at)


def _volume(volume, plan):
    """Return a volume that is not just an int within the bounds."""
    volume = number(volume)
    if volume < plan.least:
        raise SkippedSample(NOT_AVAILABLE)
    return volume


def _gives_way(resource, name, host):
    """Whether a meter of this name is polled for the same resource."""
    polled = resource.polled and resource.polled.get((name, str(host)))
    return polled and polled.is_polled()


def _gauge(sample, resource, host, each):
    """Return the value of a gauge from the metadata, or None."""
    value = naming.metadata_value(
        naming.metadata(sample), each.definition.metadata)
    if value is None or _gives_way(resource, each.name, host):
        return None
    return number(value)


def _capped(value, most):
    """Return the largest possible rate if a rate is slightly above it."""
    if value > _LARGEST:
        raise SkippedSample(NOT_FINITE)
    if value > most * 1.1:
        raise SkippedSample(RATE_TOO_HIGH)
    return most
