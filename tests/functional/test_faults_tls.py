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
"""TLS with carbon-c-relay, and with a receiver that asks for a certificate."""

from lab import certificates
from lab import process
from lab import relay
from tests.functional import faults


class TlsTestCase(faults.FaultsTestCase):

    needs_commands = (relay.COMMAND, "openssl")

    def setUp(self):
        super().setUp()
        self.authority = certificates.Authority(self.directory / "ca")
        self.options = {"protocol": "tls", "cafile": self.authority.cafile}

    def start_relay(self, certificate):
        """Start a carbon-c-relay with TLS in front of a receiver."""
        self.reader = self.start_receiver()
        return self.start(relay.Relay(
            self.directory / "relay", self.reader.port, certificate))

    def publish(self, port, **options):
        publisher = self.make_publisher(port, **self.options, **options)
        load = faults.Load()
        load.publish(publisher, 1000)
        return load.lines

    def wait_for_log(self, text):
        process.wait_for(lambda: text in self.log.output, 20, text)


class RelayTest(TlsTestCase):
    """Uses carbon-c-relay as the TLS server."""

    def check_refused(self, reason, certificate):
        """Assert that it gets no line, and that the log says so once."""
        killed = self.start_relay(certificate)
        # Otherwise a slow handshake may be the logged reason.
        lines = self.publish(killed.port, connect_timeout_seconds=60)
        self.wait_for_log(reason)
        self.assertEqual([], self.reader.lines())
        return killed, lines

    def test_lines_arrive_through_a_verified_relay(self):
        """Loses nothing."""
        certificate = self.authority.certificate("relay")
        lines = self.publish(self.start_relay(certificate).port)
        self.assert_all_arrive(lines, self.reader)

    def test_an_unknown_authority_is_refused(self):
        """Loses nothing: sends when the certificate is good."""
        stranger = certificates.Authority(self.directory / "stranger")
        certificate = stranger.certificate("relay")
        killed, lines = self.check_refused(
            "is not trusted", certificate)
        killed.kill()
        certificate.write_text(
            self.authority.certificate("relay").read_text())
        killed.start()
        self.assert_all_arrive(lines, self.reader)

    def test_another_host_name_is_refused(self):
        """Loses nothing: sends when the certificate is good."""
        certificate = self.authority.certificate(
            "other", "DNS:graphite.example.org,IP:127.0.0.2")
        killed, lines = self.check_refused("IP address mismatch", certificate)
        killed.kill()
        certificate.write_text(
            self.authority.certificate("relay").read_text())
        killed.start()
        self.assert_all_arrive(lines, self.reader)

    def test_nothing_is_verified_without_tls_verify(self):
        """Loses nothing."""
        stranger = certificates.Authority(self.directory / "stranger")
        killed = self.start_relay(stranger.certificate("relay"))
        lines = self.publish(killed.port, tls_verify=False)
        self.assert_all_arrive(lines, self.reader)

    def test_a_peer_without_tls_gets_no_line(self):
        """Loses nothing: sends when the receiver has TLS."""
        plain = self.start_receiver(name="plain")
        lines = self.publish(plain.port, connect_timeout_seconds=0.5)
        self.wait_for_log("cannot be reached")
        plain.kill()
        self.assertNotIn("load", "".join(plain.lines()))
        reader = self.start_receiver(
            protocol="tls", port=plain.port,
            certificate=self.authority.certificate("server"))
        self.assert_all_arrive(lines, reader)


class ClientCertificateTest(TlsTestCase):
    """Uses our receiver, because carbon-c-relay 3.7 asks for none."""

    def start_reader(self):
        return self.start_receiver(
            protocol="tls", client_ca=self.authority.cafile,
            certificate=self.authority.certificate("server"))

    def test_lines_arrive_with_a_client_certificate(self):
        """Loses nothing."""
        reader = self.start_reader()
        lines = self.publish(
            reader.port, certfile=self.authority.certificate("client"))
        self.assert_all_arrive(lines, reader)

    def test_no_client_certificate_is_refused_and_loses_nothing(self):
        """TLS 1.3 reports it only after the first lines were sent.

        Loses nothing: sends when the certificate is good.
        """
        reader = self.start_reader()
        stranger = certificates.Authority(self.directory / "stranger")
        certificate = stranger.certificate("client")
        lines = self.publish(reader.port, certfile=certificate)
        self.wait_for_log("cannot be reached")
        certificate.write_text(
            self.authority.certificate("client").read_text())
        self.assert_all_arrive(lines, reader)
