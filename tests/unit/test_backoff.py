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

from oslotest import base

from ceilometer_graphite import backoff


def longest(low, high):
    return high


def shortest(low, high):
    return low


def delays(made, count):
    return [made.next_delay() for _ in range(count)]


class BackoffTest(base.BaseTestCase):

    def test_delays_double_up_to_the_maximum(self):
        self.assertEqual(
            [0.25, 0.5, 1.0, 1.5, 1.5],
            delays(backoff.Backoff(0.25, 1.5, longest), 5))

    def test_jitter_takes_at_most_half_of_a_delay(self):
        self.assertEqual(
            [0.125, 0.25, 0.5, 0.75, 0.75],
            delays(backoff.Backoff(0.25, 1.5, shortest), 5))

    def test_a_reset_begins_with_the_shortest_delay(self):
        made = backoff.Backoff(0.25, 1.5, longest)
        delays(made, 4)
        made.reset()
        self.assertEqual([0.25, 0.5], delays(made, 2))

    def test_no_delay_is_over_a_maximum_below_the_first(self):
        self.assertEqual([0.1, 0.1],
                         delays(backoff.Backoff(0.25, 0.1, longest), 2))

    def test_delays_do_not_overflow_in_an_outage_of_years(self):
        made = backoff.Backoff(0.25, 1.5, longest)
        self.assertEqual(1.5, delays(made, 100000)[-1])

    def test_two_nodes_do_not_wait_the_same_times(self):
        self.assertNotEqual(delays(backoff.Backoff(1.0, 64.0), 10),
                            delays(backoff.Backoff(1.0, 64.0), 10))

    def test_real_jitter_stays_within_its_bounds(self):
        for delay in delays(backoff.Backoff(1.0, 1.0), 1000):
            self.assertTrue(0.5 <= delay <= 1.0, delay)
