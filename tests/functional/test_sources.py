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

"""Two polling sources of the real agent poll the same meters."""

import contextlib
import math
import os

from lab import agent
from lab import process
from tests.functional import base
from tests.functional import truth

POLLING = """\
sources:
  - {name: bytes, interval: 3, meters: [network.incoming.bytes]}
  - {name: network, interval: 6, meters: ["network.*"]}
  - {name: minute, interval: 2, meters: [cpu]}
  - {name: minutes, interval: 10, meters: [cpu]}
"""
INSTANCES = 3
# Maximum seconds between the polls of two sources; one source polls later.
TOGETHER_SECONDS = 1
BURST_BYTES = 10 ** 6


class SourcesTest(base.GraphiteTestCase):
    """Each NIC receives a megabyte at each full second."""

    def setUp(self):
        super().setUp()
        steering = self.directory / "steering"
        steering.mkdir()
        (steering / "bursts").touch()
        env = agent.simulator_env(INSTANCES, events=0)
        polling_agent = self.start_agent(
            polling=POLLING, instances=INSTANCES, env={
                "STEERING": str(steering), "PYTHONPATH": os.pathsep.join(
                    (str(agent.STEERED), env["PYTHONPATH"]))})
        polling_agent.wait_until(
            lambda: len(self.polled_twice("cpu")) >= 3
            and len(self.polled_twice("network.incoming.bytes")) >= 4, 90,
            "cycles of all sources")
        polling_agent.terminate()

    def polled_twice(self, meter):
        """Return the times when both sources polled a counter of a meter."""
        samples = self.samples(meter)
        times = sorted(sample["monotonic_time"] for sample in samples
                       if sample["resource_id"] == samples[0]["resource_id"])
        return [later for sooner, later in zip(times, times[1:], strict=False)
                if later - sooner < TOGETHER_SECONDS]

    def differences(self, wanted):
        """Return the series without exactly one point per interval.

        The two sources poll concurrently. The order of their samples may
        differ between publishers. So a burst may belong to the next rate, and
        a point may have the next second.
        """
        since = min(min(seconds) for seconds in wanted.values()) - 60
        found, strangers = truth.read_back(self.web, since)
        different = list(strangers)
        for path in wanted.keys() | found.keys():
            points = [sorted(each.get(path, {}).items())
                      for each in (wanted, found)]
            if len(points[0]) != len(points[1]) or not all(
                    abs(second - other) <= 1
                    and math.isclose(value, read, rel_tol=0.5)
                    for (second, value), (other, read) in zip(
                        *points, strict=True)):
                different.append((path, *points))
        return different

    def test_there_is_one_rate_over_the_polling_interval(self):
        wanted = truth.expected(truth.load(self.truth_path), two_sources=True)
        with contextlib.suppress(process.LabError):
            process.wait_for(lambda: not self.differences(wanted), 20,
                             "Graphite to have the truth")
        self.assertEqual([], self.differences(wanted))
        found, _ = truth.read_back(self.web, "-5min")
        received = [value for path, points in found.items()
                    if ".network.incoming.bytes.rate." in path
                    for value in points.values()]
        self.assertTrue(received)
        # At most one burst in half a second. A rate over the milliseconds
        # between two polls would be a hundred times as high.
        for value in received:
            self.assertLess(value, 2.5 * BURST_BYTES, received)
