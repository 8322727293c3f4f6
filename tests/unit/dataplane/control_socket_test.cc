// SPDX-License-Identifier: Apache-2.0
#include "dataplane/control_socket.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "dataplane/region.h"
#include "tests/unit/dataplane/region_client.h"

namespace sallyport::test {
namespace {

class ControlSocketTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/sallyport-test-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    directory = name;
    region = std::move(*dataplane::Region::create({1, 64, 36002, 59999}, dataplane::RegionPages::small));
    wake = eventfd(0, EFD_NONBLOCK);
    notify = eventfd(0, EFD_NONBLOCK);
    auto made = listen();
    ASSERT_TRUE(made);
    socket = std::move(*made);
    server = std::thread([this] { serve(); });
  }
  void TearDown() override {
    stop = true;
    if (server.joinable()) server.join();
    socket.reset();
    rmdir(directory.c_str());
    close(wake);
    close(notify);
  }
  Outcome<std::unique_ptr<dataplane::ControlSocket>> listen() {
    return dataplane::ControlSocket::listen(path(), [this](int offered, dataplane::ControlSocket::Descriptors& passed) {
      last_offered = offered;
      passed = {region->descriptor(), wake, notify};
      abi::Welcome welcome;
      welcome.region_bytes = region->geometry().region_bytes();
      welcome.epoch = 5;
      return welcome;
    });
  }
  void serve() {
    while (!stop) {
      pollfd waits[] = {{socket->listen_descriptor(), POLLIN, 0}, {socket->peer_descriptor(), POLLIN, 0}, {socket->waiting_descriptor(), POLLIN, 0}};
      poll(waits, 3, 10);
      if (waits[1].revents) socket->serve_peer();
      if (waits[2].revents) socket->serve_waiting();
      if (waits[0].revents) socket->accept_peer();
    }
  }
  std::string path() const { return directory + "/s"; }

  std::string directory;
  std::unique_ptr<dataplane::Region> region;
  std::unique_ptr<dataplane::ControlSocket> socket;
  std::thread server;
  std::atomic<bool> stop{false};
  std::atomic<int> last_offered{-2};
  int wake = -1, notify = -1;
};

TEST_F(ControlSocketTest, HelloIsAnsweredWithTheRegionAndBothEvents) {
  auto client = RegionClient::connect(path());
  ASSERT_TRUE(client);
  EXPECT_EQ(client->welcome().epoch, 5u);
  EXPECT_EQ(client->header().magic, abi::region_magic);
  EXPECT_EQ(last_offered, -1);
  struct stat status{};
  ASSERT_EQ(stat(path().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0077, 0u) << "whoever reaches the socket gets the keys";
}

TEST_F(ControlSocketTest, NewerControlPlaneReplacesTheOlderAndGetsTheSameRegion) {
  auto first = RegionClient::connect(path());
  ASSERT_TRUE(first);
  first->flow(3).generation_live = 42;
  auto second = RegionClient::connect(path(), first->region_descriptor());
  ASSERT_TRUE(second);
  EXPECT_GE(last_offered, 0);
  EXPECT_EQ(second->flow(3).generation_live, 42u);
}

TEST_F(ControlSocketTest, SecondDataplaneOnTheSocketIsRefused) {
  const auto second = listen();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.fault().code, FaultCode::conflict);
  EXPECT_TRUE(RegionClient::connect(path())) << "and the first still serves";
}

TEST_F(ControlSocketTest, GarbageInsteadOfHelloClosesThatConnectionOnly) {
  auto good = RegionClient::connect(path());
  ASSERT_TRUE(good);
  const int rude = ::socket(AF_UNIX, SOCK_SEQPACKET, 0);
  sockaddr_un target{};
  target.sun_family = AF_UNIX;
  std::strncpy(target.sun_path, path().c_str(), sizeof target.sun_path - 1);
  ASSERT_EQ(connect(rude, reinterpret_cast<sockaddr*>(&target), sizeof target), 0);
  ASSERT_GT(send(rude, "hello", 5, 0), 0);
  pollfd gone{rude, POLLIN, 0};
  ASSERT_EQ(poll(&gone, 1, 2000), 1);
  char byte;
  EXPECT_LE(recv(rude, &byte, 1, 0), 0);
  close(rude);
  EXPECT_GE(socket->peer_descriptor(), 0);
}

}  // namespace
}  // namespace sallyport::test
