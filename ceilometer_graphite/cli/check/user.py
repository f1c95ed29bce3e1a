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

"""Whose permissions are checked."""

import os
import pwd

from ceilometer_graphite.cli import common
from ceilometer_graphite.cli.check import results

AGENT_USER = "ceilometer"


def become(name: str) -> None:
    """Go on as another user, for good.

    So whatever is checked, is checked as the agent does it: with the files,
    the folders and the sockets that its user may use.

    :raises common.CommandError: when there is no such user, or this one may
        not become it
    """
    user = _find(name)
    if user is None:
        raise common.CommandError(
            "there is no user %s" % name,
            "--user takes the name of the user that the agent runs as")
    if user.pw_uid == os.geteuid():
        return
    try:
        os.initgroups(user.pw_name, user.pw_gid)
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
    except PermissionError:
        raise common.CommandError(
            "only root can check as %s" % name,
            "run it with sudo, or as that user without --user") from None
    os.environ.update(HOME=user.pw_dir, USER=name, LOGNAME=name)


def user(state: results.State) -> results.Results:
    """Root can do what the agent cannot, which has to read its Python."""
    state.python = os.access(os.__file__, os.R_OK)
    if not state.python:
        yield results.error(
            "user", "%s may not read the Python of this command, %s" % (
                common.user_name(), os.path.dirname(os.__file__)),
            "install Ceilometer and ceilometer-graphite where the agent's "
            "user may read them")
    elif (os.geteuid() == 0 and not state.arguments.user
            and _find(AGENT_USER)):
        yield results.warning(
            "user", "checked as root, who may do what the agent's user may "
            "not", "add --user " + AGENT_USER)
    else:
        yield results.ok("user", "checked as " + common.user_name())


def _find(name):
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None
