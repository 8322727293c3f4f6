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
                              env={**os.environ, "SALLYPORT_SYS": str(self.sys)})

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

    def test_nic_in_use_is_refused(self):
        loopback_like = self.devices / NIC / "net" / "sp-test"
        loopback_like.mkdir(parents=True)
        fake = self.sys / "bin"
        fake.mkdir()
        (fake / "ip").write_text('#!/bin/sh\ncase "$*" in *address*sp-test*) echo 1: sp-test inet 192.0.2.1/24 ;; esac\n')
        (fake / "ip").chmod(0o755)
        os.environ["PATH"] = f"{fake}:{os.environ['PATH']}"
        self.addCleanup(os.environ.__setitem__, "PATH", os.environ["PATH"].split(":", 1)[1])
        self.assert_refused([NIC], "carries an IP address")

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
