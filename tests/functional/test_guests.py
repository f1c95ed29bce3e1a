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
"""Real QEMU guests, the real agent and a real Graphite."""

import os
import pathlib
import statistics
import tempfile
import time

from oslotest import base
from testtools import content

from lab import agent
from lab import graphite
from lab import guests
from lab import process
from tests import host
from tests.functional import truth

INTERVAL_SECONDS = 5
RATES = 4
POLLING = """\
sources:
  - name: compute
    interval: {interval_seconds}
    meters: ["*"]
"""


def _require_a_hypervisor():
    missing = guests.missing()
    if missing:
        host.lacks(f"real guests need: {missing}")


def _line(path, points):
    """Return the last point of a series as a line."""
    second = max(points)
    return f"{path} {points[second]} {second}"


def _stolen_seconds():
    """Return the CPU seconds that the hypervisor gave to other machines."""
    total = pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()
    return int(total[8]) / os.sysconf("SC_CLK_TCK")


class TestRealGuests(base.BaseTestCase):
    """Checks some cycles in Graphite; the lab runs only once."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        _require_a_hypervisor()
        with tempfile.TemporaryDirectory() as directory:
            cls._run_lab(pathlib.Path(directory))

    def setUp(self):
        super().setUp()
        self.addOnException(self._add_last_cycle)

    @classmethod
    def _run_lab(cls, directory):
        with (guests.Hypervisor(directory / "guests") as hypervisor,
              graphite.Carbon(directory / "carbon") as carbon,
              graphite.GraphiteWeb(directory / "web", carbon) as web):
            samples = directory / "samples.json"
            publishers = (f"graphite://127.0.0.1:{carbon.line_port}",
                          f"file://{samples}?json")
            with agent.Agent(
                    directory / "agent",
                    agent.PIPELINE.format(publisher='", "'.join(publishers)),
                    POLLING.format(interval_seconds=INTERVAL_SECONDS),
                    {"DEFAULT": {"libvirt_uri": hypervisor.uri}}) as polling:
                cls._wait_for_rates(polling, web, 1)
                begun = time.monotonic()
                waited = hypervisor.waited_seconds(guests.GUESTS[0])
                stolen = _stolen_seconds()
                cls._wait_for_rates(polling, web, 1 + RATES)
                waited = hypervisor.waited_seconds(guests.GUESTS[0]) - waited
                stolen = _stolen_seconds() - stolen
                seconds = time.monotonic() - begun
                cls.denied = waited / seconds * 100
                cls.stolen = stolen / seconds * 100
            cls._compare(truth.load(samples), web)

    @staticmethod
    def _wait_for_rates(polling, web, count):
        def have_come():
            series = web.points("ceilometer.*.*.*.cpu_util", since="-5min")
            return (len(series) == len(guests.GUESTS)
                    and min(map(len, series.values())) >= count)
        polling.wait_until(have_come, 90, f"{count} rates of each guest")

    @classmethod
    def _compare(cls, samples, web):
        cls.wanted = truth.expected(samples)
        try:
            process.wait_for(
                lambda: not truth.differences(cls.wanted, web), 20,
                "Graphite to hold what was sent")
        except process.LabError:
            pass  # A test asserts it, and shows the differences.
        cls.differences = truth.differences(cls.wanted, web)
        cls.series, _ = truth.read_back(web, "-5min")

    def _add_last_cycle(self, _exc_info):
        lines = [f"{self.denied:.1f} % of a CPU kept from the busy guest, "
                 f"{self.stolen:.1f} % from this machine"]
        for guest in guests.GUESTS:
            lines += ["", f"{guest.display_name}:"]
            lines += [_line(path, points)
                      for path, points in sorted(self.series.items())
                      if guest.uuid in path]
        self.addDetail("last-cycle", content.text_content("\n".join(lines)))

    def values(self, kind, name):
        """Return the values of a guest's series, oldest first."""
        guest, = (one for one in guests.GUESTS if one.kind == kind)
        path = (f"ceilometer.compute-1.{guest.project_id}."
                f"{guest.display_name}_{guest.uuid}.{name}")
        self.assertIn(path, self.series)
        return [value for _, value in sorted(self.series[path].items())]

    def test_a_busy_guest_reads_near_100_percent(self):
        """The machine's other processes and stolen time reduce it."""
        used = statistics.mean(self.values("busy", "cpu_util")[1:1 + RATES])
        missing = 100 - used - self.denied
        self.assertTrue(-15 <= missing <= 15 + self.stolen,
                        (used, self.denied, self.stolen))

    def test_an_idle_guest_reads_near_0_percent(self):
        used = statistics.mean(self.values("idle", "cpu_util"))
        self.assertTrue(0 <= used <= 15, used)

    def test_a_percentage_is_one_of_all_the_vcpus(self):
        used = statistics.mean(self.values("linux", "cpu_util"))
        self.assertTrue(0 < used <= 105, used)

    def test_each_disk_of_a_loaded_guest_has_its_own_traffic(self):
        for disk in ("vda", "vdb"):
            for direction in ("read", "write"):
                rates = self.values(
                    "linux", f"disk.device.{direction}.bytes.rate.{disk}")
                self.assertTrue(min(rates) > 0, (disk, direction, rates))

    def test_the_nic_of_a_loaded_guest_has_traffic_both_ways(self):
        tap = guests.GUESTS[-1].tap
        for direction in ("incoming", "outgoing"):
            rates = self.values(
                "linux", f"network.{direction}.bytes.rate.{tap}")
            self.assertTrue(min(rates) > 0, (direction, rates))

    def test_a_guest_with_a_balloon_driver_reports_its_memory_usage(self):
        for used in self.values("linux", "memory.usage"):
            self.assertTrue(0 < used < guests.GUESTS[-1].memory_mb, used)

    def test_each_guest_has_the_gauges_of_its_flavor(self):
        for guest in guests.GUESTS:
            for name, value in (("cpu_count", guest.vcpus),
                                ("disk_space", guest.disk_gb),
                                ("memory", guest.memory_mb)):
                self.assertEqual(
                    {value}, set(self.values(guest.kind, name)))

    def test_graphite_holds_what_ceilometer_polled_and_nothing_else(self):
        self.assertGreater(sum(map(len, self.wanted.values())), 300)
        self.assertEqual([], self.differences)
