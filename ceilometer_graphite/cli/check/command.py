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

"""Find what keeps samples from Graphite, before the agent is restarted.

It reads the agent's configuration, connects to libvirt and to each endpoint,
and changes nothing. With ``--send`` it publishes one datapoint.
"""

import json
import os
import sys

from ceilometer_graphite.cli import common
from ceilometer_graphite.cli.check import checks
from ceilometer_graphite.cli.check import results as check_results
from ceilometer_graphite.cli.check import user

_COLOURS = {"ok": 32, "warning": 33, "error": 31, "skipped": 2}
_PLURALS = {"warning": "s", "error": "s"}
def run(arguments):
    """Check everything.

    :returns: 2 when there is an error, 1 when there are warnings, else 0
    :raises common.CommandError: when it cannot be as that user
    """
    if arguments.render_url and not arguments.send:
        raise common.CommandError("--render-url needs --send",
                                  "add --send, or leave it out")
    if arguments.render_url:
        common.library("requests", "--render-url")
    if arguments.user:
        user.become(arguments.user)
    state = check_results.State(arguments)
    results = []
    for group in checks.groups(arguments):
        for result in check_results.run(group, state):
            results.append(result)
            if not arguments.json:
                print(_line(result), flush=True)
        if not arguments.json:
            print()
    if arguments.json:
        print(json.dumps([result._asdict() for result in results], indent=2))
    else:
        print(_summary(results))
    return check_results.exit_status(results)


def _line(result):
    text = "%s: %s" % (result.name, result.message)
    if result.hint:
        text += "; " + result.hint
    return "%s %s" % (_coloured("%-8s" % result.status, result.status), text)


def _coloured(text, status):
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return text
    return "\033[%dm%s\033[0m" % (_COLOURS[status], text)


def _summary(results):
    found = [result.status for result in results]
    counts = ", ".join("%d %s" % (
        found.count(status), status + _PLURALS.get(status, "") * (
            found.count(status) > 1)) for status in _COLOURS
        if status in found)
    if "error" in found:
        return counts + ". Samples would vanish; correct the errors first."
    if "warning" in found:
        return counts + ". See whether the warnings are meant so."
    return counts + ". Nothing was found that keeps samples from Graphite."
