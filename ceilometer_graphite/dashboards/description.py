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

"""What is on the dashboards, and the queries of it.

All of it stands in ``data/dashboards.yaml``, whose keys are the attributes
of the classes here.
"""

import dataclasses
import importlib.resources
import typing

import yaml

from ceilometer_graphite.dashboards import layout as layouts

PER_SECOND = "per second"
# Colors of limits and of others, which are no colors of instances.
LIMIT, OTHERS = "555555", "bbbbbb"
# An instance's id behind its name: its first eight digits tell enough.
_SHORT = ',"_([0-9a-f]{8})-[0-9a-f-]{27}$"," \\1"'


@dataclasses.dataclass(frozen=True)
class Target:
    """A query of a panel.

    :ivar of: a meter, or a list of those that are added up
    :ivar times: a meter that each instance's value is multiplied by
    :ivar over: a meter that each line is divided by
    :ivar count: whether it counts what has a value, and does not add up
    :ivar by: ``instance``, or a list of roles of a layout: one line of each;
        all is added up to one line without
    :ivar scale: a factor; or ``per second``, of what a publisher counts from
        one report to the next
    :ivar top: at most so many lines, those of the highest average
    :ivar others: whether one more line is the sum of all but those
    :ivar legend: the name of the line; with ``by``, what follows the name
    :ivar otherwise: the name of a line at 0 where there are no series
    :ivar limit: whether it is a dashed line, which others come up to
    :ivar constant: the value of a line without series
    :ivar silent: whether a line is 0 of what had points, and has none now
    :ivar lasting: whether what a publisher reported holds until it reports
        again, as a sum needs it: they do not report at the same time
    :ivar of_publishers: whether it is about publishers, on any page
    """

    of: str | list[str] = ""
    times: str = ""
    over: str = ""
    count: bool = False
    by: str | typing.Sequence[str] = ()
    scale: float | str = 1
    top: int = 0
    others: bool = False
    legend: str = ""
    otherwise: str = ""
    limit: bool = False
    constant: float = 0
    silent: bool = False
    lasting: bool = False
    of_publishers: bool = False


@dataclasses.dataclass(frozen=True)
class Panel:
    """A graph or a number.

    :ivar unit: one that the writers know
    :ivar kind: ``lines``, ``areas`` on top of each other, or the latest
        ``number``
    :ivar width: in Grafana, whose pages are 24 wide
    :ivar description: what the title cannot say
    """

    title: str
    unit: str
    targets: list[Target]
    kind: str = "lines"
    width: int = 12
    description: str = ""


@dataclasses.dataclass(frozen=True)
class Dashboard:
    """A page of panels.

    :ivar match: the roles of the layout that its queries choose by; the last
        is what the page is about, of the others any may be chosen
    :ivar listed_by: more of them, which narrow the choice and nothing else
    :ivar may_be_any: whether any may be chosen of the last, too
    :ivar of_publishers: whether it is about publishers, and not instances
    """

    name: str
    title: str
    description: str
    match: list[str]
    panels: list[Panel]
    listed_by: typing.Sequence[str] = ()
    may_be_any: bool = False
    of_publishers: bool = False


def load() -> list[Dashboard]:
    """The packaged dashboards."""
    packaged = importlib.resources.files("ceilometer_graphite").joinpath(
        "data/dashboards.yaml")
    found = yaml.safe_load(packaged.read_bytes())["dashboards"]
    return [_dashboard(name, **keys) for name, keys in found.items()]


def _dashboard(name, panels, **keys):
    return Dashboard(name=name, panels=[_panel(**panel) for panel in panels],
                     **keys)


def _panel(targets, **keys):
    return Panel(targets=[Target(**target) for target in targets], **keys)


class Writer(typing.NamedTuple):
    """Writes queries as Graphite expressions.

    :ivar chosen: what is chosen of the names, by role
    :ivar of_reports: whether they are of the publishers' reports
    :ivar report_seconds: between two of these
    :ivar publishers: the layout of the publishers' series, where they have
        any and the other layout is that of instances
    """

    layout: layouts.Layout
    chosen: dict[str, str]
    of_reports: bool
    report_seconds: float
    publishers: layouts.Layout | None = None

    def targets(self, panel: Panel) -> list[Target]:
        """The targets of a panel that there are series for."""
        return [target for target in panel.targets if self.of_reports
                or self.publishers or not target.of_publishers]

    def expression(self, target: Target) -> str:
        """The expression of a :class:`Target`."""
        if target.of_publishers and self.publishers and not self.of_reports:
            return self._replace(
                layout=self.publishers, of_reports=True).expression(target)
        written = ("constantLine(%.9g)" % target.constant if target.constant
                   else self._lines(target))
        if target.limit:
            written = 'color(dashed(%s),"%s")' % (written, LIMIT)
        if target.legend:
            written = ('aliasSub(%s,"$"," %s")' if target.by
                       else 'alias(%s,"%s")') % (written, target.legend)
        if target.otherwise:
            written = self._or_nothing(written, target.otherwise)
        return written

    def _lines(self, target):
        """The lines, named by what they are of."""
        meters = [target.of] if isinstance(target.of, str) else target.of
        written = self._by(self._values(target, meters), meters[0], target)
        if target.over:
            written = self._divided(written, target)
        if target.silent:
            written = "currentBelow(%s,0)" % written
        if not target.top:
            return self._named(written, target)
        top = "highestAverage(%s,%d)" % (written, target.top)
        named = self._named(top, target)
        if not target.others:
            return named
        # Sums differ in their last digits; that is no other line.
        return ('group(%s,color(alias(maximumAbove(diffSeries(sumSeries(%s),'
                'sumSeries(%s)),0.001),"others"),"%s"))' % (
                    named, written, top, OTHERS))

    def _values(self, target, meters):
        """What is added up."""
        written = self._series(meters, target.silent or target.lasting)
        if target.times:
            written = self._grouped(
                self._series([*meters, target.times]), "multiply", meters[0],
                ["hypervisor", *self.layout.identity])
        if target.count or target.silent:
            written = "offset(scale(%s,0),1)" % written
        if target.silent:
            written = "transformNull(%s,0)" % written
        factor = (1 / self.report_seconds if target.scale == PER_SECOND
                  else target.scale)
        return ("scale(%s,%.9g)" % (written, factor) if factor != 1
                else written)

    def _divided(self, written, target):
        """Each line over the line of the same name."""
        over = self._by(self._series([target.over]), target.over, target)
        count = len(self._roles(target)) or 1
        return 'groupByNodes(group(%s,invert(%s)),"multiply",%s)' % (
            written, over, ",".join(map(str, range(count))))

    def _or_nothing(self, written, name):
        """An expression, or a line at 0 where others have points."""
        others = self.layout.series(self.layout.probe, self.chosen)
        return 'fallbackSeries(%s,alias(scale(sumSeries(%s),0),"%s"))' % (
            written, others, name)

    def _series(self, meters, late=False):
        written = ",".join(
            self.layout.series(meter, self.chosen) for meter in meters)
        if len(meters) > 1:
            written = "group(%s)" % written
        # A poll that is a little late leaves a gap of one point, in which
        # a sum would fall. Reports count what was, and are not repeated.
        if late:
            return "keepLastValue(%s,3)" % written
        return (written if self.of_reports
                else "keepLastValue(%s,1)" % written)

    def _roles(self, target):
        """The roles that tell the lines apart."""
        return self.layout.identity if target.by == "instance" else target.by

    def _by(self, written, meter, target):
        """One line for each of what a target is by, or their sum."""
        if not target.by:
            return "sumSeries(%s)" % written
        roles = list(self._roles(target))
        if not target.times:
            return self._grouped(written, "sum", meter, roles)
        grouped = ["hypervisor", *self.layout.identity]
        return 'groupByNodes(%s,"sum",%s)' % (written, ",".join(
            str(grouped.index(role)) for role in roles))

    def _named(self, written, target):
        """Lines of instances, with the names to show."""
        if target.by != "instance":
            return written
        roles = self.layout.identity
        if len(roles) > 1:
            written = "aliasByNode(%s,%d)" % (written, len(roles) - 1)
        return "aliasSub(%s%s)" % (written, _SHORT)

    def _grouped(self, written, function, meter, roles):
        return 'groupByNodes(%s,"%s",%s)' % (written, function, ",".join(
            self.layout.node(role, meter) for role in roles))
