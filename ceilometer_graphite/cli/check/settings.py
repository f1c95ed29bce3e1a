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

"""Whether each graphite:// URL, with [graphite], can be used and is meant."""

import logging
import os

from ceilometer import sample
from oslo_utils import netutils

from ceilometer_graphite import settings
from ceilometer_graphite import transports
from ceilometer_graphite.cli import common
from ceilometer_graphite.cli.check import results

_OTHER = {"plaintext": "pickle", "pickle": "plaintext"}
_ALIKE = (
    ("machines", {"resource_id": "b", "resource_metadata": {
        "instance_id": "b", "display_name": "b", "disk_name": "vda"}}),
    ("disks", {"resource_id": "a-vdb", "resource_metadata": {
        "instance_id": "a", "display_name": "a", "disk_name": "vdb"}}),
)


class _Warnings(logging.Handler):
    """Keeps what the plugin warns of when it reads its options."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.texts = []

    def emit(self, record):
        self.texts.append(record.getMessage())

    def __enter__(self):
        logging.getLogger(settings.__name__).addHandler(self)
        return self

    def __exit__(self, *exc_info):
        logging.getLogger(settings.__name__).removeHandler(self)


def load(state):
    """Each URL can be used, and does what it seems to be meant to."""
    with _Warnings() as found:
        for url in state.urls:
            yield from _of(state, url)
    for text in dict.fromkeys(found.texts):
        message, _, hint = text.partition("; ")
        yield results.warning("[graphite]", message, hint)


def _of(state, url):
    try:
        found = settings.load_settings(state.conf, netutils.urlsplit(url))
    except settings.ConfigError as e:
        yield results.error(
            url, common.one_line(e), "correct it in pipeline.yaml, or in "
            "[graphite] of ceilometer.conf")
        return
    state.publishers.append(found)
    doubts = [doubt for find in (
        _port_of_another_format, _tls_that_is_off, _names_that_collide,
        _folder_that_depends) for doubt in find(found)]
    for message, hint in doubts:
        yield results.warning(url, message, hint)
    if not doubts:
        yield results.ok(url, "%s, %s over %s" % (
            found.template if found.naming == "path" else "tagged series",
            found.format, found.protocol))


def _port_of_another_format(found):
    other = _OTHER[found.format]
    for host, port in found.endpoints:
        if port == settings.PORTS[other]:
            yield ("%s:%d is by habit the port for %s, and format is %s"
                   % (host, port, other, found.format),
                   "take port %d, or set format = %s" % (
                       settings.PORTS[found.format], other))


def _tls_that_is_off(found):
    if found.protocol == "tls":
        if not found.tls_verify:
            yield ("nobody verifies who takes the lines",
                   "set tls_verify = true, and cafile")
        return
    names = [name for name in transports.OPTIONS
             if name != "tls_verify" and getattr(found, name)]
    if names:
        yield ("%s is set, but nothing is encrypted" % " and ".join(names),
               "set protocol = tls")


def _names_that_collide(found):
    first = _name(found, resource_id="a-vda", resource_metadata={
        "instance_id": "a", "display_name": "a", "disk_name": "vda"})
    for what, fields in _ALIKE:
        if _name(found, **fields) == first:
            yield ("template = %s gives two %s one series, in which they "
                   "overwrite each other" % (found.template, what),
                   "add {instance_id} and {device} to it")


def _name(found, **fields):
    return found.namer.name(sample.Sample(
        name="meter", type=sample.TYPE_GAUGE, unit="", volume=0,
        user_id="user", project_id="project", timestamp="", **fields),
        "meter", "")


def _folder_that_depends(found):
    if found.spool_dir and not os.path.isabs(found.spool_dir):
        yield ("spool_dir = %s depends on the folder that the agent is "
               "started in" % found.spool_dir, "begin it with /")
