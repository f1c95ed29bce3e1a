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

import math
import tracemalloc

from oslotest import base

from ceilometer_graphite import rates


class RatesTestCase(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.now = 5000.0
        self.resources = self.make()

    def make(self, expiry_seconds=100, max_counters=1000):
        return rates.Resources(expiry_seconds, max_counters)

    def deliver(self, volume, seconds, resources=None, host="c1",
                monotonic=None, resource_id="i1-vda",
                name="disk.device.read.bytes"):
        """Return a sample's rate, and whether the table is full."""
        resources = self.resources if resources is None else resources
        resources.forget(self.now)
        resource = resources[resource_id]
        counter = resource.counters.get(name) or resources.add_counter(
            resource, name, resources.now)
        if counter is None:
            return None, True
        is_late = resources.now - counter.seen > resources.expiry
        counter.seen = resources.now
        return counter.per_second(
            host, seconds, monotonic, volume, 1, is_late), False

    def rate(self, *delivery, **fields):
        rate, is_left_out = self.deliver(*delivery, **fields)
        self.assertFalse(is_left_out)
        return rate


class RateTest(RatesTestCase):

    def test_a_first_sample_has_no_rate(self):
        self.assertIsNone(self.rate(100, 10.0))

    def test_a_first_sample_of_an_unknown_host_has_no_rate_either(self):
        self.assertIsNone(self.rate(100, 10.0, host=None))
        self.assertEqual(30.0, self.rate(250, 15.0, host=None))

    def test_a_rate_is_growth_per_second_of_the_timestamps(self):
        self.rate(100, 10.0)
        self.assertEqual(30.0, self.rate(250, 15.0))

    def test_the_monotonic_time_is_preferred_where_both_have_it(self):
        self.rate(100, 10.0, monotonic=1000.0)
        self.assertEqual(75.0, self.rate(250, 15.0, monotonic=1002.0))

    def test_a_monotonic_time_may_be_an_integer_from_zero_on(self):
        self.rate(100, 10.0, monotonic=0)
        self.assertEqual(75.0, self.rate(250, 15.0, monotonic=2))

    def test_timestamps_count_where_one_lacks_the_monotonic_time(self):
        self.rate(100, 10.0, monotonic=1000.0)
        self.assertEqual(30.0, self.rate(250, 15.0))
        self.assertEqual(4.0, self.rate(270, 20.0, monotonic=1003.0))

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
        # Clocks and counters of two hosts are independent.
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

    def test_an_invalid_monotonic_time_is_ignored(self):
        for hopeless in ("soon", math.nan, math.inf, [], 10 ** 400):
            with self.subTest(repr(hopeless)[:20]):
                table = self.make()
                self.rate(100, 10.0, table, monotonic=hopeless)
                self.assertEqual(
                    30.0, self.rate(250, 15.0, table, monotonic=1000.0))

    def test_a_growth_beyond_the_floats_is_infinite_and_raises_nothing(self):
        self.rate(-10 ** 308, 10.0)
        self.assertEqual(math.inf, self.rate(10 ** 308, 10.5))


class DistanceTest(RatesTestCase):
    """Samples earlier or later than the usual interval."""

    def polled(self, *sources, seconds=60):
        """Return (second, rate) of a counter that grows by 100 per second."""
        times = sorted(first + number * interval for first, interval in sources
                       for number in range(int(seconds / interval)))
        return [(at, rate) for at in times
                if (rate := self.rate(100 * at, at)) is not None]

    def test_two_sources_make_one_rate_a_polling_interval(self):
        for second in (0.01, 0.2, 0.45):
            with self.subTest(second):
                self.resources = self.make()
                found = self.polled((0.0, 3), (second, 6))
                self.assertEqual(
                    [(at, 100.0) for at in range(3, 60, 3)],
                    [(round(at), round(rate, 9)) for at, rate in found])

    def test_a_slow_source_beside_a_fast_one_adds_no_rate(self):
        found = self.polled((0.0, 60), (0.2, 300), seconds=3000)
        self.assertEqual(list(range(60, 3000, 60)), [at for at, _ in found])

    def test_a_burst_is_no_rate_over_the_time_between_two_sources(self):
        self.rate(0, 0.0)
        self.rate(1000000, 3.0)
        self.assertIsNone(self.rate(2000000, 3.02))
        self.assertEqual(1000000 / 3, self.rate(2000000, 6.0))

    def test_a_sample_that_was_overtaken_is_no_base_for_a_rate(self):
        for at in (0.0, 3.0, 6.0):
            self.rate(100 * at, at, monotonic=at)
        self.assertIsNone(self.rate(500, 5.0, monotonic=5.0))
        self.assertIsNone(self.rate(660, 6.6, monotonic=6.6))
        self.assertEqual(110.0, self.rate(930, 9.0, monotonic=9.0))

    def test_the_first_two_samples_have_half_a_second_between_them(self):
        self.rate(0, 0.0)
        self.assertIsNone(self.rate(10, 0.49))
        self.assertEqual(20.0, self.rate(10, 0.5))

    def test_the_usual_interval_adapts_to_a_longer_one(self):
        self.polled((0.0, 10), seconds=60)
        found = self.polled((80.0, 30), seconds=600)
        self.assertEqual([100.0] * 19, [rate for _, rate in found][:19])

    def test_the_usual_interval_grows_by_a_quarter_of_the_difference(self):
        for second in 0, 10, 40:
            self.rate(second, float(second))
        # It is 15 seconds now, and less than half of it is too early.
        self.assertIsNone(self.rate(47, 47.4))
        self.assertEqual(1.0, self.rate(47.5, 47.5))

    def test_a_poll_that_failed_makes_a_rate_over_both_intervals(self):
        self.polled((0.0, 10), seconds=60)
        self.assertEqual(100.0, self.rate(7000, 70.0))

    def test_an_absence_makes_no_rate_over_it(self):
        self.polled((0.0, 10), seconds=60)
        self.assertIsNone(self.rate(100000, 100.0))
        self.assertEqual(100.0, self.rate(101000, 110.0))


class PolledTest(base.BaseTestCase):
    """How long a gauge or rate gives way to a polled meter."""

    def setUp(self):
        super().setUp()
        self.polled = rates.Polled()

    def poll(self, *others):
        """Poll the meter after each number of samples of the other one."""
        for number in others:
            for _ in range(number):
                self.polled.is_polled()
            self.polled.come()

    def assert_gives_way_to(self, number):
        self.assertEqual([True] * number + [False], [
            self.polled.is_polled() for _ in range(number + 1)])

    def test_four_samples_give_way_at_first(self):
        self.assert_gives_way_to(4)

    def test_four_samples_give_way_after_each_polled_one(self):
        self.poll(0, 1, 1)
        self.assert_gives_way_to(4)

    def test_more_samples_give_way_if_more_come_between_polled_ones(self):
        self.poll(0, 3, 3)
        self.assert_gives_way_to(8)

    def test_one_longer_interval_changes_nothing(self):
        self.poll(0, 1, 3)
        self.assert_gives_way_to(4)


class BoundsTest(RatesTestCase):

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

    def test_forgotten_counters_need_no_space(self):
        for number in range(50):
            self.rate(1, 1.0, resource_id=str(number))
        for _ in range(2):
            self.now += 100
            self.rate(1, 1.0, resource_id="other")
        self.assertEqual(1, self.resources.count)

    def test_a_full_table_refuses_a_new_counter(self):
        table = self.make(max_counters=2)
        self.rate(1, 1.0, table, resource_id="a")
        self.rate(1, 1.0, table, resource_id="b")
        for name in "disk.device.read.bytes", "another":
            self.assertEqual((None, True), self.deliver(
                1, 1.0, table, resource_id="c", name=name))
        self.assertEqual(2, table.count)

    def test_a_full_table_knows_as_many_resources_as_counters(self):
        table = self.make(max_counters=2)
        for number in range(5):
            self.deliver(1, 1.0, table, resource_id=str(number))
        self.assertEqual({"0", "1"}, set(table))

    def test_a_full_table_keeps_space_for_resources_that_may_return(self):
        table = self.make(max_counters=2)
        for resource_id in "a", "b":
            self.rate(1, 1.0, table, resource_id=resource_id)
        self.now += 100
        self.deliver(1, 1.0, table, resource_id="c")
        self.assertEqual(set(), set(table))
        self.assertEqual(2.0, self.rate(3, 2.0, table, resource_id="a"))

    def test_a_resource_forgets_only_the_counters_that_expired(self):
        self.rate(1, 1.0, name="a")
        self.now += 90
        self.rate(1, 1.0, name="b")
        self.now += 20
        self.assertEqual(2.0, self.rate(3, 2.0, name="b"))
        self.assertEqual(1, self.resources.count)

    def test_the_maximum_is_of_all_meters_together(self):
        table = self.make(max_counters=30)
        left_out = [self.deliver(1, 1.0, table, resource_id=str(number),
                                 name="meter-%d" % (number % 7))[1]
                    for number in range(50)]
        self.assertEqual([False] * 30 + [True] * 20, left_out)
        self.assertEqual(30, table.count)

    def test_a_full_table_still_serves_what_it_knows(self):
        table = self.make(max_counters=2)
        for resource_id in ("a", "b"):
            self.rate(1, 1.0, table, resource_id=resource_id)
        self.now += 100
        for resource_id in ("a", "b"):
            self.assertEqual(
                2.0, self.rate(3, 2.0, table, resource_id=resource_id))

    def test_a_full_table_has_space_when_others_have_expired(self):
        table = self.make(max_counters=1)
        self.rate(1, 1.0, table, resource_id="gone")
        self.now += 100
        self.assertEqual((None, True), self.deliver(
            1, 1.0, table, resource_id="new"))
        self.now += 100
        self.rate(1, 1.0, table, resource_id="new")
        self.assertEqual(2.0, self.rate(3, 2.0, table, resource_id="new"))

    def assert_memory_is_bounded(self, field):
        """Publish samples with different values of ``field``."""
        table = self.make(expiry_seconds=100, max_counters=10 ** 6)

        def deliver(numbers):
            for number in numbers:
                self.now += 0.1
                self.rate(1, 1.0, table, **{field: "a-%d" % number})
                self.assertLessEqual(table.count, 2001)

        deliver(range(5000))
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        deliver(range(5000, 7500))
        before, _ = tracemalloc.get_traced_memory()
        deliver(range(7500, 12500))
        after, _ = tracemalloc.get_traced_memory()
        # To keep all counters would need more than a megabyte.
        self.assertLess(after - before, 500000)

    def test_memory_is_bounded_with_any_number_of_resources(self):
        self.assert_memory_is_bounded("resource_id")

    def test_memory_is_bounded_with_any_number_of_meters(self):
        self.assert_memory_is_bounded("name")
