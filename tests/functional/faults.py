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
"""Base classes of fault tests: a load, publishers, and their account."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import sys
import threading
import time
import typing
import urllib.parse

from ceilometer import service
import fixtures
from oslo_config import cfg
from oslo_utils import netutils
from oslotest import base

from ceilometer_graphite import publisher
from lab import command
from lab import process
from lab import receiver
from tests import host
from tests.unit import base as unit_base

ROOT = pathlib.Path(__file__).absolute().parent.parent.parent
POINTS_A_SERIES = 1000
PATH = re.compile(r"ceilometer\.compute-1\.p\.[\w-]+\.load")
# Short, so that twenty faults take seconds.
OPTIONS = {"self_metrics_interval": 0, "reconnect_delay_max_seconds": 0.2,
           "catch_up_rate": 100000}


def agent_conf():
    return service.prepare_service(["test"], config_files=[],
                                   conf=cfg.ConfigOpts())


def make_publisher(conf, url):
    return publisher.GraphitePublisher(conf, netutils.urlsplit(url))


def parsed(line):
    """Parse a line, so that the format of its numbers does not matter."""
    path, value, second = line.split()
    return path, float(value), int(float(second))


class Account(typing.NamedTuple):
    """Lines that were published, and that receivers have read.

    :ivar arrived: how many of the published lines were read.
    :ivar read: how many lines were read, including repetitions.
    """

    sent: int
    arrived: int
    read: int


class Load:
    """Samples that become different lines.

    :param tag: prefix of this load's series.
    :param base: the second of the first of a thousand samples in each series.
    :param value: makes a sample's volume from its number.
    """

    def __init__(self, tag="load", base=None, value=lambda number: number):
        self.tag = tag
        self.value = value
        self.base = base or int(time.time()) - 2 * POINTS_A_SERIES
        self.count = 0
        self.lines = []
        self._lock = threading.Lock()

    def publish(self, publisher, count, batch=50):
        """Publish more samples; safe for concurrent callers."""
        for _ in range(0, count, batch):
            with self._lock:
                numbers = range(self.count, self.count + batch)
                self.count += batch
                self.lines += map(self.line, numbers)
            publisher.publish_samples(list(map(self._sample, numbers)))

    def line(self, number):
        """Return the line of a sample, by its number."""
        return "ceilometer.compute-1.p.%s%d.load %d %d" % (
            self.tag, number // POINTS_A_SERIES, self.value(number),
            self.base + number % POINTS_A_SERIES)

    def _sample(self, number):
        second = self.base + number % POINTS_A_SERIES
        return unit_base.make_sample(
            name="load", volume=self.value(number),
            resource_id="%s%d" % (self.tag, number // POINTS_A_SERIES),
            timestamp=time.strftime("%Y-%m-%dT%H:%M:%S",
                                    time.gmtime(second)))


class Child(process.Process):
    """Another process that publishes; see faults_child."""

    def __init__(self, directory, url, tag="load", count=1000, batch=50,
                 pause=0.02, forks=0, within=()):
        self.load = Load(tag)
        arguments = {"url": url, "tag": tag, "base": self.load.base,
                     "count": count, "batch": batch, "pause": pause,
                     "forks": forks}
        super().__init__(
            "a publisher",
            [*within, sys.executable, "-m", "tests.functional.faults_child",
             json.dumps(arguments)],
            directory / f"{tag}.log",
            env={"PYTHONPATH": str(ROOT)})

    def wait_for_published(self, count, timeout_seconds=60):
        self.wait_until(lambda: len(self.published()) >= count,
                        timeout_seconds, f"{count} published lines")

    def published(self, until=float("inf")):
        """Return the lines that it had published at a monotonic time."""
        said = [line.split() for line in self.log_text().splitlines()
                if line.startswith("published ")]
        counts = [int(words[1]) for words in said
                  if len(words) == 4 and float(words[3]) <= until]
        return list(map(self.load.line, range(max(counts, default=0))))


class Namespace(process.Process):
    """A network namespace with its own loopback and mounts.

    They end with its process. `within` is the prefix of a command that runs
    in the namespace.
    """

    def __init__(self, directory):
        super().__init__(
            "a namespace",
            ["unshare", "--net", "--mount", "sh", "-c",
             "ip link set lo up && echo ready && exec sleep infinity"],
            directory / "namespace.log")

    def start(self):
        offset = len(self.log_text())
        super().start()
        self.wait_for_log("ready", start=offset)

    @property
    def within(self):
        return ["nsenter", f"--net=/proc/{self.pid}/ns/net",
                f"--mount=/proc/{self.pid}/ns/mnt"]

    def run(self, *arguments):
        return command.run(*self.within, *map(str, arguments))


class FaultsTestCase(base.BaseTestCase):
    """Has a directory, an agent's conf and its log.

    A class names its requirements in `needs_commands` and `needs_root`. If
    they are missing, its tests are skipped; in CI they fail.

    :ivar account: the last `Account`, for benchmarks.
    """

    needs_commands = ()
    needs_root = False
    account = None

    def setUp(self):
        super().setUp()
        lacks = [name for name in self.needs_commands
                 if not shutil.which(name)]
        if self.needs_root and os.geteuid():
            lacks.append("root")
        if lacks:
            host.lacks(f"these faults need: {lacks}")
        self.directory = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path)
        self.conf = agent_conf()
        self.log = self.useFixture(fixtures.FakeLogger())

    def start(self, part):
        """Start a part of the lab; it ends with the test."""
        part.start()
        self.addCleanup(part.kill)
        return part

    def start_receiver(self, mode=receiver.READS, name="receiver",
                       **options):
        return self.start(receiver.Receiver(
            self.directory / name, mode, **options))

    def url(self, *ports, **options):
        """Return a publisher's URL with loopback ports as endpoints."""
        return "graphite://%s?%s" % (
            ",".join("127.0.0.1:%d" % port for port in ports),
            urllib.parse.urlencode({**OPTIONS, **options}))

    def make_publisher(self, *ports, **options):
        made = make_publisher(self.conf, self.url(*ports, **options))
        self.addCleanup(lambda: made.close(0.1))
        return made

    def start_child(self, *ports, within=(), options=None, **arguments):
        return self.start(Child(
            self.directory, self.url(*ports, **(options or {})),
            within=within, **arguments))

    @contextlib.contextmanager
    def loading(self, publisher, load, lines_per_second=2000):
        """Publish from another thread within a block."""
        ends = threading.Event()

        def publish():
            while not ends.wait(50 / lines_per_second):
                load.publish(publisher, 50)
        thread = threading.Thread(target=publish)
        thread.start()
        try:
            yield
        finally:
            ends.set()
            thread.join()

    def wait_for_lines(self, part, count, timeout_seconds=30):
        """Wait until a receiver has some lines, including repetitions."""
        part.wait_until(lambda: part.count() >= count, timeout_seconds,
                        f"{count} lines")

    def assert_all_arrive(self, lines, *receivers, timeout_seconds=90):
        """Assert that the receivers have read each line.

        They may have read lines of this load again, but no others.
        """
        wanted = set(map(parsed, lines))
        self.assertTrue(wanted)

        def read():
            return {parsed(line) for part in receivers
                    for line in part.lines()}
        with contextlib.suppress(process.LabError):
            process.wait_for(lambda: wanted <= read(), timeout_seconds, "")
        missing = sorted(wanted - read())
        self.account = Account(len(wanted), len(wanted) - len(missing),
                               sum(part.count() for part in receivers))
        self.assertEqual(
            (0, []), (len(missing), missing[:3]),
            f"of {len(wanted)} lines; the publisher's log:\n"
            f"{self.log.output[-2000:]}")
        self.assertEqual([], [path for path, _, _ in read() - wanted
                              if not PATH.fullmatch(path)])
