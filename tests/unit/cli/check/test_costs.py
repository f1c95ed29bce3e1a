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


import time
import unittest

from ceilometer.polling import manager

from tests import releases
from tests.unit.cli import checks

CONF = "ceilometer.conf"
CYCLE = (CONF, "libvirt", "polling.yaml", "meters", "cycle")
THREADS = "threads_to_process_pollsters"
HAS_THREADS = any(opt.name == THREADS for opt in manager.POLLING_OPTS)


class CostsTest(checks.CheckTestCase):

    def test_a_secret_that_signs_what_stays_here_is_a_warning(self):
        for value in (None, "secret"):
            self.write_conf({"publisher": {"telemetry_secret": value}})
            self.assert_found(
                "warning", self.find(CONF, "telemetry_secret"),
                "doubles the agent's CPU", "[publisher] of ceilometer.conf")

    def test_a_secret_that_signs_what_is_forwarded_is_fine(self):
        self.write_conf({"publisher": {"telemetry_secret": "secret"},
                         "ceilometer_pipeline": {"forward_drivers": "log"}})
        self.assert_ok(self.find(CONF, "telemetry_secret"))

    @unittest.skipUnless(HAS_THREADS, "this Ceilometer has no such option")
    def test_several_threads_for_pollsters_are_a_warning(self):
        self.assert_ok(self.find(CONF, THREADS))
        self.write_conf({"polling": {THREADS: 4}})
        self.assert_found("warning", self.find(CONF, THREADS), "is 4",
                          "35 to 70 % dearer", THREADS + " = 1")

    def test_a_cycle_within_its_interval_is_fine(self):
        self.write_conf(releases.options_of_nova(self))
        self.assert_ok(self.find(*CYCLE))

    def test_meters_that_libvirt_cannot_give_are_a_warning(self):
        self.write_conf(releases.options_of_nova(self))
        self.write("polling.yaml", "sources: [{name: a, interval: 60, "
                   "meters: ['network.*']}]")
        self.assert_found(
            "warning", self.find(*CYCLE), "this hypervisor cannot give "
            "network.incoming.bytes.rate, network.outgoing.bytes.rate",
            "remove them from polling.yaml")

    def test_no_cycle_is_polled_where_the_cache_cannot_be_loaded(self):
        self.write_conf({"cache": {"enabled": True, "backend": "no.such"}})
        self.assert_found("error", self.find(*CYCLE, "cache"), "no.such")

    def test_a_cycle_longer_than_its_interval_is_a_warning(self):
        module = checks.simulated_libvirt()
        self.use_libvirt(module)
        self.write_conf(releases.options_of_nova(self))
        self.write("polling.yaml", checks.POLLING.replace(
            "interval: 60", "interval: 1"))
        real = module.Domain.state

        def slow(domain, *arguments):
            time.sleep(0.5)
            return real(domain, *arguments)
        module.Domain.state = slow
        self.assert_found("warning", self.find(*CYCLE),
                          "longer than the interval of 1 seconds",
                          "raise interval in polling.yaml")
