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
import os
import pty
import select
import socket
import ssl
import subprocess
import threading

import fixtures
from oslotest import base

from ceilometer_graphite import transports


def connect(transport, endpoint, seconds=10):
    transport.connect(endpoint, seconds)


class Certificates(fixtures.Fixture):
    """Two authorities, a server, a client and an encrypted key."""

    def _setUp(self):
        self.directory = self.useFixture(fixtures.TempDir()).path
        for name in ("ca", "other-ca"):
            self._openssl("req", "-x509", "-nodes", *self._new_key(name),
                          "-subj", "/CN=" + name, "-days", "2",
                          "-out", self.path(name + ".pem"))
        self._issue("server", "subjectAltName=DNS:localhost,IP:127.0.0.1")
        self._issue("client", "extendedKeyUsage=clientAuth")
        self._openssl("ec", "-in", self.path("client.key"), "-aes128",
                      "-passout", "pass:secret",
                      "-out", self.path("locked.key"))

    def path(self, name):
        return os.path.join(self.directory, name)

    def _new_key(self, name):
        return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                "-keyout", self.path(name + ".key"))

    def _issue(self, name, extension):
        with open(self.path("extensions"), "w") as file:
            file.write(extension)
        self._openssl("req", "-nodes", *self._new_key(name),
                      "-subj", "/CN=" + name, "-out", self.path("request"))
        self._openssl("x509", "-req", "-in", self.path("request"),
                      "-CA", self.path("ca.pem"),
                      "-CAkey", self.path("ca.key"), "-CAcreateserial",
                      "-extfile", self.path("extensions"), "-days", "2",
                      "-out", self.path(name + ".pem"))

    def _openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], check=True,
                       capture_output=True)


class TlsServer:
    """Accepts one connection after the other; keeps what they bring."""

    def __init__(self, context):
        self._context = context
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.connection = None
        self.accepted = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                sock, _ = self._server.accept()
            except OSError:
                return
            try:
                self.connection = self._context.wrap_socket(
                    sock, server_side=True)
                self.accepted.set()
            except OSError:
                sock.close()

    def read(self, count):
        data = b""
        while len(data) < count:
            data += self.connection.recv(65536)
        return data

    def close(self):
        self._server.close()
        if self.connection is not None:
            self.connection.close()


class TlsTransportTest(base.BaseTestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.certificates = Certificates()
        cls.certificates.setUp()
        cls.addClassCleanup(cls.certificates.cleanUp)

    def path(self, name):
        return self.certificates.path(name)

    def files(self, **files):
        return {"cafile": self.path("ca.pem"), "certfile": None,
                "keyfile": None, "tls_verify": True, **files}

    def server(self, change=lambda context: None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path("server.pem"),
                                self.path("server.key"))
        change(context)
        server = TlsServer(context)
        self.addCleanup(server.close)
        return server

    def make(self, patience=5, encode=None, **files):
        transport = transports.TlsTransport(
            lambda: patience, self.files(**files), *filter(None, [encode]))
        self.addCleanup(transport.close)
        return transport

    def assert_delivers(self, transport, server, host="127.0.0.1"):
        connect(transport, (host, server.port))
        transport.send(b"a 1 1\n")
        self.assertTrue(server.accepted.wait(10))
        self.assertEqual(b"a 1 1\n", server.read(6))

    def assert_refused(self, transport, server, text, host="127.0.0.1"):
        error = self.assertRaises(transports.TransportError,
                                  connect, transport,
                                  (host, server.port))
        self.assertIn(text, str(error))

    def test_lines_arrive_at_a_far_end_that_is_verified(self):
        self.assert_delivers(self.make(), self.server())

    def test_a_peer_confirms_with_and_without_close_notify(self):
        for says_goodbye in (True, False):
            server, transport = self.server(), self.make()
            self.assert_delivers(transport, server)
            ends = threading.Thread(target=self.end, args=(
                server.connection, says_goodbye))
            ends.start()
            transport.commit()
            ends.join()

    def end(self, sock, says_goodbye):
        assert sock.recv(10) == b""
        if says_goodbye:
            sock.unwrap()
        sock.close()

    def test_a_far_end_is_verified_by_its_name(self):
        self.assert_delivers(self.make(), self.server(), "localhost")

    def test_what_is_encoded_arrives(self):
        server = self.server()
        transport = self.make(encode=lambda lines: (b"4:", lines[:4]))
        connect(transport, ("127.0.0.1", server.port))
        transport.send(b"a 1 1\n")
        self.assertTrue(server.accepted.wait(10))
        self.assertEqual(b"4:a 1 ", server.read(6))

    def test_the_certificate_of_another_authority_is_refused(self):
        self.assert_refused(
            self.make(cafile=self.path("other-ca.pem")), self.server(),
            "certificate is not trusted")

    def test_the_systems_authorities_are_used_where_none_is_named(self):
        self.useFixture(fixtures.EnvironmentVariable(
            "SSL_CERT_FILE", self.path("ca.pem")))
        self.assert_delivers(self.make(cafile=None), self.server())

    def test_the_systems_authorities_are_not_used_where_one_is_named(self):
        self.useFixture(fixtures.EnvironmentVariable(
            "SSL_CERT_FILE", self.path("ca.pem")))
        self.assert_refused(
            self.make(cafile=self.path("other-ca.pem")), self.server(),
            "certificate is not trusted")

    def test_a_certificate_of_another_host_is_refused(self):
        with socket.create_server(("127.0.0.2", 0)) as listening:
            port = listening.getsockname()[1]
        server = self.server()
        relay = socket.create_server(("127.0.0.2", port))
        self.addCleanup(relay.close)
        threading.Thread(target=self.relay, args=(relay, server.port),
                         daemon=True).start()
        error = self.assertRaises(transports.TransportError,
                                  connect, self.make(), ("127.0.0.2", port))
        self.assertIn("certificate is not valid for '127.0.0.2'", str(error))

    def relay(self, listening, port):
        near, _ = listening.accept()
        with near, socket.create_connection(("127.0.0.1", port)) as far:
            while True:
                for one, other in ((near, far), (far, near)):
                    if select.select([one], [], [], 0.01)[0]:
                        data = one.recv(65536)
                        if not data:
                            return
                        other.sendall(data)

    def test_without_verification_any_certificate_will_do(self):
        self.assert_delivers(
            self.make(cafile=self.path("other-ca.pem"), tls_verify=False),
            self.server())

    def test_a_client_certificate_is_shown(self):
        def verify(context):
            context.load_verify_locations(self.path("ca.pem"))
            context.verify_mode = ssl.CERT_REQUIRED
        server = self.server(verify)
        self.assert_delivers(
            self.make(certfile=self.path("client.pem"),
                      keyfile=self.path("client.key")), server)
        self.assertIn(((("commonName", "client"),),),
                      (server.connection.getpeercert()["subject"],))

    def test_a_missing_client_certificate_is_noticed(self):
        def verify(context):
            context.load_verify_locations(self.path("ca.pem"))
            context.verify_mode = ssl.CERT_REQUIRED
        transport = self.make()
        error = self.assertRaises(
            transports.TransportError, self.use_until_it_fails, transport,
            ("127.0.0.1", self.server(verify).port))
        self.assertIn("certificate required", str(error).lower())

    def test_a_refusal_that_comes_after_our_end_confirms_nothing(self):
        """An alert, and then FIN: all was read, and nothing was taken."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path("server.pem"),
                                self.path("server.key"))
        context.load_verify_locations(self.path("ca.pem"))
        context.verify_mode = ssl.CERT_REQUIRED

        def refuse(server):
            connection, _ = server.accept()
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            encrypted = context.wrap_bio(incoming, outgoing, server_side=True)
            while not outgoing.pending:
                incoming.write(connection.recv(4096))
                with contextlib.suppress(ssl.SSLWantReadError):
                    encrypted.do_handshake()
            connection.sendall(outgoing.read())
            while data := connection.recv(4096):
                incoming.write(data)
            with contextlib.suppress(ssl.SSLError):
                encrypted.do_handshake()
            connection.sendall(outgoing.read())
            connection.close()
        with socket.create_server(("127.0.0.1", 0)) as server:
            thread = threading.Thread(target=refuse, args=(server,))
            thread.start()
            transport = self.make()
            connect(transport, server.getsockname())
            transport.send(b"a 1 1\n")
            error = self.assertRaises(transports.TransportError,
                                      transport.commit)
            thread.join()
        self.assertIn("certificate required", str(error))

    def use_until_it_fails(self, transport, endpoint):
        connect(transport, endpoint)
        while True:
            transport.check()

    def test_what_is_older_than_tls_1_2_is_refused(self):
        def old(context):
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
            context.set_ciphers("ALL:@SECLEVEL=0")
        self.assertRaises(transports.TransportError, connect, self.make(),
                          ("127.0.0.1", self.server(old).port))
        self.assertEqual(
            ssl.TLSVersion.TLSv1_2,
            transports.make_context(**self.files()).minimum_version)

    def test_tls_1_2_will_do(self):
        def not_newer(context):
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        self.assert_delivers(self.make(), self.server(not_newer))

    def test_session_tickets_are_no_trouble(self):
        """They come unasked, after the handshake, with no byte for us."""
        def many(context):
            context.num_tickets = 8
        server = self.server(many)
        transport = self.make()
        connect(transport, ("127.0.0.1", server.port))
        self.assertTrue(server.accepted.wait(10))
        self.assertTrue(select.select([transport], [], [], 10)[0])
        for _ in range(10):
            transport.check()
        transport.send(b"a 1 1\n")
        self.assertEqual(b"a 1 1\n", server.read(6))

    def test_a_far_end_that_closed_is_noticed_without_a_send(self):
        for close in (lambda sock: sock.unwrap(), lambda sock: sock.close()):
            server = self.server()
            transport = self.make()
            connect(transport, ("127.0.0.1", server.port))
            self.assertTrue(server.accepted.wait(10))
            threading.Thread(target=self.quietly, args=(
                close, server.connection), daemon=True).start()
            self.assertRaises(transports.TransportError,
                              self.check_until_it_fails, transport)

    def quietly(self, close, sock):
        try:
            close(sock)
        except OSError:
            sock.close()

    def check_until_it_fails(self, transport):
        while True:
            transport.check()

    def test_a_far_end_that_does_not_speak_tls_is_given_up_in_time(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            error = self.assertRaises(
                transports.TransportError, connect, self.make(),
                silent.getsockname(), 0.2)
            self.assertIn("did not answer in TLS", str(error))

    def test_an_encrypted_key_is_refused_and_asks_nobody(self):
        error = self.assertRaises(
            transports.TransportError, transports.make_context, **self.files(
                certfile=self.path("client.pem"),
                keyfile=self.path("locked.key")))
        self.assertIn("keyfile = " + self.path("locked.key"), str(error))

    def test_an_encrypted_key_does_not_ask_at_a_terminal(self):
        child, terminal = pty.fork()
        if not child:
            status = 1
            try:
                transports.make_context(**self.files(
                    certfile=self.path("client.pem"),
                    keyfile=self.path("locked.key")))
            except transports.TransportError:
                status = 0
            finally:
                os._exit(status)
        self.addCleanup(os.close, terminal)
        os.write(terminal, b"secret\n")
        self.assertEqual(0, os.waitpid(child, 0)[1])

    def test_a_file_that_cannot_be_used_is_named(self):
        empty = self.path("empty.pem")
        open(empty, "w").close()
        for option, files in (
                ("cafile", {"cafile": "/no/such.pem"}),
                ("cafile", {"cafile": empty}),
                ("certfile", {"certfile": "/no/such.pem"}),
                ("certfile", {"certfile": empty}),
                ("keyfile", {"certfile": self.path("client.pem"),
                             "keyfile": "/no/such.pem"}),
                ("keyfile", {"certfile": self.path("client.pem"),
                             "keyfile": self.path("server.key")})):
            with self.subTest(option=option, files=files):
                error = self.assertRaises(
                    transports.TransportError, transports.make_context,
                    **self.files(**files))
                self.assertIn("%s = %s" % (option, files[option]),
                              str(error))

    def test_files_that_do_not_change_are_read_once(self):
        made = []

        def make(**files):
            made.append(files)
            return make_context(**files)
        make_context = transports.make_context
        self.useFixture(fixtures.MonkeyPatch(
            "ceilometer_graphite.transports.make_context", make))
        server, transport = self.server(), self.make()
        for _ in range(3):
            connect(transport, ("127.0.0.1", server.port))
        self.assertEqual([self.files()], made)

    def test_files_that_change_are_read_anew(self):
        authority = self.path("replaced.pem")
        server = self.server()
        transport = self.make(cafile=authority)
        for name in ("other-ca.pem", "ca.pem"):
            with open(self.path(name)) as file:
                content = file.read()
            with open(authority, "w") as file:
                file.write(content)
            if name == "other-ca.pem":
                self.assert_refused(transport, server, "is not trusted")
        self.assert_delivers(transport, server)
