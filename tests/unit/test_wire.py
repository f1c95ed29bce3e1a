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
import itertools
import math
import struct
import sys

from carbon import conf
from carbon import util
import hypothesis
from hypothesis import strategies as st
from oslotest import base

from ceilometer_graphite import wire

FINITE = st.floats(allow_nan=False, allow_infinity=False)
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
        e = self.assertRaises(wire.SkippedSample, function, *arguments)
        self.assertEqual(reason, e.reason)


class NumberTest(SkipTestCase):

    NUMBERS = {
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
        "nothing": (None, wire.NOT_A_NUMBER),
        "a word": ("many", wire.NOT_A_NUMBER),
        "an empty text": ("", wire.NOT_A_NUMBER),
        "a line in a text": ("1 2\nevil 1", wire.NOT_A_NUMBER),
        "a list": ([1], wire.NOT_A_NUMBER),
        "a mapping": ({"a": 1}, wire.NOT_A_NUMBER),
        "a complex number": (1j, wire.NOT_A_NUMBER),
        "bytes": (b"1", wire.NOT_A_NUMBER),
        "a decimal": (decimal.Decimal(1), wire.NOT_A_NUMBER),
        "not a number": (math.nan, wire.NOT_FINITE),
        "infinity": (math.inf, wire.NOT_FINITE),
        "negative infinity": (-math.inf, wire.NOT_FINITE),
        "a text of nan": ("nan", wire.NOT_FINITE),
        "a text of infinity": ("-inf", wire.NOT_FINITE),
        "an int beyond the floats": (10 ** 400, wire.NOT_FINITE),
        "an int below the floats": (-10 ** 400, wire.NOT_FINITE),
        "a text of 5000 digits": ("9" * 5000, wire.NOT_FINITE),
    }

    def test_a_number_stays_what_it_is(self):
        for what, (volume, number) in self.NUMBERS.items():
            with self.subTest(what):
                found = wire.number(volume)
                self.assertEqual((type(number), number),
                                 (type(found), found))

    def test_what_is_no_finite_number_is_skipped_with_its_reason(self):
        for what, (volume, reason) in self.REFUSED.items():
            with self.subTest(what):
                self.assert_skipped(reason, wire.number, volume)

    @hypothesis.given(HOSTILE)
    def test_any_volume_is_a_finite_number_or_skipped(self, volume):
        try:
            found = wire.number(volume)
        except wire.SkippedSample:
            return
        self.assertIn(type(found), (int, float))
        self.assertTrue(math.isfinite(found))


class NumbersTest(SkipTestCase):

    @hypothesis.given(st.lists(st.one_of(
        st.integers(), st.integers(), FINITE, st.booleans(),
        st.sampled_from(["7", "1.5", 10 ** 308, -10 ** 308]))))
    def test_each_is_the_number_that_it_is_alone(self, volumes):
        self.assertEqual(
            [(type(found), found) for found in map(wire.number, volumes)],
            [(type(found), found) for found in wire.numbers(volumes)])

    def test_one_that_is_none_is_told_wherever_it_is(self):
        for what, (volume, reason) in NumberTest.REFUSED.items():
            for others, place in itertools.product(
                    ([1, 2], [1.5, 2.5], [1, 2.5]), range(3)):
                with self.subTest(what, others=others, place=place):
                    volumes = [*others[:place], volume, *others[place:]]
                    self.assert_skipped(reason, wire.numbers, volumes)

    def test_ints_are_kept_up_to_the_largest_float(self):
        largest = int(sys.float_info.max)
        for volumes in [largest], [-largest], [-largest, 0, largest]:
            self.assertEqual(volumes, wire.numbers(volumes))
        for volumes in [0, largest + 1], [-largest - 1, 0]:
            self.assert_skipped(wire.NOT_FINITE, wire.numbers,
                                volumes)


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
                self.assertEqual(1795334320.256233, wire.timestamp(text))

    def test_what_is_no_time_that_graphite_stores_is_skipped(self):
        for value in self.REFUSED:
            with self.subTest(repr(value)[:50]):
                self.assert_skipped(wire.BAD_TIMESTAMP,
                                    wire.timestamp, value)

    def test_the_last_second_that_whisper_stores_is_kept(self):
        self.assertEqual(2 ** 32 - 1,
                         wire.timestamp("2106-02-07T06:28:15"))

    @hypothesis.given(WRITABLE_TIMES)
    def test_a_naive_time_is_utc(self, moment):
        self.assertEqual(
            moment.replace(tzinfo=datetime.timezone.utc).timestamp(),
            wire.timestamp(moment.isoformat()))

    @hypothesis.given(WRITABLE_TIMES, OFFSETS)
    def test_an_offset_is_taken_off(self, moment, offset):
        moment = moment.replace(tzinfo=offset)
        hypothesis.assume(moment.timestamp() >= 1)
        self.assertEqual(moment.timestamp(),
                         wire.timestamp(moment.isoformat()))

    @hypothesis.given(HOSTILE)
    def test_any_timestamp_is_seconds_or_skipped(self, value):
        try:
            seconds = wire.timestamp(value)
        except wire.SkippedSample as e:
            self.assertEqual(wire.BAD_TIMESTAMP, e.reason)
        else:
            self.assertTrue(1 <= seconds <= 2 ** 32 - 1, seconds)

    @hypothesis.given(st.text("0123456789-+:.TZW ", max_size=32))
    def test_any_text_like_a_time_is_seconds_or_skipped(self, text):
        try:
            seconds = wire.timestamp(text)
        except wire.SkippedSample as e:
            self.assertEqual(wire.BAD_TIMESTAMP, e.reason)
        else:
            self.assertTrue(1 <= seconds <= 2 ** 32 - 1, seconds)


class LineTest(base.BaseTestCase):

    def test_a_line_is_path_value_and_time(self):
        self.assertEqual("a.b 1 1795334320\n",
                         wire.line("a.b", 1, 1795334320))

    @hypothesis.given(st.integers(-10 ** 308, 10 ** 308))
    def test_an_int_is_written_exactly(self, value):
        self.assertEqual(str(value),
                         wire.line("a", value, 1).split(" ")[1])

    @hypothesis.given(FINITE)
    def test_a_float_reads_back_as_the_same_float(self, value):
        read = float(wire.line("a", value, 1).split(" ")[1])
        self.assertEqual((value, math.copysign(1, value)),
                         (read, math.copysign(1, read)))


class DatagramsTest(base.BaseTestCase):

    LINES = st.lists(st.integers(0, 40).map(lambda n: b"x" * n + b"\n"))

    def test_lines_that_fit_share_a_datagram(self):
        self.assertEqual([b"a\nb\n", b"c\n"],
                         list(wire.datagrams(b"a\nb\nc\n", 5)))

    def test_a_datagram_is_filled_to_its_last_byte(self):
        self.assertEqual([b"a\nb\n", b"c\n"],
                         list(wire.datagrams(b"a\nb\nc\n", 4)))

    def test_a_line_that_is_too_long_goes_alone_and_whole(self):
        self.assertEqual([b"a\n", b"long line\n", b"b\n"],
                         list(wire.datagrams(b"a\nlong line\nb\n", 4)))

    def test_no_lines_make_no_datagram(self):
        self.assertEqual([], list(wire.datagrams(b"", 100)))

    @hypothesis.given(LINES, st.integers(1, 60))
    def test_no_line_is_lost_cut_or_moved(self, lines, size):
        packed = list(wire.datagrams(b"".join(lines), size))
        self.assertEqual(lines, [line for datagram in packed
                                 for line in datagram.splitlines(True)])

    @hypothesis.given(LINES, st.integers(1, 60))
    def test_only_a_single_line_is_longer_than_the_size(self, lines, size):
        for datagram in wire.datagrams(b"".join(lines), size):
            self.assertTrue(len(datagram) <= size
                            or datagram.count(b"\n") == 1)

    @hypothesis.given(LINES, st.integers(1, 60))
    def test_no_two_datagrams_in_a_row_would_fit_into_one(self, lines, size):
        packed = list(wire.datagrams(b"".join(lines), size))
        for one, other in itertools.pairwise(packed):
            first_line = other[:other.index(b"\n") + 1]
            self.assertGreater(len(one + first_line), size)


class PickleTest(base.BaseTestCase):

    def frames(self, lines):
        return list(wire.pickle_frames(lines))

    def read(self, frame):
        """What Carbon's own unpickler, which trusts nobody, reads."""
        size, = struct.unpack("!L", frame[:4])
        self.assertEqual(size, len(frame) - 4)
        return util.get_unpickler(insecure=False).loads(frame[4:])

    def test_carbon_reads_path_time_and_value(self):
        frame, = self.frames(b"a.b 1 1795334320\nc;host=d -1.5e-07 7\n")
        self.assertEqual([("a.b", (1795334320, 1)),
                          ("c;host=d", (7, -1.5e-07))], self.read(frame))

    @hypothesis.given(st.lists(
        st.tuples(st.one_of(FINITE, st.integers(-10 ** 308, 10 ** 308)),
                  st.integers(1, 2 ** 32 - 1)), min_size=1))
    def test_values_and_times_are_what_they_were(self, datapoints):
        frame, = self.frames("".join(
            wire.line("a", value, seconds)
            for value, seconds in datapoints).encode("ascii"))
        read = [(type(value), value, seconds)
                for _, (seconds, value) in self.read(frame)]
        self.assertEqual([(type(value), value, seconds)
                          for value, seconds in datapoints], read)

    def test_a_carbon_of_python_2_can_read_it(self):
        frame, = self.frames(b"a 1 1\n")
        self.assertEqual(b"\x80\x02", frame[4:6])

    def test_no_lines_make_no_frame(self):
        self.assertEqual([], self.frames(b""))

    def test_many_lines_make_frames_that_carbon_takes_and_lose_none(self):
        lines = b"".join(b"path.%06d %d 7\n" % (n, n) for n in range(50000))
        frames = self.frames(lines)
        self.assertGreater(len(frames), 1)
        self.assertEqual(
            [("path.%06d" % n, (7, n)) for n in range(50000)],
            [datapoint for frame in frames for datapoint in self.read(frame)])
        self.assertLess(max(map(len, frames)),
                        conf.settings.PICKLE_RECEIVER_MAX_LENGTH)

    def test_the_shortest_lines_make_no_frame_too_large(self):
        frames = self.frames(b"a 0.1 1\n" * 100000)
        self.assertLess(max(map(len, frames)),
                        conf.settings.PICKLE_RECEIVER_MAX_LENGTH)
