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

"""Where things stand in the names of series, as Graphite's queries need it.

A layout writes all series of a meter as one Graphite expression, tells where
in their names a role stands, and what fills a Grafana variable with all that
there is of a role. The roles are ``hypervisor``, ``project``, ``instance``
(what tells instances apart), ``name`` (what an instance is called),
``device``, ``endpoint`` and ``reason`` (of a publisher).
"""

import typing

from ceilometer_graphite import naming
from ceilometer_graphite import settings as publisher_settings
from ceilometer_graphite import stats

ROLES = {
    "hypervisor": ("hostname", "host"),
    "project": ("project_id", "project_name"),
    "instance": ("instance", "instance_id", "instance_name"),
    "name": ("instance", "instance_name", "instance_id"),
    "device": ("device",),
    "meter": ("meter",),
}
TAGS = {"hypervisor": "host", "project": "project", "instance": "instance",
        "device": "device", "endpoint": "endpoint"}
# What every instance, and every publisher, has.
_OF_MACHINES, _OF_PUBLISHERS = "cpu_util", "lines_sent"
# Meters of which every device has a series.
_OF_DEVICES = ("disk.device.", "network.")


class LayoutError(ValueError):
    """A naming that no dashboards can be made for; says what is missing."""


class Variable(typing.NamedTuple):
    """What a Grafana variable is filled with.

    :ivar query: for Grafana's Graphite data source
    :ivar regex: whose group is what counts of each answer; may be empty
    """

    query: str
    regex: str


class PathLayout:
    """Dotted paths.

    :param texts: of the components; a field in braces stands for any text
    :param places: the number of the component by role
    :param probe: a meter that all of them have
    :param beside: a branch of the same tree that has another layout
    :ivar probe: that meter
    :ivar identity: the roles that tell instances apart, the last of which is
        what to show
    """

    ANY = "*"

    def __init__(self, texts: list[str], places: dict[str, int], probe: str,
                 beside: str | None = None) -> None:
        self._texts = texts
        self._places = places
        self.probe = probe
        self._beside = beside
        self.identity = ["instance"]

    def series(self, meter: str, chosen: dict[str, str]) -> str:
        """All series of a meter.

        :param chosen: components by role; what is not chosen may be any
        """
        return ".".join(text for text, _ in self._written(meter, chosen))

    def node(self, role: str, meter: str) -> str:
        """Where a role stands in series of a meter, for aliasByNode()."""
        if role == "reason":
            return "-1"
        places = [place for _, place in self._written(meter, {})]
        index = places.index(self._places[role])
        # A meter has dots, so what follows it is counted from the end.
        return str(index if index < places.index(self._places["meter"])
                   else index - len(places))

    def variable(self, role: str, chosen: dict[str, str]) -> Variable:
        """What fills a Grafana variable with all that there is of a role."""
        written = list(self._written(self.probe, chosen))
        index = [place for _, place in written].index(self._places[role])
        unless = ""
        if self._beside and self._places["hypervisor"] <= (
                self._places[role]) < self._places["device"]:
            # To find all folders is quicker than to find a file in each. A
            # device before them would move the others.
            del written[index + 1:]
            unless = r"(?!.*\.%s(?:\.|$))" % self._beside
        return Variable("expand(%s)" % ".".join(text for text, _ in written),
                        r"/^%s(?:[^.]+\.){%d}([^.]+)/" % (unless, index))

    def _written(self, meter, chosen):
        """Texts of the components that are there, and their numbers."""
        roles = {place: role for role, place in self._places.items()
                 if role in chosen}
        for place, text in enumerate(self._texts):
            if text == "{meter}":
                yield meter, place
            elif text != "{device}" or meter.startswith(_OF_DEVICES):
                yield (chosen[roles[place]] if place in roles
                       else naming.FIELD.sub("*", text)), place


class TagLayout:
    """Tagged series; parameters as of :class:`PathLayout`.

    :param prefix: of the meters' names, with its dot
    """

    ANY = ".*"
    identity = ["instance"]

    def __init__(self, prefix: str, probe: str) -> None:
        self._prefix = prefix
        self.probe = probe

    def series(self, meter: str, chosen: dict[str, str]) -> str:
        """All series of a meter; see :meth:`PathLayout.series`."""
        return "seriesByTag(%s)" % ",".join(
            "'%s'" % each for each in self._expressions(meter, chosen))

    def node(self, role: str, meter: str) -> str:
        """See :meth:`PathLayout.node`."""
        return "-1" if role == "reason" else '"%s"' % TAGS[role]

    def variable(self, role: str, chosen: dict[str, str]) -> Variable:
        """See :meth:`PathLayout.variable`."""
        return Variable("tag_values(%s)" % ", ".join(
            [TAGS[role], *self._expressions(self.probe, chosen)]), "")

    def _expressions(self, meter, chosen):
        name = self._prefix + meter
        yield ("name=~^%s$" % name.replace(".", "[.]").replace("*", ".*")
               if "*" in name else "name=" + name)
        for role, text in chosen.items():
            yield "%s=~^%s$" % (TAGS[role], text)


Layout = PathLayout | TagLayout


def of_machines(settings: publisher_settings.Settings) -> Layout:
    """The layout of instances' series.

    :raises LayoutError: names what is missing
    """
    if settings.naming == "tags":
        if not settings.append_hostname:
            raise LayoutError("append_hostname is false, and so the series "
                              "have no tag host")
        return TagLayout(_prefix(settings), _OF_MACHINES)
    texts = list(_texts(settings))
    places = {role: place for role, names in ROLES.items()
              for place in _places(texts, role, names)[:1]}
    missing = [" or ".join("{%s}" % name for name in names)
               for role, names in ROLES.items()
               if role not in places and role != "name"]
    if missing:
        raise LayoutError("the template %s lacks a component of its own for "
                          "%s%s" % (settings.template, ", ".join(missing),
                                    "" if settings.append_hostname else
                                    "; append_hostname is false"))
    layout = PathLayout(texts, places, _OF_MACHINES, stats.BRANCH)
    if places["name"] != places["instance"]:
        layout.identity = ["instance", "name"]
    elif "{instance_name}" in texts[places["name"]]:
        # Projects may give their instances the same names.
        layout.identity = ["project", "instance"]
    return layout


def of_publishers(settings: publisher_settings.Settings) -> Layout:
    """The layout of the series that publishers write of themselves.

    :raises LayoutError: names what is missing
    """
    if not settings.self_metrics_interval:
        raise LayoutError("self_metrics_interval is 0, and so the publishers "
                          "do not report on themselves")
    if settings.naming == "tags":
        return TagLayout("%s%s." % (_prefix(settings), stats.BRANCH),
                         _OF_PUBLISHERS)
    texts = [*filter(None, _prefix(settings).split(".")), "{hostname}",
             stats.BRANCH, "{endpoint}", "{meter}"]
    places = {role: texts.index("{%s}" % field) for role, field in (
        ("hypervisor", "hostname"), ("endpoint", "endpoint"),
        ("meter", "meter"))}
    return PathLayout(texts, places, _OF_PUBLISHERS)


def _prefix(settings):
    """The prefix with its dot, or nothing."""
    prefix = naming.checked_prefix(settings.prefix)
    return prefix + "." if prefix else ""


def _texts(settings):
    """The components of the template that names have."""
    prefix = naming.checked_prefix(settings.prefix)
    absent = {*(() if prefix else ["{prefix}"]),
              *(() if settings.append_hostname else ["{hostname}"])}
    for text in naming.split(settings.template):
        if text not in absent:
            yield from naming.split(text.replace("{prefix}", prefix))


def _places(texts, role, names):
    """The numbers of the components of a role, the best first."""
    return [place for name in names for place, text in enumerate(texts)
            if naming.FIELD.findall(text) == [name]
            and (role != "meter" or text == "{meter}")]
