// Where the octets behind 354 come from: memory, or the spool piece by piece, so that a message of
// any size needs the memory of one piece only.
#pragma once

#include <string>
#include <string_view>

#include "queue/spool_gate.hpp"

namespace relais::delivery {

class content_source {
 public:
  virtual ~content_source() = default;
  virtual std::uint64_t size() const noexcept = 0;
  /// The next piece, valid until the next call; empty at the end. An error: what was handed out is
  /// not to be trusted, and the peer must not take it for a message.
  virtual net::task<result<std::string_view>> next() = 0;
};

class content_in_memory final : public content_source {
 public:
  /// `octets` outlive the source.
  explicit content_in_memory(std::string_view octets) : octets_(octets) {}
  std::uint64_t size() const noexcept override { return octets_.size(); }
  net::task<result<std::string_view>> next() override;

 private:
  std::string_view octets_;
  bool is_told_ = false;
};

class content_in_spool final : public content_source {
 public:
  /// `gate` outlives the source.
  content_in_spool(queue::spool_gate& gate, queue::spool_gate::download from, std::size_t piece)
      : gate_(gate), from_(std::move(from)), piece_size_(piece) {}
  std::uint64_t size() const noexcept override { return from_->size(); }
  net::task<result<std::string_view>> next() override;

 private:
  queue::spool_gate& gate_;
  queue::spool_gate::download from_;
  std::size_t piece_size_;
  std::string piece_;
};

}  // namespace relais::delivery
