// SPDX-License-Identifier: Apache-2.0
#include "dataplane/machine_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace sallyport::dataplane {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class MachineReport : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string shape = (fs::temp_directory_path() / "machine-XXXXXX").string();
    ASSERT_NE(::mkdtemp(shape.data()), nullptr);
    root = shape;
    write("proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu aes avx2 avx512f vaes sha_ni constant_tsc nonstop_tsc\n");
    write("sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n");
    write("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
    write("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "512\n");
    write("sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "500\n");
    write("sys/devices/system/cpu/isolated", "2-3\n");
    write("sys/devices/system/cpu/online", "0-3\n");
    for (const char* cpu : {"cpu0", "cpu1", "cpu2", "cpu3"}) fs::create_directories(root / "sys/devices/system/cpu" / cpu / "node0");
    write("sys/bus/pci/devices/0000:65:00.0/numa_node", "0\n");
    write("dev/vhost-net", "");
    settings.lcores = {2, 3};
    settings.memory_mb = 128;
    settings.ports.push_back({.name = "outside", .profile = drivers::Profile::vfio, .device = "0000:65:00.0"});
  }
  void TearDown() override { fs::remove_all(root); }

  void write(const std::string& path, const std::string& text) {
    fs::create_directories((root / path).parent_path());
    std::ofstream(root / path) << text;
  }
  std::vector<std::string> lines(const NodeSettings* about) {
    std::vector<std::string> texts;
    for (const MachineFact& fact : inspect_machine(root.string(), about)) texts.push_back(fact.text());
    return texts;
  }
  fs::path root;
  NodeSettings settings;
};

TEST_F(MachineReport, WellPreparedMachineHasNoWarning) {
  const auto told = lines(&settings);
  for (const std::string& line : told) EXPECT_THAT(line, StartsWith("ok: "));
  EXPECT_THAT(told, Contains("ok: hugepages: 500 of 512 pages of 2 MB free"));
  EXPECT_THAT(told, Contains("ok: clock: invariant TSC, the kernel uses tsc"));
  EXPECT_THAT(told, Contains("ok: instructions for crypto: AES-NI, AVX2, AVX-512, VAES, SHA-NI"));
  EXPECT_THAT(told, Contains("ok: lcore 2: isolated"));
  EXPECT_THAT(told, Contains("ok: port outside: NUMA node 0, as its lcores"));
  EXPECT_THAT(told, Contains("ok: steering of port outside: rte_flow if the NIC takes its rules, else RSS, else workers hand over"));
}

TEST_F(MachineReport, EachWarningNamesItsRemedy) {
  write("proc/cpuinfo", "flags\t\t: fpu aes avx2 constant_tsc\n");
  write("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "0\n");
  write("sys/kernel/mm/transparent_hugepage/enabled", "always madvise [never]\n");
  write("sys/bus/pci/devices/0000:65:00.0/numa_node", "1\n");
  settings.lcores = {1, 2, 7};
  const auto told = lines(&settings);
  EXPECT_THAT(told, Contains("warning: hugepages: none; packets and region lie in ordinary pages: echo 512 > /proc/sys/vm/nr_hugepages, before a dataplane runs"));
  EXPECT_THAT(told, Contains(StartsWith("warning: large pages of the workers' tables: always madvise [never]; echo madvise")));
  EXPECT_THAT(told, Contains(StartsWith("warning: clock: the TSC is not invariant")));
  EXPECT_THAT(told, Contains(StartsWith("warning: instructions for crypto: AES-NI, AVX2, without AVX-512, VAES, SHA-NI; ")));
  EXPECT_THAT(told, Contains(StartsWith("warning: lcore 1: shared with other processes; isolcpus=1 ")));
  EXPECT_THAT(told, Contains("warning: lcore 7: there is no such CPU online; correct dataplane.lcores; online are 0-3"));
  EXPECT_THAT(told, Contains("warning: port outside: NUMA node 1, but not lcore 1, 2; choose dataplane.lcores of that node: see lscpu"));
  EXPECT_THAT(told, Contains(StartsWith("warning: steering of port outside: 3 workers: ")));
}

TEST_F(MachineReport, TooFewHugepagesAreToldApartFromNone) {
  write("sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "10\n");
  EXPECT_THAT(lines(&settings), Contains("warning: hugepages: 10 of 512 pages of 2 MB free; 128 MB are wanted (dataplane.memory_mb): raise /proc/sys/vm/nr_hugepages"));
}

TEST_F(MachineReport, PortOfTheKernelWithSeveralWorkersHandsOver) {
  settings.ports[0].profile = drivers::Profile::packet;
  settings.ports[0].device = "eth0";
  const auto told = lines(&settings);
  EXPECT_THAT(told, Contains("ok: port outside: belongs to no NUMA node"));
  EXPECT_THAT(told, Contains(HasSubstr("profile packet has no rules by port: workers hand over to each other; profile vfio steers in the NIC")));
  settings.lcores = {2};
  EXPECT_THAT(lines(&settings), Contains("ok: steering of port outside: one worker, nothing to steer"));
}

TEST_F(MachineReport, WayToTheKernelIsNamedForAPortThatItDoesNotSee) {
  EXPECT_THAT(lines(&settings), Contains("ok: exception port of port outside: virtio_user over vhost-net"));
  fs::remove(root / "dev/vhost-net");
  EXPECT_THAT(lines(&settings), Contains("warning: exception port of port outside: neither /dev/vhost-net nor /dev/net/tun may be opened; modprobe vhost_net or tun, and let this user open the device"));
  write("dev/net/tun", "");
  EXPECT_THAT(lines(&settings), Contains("ok: exception port of port outside: tap, /dev/vhost-net may not be opened"));
  settings.ports[0].profile = drivers::Profile::packet;
  EXPECT_THAT(lines(&settings), Not(Contains(HasSubstr("exception port"))));
}

TEST_F(MachineReport, WithoutANodeFileItSpeaksOfTheMachineOnly) {
  EXPECT_THAT(lines(nullptr), Contains("ok: isolated CPUs: 2-3"));
  write("sys/devices/system/cpu/isolated", "\n");
  EXPECT_THAT(lines(nullptr), Contains(StartsWith("warning: isolated CPUs: none; isolcpus=")));
}

}  // namespace
}  // namespace sallyport::dataplane
