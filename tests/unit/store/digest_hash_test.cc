// SPDX-License-Identifier: Apache-2.0
#include "controlplane/store/digest_hash.h"

#include <gtest/gtest.h>

namespace sallyport::store {
namespace {

// The user, realm and password of RFC 7616 3.9.1 and RFC 2617 3.5; the hashes of their A1 by coreutils' md5sum and sha256sum.
TEST(DigestHash, IsTheHashOfUserRealmAndPasswordJoinedByColons) {
  EXPECT_EQ(ha1_md5("Mufasa", "testrealm@host.com", "Circle Of Life"), "939e7578ed9e3c518a452acee763bce9");
  EXPECT_EQ(ha1_md5("Mufasa", "http-auth@example.org", "Circle of Life"), "3d78807defe7de2157e2b0b6573a855f");
  EXPECT_EQ(ha1_sha256("Mufasa", "http-auth@example.org", "Circle of Life"), "7987c64c30e25f1b74be53f966b49b90f2808aa92faf9a00262392d7b4794232");
}

}  // namespace
}  // namespace sallyport::store
