#include "base/error.hpp"

#include <cerrno>
#include <string>

namespace relais {
namespace {

class category final : public boost::system::error_category {
 public:
  const char* name() const noexcept override { return "relais"; }

  std::string message(int value) const override {
    switch (static_cast<errc>(value)) {
      case errc::timeout: return "timed out";
      case errc::peer_closed: return "connection closed by peer";
      case errc::connection_failed: return "connection failed";
      case errc::cancelled: return "cancelled";
      case errc::line_too_long: return "line too long";
      case errc::protocol_error: return "protocol error";
      case errc::tls_failed: return "TLS failure";
      case errc::syntax: return "syntax error";
      case errc::not_found: return "not found";
      case errc::exists: return "already exists";
      case errc::no_data: return "no such record";
      case errc::dns_temporary: return "temporary DNS failure";
      case errc::no_space: return "no space left";
      case errc::read_only: return "read-only file system";
      case errc::io_error: return "I/O error";
      case errc::corrupt: return "stored data is damaged";
      case errc::permission: return "permission denied";
      case errc::busy: return "in use by another process";
      case errc::draining: return "shutting down";
      case errc::out_of_memory_budget: return "memory budget spent";
    }
    return "unknown error";
  }
};

}  // namespace

const boost::system::error_category& relais_category() noexcept {
  static const category instance;
  return instance;
}

error_code from_errno(int number) noexcept {
  switch (number) {
    case ENOENT:
    case ENOTDIR: return errc::not_found;
    case EEXIST: return errc::exists;
    case ENOSPC:
    case EDQUOT: return errc::no_space;
    case EROFS: return errc::read_only;
    case EACCES:
    case EPERM: return errc::permission;
    case EAGAIN:
    case EBUSY: return errc::busy;
    default: return errc::io_error;
  }
}

}  // namespace relais
