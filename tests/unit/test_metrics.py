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


import pathlib
import re

from ceilometer_graphite import definitions
from tests.unit import test_fixtures
from tools import metrics

TABLE = (pathlib.Path(__file__).absolute().parent.parent.parent
         / "doc/source/tables/metrics.inc")
_DEVICE = re.compile(r"(?<=\.)(vd[a-z]|tap[0-9a-f-]+)\Z")


def documented(path):
    """Return a path like in the table: a meter, and a kind of device."""
    meter = path.split(".", 4)[4]
    kind = "NIC" if meter.startswith("network.") else "DISK"
    return _DEVICE.sub(kind, meter)


class MetricsTest(test_fixtures.RecordingTestCase):

    def test_the_documented_table_is_that_of_ceilometer_27(self):
        self.assertEqual(TABLE.read_text(), metrics.table())

    def test_the_table_has_the_series_of_recorded_samples(self):
        self.publish_recording("polling-27.0.0.json")
        packaged = definitions.load()
        polled = {fields["counter_name"] for fields in self.samples}
        self.assertEqual(
            {name for meter, pollster in metrics.pollsters()
             if meter in polled
             for name, _ in [metrics.series(meter, pollster, packaged)]}
            | set(metrics.GAUGES),
            {documented(path) for path, _ in self.points})
