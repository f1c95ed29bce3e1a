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

"""A Nova without flavors, which is enough for old agents.

Before Ceilometer 25, libvirt_metadata discovery asks Nova for the id of each
flavor, or for the server. Newer releases read them from libvirt. If Nova does
not know a flavor, its name is used instead. No published line contains either.
"""

import http.server
import json
import threading


class _Handler(http.server.BaseHTTPRequestHandler):

    def do_GET(self):
        found = self.path.startswith("/flavors")
        body = json.dumps({"flavors": []} if found else {
            "itemNotFound": {"code": 404, "message": "no server"}}).encode()
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        """Do not print requests."""


class Nova:
    """A context manager; answers at `endpoint`."""

    def __init__(self):
        self._server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), _Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever).start()
        return self

    def __exit__(self, *exc_info):
        self._server.shutdown()
        self._server.server_close()
