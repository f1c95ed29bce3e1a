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


import email.utils
import http.server
import json
import socket
import threading
import time
import urllib.parse

from ceilometer_graphite.cli.check import endpoints
from lab import process
from tests.unit.cli import checks

SEND = ("ceilometer.conf", "pipeline.yaml", "publishers", "graphite://",
        "endpoints", "send", "read")


class SendTest(checks.CheckTestCase):

    def setUp(self):
        super().setUp()
        self.arguments.send = True
        host, port = self.receiver.endpoint
        self.endpoint = "%s:%d" % (host, port)
        self.series = ("ceilometer.compute-1.graphite_publisher."
                       "127_0_0_1_%d_" % port)

    def test_one_datapoint_goes_to_a_series_of_its_own(self):
        before = int(time.time())
        self.assert_found("ok", self.find(*SEND)[-1:],
                          "send to " + self.endpoint, self.series)
        _, line = self.receiver.take(2)
        series, value, seconds = line.decode().split()
        self.assertTrue(series.startswith(self.series), series)
        self.assertTrue(series.endswith(".check"), series)
        self.assertEqual(value, seconds)
        self.assertLessEqual(before, int(seconds))
        self.receiver.close()
        self.assertTrue(self.receiver.lines.empty())

    def test_each_endpoint_that_is_reached_gets_one(self):
        second = checks.fakes.Receiver()
        self.addCleanup(second.close)
        away, = process.free_ports(1)
        self.write_pipeline("graphite://%s,127.0.0.1:%d,127.0.0.1:%d" % (
            self.endpoint, second.endpoint[1], away))
        results = self.find(*SEND)
        self.assertEqual(["ok", "ok"], [
            result.status for result in results
            if result.name.startswith("send to")])
        self.assertNotEqual(self.receiver.take(2)[1].split()[0],
                            second.take(2)[1].split()[0])

    def test_tags_and_the_prefix_are_those_of_the_publisher(self):
        self.write_options(naming="tags", prefix="lab")
        self.find(*SEND)
        self.assertRegex(
            self.receiver.take(2)[1].decode(),
            r"^lab\.graphite_publisher\.check;host=compute-1;endpoint=127_")

    def test_udp_to_a_port_that_nobody_listens_on_is_an_error(self):
        port, = process.free_ports(1)
        self.write_pipeline("graphite://127.0.0.1:%d?protocol=udp" % port)
        self.assert_found("error", self.find(*SEND),
                          "send to 127.0.0.1:%d" % port, "refused")

    def test_a_far_end_that_ends_the_connection_is_an_error(self):
        def end(connection):
            # A blank line is no datapoint.
            while not connection.recv(99).strip():
                pass
            connection.close()
        self.write_pipeline("graphite://%s:%d" % self.serve(end))
        results = self.find(*SEND)
        self.assert_found("ok", results[-2:], "accepts connections")
        self.assert_found("error", results, "send to 127.0.0.1",
                          "it accepts the connection and closes it",
                          "set protocol = tls", "format = pickle")

    def test_a_far_end_that_speaks_tls_is_an_error(self):
        def alert(connection):
            connection.recv(1)
            connection.sendall(b"\x15\x03\x01\0\2\2\x46")
            connection.shutdown(socket.SHUT_WR)
        self.write_pipeline("graphite://%s:%d" % self.serve(alert))
        self.assert_found("error", self.find(*SEND), "127.0.0.1:",
                          "it expects TLS", "protocol = tls")

    def test_nothing_is_sent_where_nothing_is_reached(self):
        self.receiver.close()
        self.assert_found("skipped", self.find(*SEND), "send: needs an")


class _Graphite(http.server.BaseHTTPRequestHandler):
    """A graphite-web whose answers a test makes."""

    def do_GET(self):
        path, _, query = self.path.partition("?")
        self.server.queries.append((path, urllib.parse.parse_qs(query)))
        status, body = self.server.answer(len(self.server.queries))
        # Not its Date, which is the test's.
        self.send_response_only(status)
        if self.server.date:
            self.send_header("Date", self.server.date)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        """Keep requests out of the tests' output."""


class ReadTest(checks.CheckTestCase):

    def setUp(self):
        super().setUp()
        self.arguments.send = True
        self.server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), _Graphite)
        self.server.queries = []
        self.server.date = email.utils.formatdate(usegmt=True)
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        threading.Thread(target=self.server.serve_forever,
                         daemon=True).start()
        self.arguments.render_url = (
            "http://127.0.0.1:%d/" % self.server.server_port)
        self.useFixture(checks.fixtures.MonkeyPatch(
            "ceilometer_graphite.cli.check.endpoints._READ_SECONDS", 0.01))

    def found(self, status=200, body=None, earlier_answers=0):
        """The findings, when the answers are so.

        :param body: by default the datapoint that was sent
        """
        def answer(number):
            if body is not None:
                return status, body
            value = self.state.sent[0].value
            # What an earlier run sent, before what this one did.
            points = [[value - 60, 1], [None, 2]]
            if number > earlier_answers:
                points.append([value, 3])
            return status, json.dumps([
                {"target": "a", "datapoints": points}]).encode()
        self.server.answer = answer
        return [result for result in self.find(*SEND)
                if result.name.startswith("read of ")]

    def test_a_datapoint_that_comes_late_is_waited_for(self):
        self.assert_found("ok", self.found(earlier_answers=3), "is back after")
        self.assertEqual(4, len(self.server.queries))
        path, query = self.server.queries[0]
        self.assertEqual("/render", path)
        self.assertEqual([self.state.sent[0].series], query["target"])

    def test_a_datapoint_that_does_not_come_is_an_error(self):
        self.arguments.timeout = 0.5
        self.assert_found("error", self.found(body=b"[]"),
                          "does not have it after 0.5 seconds",
                          "MAX_CREATES_PER_MINUTE")

    def test_an_address_where_nobody_listens_is_an_error(self):
        port, = process.free_ports(1)
        self.arguments.render_url = "http://127.0.0.1:%d" % port
        self.assert_found("error", self.found(), "does not answer: it cannot "
                          "be connected to; give", "--render-url")

    def test_an_address_that_is_none_is_an_error(self):
        self.arguments.render_url = "graphite.example.com"
        self.assert_found("error", self.found(), "does not answer")

    def test_an_error_status_is_an_error(self):
        self.assert_found("error", self.found(status=404, body=b""), "404")

    def test_an_answer_that_is_no_json_is_an_error(self):
        self.assert_found("error", self.found(body=b"<html>"),
                          "does not answer")

    def test_clocks_that_differ_are_a_warning(self):
        for seconds, how in ((-600, "ahead of"), (600, "behind")):
            self.server.date = email.utils.formatdate(
                time.time() + seconds, usegmt=True)
            self.assert_found("warning", self.found(),
                              "seconds %s Graphite's" % how, "NTP")

    def keeps(self, step):
        """The findings, where Graphite has a point each so many seconds."""
        def answer(number):
            value = self.state.sent[0].value
            first = value - value % step
            return 200, json.dumps([{"target": "a", "datapoints": [
                [None, first - step], [value, first], [None, first + step]]
                }]).encode()
        self.server.answer = answer
        return [result for result in self.find("polling.yaml", *SEND)
                if result.name.startswith("read of ")]

    def test_a_retention_of_another_step_is_a_warning_with_what_to_set(self):
        self.assert_ok(self.keeps(60))
        for step in 10, 300:
            found = self.assert_found(
                "warning", self.keeps(step), "keeps a point for each %d "
                "seconds, and the interval of polling.yaml is 60" % step)
            self.assertEqual([
                "    [ceilometer]", r"    pattern = ^ceilometer\.",
                "    retentions = 60s:30d,300s:90d,3600s:2y"],
                found.hint.splitlines()[1:])

    def test_an_answer_without_a_date_is_fine(self):
        self.server.date = None
        self.assert_ok(self.found())

    def test_a_tagged_series_is_asked_for_by_its_tags(self):
        self.assertEqual(
            "seriesByTag('name=a.b','host=c','endpoint=d')",
            endpoints._target("a.b;host=c;endpoint=d"))
