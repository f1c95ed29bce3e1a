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

"""A real Carbon aggregates series as the shipped files configure."""

import pathlib
import socket
import time

import fixtures
from oslotest import base

from lab import graphite
from lab import process

ETC = pathlib.Path(__file__).parent.parent.parent / "etc"
# {series: (points every ten seconds, the aggregated point)}.
NODE = "ceilometer.compute-1"
INSTANCE = NODE + ".p.web-01_59c901c0"
OWN = NODE + ".graphite_publisher.graphite_2003"
COUNTER = list(range(10, 110, 10))
ROLLED_UP = {
    INSTANCE + ".power.state": ([1] * 9 + [4], 4),
    INSTANCE + ".cpu_util": (list(range(10)), 4.5),
    INSTANCE + ".memory.usage": ([1] * 9 + [11], 2),
    INSTANCE + ".cpu": (COUNTER, 100),
    INSTANCE + ".disk.device.read.bytes.vda": (COUNTER, 100),
    INSTANCE + ".network.incoming.packets.drop.tap1": (COUNTER, 100),
    INSTANCE + ".disk.device.read.bytes.rate.vda": (COUNTER, 55),
    INSTANCE + ".network.incoming.packets.drop.rate.tap1": (COUNTER, 55),
    INSTANCE + ".network.incoming.bytes.delta.tap1": (COUNTER, 550),
    OWN + ".lines_sent": ([5] * 10, 50),
    OWN + ".lines_dropped.buffer_full": ([0] * 9 + [3], 3),
    OWN + ".samples_skipped.rate_too_high": ([1] * 10, 10),
    OWN + ".forward_dropped.messagingv2": ([2] * 10, 20),
    OWN + ".connected": ([1] * 9 + [0], 0),
    OWN + ".buffer_bytes": ([0] * 9 + [100], 10),
}


class StorageTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        directory = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.carbon = graphite.Carbon(directory / "carbon")
        schemas = (ETC / "storage-schemas.conf").read_text()
        retentions = "60s:30d,5m:90d,1h:2y"
        self.assertIn(retentions, schemas)
        (self.carbon.directory / "storage-schemas.conf").write_text(
            schemas.replace(retentions, "1s:2m,10s:1h"))
        (self.carbon.directory / "storage-aggregation.conf").write_text(
            (ETC / "storage-aggregation.conf").read_text())
        for part in (self.carbon, graphite.GraphiteWeb(
                directory / "web", self.carbon)):
            part.__enter__()
            self.addCleanup(part.__exit__, None, None, None)
        self.web = part

    def test_each_kind_of_series_is_rolled_up_in_its_own_way(self):
        begin = int(time.time()) // 10 * 10 - 20
        with socket.create_connection(
                ("127.0.0.1", self.carbon.line_port)) as connection:
            for series, (values, _) in ROLLED_UP.items():
                connection.sendall("".join(
                    f"{series} {value} {begin + second}\n"
                    for second, value in enumerate(values)).encode())

        def rolled_up():
            return {series: self.web.points(
                series, since="-30min").get(series, {}).get(begin)
                for series in ROLLED_UP}

        wanted = {series: value for series, (_, value) in ROLLED_UP.items()}
        process.wait_for(lambda: None not in rolled_up().values(), 60,
                         "points of the coarser archive")
        process.wait_for(lambda: rolled_up() == wanted, 20, str(wanted))
