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

"""TLS over a TCP transport."""

import ssl

from ceilometer_graphite import transports

OPTIONS = ("cafile", "certfile", "keyfile", "tls_verify")


def make_context(cafile, certfile, keyfile, tls_verify):
    """A context of TLS 1.2 at least, from files in PEM.

    :raises transports.TransportError: names the file that cannot be used
    """
    option = "cafile = %s" % cafile
    try:
        # The system's authorities are not trusted where one is named.
        context = ssl.create_default_context(cafile=cafile or None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if not tls_verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        option = "certfile = %s, keyfile = %s" % (certfile, keyfile)
        if certfile:
            context.load_cert_chain(certfile, keyfile, password=str)
    except (OSError, ValueError) as e:
        raise transports.TransportError("%s cannot be used: %s" % (
            option, getattr(e, "strerror", None) or e)) from e
    return context


class TlsTransport(transports.TcpTransport):
    """A TCP connection that is encrypted and, by default, verified.

    The files are read anew at each connect, because certificates expire and
    are replaced.

    :param files: the arguments of :func:`make_context`
    """

    def __init__(self, *args, files, **kwargs):
        super().__init__(*args, **kwargs)
        self._files = files

    def _connected(self, sock, address):
        sock = super()._connected(sock, address)
        try:
            sock.settimeout(self._connect_timeout)
            encrypted = make_context(**self._files).wrap_socket(
                sock, server_hostname=self._endpoint[0])
            encrypted.settimeout(self._send_timeout)
        except BaseException:
            sock.close()
            raise
        return encrypted

    def _received(self):
        # What there is to read may be of TLS's own, with nothing for us.
        self._socket.settimeout(0)
        try:
            return super()._received()
        except ssl.SSLWantReadError:
            return True
        finally:
            self._socket.settimeout(self._send_timeout)
