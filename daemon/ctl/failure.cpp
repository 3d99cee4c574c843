#include "daemon/ctl/failure.hpp"

#include "base/error.hpp"

namespace relais::ctl {

exit_code exit_code_of(const error_code& error) noexcept {
  if (error == errc::corrupt) return exit_code::data_error;
  if (error == errc::not_found) return exit_code::no_input;
  if (error == errc::busy) return exit_code::temporary;
  if (error == errc::permission) return exit_code::no_permission;
  if (error == errc::exists) return exit_code::cannot_create;
  return exit_code::io_error;
}

}  // namespace relais::ctl
