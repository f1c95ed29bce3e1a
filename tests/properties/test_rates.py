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

import hypothesis
from hypothesis import strategies as st

from tests.unit import test_rates

# Quarters and small integers are exact in floats, and often equal.
CLOCKS = st.integers(0, 12).map(lambda quarters: quarters / 4)
DELIVERIES = st.lists(st.fixed_dictionaries({
    "resource_id": st.sampled_from(["i1-vda", "i1-vdb"]),
    "volume": st.integers(0, 9),
    "seconds": CLOCKS,
    "monotonic": st.none() | CLOCKS,
    "host": st.sampled_from(["c1", "c1", "c1", "c2"]),
}), max_size=30)


def model(deliveries):
    """Yield the rates of deliveries, computed from the documentation."""
    references, usual = {}, {}
    for new in deliveries:
        key = new["resource_id"]
        old = references.get(key)
        if old is not None and old["host"] == new["host"]:
            both_tick = None not in (old["monotonic"], new["monotonic"])
            clock = "monotonic" if both_tick else "seconds"
            elapsed = new[clock] - old[clock]
            distance = usual.get(key)
            if distance is None:
                early, is_late = 0.5, False
            else:
                early, is_late = distance / 2, elapsed > 4 * distance
            is_early = elapsed < early and elapsed >= (
                -early if both_tick else 0)
            if is_early:
                yield None
                continue
            references[key] = new
            if elapsed > 0 and not is_late:
                usual[key] = (elapsed if distance is None
                              or elapsed < distance
                              else distance + (elapsed - distance) / 4)
                yield None if new["volume"] < old["volume"] else (
                    (new["volume"] - old["volume"]) / elapsed)
                continue
        references[key] = new
        usual.pop(key, None)
        yield None


class RateModelTest(test_rates.RatesTestCase):

    def rates(self, deliveries):
        resources = self.make()
        return [self.rate(resources=resources, **each) for each in deliveries]

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
