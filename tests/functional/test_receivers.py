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


"""The receivers in the documentation store all points."""

import fixtures
from oslotest import base

from lab import deliveries
from lab import process
from lab import receivers
from tests import host


class ReceiversTest(base.BaseTestCase):
    """Publishes samples, and reads them back with the receiver's API."""

    def deliver(self, kind):
        """Return {protocol: outcome} of one kind of receiver."""
        directory = self.useFixture(fixtures.TempDir()).path
        try:
            receiver = receivers.make(kind, directory)
        except process.LabError as error:
            host.lacks(str(error))
        with receiver:
            self.assertRegex(receiver.version(), r"\A\d+\.\d+")
            # It raises if the receiver does not confirm.
            deliveries.confirmation_seconds(receiver)
            return deliveries.run(receiver)

    def assert_complete(self, outcome, largest_change=0):
        """Assert that exactly these points and series are stored."""
        self.assertEqual((outcome.sent, []),
                         (outcome.arrived, outcome.strangers))
        self.assertLessEqual(outcome.largest_change, largest_change,
                             outcome.changed)

    def check(self, kind, largest_change=0):
        """Check each documented protocol of a receiver."""
        outcomes = self.deliver(kind)
        for way in kind.ways:
            self.assert_complete(outcomes[way], largest_change)
        self.assertTrue(outcomes["tcp"].reports)
        return outcomes

    def test_carbon_gets_everything_exactly(self):
        self.assertEqual(set(deliveries.WAYS),
                         set(self.check(receivers.Carbon)))

    def test_debians_carbon_gets_everything_exactly(self):
        self.assertEqual(set(deliveries.WAYS),
                         set(self.check(receivers.DebiansCarbon)))

    def test_carbon_c_relay_passes_everything_on_exactly(self):
        self.check(receivers.CarbonCRelay)

    def test_carbon_c_relay_with_tls_passes_everything_on_exactly(self):
        self.check(receivers.TlsRelay)

    def test_haproxy_passes_everything_on_exactly(self):
        self.check(receivers.BalancedCarbon)

    def test_victoria_metrics_gets_everything_to_12_digits(self):
        outcomes = self.check(receivers.VictoriaMetrics, 1e-12)
        self.assertTrue(outcomes["tcp"].changed)

    def test_influxdb_gets_everything_but_tags_exactly(self):
        outcomes = self.check(receivers.InfluxDB)
        self.assertEqual(0, outcomes["tags"].arrived)
