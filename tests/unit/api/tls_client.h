// SPDX-License-Identifier: Apache-2.0
#pragma once
// TlsClient: OpenSSL's own client against the administration address, as well-behaved or as odd as a test needs; every read has a
// deadline of 10 s.

#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <memory>
#include <string>

namespace sallyport::api {

class TlsClient {
 public:
  TlsClient(std::uint16_t port, const std::string& ca_path, int max_version = TLS1_3_VERSION) : context_(SSL_CTX_new(TLS_client_method()), SSL_CTX_free) {
    std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes to closed sockets
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
    SSL_CTX_load_verify_locations(context_.get(), ca_path.c_str(), nullptr);
    SSL_CTX_set_max_proto_version(context_.get(), max_version);
    descriptor_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const timeval patience{10, 0};
    ::setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const bool is_connected = ::connect(descriptor_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    session_ = SSL_new(context_.get());
    SSL_set_fd(session_, descriptor_);
    SSL_set_tlsext_host_name(session_, "edge.example.com");
    secured_ = is_connected && SSL_connect(session_) == 1;
  }
  ~TlsClient() {
    if (secured_) SSL_shutdown(session_);
    SSL_free(session_);
    ::close(descriptor_);
  }
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;

  bool is_secured() const { return secured_; }
  void send(const std::string& bytes) {
    if (secured_ && !bytes.empty()) (void)SSL_write(session_, bytes.data(), static_cast<int>(bytes.size()));
  }
  // Until the text is there, the peer closes or the deadline passes.
  std::string read_until(const std::string& text) {
    while (received_.find(text) == std::string::npos && read_some()) {
    }
    return received_;
  }
  std::string read_to_end() {
    while (read_some()) {
    }
    return received_;
  }
  // The peer said goodbye, so what was read is whole.
  bool has_ended_well() const { return (SSL_get_shutdown(session_) & SSL_RECEIVED_SHUTDOWN) != 0; }
  void forget() { received_.clear(); }
  // In decimal.
  std::string serial() const {
    X509* certificate = SSL_get0_peer_certificate(session_);
    if (certificate == nullptr) return {};
    BIGNUM* number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), nullptr);
    char* text = BN_bn2dec(number);
    std::string serial(text);
    OPENSSL_free(text);
    BN_free(number);
    return serial;
  }

 private:
  bool read_some() {
    char chunk[16384];
    const int count = secured_ ? SSL_read(session_, chunk, sizeof chunk) : -1;
    ERR_clear_error();
    if (count <= 0) return false;
    received_.append(chunk, static_cast<std::size_t>(count));
    return true;
  }
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context_;
  SSL* session_ = nullptr;
  int descriptor_ = -1;
  bool secured_ = false;
  std::string received_;
};

}  // namespace sallyport::api
