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
"""The receiver is killed again and again, under load."""

from lab import certificates
from lab import graphite
from lab import process
from lab import relay
from tests.functional import faults


class KillsTest(faults.FaultsTestCase):
    """Kills receivers, and restarts them on the same port."""

    def check_nothing_is_lost(self, killed, receiver, kills=20, **options):
        publisher = self.make_publisher(killed.port, **options)
        load = faults.Load()
        with self.loading(publisher, load):
            for _ in range(kills):
                read = receiver.count()
                self.wait_for_lines(receiver, read + 100)
                killed.kill()
                killed.start()
        self.assert_all_arrive(load.lines, receiver)

    def test_twenty_kills_lose_nothing_over_tcp(self):
        """Loses nothing."""
        receiver = self.start_receiver()
        self.check_nothing_is_lost(receiver, receiver)

    def test_twenty_kills_lose_nothing_over_pickle(self):
        """Loses nothing."""
        receiver = self.start_receiver(format="pickle")
        self.check_nothing_is_lost(receiver, receiver, format="pickle")

    def test_kills_with_a_spool_lose_nothing(self):
        """Loses nothing."""
        receiver = self.start_receiver()
        self.check_nothing_is_lost(
            receiver, receiver, kills=5, spool_dir=self.directory / "spool",
            catch_up_rate=10000)


class RelayKillsTest(faults.FaultsTestCase):
    """Kills carbon-c-relay; the receiver behind it goes on reading."""

    needs_commands = (relay.COMMAND, "openssl")
    check_nothing_is_lost = KillsTest.check_nothing_is_lost

    def test_twenty_kills_of_a_tls_relay_lose_nothing(self):
        """Loses nothing, because what the relay had read is replayed."""
        authority = certificates.Authority(self.directory / "ca")
        receiver = self.start_receiver()
        killed = self.start(relay.Relay(
            self.directory / "relay", receiver.port,
            authority.certificate("relay")))
        self.check_nothing_is_lost(
            killed, receiver, protocol="tls", cafile=authority.cafile)


class CarbonKillsTest(faults.FaultsTestCase):
    """Kills the real Carbon; only its files survive."""

    def test_kills_of_carbon_lose_only_what_it_had_not_written(self):
        """May lose lines that were in Carbon's cache, but not in the replay.

        Here its cache holds less than a second; the replay has ten seconds.
        """
        carbon = self.start(graphite.Carbon(self.directory / "carbon"))
        web = self.start(graphite.GraphiteWeb(self.directory / "web",
                                              carbon))
        publisher = self.make_publisher(carbon.pickle_port, format="pickle")
        load = faults.Load()
        with self.loading(publisher, load, lines_per_second=500):
            for _ in range(3):
                wanted = load.count + 500
                process.wait_for(
                    lambda: load.count > wanted, 30, "load")  # noqa: B023
                carbon.kill()
                carbon.start()

        def missing():
            found = web.points("ceilometer.compute-1.p.*.load")
            return [line for line in map(faults.parsed, load.lines)
                    if found.get(line[0], {}).get(line[2]) != line[1]]
        process.wait_for(lambda: not missing(), 30, "each line in Graphite")
