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


import copy

import fixtures

from ceilometer_graphite import definitions
from ceilometer_graphite import driver
from ceilometer_graphite import opts
from ceilometer_graphite.cli import instances
from ceilometer_graphite.cli import sampling
from tests.unit import base

SPIN = "ab7fffc1-6830-5a5d-b949-cb2d0d494020"
LINUX = "084fce35-db18-5086-9b08-7723a5368aa3"
MIB = 1024 ** 2


class InstancesTest(base.AgentTestCase):
    """Two polls, five seconds apart, of three guests of QEMU."""

    def setUp(self):
        super().setUp()
        opts.register_opts(self.conf)
        build = driver.sample_builder(self.conf, sampling.fail)
        samples = [build(entry["message"]["payload"]["samples"])
                   for entry in base.recorded("polling-27.0.0.json")]
        self.polls = [self.with_instances(sum(batches, []))
                      for batches in (samples[:30], samples[30:])]

    def with_instances(self, samples):
        """These and, of each instance, the sample that top polls as well."""
        instances = {}
        for sample in samples:
            if sample.name == "disk.root.size":
                instance = copy.copy(sample)
                instance.name = sampling.INSTANCE
                instances[sample.resource_id] = instance
        return [*samples, *instances.values()]

    def make(self, text=None):
        found = definitions.load(text)
        return instances.Instances(found, self.conf)

    def instances(self, *polls, made=None):
        """The instances of the last of these polls, by their ids."""
        made = made or self.make()
        for poll in polls:
            found = made.update(poll)
        return {instance.instance_id: instance for instance in found}

    def without(self, poll, *meters):
        return [sample for sample in poll if sample.name not in meters]

    def volume(self, poll, meter, resource_id):
        sample, = [sample for sample in self.polls[poll]
                   if (sample.name, sample.resource_id) == (
                       meter, resource_id)]
        return sample.volume, sample.monotonic_time

    def rate(self, meter, resource_id):
        (first, begin), (last, end) = (
            self.volume(poll, meter, resource_id) for poll in (0, 1))
        return (last - first) / (end - begin)

    def test_an_instance_is_what_nova_wrote_of_it(self):
        instance = self.instances(self.polls[0])[SPIN]
        self.assertEqual(
            ("vm-2-spin", "b7065232a8825374b4764148b3f0cee5", "m1.tiny",
             "running", 1, 64 * MIB),
            (instance.name, instance.project, instance.flavor, instance.state,
             instance.vcpus, instance.memory_bytes))

    def test_a_first_poll_has_gauges_and_no_rates(self):
        instance = self.instances(self.polls[0])[LINUX]
        self.assertEqual(22.67578125 * MIB, instance.memory_used_bytes)
        self.assertIsNone(instance.cpu_percent)
        self.assertIsNone(instance.disk_read_bytes_per_second)

    def test_a_second_poll_has_the_rates(self):
        instance = self.instances(*self.polls)[LINUX]
        self.assertAlmostEqual(self.rate("cpu", LINUX) / 1e7,
                               instance.cpu_percent)
        self.assertAlmostEqual(
            self.rate("disk.device.read.bytes", LINUX + "-vda"),
            instance.disk_read_bytes_per_second, 5)
        nic = next(sample.resource_id for sample in self.polls[0]
                   if sample.name == "network.incoming.bytes"
                   and LINUX in sample.resource_id)
        self.assertAlmostEqual(self.rate("network.incoming.bytes", nic),
                               instance.network_in_bytes_per_second, 5)
        self.assertAlmostEqual(self.rate("network.outgoing.bytes", nic),
                               instance.network_out_bytes_per_second, 5)

    def test_the_devices_of_an_instance_are_added_up(self):
        def with_a_second_disk(poll):
            disk, = [sample for sample in poll if (
                sample.name == "disk.device.write.bytes"
                and sample.resource_id == LINUX + "-vda")]
            second = copy.deepcopy(disk)
            second.resource_id = LINUX + "-vdb"
            second.resource_metadata["disk_name"] = "vdb"
            return [*poll, second]
        one = self.instances(*self.polls)[LINUX]
        two = self.instances(*map(with_a_second_disk, self.polls))[LINUX]
        self.assertGreater(one.disk_write_bytes_per_second, 0)
        self.assertAlmostEqual(2 * one.disk_write_bytes_per_second,
                               two.disk_write_bytes_per_second, 5)

    def test_without_a_balloon_the_memory_is_the_flavors(self):
        instance = self.instances(
            self.without(self.polls[0], "memory", "memory.usage"))[LINUX]
        self.assertEqual((128 * MIB, None),
                         (instance.memory_bytes, instance.memory_used_bytes))

    def test_an_instance_that_is_shut_off_is_there_without_figures(self):
        made = self.make()
        self.instances(*self.polls, made=made)
        off = [sample for sample in self.polls[1]
               if sample.resource_metadata["instance_id"] != LINUX
               or sample.name == sampling.INSTANCE]
        for sample in off:
            if sample.resource_id == LINUX:
                sample.resource_metadata["state"] = "shutdown"
        instance = self.instances(off, made=made)[LINUX]
        self.assertEqual(
            ("shutdown", 1, 128 * MIB, None, None, None),
            (instance.state, instance.vcpus, instance.memory_bytes,
             instance.cpu_percent, instance.memory_used_bytes,
             instance.disk_read_bytes_per_second))

    def test_an_instance_that_is_gone_is_not_there(self):
        gone = [sample for sample in self.polls[1]
                if sample.resource_metadata["instance_id"] != LINUX]
        self.assertNotIn(LINUX, self.instances(self.polls[0], gone))

    def test_an_instance_that_appears_has_rates_a_poll_later(self):
        made = self.make()
        first = [sample for sample in self.polls[0]
                 if sample.resource_metadata["instance_id"] != LINUX]
        self.instances(first, made=made)
        self.assertIsNone(
            self.instances(self.polls[0], made=made)[LINUX].cpu_percent)
        self.assertIsNotNone(
            self.instances(self.polls[1], made=made)[LINUX].cpu_percent)

    def test_a_counter_that_went_back_gives_no_rate(self):
        instance = self.instances(*reversed(self.polls))[SPIN]
        self.assertIsNone(instance.cpu_percent)

    def test_a_project_is_shown_by_its_name_where_there_is_one(self):
        for sample in self.polls[0]:
            sample.project_name = "shop"
        self.assertEqual("shop",
                         self.instances(self.polls[0])[SPIN].project)

    def definitions(self, text):
        path = self.useFixture(fixtures.TempDir()).path + "/d.yaml"
        with open(path, "w") as file:
            file.write(text)
        return self.make(path)

    def test_rates_are_those_of_the_definitions(self):
        made = self.definitions("""
rates:
  - {meter: cpu, name: busy, unit: "%", scale: 2.0e-7}
""")
        percent = self.instances(*self.polls)[SPIN].cpu_percent
        instance = self.instances(*self.polls, made=made)[SPIN]
        self.assertAlmostEqual(2 * percent, instance.cpu_percent)
        self.assertIsNone(instance.disk_read_bytes_per_second)

    def test_a_rate_in_another_unit_is_not_shown_and_told(self):
        made = self.definitions("""
rates:
  - {meter: cpu, name: busy, unit: cores, scale: 1.0e-9}
  - {meter: "*", name: "{meter}.rate", unit: "{unit}/s"}
""")
        self.assertEqual(
            ["cpu_percent is not shown: the definitions make cores of it, "
             "not %"], made.notes)
        instance = self.instances(*self.polls, made=made)[SPIN]
        self.assertIsNone(instance.cpu_percent)
        self.assertIsNotNone(instance.disk_read_bytes_per_second)

    def test_all_rates_are_shown_of_the_packaged_definitions(self):
        self.assertEqual([], self.make().notes)
