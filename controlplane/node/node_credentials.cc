// SPDX-License-Identifier: Apache-2.0
#include "controlplane/node/node_credentials.h"

namespace sallyport::node {
namespace {

tls::CredentialSource listener_source(const config::TlsSection& files) {
  tls::CredentialSource source;
  source.platform = {"platform", files.certificate, files.key};
  source.ca_paths = {files.ca_file};
  return source;
}

tls::CredentialSource zone_source(const config::TlsSection& files) {
  tls::CredentialSource source = listener_source(files);
  if (!files.client_certificate.empty()) source.platform = {"zone client", files.client_certificate, files.client_key};
  return source;
}

tls::CredentialSource call_control_source(const config::TlsSection& files) {
  tls::CredentialSource source = listener_source(files);
  if (!files.call_control_ca_file.empty()) source.ca_paths = {files.call_control_ca_file};
  return source;
}

}  // namespace

Outcome<NodeCredentials> NodeCredentials::load(const config::TlsSection& files) {
  NodeCredentials made;
  auto listeners = tls::CredentialStore::load(listener_source(files));
  if (!listeners) return listeners.fault();
  auto zone = tls::CredentialStore::load(zone_source(files));
  if (!zone) return zone.fault();
  auto call_control = tls::CredentialStore::load(call_control_source(files));
  if (!call_control) return call_control.fault();
  made.listeners_ = std::move(*listeners);
  made.zone_ = std::move(*zone);
  made.call_control_ = std::move(*call_control);
  return made;
}

Outcome<> NodeCredentials::reload(const config::TlsSection& files) {
  // What does not load here leaves every store as it was.
  if (const auto all = load(files); !all) return all.fault();
  if (const Outcome<> done = listeners_->reload(listener_source(files)); !done) return done;
  if (const Outcome<> done = zone_->reload(zone_source(files)); !done) return done;
  return call_control_->reload(call_control_source(files));
}

}  // namespace sallyport::node
