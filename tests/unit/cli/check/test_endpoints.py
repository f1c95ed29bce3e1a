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


import socket
import ssl

from lab import certificates
from lab import command
from lab import process
from tests import fakes
from tests import host
from tests.unit.cli import checks

ENDPOINTS = ("ceilometer.conf", "pipeline.yaml", "publishers", "graphite://",
             "endpoints")


class EndpointsTestCase(checks.CheckTestCase):

    def found(self, *endpoints, query="", **options):
        """The findings on endpoints alone, which options may change."""
        self.write_pipeline("graphite://%s%s" % (
            ",".join("%s:%d" % endpoint for endpoint in endpoints), query))
        self.write_options(connect_timeout_seconds=0.5, **options)
        results = self.find(*ENDPOINTS)
        return [result for result in results
                if result.name in {"%s:%d" % endpoint
                                   for endpoint in endpoints}]


class EndpointsTest(EndpointsTestCase):

    def test_one_that_answers_is_fine(self):
        self.assert_ok(self.found(self.receiver.endpoint))

    def test_a_refused_connection_is_an_error(self):
        port, = process.free_ports(1)
        self.assert_found("error", self.found(("127.0.0.1", port)),
                          "127.0.0.1:%d: the connection is refused" % port)

    def test_a_name_that_does_not_resolve_is_an_error(self):
        self.assert_found("error", self.found(("no-such-host.invalid", 2003)),
                          "its name cannot be resolved", "DNS")

    def test_a_name_that_cannot_be_one_is_an_error(self):
        self.assert_found("error", self.found(("a" * 64, 2003)),
                          "its name cannot be resolved")

    def test_no_answer_is_an_error(self):
        # A connection that is not accepted fills its queue.
        server = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.addCleanup(server.close)
        endpoint = server.getsockname()
        for _ in range(2):
            waiting = socket.socket()
            self.addCleanup(waiting.close)
            waiting.setblocking(False)
            waiting.connect_ex(endpoint)
        self.assert_found("error", self.found(endpoint),
                          "no answer within 0.5 seconds", "firewalls")

    def test_no_route_is_an_error(self):
        # TCP has no way to reach a group.
        self.assert_found("error", self.found(("224.0.0.1", 2003)),
                          "Network is unreachable", "check routes")

    def test_a_connection_that_is_ended_at_once_is_an_error(self):
        endpoint = self.serve(lambda connection: connection.close())
        self.assert_found("error", self.found(endpoint),
                          "it accepts the connection and closes it",
                          "load balancer")

    def test_one_of_two_that_is_away_is_a_warning(self):
        port, = process.free_ports(1)
        results = self.found(("127.0.0.1", port), self.receiver.endpoint)
        self.assert_found("warning", results, "refused")
        self.assert_found("ok", results, "accepts connections and blank "
                          "lines; --send with --render-url shows whether")

    def test_two_that_are_both_away_are_errors(self):
        results = self.found(*(
            ("127.0.0.1", port) for port in process.free_ports(2)))
        self.assertEqual(["error"] * 2, [each.status for each in results])

    def test_udp_is_reported_as_never_confirmed(self):
        port, = process.free_ports(1)
        self.assert_found(
            "ok", self.found(("127.0.0.1", port), query="?protocol=udp"),
            "UDP confirms nothing")

    def test_a_name_of_udp_that_does_not_resolve_is_an_error(self):
        self.assert_found(
            "error", self.found(("no-such-host.invalid", 2003),
                                query="?protocol=udp"), "resolved")

    def test_plaintext_to_a_port_for_pickle_is_an_error(self):
        def read(connection):
            # As Carbon's, which takes frames of a mebibyte at most.
            if int.from_bytes(connection.recv(4), "big") > 2 ** 20:
                connection.close()
        self.assert_found("error", self.found(self.serve(read)),
                          "it accepts the connection and closes it",
                          "set protocol = tls", "or format = pickle")

    def test_pickle_is_not_said_to_be_read(self):
        self.assert_found(
            "ok", self.found(self.receiver.endpoint, query="?format=pickle"),
            ": accepts connections; --send with --render-url shows whether "
            "datapoints arrive")
        self.receiver.close()
        self.assertTrue(self.receiver.lines.empty())

    def test_no_datapoint_is_sent(self):
        self.found(self.receiver.endpoint)
        self.assertEqual(b"", self.receiver.take(1)[0].strip())
        self.receiver.close()
        self.assertTrue(self.receiver.lines.empty())


class TlsTest(EndpointsTestCase):
    """Real certificates of a real authority, made by openssl."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = host.folder_of_class(cls)
        cls.authority = certificates.Authority(cls.folder / "ca")
        cls.stranger = certificates.Authority(cls.folder / "stranger")
        cls.certificate = cls.authority.certificate("server")

    def found(self, endpoint, **options):
        return super().found(endpoint, query="?protocol=tls", **{
            "cafile": self.authority.cafile, **options})

    def serve_tls(self, certificate, client_ca=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        if client_ca:
            context.load_verify_locations(client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
        kept = []

        def handle(connection):
            try:
                kept.append(context.wrap_socket(connection, server_side=True))
            except OSError:
                connection.close()
        endpoint = self.serve(handle)
        self.addCleanup(lambda: [each.close() for each in kept])
        return endpoint

    def dated_certificate(self, name, *options):
        """The path of a certificate of such dates, with its key."""
        paths = [self.folder / ("%s.%s" % (name, ending)) for ending in (
            "key", "csr", "crt", "pem")]
        key, request, certificate, both = paths
        extensions = self.folder / "extensions"
        extensions.write_text("subjectAltName = IP:127.0.0.1")
        cafile = self.authority.cafile
        command.run(
            "openssl", "req", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=" + name,
            "-keyout", str(key), "-out", str(request))
        command.run(
            "openssl", "x509", "-req", "-in", str(request), "-CA",
            str(cafile), "-CAkey", str(cafile.with_suffix(".key")),
            "-CAcreateserial", "-extfile", str(extensions), *options,
            "-out", str(certificate))
        both.write_text(key.read_text() + certificate.read_text())
        return both

    def test_a_verified_certificate_is_fine(self):
        result = self.assert_found(
            "ok", self.found(self.serve_tls(self.certificate)))
        self.assertEqual(
            "accepts connections and blank lines, its certificate is "
            "verified; --send with --render-url shows whether datapoints "
            "arrive", result.message)

    def test_an_unknown_authority_is_an_error(self):
        endpoint = self.serve_tls(self.stranger.certificate("server"))
        self.assert_found(
            "error", self.found(endpoint), "its certificate is refused",
            "set cafile", "in place of %s" % self.authority.cafile)

    def test_an_authority_that_the_system_lacks_is_an_error(self):
        self.assert_found(
            "error", self.found(self.serve_tls(self.certificate), cafile=""),
            "in place of the system's authorities")

    def test_another_name_is_an_error(self):
        endpoint = self.serve_tls(self.authority.certificate(
            "other", "DNS:graphite.example.org,IP:127.0.0.2"))
        self.assert_found("error", self.found(endpoint), "mismatch",
                          "use a name that the certificate has")

    def test_an_expired_certificate_is_an_error(self):
        endpoint = self.serve_tls(self.dated_certificate(
            "expired", "-days", "-1"))
        self.assert_found("error", self.found(endpoint),
                          "certificate has expired; renew it")

    def test_nothing_verified_is_said(self):
        endpoint = self.serve_tls(self.stranger.certificate("server"))
        self.assert_found("ok", self.found(endpoint, tls_verify=False),
                          "its certificate is not verified")

    def test_plaintext_to_a_port_for_tls_is_an_error(self):
        self.assert_found(
            "error", EndpointsTestCase.found(
                self, self.serve_tls(self.certificate)),
            "it accepts the connection and closes it", "set protocol = tls")

    def test_a_far_end_without_tls_is_an_error(self):
        def answer(connection):
            connection.recv(1)
            connection.sendall(b"no TLS here\n")
        self.assert_found("error", self.found(self.serve(answer)),
                          "it does not speak TLS", "protocol = tcp")

    def test_a_far_end_that_waits_for_a_line_is_an_error(self):
        kept = []
        self.addCleanup(lambda: [each.close() for each in kept])
        self.assert_found("error", self.found(self.serve(kept.append)),
                          "it did not answer in TLS in time")

    def test_a_certificate_that_the_far_end_misses_is_an_error(self):
        # TLS 1.3 tells it only once the connection seems to be there.
        endpoint = self.serve_tls(self.certificate, self.authority.cafile)
        self.assert_found("error", self.found(endpoint), "certfile")

    def test_the_certificate_that_the_far_end_wants_is_fine(self):
        endpoint = self.serve_tls(self.certificate, self.authority.cafile)
        self.assert_ok(self.found(
            endpoint, certfile=self.authority.certificate("client")))


class Ipv6Test(EndpointsTestCase):

    def test_an_endpoint_has_its_address_in_brackets(self):
        try:
            receiver = fakes.Receiver("::1")
        except OSError:
            self.skipTest("needs IPv6")
        self.addCleanup(receiver.close)
        name = "[::1]:%d" % receiver.endpoint[1]
        self.write_pipeline("graphite://" + name)
        self.assertEqual(name, self.find(*ENDPOINTS)[-1].name)
        self.assert_ok(self.find(*ENDPOINTS))
