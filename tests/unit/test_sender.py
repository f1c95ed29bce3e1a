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

import contextlib
import queue
import socket
import threading
import time
import types

import fixtures
from oslotest import base

from ceilometer_graphite import outbox
from ceilometer_graphite import sender
from ceilometer_graphite import stats
from ceilometer_graphite import transports
from tests import fakes

A, B = b"a 1 1\n", b"b 2 2\n"


class Peer:
    """A listener whose connections a test serves by hand."""

    def __init__(self, port=0):
        self._server = socket.create_server(("127.0.0.1", port))
        self.endpoint = self._server.getsockname()
        self.connections = queue.Queue()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                connection.settimeout(20)
                self.connections.put(connection)
                # Or it would not be closed when the test closes it.
                del connection

    def next(self):
        """The next connection."""
        return self.connections.get(timeout=20)

    def close(self):
        """End it, and refuse connections from now on."""
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        while not self.connections.empty():
            self.connections.get().close()


def read(connection):
    """All that comes by a connection."""
    data = b""
    while received := connection.recv(65536):
        data += received
    return data


def confirm(connection):
    """Read all, and close the connection then."""
    with connection:
        return read(connection)


class SenderTestCase(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger())
        self.counts = stats.Counts()
        self.reports = queue.Queue()

    def peer(self, *args):
        peer = Peer(*args)
        self.addCleanup(peer.close)
        return peer

    def refused(self):
        """An endpoint that refuses connections."""
        peer = Peer()
        peer.close()
        return peer.endpoint

    def report(self):
        self.reports.put(None)

    def make(self, *endpoints, report=None, **options):
        settings = types.SimpleNamespace(**{
            "endpoints": endpoints, "connect_timeout_seconds": 5,
            "send_timeout_seconds": 10, "catch_up_rate": 1000,
            "confirm": True, "protocol": "tcp", "format": "plaintext",
            "reconnect_delay_max_seconds": 0.1, "buffer_size": 1 << 20,
            "replay_seconds": 10, **options})
        self.box = outbox.Outbox(
            settings.buffer_size, settings.replay_seconds, self.fail)
        made = sender.Sender(
            settings, self.box,
            transports.make(settings, lambda: made.patience()), self.counts,
            report or self.report)
        made.start()
        self.addCleanup(self.end, made)
        return made

    def end(self, made, seconds=0):
        made.hurry(time.monotonic() + seconds)
        made.close()
        made.join(20)
        self.assertFalse(made._thread.is_alive())

    def put(self, made, *lines):
        for line in lines:
            self.box.put(line, line.count(b"\n"))
        made.wake()

    def wait_for(self, condition):
        until = time.monotonic() + 20
        while not condition():
            self.assertLess(time.monotonic(), until)
            time.sleep(0.01)

    def wait_for_log(self, text):
        self.wait_for(lambda: text in self.log.output)

    def warnings(self):
        return self.log.output.count("cannot be reached")


class SenderTest(SenderTestCase):

    def test_lines_are_delivered_and_confirmed(self):
        peer = self.peer()
        made = self.make(peer.endpoint)
        self.put(made, A, B)
        self.assertEqual(A + B, confirm(peer.next()))
        self.wait_for(self.box.is_done)
        self.assertEqual(2, self.counts[stats.LINES_SENT])

    def test_it_connects_and_reports_before_there_are_lines(self):
        peer = self.peer()
        self.make(peer.endpoint)
        peer.next()
        self.reports.get(timeout=20)
        self.wait_for_log("Connected to Graphite at 127.0.0.1:%d"
                          % peer.endpoint[1])

    def test_it_reports_again_when_it_is_time(self):
        peer = self.peer()
        self.make(peer.endpoint, report=lambda: self.reports.put(None) or 0.01)
        for _ in range(5):
            self.reports.get(timeout=20)

    def test_nothing_is_confirmed_before_the_peer_closes(self):
        peer = self.peer()
        made = self.make(peer.endpoint)
        self.put(made, A)
        connection = peer.next()
        self.assertEqual(A, read(connection))
        self.assertFalse(self.box.is_done())
        connection.close()
        self.wait_for(self.box.is_done)

    def test_the_next_connection_is_made_at_once(self):
        peer = self.peer()
        made = self.make(peer.endpoint)
        self.put(made, A)
        confirm(peer.next())
        second = peer.next()
        self.put(made, B)
        self.assertEqual(B, confirm(second))

    def test_what_comes_within_a_moment_is_one_transaction(self):
        peer = self.peer()
        made = self.make(peer.endpoint)
        self.put(made, A)
        connection = peer.next()
        self.assertEqual(A, connection.recv(100))
        self.put(made, B)
        self.assertEqual(B, confirm(connection))

    def test_lines_that_keep_coming_do_not_put_it_off_for_ever(self):
        peer = self.peer()
        made = self.make(peer.endpoint)
        ends = threading.Event()

        def publish():
            while not ends.wait(0.05):
                self.put(made, A)
        thread = threading.Thread(target=publish)
        thread.start()
        self.assertIn(A, confirm(peer.next()))
        ends.set()
        thread.join()

    def test_a_large_transaction_is_committed(self):
        peer = self.peer()
        made = self.make(peer.endpoint, buffer_size=1 << 17)
        self.put(made, *[A * 1000] * 20)
        self.assertLessEqual(len(confirm(peer.next())), (1 << 16) + 16384)

    def test_a_connection_that_is_closed_while_idle_is_no_event(self):
        peer = self.peer()
        made = self.make(peer.endpoint)
        self.put(made, A)
        confirm(peer.next())
        for _ in range(3):
            peer.next().close()
        connection = peer.next()
        self.put(made, B)
        self.assertEqual(B, confirm(connection))
        self.assertEqual(0, self.warnings())
        self.assertEqual(0, self.counts[stats.LINES_REPLAYED])

    def test_a_peer_that_closes_each_connection_at_once_is_not_well(self):
        peer = self.peer()
        made = self.make(peer.endpoint)
        self.put(made, A)
        self.assertEqual(A, confirm(peer.next()))
        for _ in range(100):
            if self.warnings():
                break
            with contextlib.suppress(queue.Empty):
                peer.connections.get(timeout=0.1).close()
        # What it may have lost comes again, but not at once.
        self.assertEqual(1, self.warnings())
        self.wait_for(lambda: self.counts[stats.LINES_REPLAYED])

    def test_what_has_worked_is_not_said_to_be_set_wrongly(self):
        peer = self.peer()
        made = self.make(peer.endpoint, replay_seconds=0)
        self.put(made, A)
        confirm(peer.next())
        self.wait_for(self.box.is_done)
        self.put(made, B)
        for _ in range(2):
            connection = peer.next()
            self.assertEqual(B, connection.recv(100))
            connection.close()
        self.wait_for(self.warnings)
        self.assertNotIn("protocol and format", self.log.output)

    def test_without_recent_lines_it_does_not_even_connect_again(self):
        peer = self.peer()
        made = self.make(peer.endpoint)
        peer.next().close()
        self.put(made, A)
        self.assertEqual(A, confirm(peer.next()))
        self.assertEqual(0, self.warnings())

    def test_what_a_dead_receiver_has_read_lately_goes_to_the_next(self):
        first, second = self.peer(), self.peer()
        made = self.make(first.endpoint, second.endpoint)
        self.put(made, A)
        confirm(first.next())
        tripwire = first.next()
        first.close()
        tripwire.close()
        self.assertEqual(A, confirm(second.next()))
        self.assertEqual(1, self.counts[stats.LINES_REPLAYED])

    def test_a_reset_means_that_the_receiver_died(self):
        peer = self.peer()
        made = self.make(peer.endpoint)
        self.put(made, A)
        confirm(peer.next())
        tripwire = peer.next()
        tripwire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                            b"\1\0\0\0\0\0\0\0")
        tripwire.close()
        self.assertEqual(A, confirm(peer.next()))

    def test_a_peer_that_ends_its_side_first_confirms_nothing(self):
        first, second = self.peer(), self.peer()
        made = self.make(first.endpoint, second.endpoint)
        self.put(made, A)
        for _ in range(2):  # once it may have been an idle connection
            connection = first.next()
            self.assertEqual(A, connection.recv(100))
            connection.close()
        self.assertEqual(A, confirm(second.next()))
        self.assertEqual(1, self.warnings())
        self.assertIn("protocol and format", self.log.output)

    def test_an_endpoint_that_refuses_is_left_at_once(self):
        peer = self.peer()
        made = self.make(self.refused(), peer.endpoint)
        self.put(made, A)
        self.assertEqual(A, confirm(peer.next()))
        self.wait_for_log("Connected")
        self.assertEqual(1, self.warnings())
        self.assertIn("Connection refused", self.log.output)

    def test_a_failure_that_goes_on_is_logged_once(self):
        made = self.make(self.refused())
        self.put(made, A)
        self.wait_for(lambda: self.counts[stats.FAILURES] > 5)
        self.assertEqual(1, self.warnings())

    def test_an_endpoint_that_hangs_is_left(self):
        first, second = self.peer(), self.peer()
        made = self.make(first.endpoint, second.endpoint,
                         send_timeout_seconds=0.3)
        self.put(made, A)
        self.assertEqual(A, confirm(second.next()))
        self.wait_for(self.box.is_done)
        self.assertEqual(1, self.warnings())
        self.assertIn("confirm = false", self.log.output)

    def test_after_a_timeout_transactions_are_smaller(self):
        peer = self.peer()
        made = self.make(peer.endpoint, send_timeout_seconds=0.3)
        self.put(made, *[A * 1000] * 10)
        held = [peer.next()]
        sizes = [len(read(held[-1]))]
        while len(sizes) < 3:
            held.append(peer.next())
            sizes.append(len(read(held[-1])))
        self.assertEqual(60000, sizes[0])
        self.assertLessEqual(sizes[1], 30000)
        self.assertLessEqual(sizes[2], 15000)
        self.assertGreaterEqual(sizes[2], 6000)

    def test_the_change_of_state_is_always_logged(self):
        peer = self.peer()
        made = self.make(peer.endpoint)
        for number in range(1, 4):
            self.put(made, A)
            confirm(peer.next())
            self.wait_for(self.box.is_done)
            tripwire = peer.next()
            peer.close()
            tripwire.close()
            self.wait_for(lambda n=number: self.warnings() >= n)
            peer = self.peer(peer.endpoint[1])
            confirm(peer.next())
            self.wait_for(lambda n=number: self.log.output.count(
                "Connected") == n + 1)
            self.assertIn("Connected", self.log.output.splitlines()[-1])

    def test_live_lines_go_before_the_backlog(self):
        peer = self.peer()
        endpoint = peer.endpoint
        peer.close()
        made = self.make(endpoint, catch_up_rate=10)
        for number in range(100):
            self.put(made, b"old.%d 1 1\n" % number * 500)
        self.wait_for(self.warnings)
        # All of them wait since before the failure.
        self.put(made, B)
        self.box.fail()
        self.put(made, A)
        peer = self.peer(endpoint[1])
        self.assertEqual(A, peer.next().recv(6))

    def test_the_backlog_is_paced(self):
        clock = fakes.Clock()
        settings = types.SimpleNamespace(
            endpoints=(("x", 1),), connect_timeout_seconds=1,
            send_timeout_seconds=1, catch_up_rate=100, confirm=True,
            protocol="tcp", reconnect_delay_max_seconds=1,
            buffer_size=1 << 24)
        box = outbox.Outbox(1 << 24, 0, self.fail, clock)
        made = sender.Sender(settings, box, None, self.counts, None, clock)
        for _ in range(100):
            box.put((b"%04096d\n" % 1) * 10, 10)
        box.fail()
        taken = 0
        for _ in range(100):
            taken += sum(batch.count for batch in made.take())
            clock.advance(0.05)
        # 5 s of 100 lines a second, and the second that was saved up.
        self.assertLess(abs(taken - 600), 50)

    def test_a_kept_connection_confirms_what_the_kernel_has(self):
        peer = self.peer()
        made = self.make(peer.endpoint, confirm=False)
        connection = peer.next()
        for line in (A, B):
            self.put(made, line)
            self.assertEqual(line, connection.recv(100))
            self.wait_for(self.box.is_done)
        connection.close()
        self.assertEqual(A + B, peer.next().recv(100))

    def test_a_kept_connection_that_is_dropped_each_time_is_told_once(self):
        peer = self.peer()
        made = self.make(peer.endpoint, confirm=False)
        for number in range(5):
            self.put(made, A)
            connection = peer.next()
            self.assertIn(A, connection.recv(100))
            self.wait_for(self.box.is_done)
            connection.close()
            self.wait_for(
                lambda n=number: self.counts[stats.FAILURES] > n)
        self.assertEqual(1, self.warnings())
        self.assertEqual(1, self.log.output.count("Connected"))

    def test_an_unexpected_error_does_not_end_it(self):
        peer = self.peer()
        errors = [ZeroDivisionError("why")]

        def report():
            raise errors.pop()
        made = self.make(
            peer.endpoint, report=lambda: report() if errors else None)
        self.put(made, A)
        self.wait_for_log("ZeroDivisionError")
        while A not in (data := confirm(peer.next())):
            self.assertEqual(b"", data)

    def test_a_hurry_sends_and_confirms_at_once(self):
        peer = self.peer()
        made = self.make(peer.endpoint, catch_up_rate=1)
        connection = peer.next()
        for _ in range(50):
            self.put(made, A * 1000)
        self.box.fail()
        made.hurry(time.monotonic() + 20)
        self.assertEqual(A * 50000, confirm(connection))
        self.wait_for(self.box.is_done)

    def test_a_hurry_leaves_an_endpoint_that_hangs(self):
        first, second = self.peer(), self.peer()
        made = self.make(first.endpoint, second.endpoint,
                         send_timeout_seconds=600)
        self.put(made, A)
        held = first.next()
        self.assertEqual(A, read(held))
        made.hurry(time.monotonic() + 20)
        self.assertEqual(A, confirm(second.next()))

    def test_the_end_comes_in_time_with_a_peer_that_hangs(self):
        peer = self.peer()
        made = self.make(peer.endpoint, send_timeout_seconds=600)
        self.put(made, A)
        peer.next()
        self.end(made, 0.2)
        self.assertEqual(1, self.box.unsaved_lines())

    def test_datagrams_need_no_confirmation(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            server.bind(("127.0.0.1", 0))
            server.settimeout(20)
            made = self.make(server.getsockname(), protocol="udp",
                             replay_seconds=0, datagram_size=1400)
            for line in (A, B):
                self.put(made, line)
                self.assertEqual(line, server.recv(100))
                self.wait_for(self.box.is_done)
