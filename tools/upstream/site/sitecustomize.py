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


"""Makes the mock that each test of Ceilometer's sets up, once a process.

The autospec of the SDK's Connection is of 910 mocks and takes half a second,
at each of some 900 tests. With this folder on PYTHONPATH it is made once,
and each test gets it as if it were new.
"""

from unittest import mock

_create_autospec = mock.create_autospec
_made = {}


def _create_once(spec, *arguments, **kwargs):
    if (getattr(spec, "__module__", ""), getattr(spec, "__name__", "")) != (
            "openstack.connection", "Connection"):
        return _create_autospec(spec, *arguments, **kwargs)
    if spec not in _made:
        _made[spec] = _create_autospec(spec, *arguments, **kwargs)
    _made[spec].reset_mock(side_effect=True)
    _made[spec].return_value = kwargs["return_value"]
    return _made[spec]


mock.create_autospec = _create_once
