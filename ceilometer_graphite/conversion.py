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

"""From a batch of samples to the lines that are sent."""

import functools
import itertools
import math
import operator
import threading
import time
import typing

from ceilometer import sample as ceilometer_sample

from ceilometer_graphite import naming
from ceilometer_graphite import rates
from ceilometer_graphite import wire

NO_TIMESTAMP = "samples_without_timestamp"
_COMMON = operator.attrgetter("timestamp", "name", "unit", "type")
_KINDS = 4096


class Problem(typing.NamedTuple):
    """Something that is wrong with a sample.

    :ivar reason: ``NO_TIMESTAMP``, which leaves nothing out, or a reason of
        :class:`~ceilometer_graphite.wire.SkippedSample`; None for an
        error that nothing foresaw
    """

    sample: object
    reason: str | None
    error: Exception | None = None


class _Kind(typing.NamedTuple):
    """What is made of the samples of one meter, unit and type.

    :ivar names: of the volumes' series, None where they have none
    :ivar rate: a :class:`~ceilometer_graphite.definitions.Rate`, or None
    :ivar rate_names: of the rates' series
    :ivar gauges: for each a definition, and the names of its series
    """

    names: object
    rate: object
    rate_names: object
    gauges: list


class _Run:
    """Samples that differ in what they are about and in their volumes only.

    :raises encoding.SkippedSample: when one has a volume that is no number
    """

    def __init__(self, samples, seconds):
        self.samples = samples
        self.seconds = seconds
        self.metadata = [
            md if type(md := sample.resource_metadata) is dict
            else naming.metadata(sample) for sample in samples]
        self.volumes = wire.numbers([
            sample.volume for sample in samples])
        self._around = {}

    def around(self, names):
        """Of each sample a pair of texts, before and after the meter's."""
        # Nearly always the same for all meters.
        if names.around not in self._around:
            self._around[names.around] = names.around(
                self.samples, self.metadata)
        return self._around[names.around]

    def lines(self, names, values):
        """Lines of ints and floats, exactly, but for those that are None."""
        text, seconds = names.text, int(self.seconds)
        return [f"{before}{text}{after} {value!r} {seconds}\n"
                for (before, after), value in zip(
                    self.around(names), values, strict=True)
                if value is not None]


class Converter:
    """Makes lines of samples, and remembers counters for their next rates.

    Safe for concurrent callers. It goes column by column over the samples
    of one meter and time, as which a polling agent publishes them: that
    takes half the time that it takes sample by sample.

    :param settings: of :mod:`~ceilometer_graphite.settings`
    :param clock: monotonic seconds
    :param now: seconds since 1970
    """

    def __init__(self, settings, clock=time.monotonic, now=time.time):
        self._settings = settings
        self._clock = clock
        self._now = now
        self._lock = threading.Lock()
        self._rates = rates.RateTable(settings.rate_expiry_seconds,
                                      settings.rate_max_series)
        self._polled_gauges = set()
        self._kind = functools.lru_cache(_KINDS)(self._make_kind)

    def convert(self, samples):
        """Make lines of a batch; never raises for what a sample holds.

        :param samples: a list of ``ceilometer.sample.Sample``
        :returns: a list of lines of the plaintext protocol, and a list of
            :class:`Problem`
        """
        lines, problems = [], []
        with self._lock:
            try:
                runs = [(common, list(run)) for common, run
                        in itertools.groupby(samples, _COMMON)]
            except Exception:
                runs = []
                self._add_each(lines, problems, samples)
            for common, run in runs:
                try:
                    self._add(lines, problems, run, *common)
                except Exception:
                    self._add_each(lines, problems, run)
        return lines, problems

    def _add_each(self, lines, problems, samples):
        """Add lines of samples of which one at least cannot have any."""
        for sample in samples:
            try:
                self._add(lines, problems, [sample], *_COMMON(sample))
            except wire.SkippedSample as e:
                problems.append(Problem(sample, e.reason))
            except Exception as e:
                problems.append(Problem(sample, None, e))

    def _add(self, lines, problems, samples, timestamp, *kind):
        """Add lines of samples that have all of this in common.

        What raises for one of them does so before anything is added, or
        remembered.
        """
        names, rate, rate_names, gauges = self._kind(*kind)
        run = _Run(samples, wire.timestamp(timestamp) if timestamp
                   else self._now())
        made, told = [], []
        if not timestamp:
            told += [Problem(sample, NO_TIMESTAMP) for sample in samples]
        for gauge, its_names in gauges:
            if gauge.name not in self._polled_gauges:
                made += run.lines(its_names, _gauge_values(run, gauge, told))
        if names is not None:
            made += run.lines(names, run.volumes)
        if rate is not None:
            made += self._rate_lines(run, rate, rate_names, told)
        lines += made
        problems += told

    def _rate_lines(self, run, rate, names, told):
        pairs = run.around(names)
        factors = [rate.factor(md) for md in run.metadata]
        # An id that is no key of a table raises here, and nothing hereafter.
        frozenset(sample.resource_id for sample in run.samples)
        values, left_out = self._rates.per_second(
            run.samples, run.volumes,
            [md.get("instance_host") for md in run.metadata], run.seconds,
            self._clock())
        told += [Problem(sample, rates.TABLE_FULL) for sample in left_out]
        text, seconds, made = names.text, int(run.seconds), []
        for (before, after), value, factor, sample in zip(
                pairs, values, factors, run.samples, strict=True):
            if value is None:
                continue
            value *= factor
            if math.isfinite(value):
                # 12 digits are more than its clocks can tell. The shortest
                # text for the same float takes three times as long to find.
                made.append(f"{before}{text}{after} {value:.12g} {seconds}\n")
            else:
                told.append(Problem(sample, wire.NOT_FINITE))
        return made

    def _make_kind(self, meter, unit, kind):
        settings, names_of = self._settings, self._settings.namer.of_meter
        if meter in settings.definitions.gauge_names:
            self._polled_gauges.add(meter)
        is_counter = kind == ceilometer_sample.TYPE_CUMULATIVE
        rate = None
        if is_counter and settings.counters != "raw":
            rate = settings.definitions.rate(meter, unit)
        return _Kind(
            None if is_counter and settings.counters == "rate"
            else names_of(meter, unit),
            rate, rate and names_of(rate.name, rate.unit),
            [(gauge, names_of(gauge.name, gauge.unit))
             for gauge in settings.definitions.gauges(meter)])


def _gauge_values(run, gauge, told):
    """What the metadata hold; None where they hold no number."""
    values = [naming.metadata_value(md, gauge.metadata)
              for md in run.metadata]
    try:
        return wire.numbers(values)
    except wire.SkippedSample:
        pass
    for number, (sample, value) in enumerate(zip(
            run.samples, values, strict=True)):
        try:
            values[number] = None if value is None else wire.number(value)
        except wire.SkippedSample as e:
            values[number] = None
            told.append(Problem(sample, e.reason))
    return values
