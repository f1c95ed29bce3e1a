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

"""Random actions on the real queue and spool, held to what a set knows.

``MODEL_LINES=1000000`` makes one run of a million lines.
"""

import errno
import os
import pathlib
import random
import tempfile
import types

import hypothesis
from hypothesis import strategies as st
from oslotest import base

from ceilometer_graphite import outbox
from ceilometer_graphite import spool
from ceilometer_graphite import stats
from tests import fakes

LINES = int(os.environ.get("MODEL_LINES", 50000))
BUFFER_BYTES = 20000
SPOOL_BYTES = 3000
REASONS = ("lines_dropped.spool_full", "lines_dropped.spool_corrupt")
# What happens, and how often.
ACTIONS = {"put": 30, "send": 20, "confirm": 12, "fail": 6, "retry": 2,
           "wait": 10, "disk": 16, "fill": 2, "clear": 3, "stall": 2,
           "down": 1, "up": 3, "damage": 0.5, "kill": 0.5, "close": 0.5}


def line(number):
    return b"model.%d %d 1\n" % (number % 7, number)


class Link:
    """What a sender says of the receiver."""

    is_connected = True
    is_stalled = False

    def wake(self):
        pass


class Disk:
    """Of which all writers are told that it is full."""

    is_full = False


class SpoolFile(spool.SpoolFile):
    def append(self, batches):
        if Disk.is_full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().append(batches)


class World:
    """One process after the other, and what became of all lines.

    :ivar put: how many lines there are
    :ivar delivered: the numbers of those that were confirmed
    :ivar killed: the numbers of those that only a killed process had
    :ivar is_exact: whether what is counted as lost is exactly what is lost
    :ivar is_whole: whether nothing damaged a file
    """

    def __init__(self, root):
        self.root = root
        self.clock = fakes.Clock()
        self.counts = stats.Counts()
        self.link = Link()
        self.put = self.dropped = 0
        self.delivered, self.killed = set(), set()
        self.is_exact = self.is_whole = True
        self.largest = 0
        self.start()

    def start(self):
        self.in_flight = []
        self.link.is_stalled = False
        self.box = outbox.Outbox(BUFFER_BYTES, 0, self.drop, self.clock)
        self.spool = spool.Spool(types.SimpleNamespace(
            spool_dir=str(self.root / "spool"), spool_size=SPOOL_BYTES,
            buffer_size=BUFFER_BYTES, endpoints=(("a", 2003),)),
            self.box, self.counts, self.link, self.clock)

    def drop(self, count):
        self.dropped += count

    def act(self, action, number):
        getattr(self, "do_" + action)(number)
        assert self.box.bytes() <= BUFFER_BYTES + self.largest

    def do_put(self, number):
        count = number % 100 + 1
        lines = b"".join(map(line, range(self.put, self.put + count)))
        self.put += count
        self.largest = max(self.largest, 2 * len(lines))
        self.box.put(lines, count)

    def do_down(self, number):
        self.do_fail(number)
        self.link.is_connected = False

    def do_up(self, number):
        self.link.is_connected = True

    def do_send(self, number):
        if not self.link.is_connected or sum(
                each.size for each in self.in_flight) > BUFFER_BYTES / 4:
            return
        self.in_flight += self.box.take_live(number * 10)
        if number % 2:
            self.in_flight += self.box.take_backlog(number * 10, number)

    def do_confirm(self, number):
        self.delivered.update(self.numbers(self.in_flight))
        self.in_flight = []
        self.box.confirm()
        self.link.is_stalled = False

    def do_fail(self, number):
        self.in_flight = []
        self.box.fail()

    def do_retry(self, number):
        self.in_flight = []
        self.box.retry()

    def do_wait(self, number):
        self.clock.advance(number / 100)

    def do_disk(self, number):
        try:
            self.spool.step()
            assert self.spool.bytes() <= SPOOL_BYTES
        except OSError as e:
            assert e.errno == errno.ENOSPC

    def do_fill(self, number):
        Disk.is_full = True

    def do_clear(self, number):
        Disk.is_full = False

    def do_stall(self, number):
        self.link.is_stalled = True

    def do_damage(self, number):
        files = sorted(self.root.glob("spool/*/*.lines.gz"))
        if not files:
            return
        path = files[number % len(files)]
        data = bytearray(path.read_bytes())
        if data:
            place = number * 131 % len(data)
            data[place:place + 8] = bytes(len(data[place:place + 8]))
            path.write_bytes(data)
            self.is_exact = self.is_whole = False

    def do_kill(self, number):
        """What was on disk alone, or nowhere, is known to the next one."""
        for batch in self.box._unconfirmed_locked():
            if batch.file is None:
                self.killed.update(self.numbers([batch]))
        self.killed -= self.delivered
        self.is_exact = False
        self.spool.abandon()
        self.start()

    def do_close(self, number):
        Disk.is_full = False
        self.do_fail(number)
        self.spool.hurry()
        while not self.box.is_done():
            self.spool.step()
        self.spool.unlock()
        self.is_exact = False
        self.start()

    def numbers(self, batches):
        return [int(each.split()[1]) for batch in batches
                for each in batch.lines.splitlines()]

    def drain(self):
        """Deliver all that is left."""
        self.link.is_connected = True
        Disk.is_full = False
        self.spool.step()  # takes over what others left
        while not self.box.is_empty() or self.in_flight or (
                self.spool._files):
            self.clock.advance(1)
            self.in_flight += self.box.take_live(1 << 20)
            self.in_flight += self.box.take_backlog(1 << 20, 1e9)
            self.do_confirm(0)
            self.spool.step()

    def check(self):
        missing = set(range(self.put)) - self.delivered - self.killed
        counted = self.dropped + sum(map(self.counts.__getitem__, REASONS))
        assert self.delivered <= set(range(self.put))
        if self.is_whole:
            assert not self.counts["lines_dropped.spool_corrupt"]
        if self.is_exact:
            assert len(missing) == counted, (len(missing), counted)
        assert len(missing) <= counted, (len(missing), counted)


class DeliveryModelTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.patch(spool, "SpoolFile", SpoolFile)
        self.addCleanup(setattr, Disk, "is_full", False)

    def run_actions(self, actions):
        with tempfile.TemporaryDirectory() as root:
            world = World(pathlib.Path(root))
            try:
                for action, number in actions(world):
                    world.act(action, number)
                world.drain()
                world.check()
            finally:
                world.spool.abandon()
        return world

    @hypothesis.settings(deadline=None, max_examples=100)
    @hypothesis.given(st.lists(st.tuples(
        st.sampled_from([action for action, weight in ACTIONS.items()
                         for _ in range(int(2 * weight))]),
        st.integers(0, 400)), max_size=60))
    def test_nothing_is_lost_that_is_not_counted(self, actions):
        self.run_actions(lambda world: actions)

    def live(self, *left_out):
        """A life of many actions."""
        chosen = random.Random(20261126)
        names, weights = zip(*[each for each in ACTIONS.items()
                               if each[0] not in left_out], strict=True)

        def actions(world):
            while world.put < LINES:
                action, = chosen.choices(names, weights)
                yield action, chosen.randrange(400)
        world = self.run_actions(actions)
        self.assertGreater(len(world.delivered), LINES / 3)

    def test_a_long_life_without_kills_loses_nothing_uncounted(self):
        self.live("damage", "kill", "close")

    def test_a_long_life_with_kills_loses_nothing_uncounted(self):
        self.live()

    def test_without_trouble_all_arrive_once_and_in_their_order(self):
        def actions(world):
            for _ in range(200):
                yield "put", 30
                yield "send", 399
                seen.extend(world.numbers(world.in_flight))
                yield "confirm", 0
                yield "disk", 0
        seen = []
        world = self.run_actions(actions)
        self.assertEqual(list(range(world.put)), seen)
