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

import datetime
import decimal
import fractions
import math
import sys

import hypothesis
from hypothesis import strategies as st
from oslotest import base

from ceilometer_graphite import conversion

WRITABLE_TIMES = st.datetimes(
    datetime.datetime(1970, 1, 2), datetime.datetime(2106, 2, 6))
OFFSETS = st.integers(-14 * 60, 14 * 60).map(
    lambda minutes: datetime.timezone(datetime.timedelta(minutes=minutes)))
HOSTILE = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(),
    st.binary(), st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=2), st.none(), max_size=2),
    st.datetimes(), st.decimals(), st.complex_numbers())


class SkipTestCase(base.BaseTestCase):

    def assert_skipped(self, reason, function, *arguments):
        e = self.assertRaises(conversion.SkippedSample, function, *arguments)
        self.assertEqual(reason, e.reason)


class NumberTest(SkipTestCase):

    NUMBERS = {
        "a decimal": (decimal.Decimal("1.5"), 1.5),
        "a fraction": (fractions.Fraction(3, 2), 1.5),
        "an int": (7, 7),
        "an int that no float holds": (2 ** 53 + 1, 2 ** 53 + 1),
        "a negative int": (-3, -3),
        "a float": (0.1, 0.1),
        "the largest float": (sys.float_info.max, sys.float_info.max),
        "the smallest float": (5e-324, 5e-324),
        "true": (True, 1),
        "false": (False, 0),
        "a text of an int": ("12", 12),
        "a text of a large int": ("9007199254740993", 9007199254740993),
        "a text of a float": ("1.5", 1.5),
    }
    REFUSED = {
        "a decimal that is not finite": (
            decimal.Decimal("nan"), conversion.NOT_FINITE),
        "a decimal beyond the floats": (
            decimal.Decimal("1e400"), conversion.NOT_FINITE),
        "nothing": (None, conversion.NOT_A_NUMBER),
        "a word": ("many", conversion.NOT_A_NUMBER),
        "an empty text": ("", conversion.NOT_A_NUMBER),
        "a line in a text": ("1 2\nevil 1", conversion.NOT_A_NUMBER),
        "a list": ([1], conversion.NOT_A_NUMBER),
        "a mapping": ({"a": 1}, conversion.NOT_A_NUMBER),
        "a complex number": (1j, conversion.NOT_A_NUMBER),
        "bytes": (b"1", conversion.NOT_A_NUMBER),
        "not a number": (math.nan, conversion.NOT_FINITE),
        "infinity": (math.inf, conversion.NOT_FINITE),
        "negative infinity": (-math.inf, conversion.NOT_FINITE),
        "a text of nan": ("nan", conversion.NOT_FINITE),
        "a text of infinity": ("-inf", conversion.NOT_FINITE),
        "an int beyond the floats": (10 ** 400, conversion.NOT_FINITE),
        "an int below the floats": (-10 ** 400, conversion.NOT_FINITE),
        "a text of 5000 digits": ("9" * 5000, conversion.NOT_FINITE),
    }

    def test_a_number_stays_what_it_is(self):
        for what, (volume, number) in self.NUMBERS.items():
            with self.subTest(what):
                found = conversion.number(volume)
                self.assertEqual((type(number), number),
                                 (type(found), found))

    def test_a_value_that_is_no_finite_number_is_skipped_with_a_reason(self):
        for what, (volume, reason) in self.REFUSED.items():
            with self.subTest(what):
                self.assert_skipped(reason, conversion.number, volume)

    @hypothesis.given(HOSTILE)
    def test_any_volume_is_a_finite_number_or_skipped(self, volume):
        try:
            found = conversion.number(volume)
        except conversion.SkippedSample:
            return
        self.assertIn(type(found), (int, float))
        self.assertTrue(math.isfinite(found))


class TimestampTest(SkipTestCase):

    SAME_TIME = (
        "2026-11-22T07:58:40.256233",
        "2026-11-22 07:58:40.256233",
        "2026-11-22T07:58:40.256233Z",
        "2026-11-22T07:58:40.256233+00:00",
        "2026-11-22T09:58:40.256233+02:00",
        "2026-11-22T02:28:40.256233-05:30",
        "20261122T075840.256233Z",
    )
    REFUSED = (
        None, "", "now", "nan", "-1", 1795334320, 1795334320.5, True, [], {},
        "1969-12-31T23:59:59", "1970-01-01T00:00:00", "2106-02-07T06:28:16",
        "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00",
        "2026-13-01T00:00:00", "2026-11-22T07:58:40\nevil 1 2",
        "x" * 10000, "\ud800", datetime.datetime(2026, 11, 22))

    def test_a_time_is_in_utc_unless_it_says_otherwise(self):
        for text in self.SAME_TIME:
            with self.subTest(text):
                self.assertEqual(1795334320.256233, conversion.timestamp(text))

    def test_a_time_that_graphite_cannot_store_is_skipped(self):
        for value in self.REFUSED:
            with self.subTest(repr(value)[:50]):
                self.assert_skipped(conversion.BAD_TIMESTAMP,
                                    conversion.timestamp, value)

    def test_the_last_second_that_whisper_stores_is_kept(self):
        self.assertEqual(2 ** 32 - 1,
                         conversion.timestamp("2106-02-07T06:28:15"))

    @hypothesis.given(WRITABLE_TIMES)
    def test_a_naive_time_is_utc(self, moment):
        self.assertEqual(
            moment.replace(tzinfo=datetime.timezone.utc).timestamp(),
            conversion.timestamp(moment.isoformat()))

    @hypothesis.given(WRITABLE_TIMES, OFFSETS)
    def test_an_offset_is_subtracted(self, moment, offset):
        moment = moment.replace(tzinfo=offset)
        hypothesis.assume(moment.timestamp() >= 1)
        self.assertEqual(moment.timestamp(),
                         conversion.timestamp(moment.isoformat()))

    @hypothesis.given(HOSTILE)
    def test_any_timestamp_is_seconds_or_skipped(self, value):
        try:
            seconds = conversion.timestamp(value)
        except conversion.SkippedSample as e:
            self.assertEqual(conversion.BAD_TIMESTAMP, e.reason)
        else:
            self.assertTrue(1 <= seconds <= 2 ** 32 - 1, seconds)

    @hypothesis.given(st.text("0123456789-+:.TZW ", max_size=32))
    def test_any_text_like_a_time_is_seconds_or_skipped(self, text):
        try:
            seconds = conversion.timestamp(text)
        except conversion.SkippedSample as e:
            self.assertEqual(conversion.BAD_TIMESTAMP, e.reason)
        else:
            self.assertTrue(1 <= seconds <= 2 ** 32 - 1, seconds)
