# SPDX-License-Identifier: Apache-2.0
"""scripts/bind-nic against a sysfs made of files: no machine has a NIC to spare for a test.

The test plays the kernel's part: drivers_probe is a pipe, and what is written there gets its driver.
"""
import os
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[3] / "scripts" / "bind-nic"
NIC, DISK = "0000:65:00.0", "0000:01:00.0"
ETHERNET, STORAGE = "0x020000", "0x010802"


class BindNic(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.sys = Path(folder.name)
        self.path = os.environ["PATH"]
        self.devices = self.sys / "bus/pci/devices"
        for name in ("ixgbe", "vfio-pci", "mlx5_core"):
            (self.sys / "bus/pci/drivers" / name).mkdir(parents=True)
            (self.sys / "bus/pci/drivers" / name / "unbind").touch()
        (self.sys / "kernel/iommu_groups/1").mkdir(parents=True)
        os.mkfifo(self.sys / "bus/pci/drivers_probe")
        self.add_device(NIC, ETHERNET, "ixgbe")
        self.add_device(DISK, STORAGE, "nvme")

    def add_device(self, address, pci_class, driver):
        device = self.devices / address
        device.mkdir(parents=True)
        (device / "class").write_text(pci_class + "\n")
        (device / "numa_node").write_text("0\n")
        self.set_driver(address, driver)

    def set_driver(self, address, driver):
        link = self.devices / address / "driver"
        link.unlink(missing_ok=True)
        (self.sys / "bus/pci/drivers" / driver).mkdir(exist_ok=True)
        link.symlink_to(self.sys / "bus/pci/drivers" / driver)

    def driver(self, address):
        return os.path.basename(os.readlink(self.devices / address / "driver"))

    def play_kernel(self, fallback):
        """Answers one write to drivers_probe as the kernel does: the override, else the NIC's own driver."""
        def answer():
            address = (self.sys / "bus/pci/drivers_probe").read_text()
            wanted = (self.devices / address / "driver_override").read_text().strip()
            self.set_driver(address, wanted or fallback)

        kernel = threading.Thread(target=answer, daemon=True)
        kernel.start()
        self.addCleanup(kernel.join, 10)

    def run_script(self, *words):
        return subprocess.run([SCRIPT, *words], capture_output=True, text=True, timeout=30,
                              env={**os.environ, "SALLYPORT_SYS": str(self.sys), "PATH": self.path})

    def assert_refused(self, words, text):
        result = self.run_script(*words)
        self.assertEqual(result.returncode, 1, result.stdout)
        self.assertIn(text, result.stderr)
        self.assertEqual(self.driver(NIC), "ixgbe")

    def test_list_names_nics_only(self):
        listed = self.run_script("--list").stdout
        self.assertIn(NIC, listed)
        self.assertIn("ixgbe", listed)
        self.assertNotIn(DISK, listed)

    def test_nic_goes_to_vfio_and_back(self):
        self.play_kernel("ixgbe")
        bound = self.run_script(NIC)
        self.assertEqual(bound.returncode, 0, bound.stderr)
        self.assertEqual(self.driver(NIC), "vfio-pci")
        self.assertEqual((self.sys / "bus/pci/drivers/ixgbe/unbind").read_text(), NIC)
        self.play_kernel("ixgbe")
        back = self.run_script("--back", NIC)
        self.assertEqual(back.returncode, 0, back.stderr)
        self.assertEqual(self.driver(NIC), "ixgbe")

    def play_program(self, name, script):
        """Puts a program of that name before the machine's own."""
        fake = self.sys / "bin"
        fake.mkdir(exist_ok=True)
        (fake / name).write_text(f"#!/bin/sh\n{script}\n")
        (fake / name).chmod(0o755)
        self.path = f"{fake}:{os.environ['PATH']}"

    def add_interface(self, name):
        (self.devices / NIC / "net" / name).mkdir(parents=True)

    def test_nic_whose_interface_has_an_address_is_refused(self):
        self.add_interface("sp-test")
        self.play_program("ip", 'case "$*" in *address*sp-test*) echo 1: sp-test inet 192.0.2.1/24 ;; esac')
        self.assert_refused([NIC], "its interface sp-test carries an IP address")

    def test_nic_with_the_default_route_is_refused(self):
        self.add_interface("sp-test")
        self.play_program("ip", 'case "$*" in "route show default") echo default via 192.0.2.254 dev sp-test proto static ;; esac')
        self.assert_refused([NIC], "the default route leads through its interface sp-test")

    def test_default_route_of_another_interface_is_no_hindrance(self):
        self.add_interface("sp-test")
        self.play_program("ip", 'case "$*" in "route show default") echo default via 192.0.2.254 dev sp-test2 proto static ;; esac')
        self.play_kernel("ixgbe")
        bound = self.run_script(NIC)
        self.assertEqual(bound.returncode, 0, bound.stderr)
        self.assertEqual(self.driver(NIC), "vfio-pci")

    def test_kernel_without_vfio_is_refused(self):
        (self.sys / "bus/pci/drivers/vfio-pci/unbind").unlink()
        (self.sys / "bus/pci/drivers/vfio-pci").rmdir()
        self.play_program("modprobe", "exit 1")
        self.assert_refused([NIC], "the kernel has no vfio-pci; install a kernel with CONFIG_VFIO_PCI")
        self.assertFalse((self.devices / NIC / "driver_override").exists())

    def test_missing_iommu_is_said_and_how_to_have_one(self):
        (self.sys / "kernel/iommu_groups/1").rmdir()
        self.play_kernel("ixgbe")
        bound = self.run_script(NIC)
        self.assertEqual(bound.returncode, 0, bound.stderr)
        self.assertIn("intel_iommu=on or amd_iommu=on", bound.stdout)

    def test_bound_nic_is_left_as_it_is(self):
        self.set_driver(NIC, "vfio-pci")
        result = self.run_script(NIC)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("is bound to vfio-pci already", result.stdout)
        self.assertFalse((self.devices / NIC / "driver_override").exists())

    def test_nic_that_no_driver_takes_is_told(self):
        # Nobody plays the kernel: the write is read, and nothing follows.
        probe = threading.Thread(target=(self.sys / "bus/pci/drivers_probe").read_text, daemon=True)
        probe.start()
        self.addCleanup(probe.join, 10)
        result = self.run_script(NIC)
        self.assertEqual(result.returncode, 1)
        self.assertIn("was not taken by vfio-pci; see dmesg", result.stderr)

    def test_what_is_no_nic_is_refused(self):
        self.assert_refused([DISK], "no Ethernet controller")
        self.assert_refused(["0000:99:00.0"], "no such PCI device")
        self.assert_refused(["65:00.0"], "write it whole")
        self.assert_refused(["--fast"], "unknown option")

    def test_shared_drivers_keep_their_nic(self):
        self.set_driver(NIC, "mlx5_core")
        result = self.run_script(NIC)
        self.assertEqual(result.returncode, 1)
        self.assertIn("leave it as it is", result.stderr)


if __name__ == "__main__":
    unittest.main()
