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


"""What checks find, and how they are run one after the other."""

import argparse
import dataclasses
import logging
import typing

from oslo_config import cfg

from ceilometer_graphite import opts
from ceilometer_graphite import settings
from ceilometer_graphite.cli import common

LOG = logging.getLogger(__name__)

OK, WARNING, ERROR, SKIPPED = "ok", "warning", "error", "skipped"
_EXIT_STATUSES = {OK: 0, SKIPPED: 0, WARNING: 1, ERROR: 2}
# What a check may need of those before it: attributes of a State.
_NEEDS = {
    "python": "a Python that the user may read",
    "starts": "an agent that starts",
    "conf": "a ceilometer.conf that can be used",
    "sources": "a polling.yaml that can be used",
    "polled": "a polling.yaml that names meters",
    "pipelines": "a pipeline.yaml that can be used",
    "urls": "a pipeline.yaml with a graphite:// publisher",
    "publishers": "a graphite:// publisher that can be used",
    "reached": "an endpoint that is reached",
    "sent": "a datapoint that was sent",
    "libvirt": "a libvirt that is reached",
}


class Result(typing.NamedTuple):
    """One finding.

    :ivar name: what it is about
    :ivar status: one of the constants above
    :ivar message: what was found
    :ivar hint: what to do; empty where there is nothing to do
    """

    name: str
    status: str
    message: str
    hint: str = ""


# What a check yields: a text if all is well, a Problem for a warning, a
# CommandError for an error. The name of each is that of its check. A Result
# has a name of its own.
Results = typing.Iterator[str | opts.Problem | common.CommandError | Result]


def ok(name: str, message: str) -> Result:
    """A finding that is as it should be."""
    return Result(name, OK, message)


def warning(name: str, message: str, hint: str) -> Result:
    """A finding that may be intended."""
    return Result(name, WARNING, message, hint)


def error(name: str, message: str, hint: str) -> Result:
    """A finding that makes samples vanish."""
    return Result(name, ERROR, message, hint)


def _listed():
    return dataclasses.field(default_factory=list)


@dataclasses.dataclass
class State:
    """What was found so far, for the checks that need it; see ``_NEEDS``."""

    arguments: argparse.Namespace
    python: bool = False
    starts: bool = True
    conf: typing.Any = None
    sources: list = _listed()
    polled: list[str] = _listed()
    pipelines: list = _listed()
    urls: list[str] = _listed()
    publishers: list[settings.Settings] = _listed()
    reached: list[tuple] = _listed()
    sent: list = _listed()
    libvirt: typing.Any = None


class Check(typing.NamedTuple):
    """One check.

    :ivar find: it may raise a CommandError for an error that ends it
    :ivar needs: the attributes of the state that must not be empty
    """

    name: str
    find: typing.Callable[[State], Results]
    needs: tuple[str, ...] = ()


def run(checks: typing.Iterable[Check],
        state: State) -> typing.Iterator[Result]:
    """Run checks, one after the other.

    :returns: at least one result for each check
    """
    for check in checks:
        missing = [need for need in check.needs if not getattr(state, need)]
        if missing:
            yield Result(check.name, SKIPPED, "needs " + _NEEDS[missing[0]])
            continue
        for found in _guarded(check, state):
            if isinstance(found, common.CommandError):
                yield error(check.name, str(found), found.hint)
            elif isinstance(found, opts.Problem):
                yield warning(check.name, *found)
            else:
                yield (ok(check.name, found) if isinstance(found, str)
                       else found)


def _guarded(check, state):
    """Yield what a check yields, and what it raises."""
    try:
        yield from check.find(state)
    except common.CommandError as e:
        yield from (e, *e.others)
    except cfg.Error as e:
        yield common.CommandError(
            common.one_line(e), "correct the option in ceilometer.conf")
    except Exception:
        LOG.debug("The check %s failed", check.name, exc_info=True)
        yield common.CommandError(
            "cannot be checked", "this should not happen; run it again with "
            "--debug, and report what it shows")


def exit_status(results: typing.Iterable[Result]) -> int:
    """2 when there is an error, 1 when there are only warnings, else 0."""
    return max(_EXIT_STATUSES[result.status] for result in results)
