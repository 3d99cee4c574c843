// A job on its way to a host: the transaction, where its content comes from, what it cost so far.
// Loading finds the content, in memory or in the spool, and makes it fit for a peer without
// 8BITMIME (RFC 6152 3). Belongs to one session.
#pragma once

#include <memory>
#include <string>

#include "delivery/client_session.hpp"
#include "delivery/settler.hpp"
#include "queue/delivery_job.hpp"
#include "queue/memory_budget.hpp"
#include "queue/spool_gate.hpp"

namespace relais::delivery {

struct parcel {
  queue::delivery_job job;  ///< without message: there is none
  outgoing out;
  attempt how;
  bool is_loaded = false;

  parcel() = default;
  bool has_job() const noexcept { return job.message != nullptr; }
  /// The job is in other hands.
  void clear();

 private:
  friend class loader;
  queue::memory_lease lease_;
  std::shared_ptr<const spool::message> whole_;
  std::string converted_;
};

class loader {
 public:
  struct options {
    bool convert_8bit = true, convert_signed = false;
  };
  /// All outlive it.
  loader(const clock& time, options how, queue::spool_gate& gate, queue::memory_budget& budget)
      : clock_(time), options_(how), gate_(gate), budget_(budget) {}

  /// Makes `out` of the job, for a peer with these features. Errors: out_of_memory_budget (for
  /// now); any other: the content cannot be read.
  net::task<error_code> load(parcel& p, smtp::server_features peer);
  /// The same where nothing has to be waited for; false: it has to.
  bool load_at_once(parcel& p, const smtp::server_features& peer);

 private:
  void describe(parcel& p, std::uint64_t size);
  void take_from_memory(parcel& p, std::string_view octets);
  net::task<error_code> load_pieces(parcel& p);
  error_code convert(parcel& p);

  const clock& clock_;
  options options_;
  queue::spool_gate& gate_;
  queue::memory_budget& budget_;
};

}  // namespace relais::delivery
