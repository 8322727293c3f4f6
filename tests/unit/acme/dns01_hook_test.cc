// SPDX-License-Identifier: Apache-2.0
// The operator's program: what it is told, and what becomes of it when it fails, hangs, or leaves something running.
#include "controlplane/acme/dns01_hook.h"

#include <gmock/gmock.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "controlplane/acme/program_run.h"
#include "tests/unit/acme/acme_fixture.h"

namespace sallyport::acme_test {
namespace {

using ::testing::HasSubstr;

class Dns01HookTest : public AcmeTest {
 public:
  std::string program(const std::string& text) {
    certificates.write("hook", "#!/bin/sh\n" + text + "\n");
    ::chmod(certificates.path("hook").c_str(), 0755);
    return certificates.path("hook");
  }
  Outcome<> present(Dns01HookOptions options) {
    Dns01Hook hook(std::move(options));
    std::optional<Outcome<>> outcome;
    run([&]() -> awaitable<void> {
      ChallengeTask task;
      task.domain = "a.example.test";
      task.token = "token";
      task.key_authorization = "token.thumbprint";
      outcome = co_await hook.present(std::move(task));
    }());
    return *outcome;
  }
  std::string fault_of(Dns01HookOptions options) {
    const auto outcome = present(std::move(options));
    return outcome ? "no fault" : outcome.fault().text();
  }
};

TEST_F(Dns01HookTest, ProgramGetsVerbNameAndValueWithoutAShell) {
  Dns01HookOptions options;
  options.program = program("printf '%s|' \"$@\" > " + certificates.path("said"));
  Dns01Hook hook(options);
  run([&]() -> awaitable<void> {
    ChallengeTask task;
    task.domain = "a.example.test";
    task.key_authorization = "token.thumbprint";
    const ChallengeTask again = task;
    const auto presented = co_await hook.present(std::move(task));
    EXPECT_TRUE(presented) << presented.fault().text();
    EXPECT_EQ(certificates.read("said"), "present|_acme-challenge.a.example.test|" + challenge_record_text("token.thumbprint") + "|");
    task = again;
    const auto cleaned = co_await hook.cleanup(std::move(task));
    EXPECT_TRUE(cleaned);
    EXPECT_EQ(certificates.read("said"), "cleanup|_acme-challenge.a.example.test|" + challenge_record_text("token.thumbprint") + "|");
  }());
}

TEST_F(Dns01HookTest, WhatItSaysStandsInTheFault) {
  EXPECT_EQ(fault_of({program("echo provider says no >&2; exit 3")}),
            "dns-01 hook for a.example.test: program " + certificates.path("hook") + ": ended with exit status 3; it said: provider says no; run it by hand with the same arguments");
  EXPECT_THAT(fault_of({program("exit 1")}), HasSubstr("said nothing"));
  EXPECT_THAT(fault_of({program("kill -9 $$")}), HasSubstr("was ended by signal 9"));
}

TEST_F(Dns01HookTest, OnlyTheLastOfMuchOutputIsKept) {
  const std::string text = fault_of({program("i=0; while [ $i -lt 20000 ]; do echo line $i of many; i=$((i+1)); done; echo the end; exit 1")});
  EXPECT_LT(text.size(), 1000u);
  EXPECT_THAT(text, HasSubstr("it said: "));
}

TEST_F(Dns01HookTest, ProgramThatHangsIsKilledWithAllItStarted) {
  Dns01HookOptions options;
  options.program = program("echo $$ > " + certificates.path("pid") + "; sleep 1000 & echo $! > " + certificates.path("child") + "; wait");
  options.deadline = 1s;
  EXPECT_THAT(fault_of(options), HasSubstr("ran longer than 1000 ms and was killed"));
  for (const char* name : {"pid", "child"}) {
    const pid_t pid = std::stoi(certificates.read(name));
    run([&]() -> awaitable<void> { EXPECT_TRUE(co_await eventually([pid] { return ::kill(pid, 0) != 0; })) << name; }());
  }
}

TEST_F(Dns01HookTest, WhatItLeavesInTheBackgroundDoesNotHoldItUp) {
  Dns01HookOptions options;
  options.program = program("sleep 1000 & echo $! > " + certificates.path("child"));
  options.deadline = 60s;
  const auto outcome = present(options);
  EXPECT_TRUE(outcome) << outcome.fault().text();
  const pid_t pid = std::stoi(certificates.read("child"));
  run([&]() -> awaitable<void> { EXPECT_TRUE(co_await eventually([pid] { return ::kill(pid, 0) != 0; })); }());
}

TEST_F(Dns01HookTest, EnvironmentAndDescriptorsOfThisProcessStayHere) {
  ::setenv("SALLYPORT_TEST_SECRET", "s3cret", 1);
  Dns01HookOptions options;
  options.program = program("env > " + certificates.path("said") + "; ls /proc/self/fd | wc -l >> " + certificates.path("said"));
  EXPECT_TRUE(present(options));
  ::unsetenv("SALLYPORT_TEST_SECRET");
  EXPECT_EQ(certificates.read("said").find("s3cret"), std::string::npos);
  EXPECT_THAT(certificates.read("said"), HasSubstr("\n4\n")) << "stdin, stdout, stderr, and the folder that ls reads";
}

TEST_F(Dns01HookTest, CapabilityToBindPort80StaysHere) {
  const unsigned long capability = CAP_NET_BIND_SERVICE;
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  ASSERT_EQ(::syscall(SYS_capget, &header, data), 0);
  data[0].inheritable |= 1u << capability;
  const bool raised = ::syscall(SYS_capset, &header, data) == 0 && ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) == 0;
  if (!raised) GTEST_SKIP() << "ambient capabilities cannot be raised here; run it as root";
  Dns01HookOptions options;
  options.program = program("grep CapAmb /proc/self/status > " + certificates.path("said"));
  EXPECT_TRUE(present(options));
  EXPECT_EQ(certificates.read("said"), "CapAmb:\t0000000000000000\n");
  EXPECT_EQ(::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, capability, 0, 0), 1) << "this process lost it";
  ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

TEST_F(Dns01HookTest, ProgramThatIsNotThereIsNamed) {
  EXPECT_THAT(fault_of({"/nonexistent/hook"}), HasSubstr("program /nonexistent/hook: cannot be run: No such file or directory"));
  EXPECT_THAT(fault_of({"hook"}), HasSubstr("is not an absolute path"));
}

}  // namespace
}  // namespace sallyport::acme_test
