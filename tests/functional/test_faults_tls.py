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
"""TLS, to carbon-c-relay and to a receiver that wants a certificate."""

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
        """Start a carbon-c-relay with TLS before a receiver."""
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
    """carbon-c-relay has the TLS listener."""

    def check_refused(self, reason, certificate):
        """Nothing is sent to it; said once, while lines wait."""
        killed = self.start_relay(certificate)
        # A handshake that takes too long would be what is said.
        lines = self.publish(killed.port, connect_timeout_seconds=60)
        self.wait_for_log(reason)
        self.assertEqual([], self.reader.lines())
        return killed, lines

    def test_lines_arrive_through_a_verified_relay(self):
        """May be lost: nothing."""
        certificate = self.authority.certificate("relay")
        lines = self.publish(self.start_relay(certificate).port)
        self.assert_all_arrive(lines, self.reader)

    def test_an_unknown_authority_is_refused(self):
        """May be lost: nothing; sent once the certificate is a good one."""
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
        """May be lost: nothing; sent once the certificate is a good one."""
        certificate = self.authority.certificate(
            "other", "DNS:graphite.example.org,IP:127.0.0.2")
        killed, lines = self.check_refused("IP address mismatch", certificate)
        killed.kill()
        certificate.write_text(
            self.authority.certificate("relay").read_text())
        killed.start()
        self.assert_all_arrive(lines, self.reader)

    def test_nothing_is_verified_without_tls_verify(self):
        """May be lost: nothing."""
        stranger = certificates.Authority(self.directory / "stranger")
        killed = self.start_relay(stranger.certificate("relay"))
        lines = self.publish(killed.port, tls_verify=False)
        self.assert_all_arrive(lines, self.reader)

    def test_a_far_end_without_tls_gets_no_line(self):
        """May be lost: nothing; sent once it has TLS."""
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
    """carbon-c-relay 3.7 asks for none, so a receiver does."""

    def start_reader(self):
        return self.start_receiver(
            protocol="tls", client_ca=self.authority.cafile,
            certificate=self.authority.certificate("server"))

    def test_lines_arrive_with_a_client_certificate(self):
        """May be lost: nothing."""
        reader = self.start_reader()
        lines = self.publish(
            reader.port, certfile=self.authority.certificate("client"))
        self.assert_all_arrive(lines, reader)

    def test_no_client_certificate_is_refused_and_loses_nothing(self):
        """TLS 1.3 tells it only after the first lines were sent.

        May be lost: nothing; sent once the certificate is a good one.
        """
        reader = self.start_reader()
        stranger = certificates.Authority(self.directory / "stranger")
        certificate = stranger.certificate("client")
        lines = self.publish(reader.port, certfile=certificate)
        self.wait_for_log("cannot be reached")
        certificate.write_text(
            self.authority.certificate("client").read_text())
        self.assert_all_arrive(lines, reader)
