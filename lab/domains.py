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
"""The guests and their libvirt domains, defined as Nova does it."""

import dataclasses
import shutil
import uuid

from lab import linux_guest

# Busy: cli; jmp to itself. Idle: sti; hlt; jmp to the hlt.
_BOOT_CODE = {"busy": b"\xfa\xeb\xfe", "idle": b"\xfb\xf4\xeb\xfd"}

_DOMAIN = """\
<domain type='qemu'>
  <name>{guest.name}</name>
  <uuid>{guest.uuid}</uuid>
  <metadata>
    <nova:instance xmlns:nova="http://openstack.org/xmlns/libvirt/nova/1.1">
      <nova:name>{guest.display_name}</nova:name>
      <nova:flavor id="{guest.vcpus}" name="lab.{guest.kind}">
        <nova:memory>{guest.memory_mb}</nova:memory>
        <nova:disk>{guest.disk_gb}</nova:disk>
        <nova:swap>0</nova:swap>
        <nova:ephemeral>0</nova:ephemeral>
        <nova:vcpus>{guest.vcpus}</nova:vcpus>
        <nova:extraSpecs/>
      </nova:flavor>
      <nova:owner>
        <nova:user uuid="4b15e443cf485b718fd64e52809ffbd5">lab</nova:user>
        <nova:project uuid="{guest.project_id}">lab</nova:project>
      </nova:owner>
      <nova:root type="image" uuid="0df90e7e-33e7-5cc2-be14-4b7f67a20d2a"/>
    </nova:instance>
  </metadata>
  <memory unit='MiB'>{guest.memory_mb}</memory>
  <vcpu>{guest.vcpus}</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type>{boot}</os>
  <features><acpi/></features>
  <devices>
    <emulator>{emulator}</emulator>
    {disks}
    <interface type='bridge'>
      <mac address='{guest.mac}'/>
      <source bridge='br-lab'/>
      <target dev='{guest.tap}'/>
      <model type='virtio'/>
    </interface>
    <serial type='file'><source path='{console}'/></serial>
    <memballoon model='virtio'><stats period='2'/></memballoon>
  </devices>
</domain>
"""

_DISK = """
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/>
      <source file='{path}'/>
      <target dev='{device}' bus='virtio'/>
    </disk>"""

_LINUX_BOOT = """
    <kernel>{kernel}</kernel>
    <initrd>{initrd}</initrd>
    <cmdline>console=ttyS0 quiet</cmdline>
  """


@dataclasses.dataclass(frozen=True)
class Guest:
    """One instance; `kind` is "busy", "idle" or "linux".

    `name` is its name in libvirt, `uuid` its id in Nova, `tap` the device of
    its NIC on the hypervisor, and `disk_gb` the disk size of its flavor.
    """

    name: str
    kind: str
    project_id: str
    vcpus: int = 1
    memory_mb: int = 64
    disk_gb: int = 1
    disks: tuple = ("vda",)

    @property
    def display_name(self):
        return f"lab-{self.kind}"

    @property
    def uuid(self):
        return str(uuid.uuid5(uuid.NAMESPACE_DNS, self.name))

    @property
    def mac(self):
        return f"fa:16:3e:00:00:{self.name[-2:]}"

    @property
    def tap(self):
        return f"tap{self.uuid[:11]}"


GUESTS = (
    Guest("instance-00000001", "busy", "b7065232a8825374b4764148b3f0cee5"),
    Guest("instance-00000002", "idle", "1845bc6208f4577ea32c6473b722cadd"),
    Guest("instance-00000003", "linux", "1845bc6208f4577ea32c6473b722cadd",
          vcpus=2, memory_mb=256, disk_gb=2, disks=("vda", "vdb")),
)


def write_definition(guest, directory):
    """Write a guest's disks and definition; return the definition's path.

    The log of its console will be `directory`/KIND.log.
    """
    disks = [_DISK.format(path=_write_disk(guest, directory, device),
                          device=device) for device in guest.disks]
    path = directory / f"{guest.name}.xml"
    path.write_text(_DOMAIN.format(
        guest=guest, disks="".join(disks),
        boot=_linux_boot(directory) if guest.kind == "linux" else "",
        emulator=shutil.which("qemu-system-x86_64"),
        console=directory / f"{guest.kind}.log"))
    return path


def _write_disk(guest, directory, device):
    """Write a 4 MiB disk with the guest's boot code; return its path."""
    path = directory / f"disks/{guest.name}-{device}"
    code = _BOOT_CODE.get(guest.kind)
    sector = code.ljust(510, b"\0") + b"\x55\xaa" if code else b""
    path.write_bytes(sector.ljust(4 << 20, b"\0"))
    return path


def _linux_boot(directory):
    initrd = directory / "initrd"
    kernel = linux_guest.write_initrd(initrd)
    return _LINUX_BOOT.format(kernel=kernel, initrd=initrd)
