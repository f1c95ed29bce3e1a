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


"""Properties of the installed Ceilometer release.

The newest release must have all of them.
"""

import importlib.metadata

from lab import nova

VERSION = importlib.metadata.version("ceilometer")
MAJOR = int(VERSION.partition(".")[0])

# Sample's constructor refuses an unknown type.
CHECKS_TYPES = MAJOR >= 24
# Sample requires user_name and project_name, which older releases lack.
WANTS_NAMES = VERSION in ("18.1.0", "19.1.0", "21.0.1")
# [polling] enable_notifications.
HAS_ENABLE_NOTIFICATIONS = MAJOR >= 24
# The pollster exists, although libvirt's inspector has no data for it.
HAS_CPU_UTIL = MAJOR < 24
# The compute agent's meter of this name.
HAS_MEMORY = MAJOR >= 25
# libvirt_metadata reads everything from libvirt. Older releases ask Nova for
# the flavor's id, and 23 and 24 ask for the whole server.
READS_LIBVIRT_ALONE = MAJOR >= 25
# By default, 25 and 26 ask Nova for a server's metadata.
FETCHES_NO_METADATA = MAJOR >= 27


def options_of_nova(test):
    """Return the options that this release needs to find instances.

    :param test: the test case. If a Nova is needed, it runs until the test
        ends; it has no servers or flavors
    :returns: {section: {option: value}}
    """
    if FETCHES_NO_METADATA:
        return {}
    if READS_LIBVIRT_ALONE:
        return {"compute": {"fetch_extra_metadata": False}}
    stand_in = nova.Nova()
    stand_in.__enter__()
    test.addCleanup(stand_in.__exit__, None, None, None)
    return {"service_credentials": {
        "auth_type": "none", "endpoint": stand_in.endpoint}}
