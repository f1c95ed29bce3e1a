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


import hypothesis
from hypothesis import strategies as st
from oslotest import base

from ceilometer_graphite import sanitize
from tests.properties import test_naming

COMPONENT = r"[A-Za-z0-9_-]{1,200}"


class SanitizeTest(base.BaseTestCase):

    @hypothesis.given(test_naming.HOSTILE_TEXTS)
    def test_any_text_is_one_safe_component(self, text):
        for written in (sanitize.component(text), sanitize.identity(text),
                        sanitize.instance(text, text),
                        sanitize.short_host(text)):
            self.assertRegex(written, r"\A%s\Z" % COMPONENT)

    @hypothesis.given(test_naming.HOSTILE_TEXTS)
    def test_any_meter_is_safe_components(self, text):
        written = sanitize.meter_path(text)
        self.assertRegex(written, r"\A%s(\.%s)*\Z" % (
            COMPONENT, COMPONENT))

    @hypothesis.given(test_naming.HOSTILE_TEXTS, test_naming.HOSTILE_TEXTS)
    def test_two_identifiers_never_share_a_component(self, one, other):
        hypothesis.assume(one != other and one and other)
        self.assertNotEqual(sanitize.identity(one), sanitize.identity(other))

    @hypothesis.given(st.uuids())
    def test_a_uuid_stays_as_it_is(self, value):
        self.assertEqual(str(value), sanitize.identity(str(value)))
        self.assertEqual(value.hex, sanitize.identity(value.hex))

    @hypothesis.given(st.text(test_naming.SAFE, min_size=1, max_size=200))
    def test_a_safe_component_stays_as_it_is(self, text):
        self.assertEqual(text, sanitize.component(text))

    @hypothesis.given(test_naming.HOSTILE_TEXTS, test_naming.HOSTILE_TEXTS)
    def test_two_meters_never_share_a_path(self, one, other):
        hypothesis.assume(one != other)
        self.assertNotEqual(sanitize.meter_path(one),
                            sanitize.meter_path(other))
