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

"""Compares every point of two agents and a notification agent.

Two unmodified agents poll steered hypervisors each second, with two sources,
eight threads and batches of one sample. Their samples go to three publishers,
to a file, and by the bus to a notification agent, which also gets
notifications of Nova and Cinder. TRUTH_ROUNDS in the environment is how often
the sequence of events is repeated (default: 1).
"""

import contextlib
import json
import os
import pathlib
import random
import struct
import subprocess
import time
import uuid

import fixtures
from oslo_config import cfg
import oslo_messaging
from oslotest import base as oslotest_base

from lab import agent
from lab import process
from lab import rabbitmq
from lab import receiver
from tests import host
from tests.functional import base
from tests.functional import exact
from tests.functional import truth

ROUNDS = int(os.environ.get("TRUTH_ROUNDS", 1))
INSTANCES = 8
AT_HOME = {"compute-1": ("edge-01", "app-01", "db-01", "web-01"),
           "compute-2": ("vpn-01", "cache-01", "ci-01", "batch-01")}
SECONDS_A_CHANGE = 3
START_SECONDS = 120
POLLING = """\
sources:
  - name: fast
    interval: 1
    meters: [cpu, memory, memory.usage, power.state, disk.device.capacity,
             "disk.device.*.bytes", "disk.device.*.requests",
             "network.*.bytes", "network.incoming.packets"]
  - {name: slow, interval: 3, meters: [cpu, "network.incoming.*"]}
"""
# (prefix, options, whether it publishes counters) of each publisher.
PUBLISHERS = (("paths", "", False), ("tags", "&naming=tags", False),
              ("both", "&counters=both", True))
OPTIONS = "graphite://127.0.0.1:%d?prefix=%s&self_metrics_interval=0%s"


class Hypervisor:
    """Steers the hypervisor of one agent."""

    def __init__(self, name, directory):
        self.name = name
        self._folder = process.folder(directory / ("steering-" + name))
        self._clock = self._folder / "clock"
        self.set_clock(0)
        self._changes = {}
        self._away = {each for names in AT_HOME.values() for each in names
                      if each not in AT_HOME[name]}
        self._off = set()
        self._write()

    def env(self, clock):
        """Return the environment of its agent."""
        simulator = agent.simulator_env(INSTANCES, events=0, start=START)
        return {**simulator, "STEERING": str(self._folder),
                "LD_PRELOAD": str(clock), "CLOCK_OFFSET": str(self._clock),
                "PYTHONPATH": os.pathsep.join(
                    (str(agent.STEERED), simulator["PYTHONPATH"]))}

    def set_clock(self, seconds):
        """Shift the wall clock of its agent; backwards if negative."""
        self._clock.touch()
        with self._clock.open("r+b") as file:
            file.write(struct.pack("q", seconds))

    def change(self, instance, **changes):
        """Change properties of the hypervisor; None resets one."""
        merged = {**self._changes.get(instance, {}), **changes}
        self._changes[instance] = {key: value for key, value in merged.items()
                                   if value is not None}
        self._write()

    def boot(self, instance, **changes):
        """Start an instance here, with new counters."""
        self._away.discard(instance)
        self._off.discard(instance)
        self.change(instance, booted=time.time(), **changes)

    def shut_down(self, instance):
        self._off.add(instance)
        self._write()

    def remove(self, instance):
        self._away.add(instance)
        self._write()

    def _write(self):
        for name, text in (("changes.json", json.dumps(self._changes)),
                           ("gone", " ".join(self._away)),
                           ("off", " ".join(self._off))):
            new = self._folder / "new"
            new.write_text(text)
            new.rename(self._folder / name)


# Large counters, as of an instance that has run for long.
START = time.time() - 30 * 86400


def restless_day(one, two, chance):
    """Return the sequence of events, as callables."""
    def pick():
        return chance.choice(AT_HOME["compute-1"][1:])

    def pick_there():
        return chance.choice(AT_HOME["compute-2"])

    guest, other, third = pick(), pick_there(), pick()
    traveller, newcomer = AT_HOME["compute-1"][0], AT_HOME["compute-2"][0]
    return [
        lambda: one.boot(guest),
        lambda: two.change(other, paused=time.time()),
        lambda: (two.boot(traveller), one.set_clock(-100)),
        lambda: (one.remove(traveller), two.change(other, paused=None)),
        lambda: one.change(third, vcpus=8, disks=3, nics=3),
        lambda: (one.boot(traveller), two.shut_down(other)),
        lambda: (two.remove(traveller), one.change(third, vcpus=1, disks=1,
                                                   nics=1)),
        lambda: (one.change(guest, lacks=True), one.set_clock(50)),
        lambda: (two.boot(other, name="rebuilt " + other),
                 two.remove(newcomer)),
        lambda: (one.change(guest, lacks=None), two.set_clock(1)),
        lambda: (two.boot(newcomer), one.change(
            third, vcpus=None, disks=None, nics=None)),
        lambda: (one.set_clock(0), two.set_clock(0)),
    ]


class TruthTest(oslotest_base.BaseTestCase):

    def setUp(self):
        if not rabbitmq.SERVER.exists():
            host.lacks(f"the bus needs {rabbitmq.PACKAGE}")
        super().setUp()
        self.directory = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path)
        self.receiver = self.start(receiver.Receiver(
            self.directory / "receiver"))
        self.broker = rabbitmq.RabbitMQ(self.directory / "rabbitmq")
        self.start(agent.NotificationAgent(
            self.directory / "bus", self.pipeline("bus", PUBLISHERS[:1]),
            self.broker.url))
        self.start(self.broker)
        self.broker.wait_until(
            lambda: "authenticated and" in self.broker.log_text(),
            START_SECONDS, "the notification agent at the broker")

    def start(self, part):
        """Start a part of the lab; it ends with the test."""
        part.__enter__()
        self.addCleanup(part.__exit__, None, None, None)
        return part

    def pipeline(self, name, publishers):
        return base.PIPELINE.format(publishers=[
            *(OPTIONS % (self.receiver.port, f"{name}.{each}", options)
              for each, options, _ in publishers),
            f"file://{self.directory / name}.jsonl?json"])

    def clock(self):
        """Return the path of a library that shifts a process's wall clock."""
        path = self.directory / "clock.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-o", path,
                        agent.STEERED / "clock.c"], check=True)
        return path

    def start_agent(self, hypervisor, clock):
        name = hypervisor.name
        return self.start(agent.Agent(
            self.directory / name, self.pipeline(name, PUBLISHERS), POLLING, {
                "DEFAULT": {"host": name + ".example.org",
                            "transport_url": self.broker.url},
                "ceilometer_pipeline": {"forward_drivers": "messagingv2"},
                "polling": {
                    "cfg_file": self.directory / name / "polling.yaml",
                    "batch_size": 1, "threads_to_process_pollsters": 8}},
            env=hypervisor.env(clock)))

    def samples(self, name):
        path = self.directory / f"{name}.jsonl"
        return truth.load(path) if path.exists() else []

    def notify(self, instance_id):
        """Send a notification of Nova and one of Cinder."""
        conf = cfg.ConfigOpts()
        conf([], default_config_files=[])
        transport = oslo_messaging.get_notification_transport(
            conf, self.broker.url)
        notifier = oslo_messaging.Notifier(
            transport, publisher_id="compute.nova", driver="messagingv2",
            topics=["notifications"])
        common = {"tenant_id": uuid.uuid4().hex, "user_id": uuid.uuid4().hex,
                  "display_name": "web-01"}
        notifier.info({}, "compute.instance.exists", {
            **common, "instance_id": instance_id, "memory_mb": 512,
            "vcpus": 4, "root_gb": 20, "ephemeral_gb": 0, "disk_gb": 20,
            "host": "compute-1", "metadata": {}, "image_meta": {}})
        notifier.info({}, "volume.attach.end", {
            **common, "volume_id": str(uuid.uuid4()), "size": 500,
            "volume_type": "ssd",
            "volume_attachment": [{"server_id": instance_id}]})
        transport.cleanup()

    def live(self):
        """Run the agents during all events, and end them."""
        clock = self.clock()
        hypervisors = [Hypervisor(name, self.directory) for name in AT_HOME]
        agents = [self.start_agent(each, clock) for each in hypervisors]
        for polling_agent, each in zip(agents, hypervisors, strict=True):
            polling_agent.wait_until(
                lambda name=each.name: len(self.samples(name)) > 300,
                START_SECONDS, "some cycles")
        chance = random.Random(1)
        instance_id = self.samples("compute-1")[0]["resource_metadata"][
            "instance_id"]
        for _ in range(ROUNDS):
            for happen in restless_day(*hypervisors, chance):
                happen()
                time.sleep(SECONDS_A_CHANGE)
            self.notify(instance_id)
        for polling_agent in agents:
            polling_agent.terminate()
        return agents

    def problems(self, name, publishers):
        """Return {publisher: problems} of an agent, and its points' number."""
        samples = self.samples(name)
        found, count = [], 0
        for each, _, with_counters in publishers:
            prefix = f"{name}.{each}"
            lines = exact.Lines([
                line for line in self.receiver.lines()
                if line.startswith(prefix + ".")])
            count += lines.count
            make = tagged if each == "tags" else truth.series
            found += exact.problems(
                samples, lines, lambda sample, meter, make=make, p=prefix:
                make(sample, meter, p), with_counters)
        return found, count

    def test_every_point_is_right_and_none_is_missing_or_extra(self):
        agents = self.live()
        wanted = sum(len(self.samples(name)) for name in AT_HOME)
        process.wait_for(lambda: len(self.samples("bus")) > wanted, 60,
                         "the bus to bring all samples")
        with contextlib.suppress(process.LabError):
            process.wait_for(lambda: not self.problems(
                "bus", PUBLISHERS[:1])[0], 10, "the points of the bus")
        total = 0
        for name, publishers in (("bus", PUBLISHERS[:1]), *(
                (name, PUBLISHERS) for name in AT_HOME)):
            found, count = self.problems(name, publishers)
            self.assertEqual([], found[:50])
            total += count
        self.assertGreater(total, 10000 * ROUNDS)
        for polling_agent in agents:
            self.assertEqual([], [
                line for line in polling_agent.log_text().splitlines()
                if "dropped" in line or "Traceback" in line])
        print("%d points compared, none is wrong, missing or extra" % total)


def tagged(sample, meter, prefix):
    """Return the name of a tagged series."""
    metadata = sample["resource_metadata"]
    tags = {"host": metadata["instance_host"].split(".")[0],
            "project": sample["project_id"],
            "instance": metadata["instance_id"],
            "instance_name": truth.component(metadata["display_name"])}
    device = metadata.get("disk_name") or metadata.get("vnic_name")
    if device:
        tags["device"] = truth.component(device)
    return ";".join([f"{prefix}.{meter}", *map("=".join, tags.items())])
