#include "tests/world/host_tls.h"

#include <nlohmann/json.hpp>

namespace bulkmail::world {
namespace {

HostTls::Certificate certificate_named(const std::string& name, const std::string& path) {
  if (name == "valid") return HostTls::Certificate::valid;
  if (name == "self-signed") return HostTls::Certificate::self_signed;
  if (name == "expired") return HostTls::Certificate::expired;
  throw FileError(path + ": must be valid, self-signed or expired");
}

test::TlsHost::Versions versions_named(const std::string& name, const std::string& path) {
  if (name == "any") return test::TlsHost::Versions::any;
  if (name == "1.2") return test::TlsHost::Versions::only_1_2;
  if (name == "1.0") return test::TlsHost::Versions::only_1_0;
  throw FileError(path + ": must be any, 1.2 or 1.0");
}

} // namespace

HostTls HostTls::read(const Json& value, const std::string& path) {
  HostTls tls;
  if (value.is_string()) {
    tls.certificate = certificate_named(value.get<std::string>(), path);
    return tls;
  }
  Fields fields(value, path);
  if (const auto name = fields.text("certificate"))
    tls.certificate = certificate_named(*name, fields.path("certificate"));
  if (const auto name = fields.text("versions"))
    tls.versions = versions_named(*name, fields.path("versions"));
  tls.names = fields.texts("names").value_or(std::vector<std::string>{});
  tls.offered = fields.flag("offered").value_or(true);
  tls.implicit = fields.flag("implicit").value_or(false);
  fields.finish();
  return tls;
}

test::Identity HostTls::identity(const test::Authority& authority, const std::string& host,
                                 const std::vector<std::string>& addresses) const {
  std::vector<std::string> all = names;
  if (all.empty()) {
    all.push_back(host);
    all.insert(all.end(), addresses.begin(), addresses.end());
  }
  switch (certificate) {
  case Certificate::valid: break;
  case Certificate::self_signed: return test::Authority::self_signed(all);
  case Certificate::expired: return authority.expired(all);
  }
  return authority.valid(all);
}

} // namespace bulkmail::world
