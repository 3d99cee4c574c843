// Root looks into the spool as the user that the spool belongs to: files that appear meanwhile keep
// the right owner, and a spool prepared by somebody else can make us do nothing that he could not
// do himself. What root asked to have elsewhere (an export) is still written as root.
#pragma once

#include <string>

namespace relais::ctl {

/// root becomes the owner of `directory`; others stay who they are. Returns false if there is no
/// such directory. Throws failure.
bool become_owner_of(const std::string& directory);

/// While it lives, the calling thread reaches files as who started the program; the threads of the
/// spool are not touched (setfsuid(2) is per thread, seteuid(2) is not).
class as_invoker {
 public:
  as_invoker();
  ~as_invoker();
  as_invoker(const as_invoker&) = delete;
  as_invoker& operator=(const as_invoker&) = delete;
};

}  // namespace relais::ctl
