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

import itertools
import math
import operator
import tracemalloc

import hypothesis
from hypothesis import strategies as st
from oslotest import base

from ceilometer_graphite import rates
from tests.unit import base as unit_base

# Quarters and small whole numbers: exact in floats, often equal.
CLOCKS = st.integers(0, 12).map(lambda quarters: quarters / 4)
DELIVERIES = st.lists(st.fixed_dictionaries({
    "resource_id": st.sampled_from(["i1-vda", "i1-vdb"]),
    "volume": st.integers(0, 9),
    "seconds": CLOCKS,
    "monotonic": st.none() | CLOCKS,
    "host": st.sampled_from(["c1", "c1", "c1", "c2"]),
}), max_size=30)


def counter(volume=0, monotonic=None, resource_id="i1-vda",
            name="disk.device.read.bytes"):
    return unit_base.make_sample(
        name=name, type="cumulative", unit="B", volume=volume,
        resource_id=resource_id, monotonic_time=monotonic)


def model(deliveries):
    """The rates of deliveries, from the words of the design alone."""
    references = {}
    for new in deliveries:
        old = references.get(new["resource_id"])
        if old is None or old["host"] != new["host"]:
            references[new["resource_id"]] = new
            yield None
            continue
        both_tick = None not in (old["monotonic"], new["monotonic"])
        clock = "monotonic" if both_tick else "seconds"
        if new[clock] == old[clock]:
            yield None
            continue
        references[new["resource_id"]] = new
        went_back = (new[clock] < old[clock]
                     or new["volume"] < old["volume"])
        yield None if went_back else (
            (new["volume"] - old["volume"]) / (new[clock] - old[clock]))


class RateTableTestCase(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.now = 5000.0
        self.table = self.make()

    def make(self, expiry_seconds=100, max_series=1000):
        return rates.RateTable(expiry_seconds, max_series)

    def deliver(self, volume, seconds, table=None, host="c1", **fields):
        """One sample's rate, and whether it is left out."""
        table = self.table if table is None else table
        sample = counter(volume, **fields)
        (rate,), left_out = table.per_second(
            [sample], [volume], [host], seconds, self.now)
        self.assertIn(left_out, ([], [sample]))
        return rate, bool(left_out)

    def rate(self, *delivery, **fields):
        rate, is_left_out = self.deliver(*delivery, **fields)
        self.assertFalse(is_left_out)
        return rate

    def rates(self, deliveries):
        table = self.make()
        return [self.rate(table=table, **each) for each in deliveries]

    def rates_of_batch(self, table, deliveries):
        """Of deliveries that have their seconds in common."""
        found, left_out = table.per_second(
            [counter(each["volume"], each["monotonic"], each["resource_id"])
             for each in deliveries],
            *([each[key] for each in deliveries]
              for key in ("volume", "host")),
            deliveries[0]["seconds"], self.now)
        self.assertEqual([], left_out)
        return found


class RateTest(RateTableTestCase):

    def test_a_first_sample_has_no_rate(self):
        self.assertIsNone(self.rate(100, 10.0))

    def test_a_rate_is_growth_per_second_of_the_timestamps(self):
        self.rate(100, 10.0)
        self.assertEqual(30.0, self.rate(250, 15.0))

    def test_the_monotonic_time_is_preferred_where_both_have_it(self):
        self.rate(100, 10.0, monotonic=1000.0)
        self.assertEqual(75.0, self.rate(250, 15.0, monotonic=1002.0))

    def test_timestamps_count_where_one_lacks_the_monotonic_time(self):
        self.rate(100, 10.0, monotonic=1000.0)
        self.assertEqual(30.0, self.rate(250, 15.0))
        self.assertEqual(10.0, self.rate(270, 17.0, monotonic=1003.0))

    def test_an_idle_counter_has_a_rate_of_zero(self):
        self.rate(100, 10.0)
        self.assertEqual(0.0, self.rate(100, 15.0))

    def test_each_rate_is_since_the_sample_before_it(self):
        self.rate(100, 10.0)
        self.rate(200, 20.0)
        self.assertEqual(3.0, self.rate(230, 30.0))

    def test_a_counter_that_went_back_has_no_rate(self):
        self.rate(100, 10.0)
        self.assertIsNone(self.rate(5, 20.0))

    def test_after_a_reset_the_next_rate_is_since_the_reset(self):
        self.rate(100, 10.0)
        self.rate(5, 20.0)
        self.assertEqual(1.0, self.rate(15, 30.0))

    def test_a_clock_that_went_back_makes_no_rate(self):
        self.rate(100, 10.0)
        self.assertIsNone(self.rate(200, 5.0))

    def test_after_a_clock_went_back_rates_go_on_by_the_new_clock(self):
        self.rate(100, 10.0)
        self.rate(200, 5.0)
        self.assertEqual(2.0, self.rate(220, 15.0))

    def test_a_wall_clock_that_went_back_does_not_stop_a_monotonic_one(self):
        self.rate(100, 10.0, monotonic=1.0)
        self.assertEqual(50.0, self.rate(200, 5.0, monotonic=3.0))

    def test_a_reboot_of_the_host_makes_no_rate(self):
        self.rate(100, 10.0, monotonic=90000.0)
        self.assertIsNone(self.rate(200, 20.0, monotonic=60.0))

    def test_a_sample_delivered_twice_has_no_second_rate(self):
        self.rate(100, 10.0)
        self.assertEqual([20.0, None],
                         [self.rate(200, 15.0), self.rate(200, 15.0)])

    def test_a_sample_delivered_twice_does_not_disturb_the_next(self):
        self.rate(100, 10.0)
        self.rate(100, 10.0)
        self.assertEqual(20.0, self.rate(200, 15.0))

    def test_another_volume_at_the_same_time_does_not_count(self):
        self.rate(100, 10.0)
        self.rate(150, 10.0)
        self.assertEqual(20.0, self.rate(200, 15.0))

    def test_an_instance_that_comes_from_another_host_has_no_rate(self):
        # Two hosts: the clocks have nothing in common, nor the counters.
        self.rate(100, 10.0, monotonic=50.0)
        self.assertIsNone(self.rate(200, 20.0, monotonic=9000.0, host="c2"))

    def test_after_a_move_rates_are_since_the_first_sample_there(self):
        self.rate(100, 10.0, monotonic=50.0)
        self.rate(200, 20.0, monotonic=50.0, host="c2")
        self.assertEqual(
            1.0, self.rate(210, 30.0, monotonic=60.0, host="c2"))

    def test_two_devices_of_one_instance_are_two_counters(self):
        self.rate(0, 10.0, resource_id="i1-vda")
        self.rate(1000, 10.0, resource_id="i1-vdb")
        self.assertEqual(1.0, self.rate(10, 20.0, resource_id="i1-vda"))
        self.assertEqual(5.0, self.rate(1050, 20.0, resource_id="i1-vdb"))

    def test_two_meters_of_one_device_are_two_counters(self):
        self.rate(0, 10.0, name="disk.device.read.bytes")
        self.assertIsNone(self.rate(10, 20.0, name="disk.device.read.bits"))

    def test_a_hopeless_monotonic_time_is_as_good_as_none(self):
        for hopeless in ("soon", math.nan, math.inf, [], 10 ** 400):
            with self.subTest(repr(hopeless)[:20]):
                table = self.make()
                self.rate(100, 10.0, table, monotonic=hopeless)
                self.assertEqual(
                    30.0, self.rate(250, 15.0, table, monotonic=1000.0))

    def test_a_growth_beyond_the_floats_is_infinite_and_raises_nothing(self):
        self.rate(-10 ** 308, 10.0)
        self.assertEqual(math.inf, self.rate(10 ** 308, 10.5))


class RateModelTest(RateTableTestCase):

    @hypothesis.given(DELIVERIES)
    def test_rates_are_those_of_the_model(self, deliveries):
        self.assertEqual(list(model(deliveries)), self.rates(deliveries))

    @hypothesis.given(DELIVERIES)
    def test_a_counter_is_not_disturbed_by_another(self, deliveries):
        together = self.rates(deliveries)
        for resource_id in ("i1-vda", "i1-vdb"):
            alone = [each for each in deliveries
                     if each["resource_id"] == resource_id]
            self.assertEqual(
                self.rates(alone),
                [rate for each, rate
                 in zip(deliveries, together, strict=True)
                 if each["resource_id"] == resource_id])

    @hypothesis.given(DELIVERIES)
    def test_deliveries_that_are_doubled_change_no_rate(self, deliveries):
        doubled = [each for each in deliveries for _ in range(2)]
        self.assertEqual(self.rates(deliveries), self.rates(doubled)[::2])

    @hypothesis.given(DELIVERIES)
    def test_no_rate_is_negative_or_infinite(self, deliveries):
        for rate in self.rates(deliveries):
            self.assertTrue(rate is None or 0 <= rate < math.inf, rate)

    @hypothesis.given(DELIVERIES)
    def test_a_batch_has_the_rates_that_its_samples_have_one_by_one(
            self, deliveries):
        table = self.make()
        self.assertEqual(self.rates(deliveries), [
            rate for _, batch in itertools.groupby(
                deliveries, operator.itemgetter("seconds"))
            for rate in self.rates_of_batch(table, list(batch))])

    def test_each_meter_has_batches_of_its_own(self):
        for volume, seconds, expected in ((0, 1.0, None), (10, 3.0, 5.0)):
            for name, times in (("read", 1), ("write", 3)):
                found, _ = self.table.per_second(
                    [counter(name=name, resource_id=str(number))
                     for number in range(10)],
                    [volume * times * number for number in range(10)],
                    ["c1"] * 10, seconds, self.now)
                self.assertEqual([expected and expected * times * number
                                  for number in range(10)], found)


class BoundsTest(RateTableTestCase):

    def test_a_counter_within_the_expiry_is_remembered(self):
        self.rate(100, 10.0)
        self.now += 100
        self.assertEqual(1.0, self.rate(200, 110.0))

    def test_a_counter_unseen_for_longer_is_forgotten(self):
        self.rate(100, 10.0)
        self.now += 100.1
        self.assertIsNone(self.rate(200, 110.0))

    def test_a_forgotten_counter_begins_anew(self):
        self.rate(100, 10.0)
        self.now += 1000
        self.rate(200, 1010.0)
        self.assertEqual(3.0, self.rate(230, 1020.0))

    def test_a_counter_that_keeps_coming_is_never_forgotten(self):
        self.rate(0, 0.0)
        for step in range(1, 100):
            self.now += 60
            self.assertEqual(1.0, self.rate(step * 60, step * 60.0))

    def test_a_duplicate_keeps_its_counter_remembered(self):
        self.rate(100, 10.0)
        for _ in range(3):
            self.now += 90
            self.rate(100, 10.0)
        self.assertEqual(20.0, self.rate(200, 15.0))

    def test_what_is_forgotten_takes_no_place(self):
        for number in range(50):
            self.rate(1, 1.0, resource_id=str(number))
        for _ in range(2):
            self.now += 100
            self.rate(1, 1.0, resource_id="other")
        self.assertEqual(1, len(self.table))

    def test_a_full_table_says_so_of_a_new_counter(self):
        table = self.make(max_series=2)
        self.rate(1, 1.0, table, resource_id="a")
        self.rate(1, 1.0, table, resource_id="b")
        for name in "disk.device.read.bytes", "another":
            self.assertEqual((None, True), self.deliver(
                1, 1.0, table, resource_id="c", name=name))
        self.assertEqual(2, len(table))

    def test_a_table_that_fills_up_leaves_out_what_comes_then(self):
        table = self.make(max_series=3)
        self.rate(1, 1.0, table, resource_id="b")
        samples = [counter(5, resource_id=name) for name in "abcdbe"]
        found, left_out = table.per_second(
            samples, [5] * 6, ["c1"] * 6, 3.0, self.now)
        self.assertEqual([None, 2.0, None, None, None, None], found)
        self.assertEqual([samples[3], samples[5]], left_out)

    def test_the_maximum_is_of_all_meters_together(self):
        table = self.make(max_series=30)
        left_out = [self.deliver(1, 1.0, table, resource_id=str(number),
                                 name="meter-%d" % (number % 7))[1]
                    for number in range(50)]
        self.assertEqual([False] * 30 + [True] * 20, left_out)
        self.assertEqual(30, len(table))

    def test_a_full_table_still_serves_what_it_knows(self):
        table = self.make(max_series=2)
        for resource_id in ("a", "b"):
            self.rate(1, 1.0, table, resource_id=resource_id)
        self.now += 100
        for resource_id in ("a", "b"):
            self.assertEqual(
                2.0, self.rate(3, 2.0, table, resource_id=resource_id))

    def test_a_full_table_has_places_when_others_have_expired(self):
        table = self.make(max_series=1)
        self.rate(1, 1.0, table, resource_id="gone")
        self.now += 100
        self.assertEqual((None, True), self.deliver(
            1, 1.0, table, resource_id="new"))
        self.now += 100
        self.rate(1, 1.0, table, resource_id="new")
        self.assertEqual(2.0, self.rate(3, 2.0, table, resource_id="new"))

    def assert_memory_is_bounded(self, name_it):
        """``name_it(sample, number)`` makes a counter of its own of it."""
        sample = counter()
        table = self.make(expiry_seconds=100, max_series=10 ** 6)

        def deliver(numbers):
            for number in numbers:
                self.now += 0.1
                name_it(sample, number)
                table.per_second([sample], [1], ["c1"], 1.0, self.now)
                self.assertLessEqual(len(table), 2001)

        deliver(range(5000))
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        deliver(range(5000, 7500))
        before, _ = tracemalloc.get_traced_memory()
        deliver(range(7500, 12500))
        after, _ = tracemalloc.get_traced_memory()
        # To keep all that came would take over a megabyte more.
        self.assertLess(after - before, 500000)

    def test_memory_is_bounded_however_many_counters_come_by(self):
        self.assert_memory_is_bounded(lambda sample, number: setattr(
            sample, "resource_id", "instance-%d" % number))

    def test_memory_is_bounded_however_many_meters_come_by(self):
        self.assert_memory_is_bounded(lambda sample, number: setattr(
            sample, "name", "meter-%d" % number))
