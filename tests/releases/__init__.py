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


"""What tests have to know of the Ceilometer that is installed.

Each of these is about Ceilometer alone; of the newest release a test expects
all of it.
"""

import importlib.metadata

from lab import nova

VERSION = importlib.metadata.version("ceilometer")
MAJOR = int(VERSION.partition(".")[0])

# Sample's constructor refuses a type that is none.
CHECKS_TYPES = MAJOR >= 24
# It builds no sample without user_name and project_name, which those that
# older releases made have not.
WANTS_NAMES = VERSION in ("18.1.0", "19.1.0", "21.0.1")
# [polling] enable_notifications.
HAS_ENABLE_NOTIFICATIONS = MAJOR >= 24
# Its pollster is there, though libvirt's inspector has had no figure for it.
HAS_CPU_UTIL = MAJOR < 24
# The compute agent's meter of this name.
HAS_MEMORY = MAJOR >= 25
# libvirt_metadata reads from libvirt all that it needs. Before, it asks Nova
# for the flavor's id, and 23 and 24 for the whole server.
READS_LIBVIRT_ALONE = MAJOR >= 25
# 25 and 26 ask Nova for a server's metadata, unless told not to.
FETCHES_NO_METADATA = MAJOR >= 27


def options_of_nova(test):
    """What ceilometer.conf needs so that this release finds machines.

    :param test: the test case, until whose end a Nova answers if one is
        needed; it knows no server and no flavor
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
