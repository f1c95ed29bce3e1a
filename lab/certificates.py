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
"""A certificate authority, made by the openssl command."""

from lab import command
from lab import process

_EXTENSIONS = """\
subjectAltName = {names}
"""


class Authority:
    """Signs certificates.

    :param directory: folder for all its files, and for nothing else.
    :ivar cafile: path of its own certificate.
    """

    def __init__(self, directory):
        self._directory = process.folder(directory)
        self.cafile = self._directory / "ca.pem"
        self._key = self._directory / "ca.key"
        self._openssl(
            "req", "-x509", *_NEW_KEY, "-keyout", self._key, "-out",
            self.cafile, "-subj", "/CN=authority of a lab", "-days", "2",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def certificate(self, name, alternatives="IP:127.0.0.1"):
        """Make a certificate; return the path of a file with it and its key.

        :param name: name of the file and of the subject.
        :param alternatives: its subjectAltName.
        """
        paths = {ending: self._directory / f"{name}.{ending}"
                 for ending in ("key", "csr", "crt", "ext", "pem")}
        self._openssl("req", *_NEW_KEY, "-keyout", paths["key"],
                      "-out", paths["csr"], "-subj", f"/CN={name}")
        paths["ext"].write_text(_EXTENSIONS.format(names=alternatives))
        self._openssl(
            "x509", "-req", "-in", paths["csr"], "-CA", self.cafile,
            "-CAkey", self._key, "-CAcreateserial", "-days", "2",
            "-extfile", paths["ext"], "-out", paths["crt"])
        paths["pem"].write_text(paths["key"].read_text()
                                + paths["crt"].read_text())
        return paths["pem"]

    def _openssl(self, *arguments):
        command.run("openssl", *map(str, arguments))


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
            "-nodes")
