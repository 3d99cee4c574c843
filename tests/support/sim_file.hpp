// An open file of the simulated disk; for sim_disk.cpp alone.
#pragma once

#include <algorithm>
#include <string>

#include "support/sim_disk.hpp"

namespace relais::testing {

class sim_file final : public spool::file {
 public:
  sim_file(sim_disk& disk, sim_disk::node target, std::string name, std::uint64_t boot,
           bool writable)
      : disk_(disk),
        node_(std::move(target)),
        name_(std::move(name)),
        boot_(boot),
        writable_(writable) {}

  error_code write_at(std::uint64_t offset, std::span<const std::string_view> parts) override {
    disk_.announce(disk_operation::write, name_);
    const std::lock_guard lock(disk_.mutex_);
    std::string octets;
    for (const auto part : parts) octets += part;
    disk_.short_write_.reset();
    auto error = enter(disk_operation::write);
    if (!error && !writable_) error = errc::permission;
    if (boot_ != disk_.boot_ || disk_.is_off_now()) return error;
    const auto at = static_cast<std::size_t>(offset);
    if (!error && disk_.would_not_fit(*node_, at + octets.size())) error = errc::no_space;
    // A write that fails has done some of its work.
    if (error) {
      octets.resize(std::min(octets.size(), disk_.short_write_.value_or(octets.size() / 2)));
      if (!writable_ || disk_.would_not_fit(*node_, at + octets.size())) return error;
    }
    if (!octets.empty()) node_->write(at, octets);
    return error;
  }

  result<std::string> read_at(std::uint64_t offset, std::size_t length) override {
    disk_.announce(disk_operation::read, name_);
    const std::lock_guard lock(disk_.mutex_);
    if (const auto error = enter(disk_operation::read)) return error;
    return node_->seen().read(static_cast<std::size_t>(offset), length);
  }

  result<std::uint64_t> size() override {
    const std::lock_guard lock(disk_.mutex_);
    if (const auto error = enter(disk_operation::size)) return error;
    return static_cast<std::uint64_t>(node_->size());
  }

  error_code allocate(std::uint64_t length) override {
    disk_.announce(disk_operation::allocate, name_);
    const std::lock_guard lock(disk_.mutex_);
    if (const auto error = enter(disk_operation::allocate)) return error;
    if (!writable_) return errc::permission;
    const auto size = static_cast<std::size_t>(length);
    if (disk_.would_not_fit(*node_, size)) return errc::no_space;
    node_->extend(size);
    return {};
  }

  bool has_name() override {
    const std::lock_guard lock(disk_.mutex_);
    return boot_ == disk_.boot_ && disk_.is_named(node_);
  }

  error_code sync() override {
    disk_.announce(disk_operation::sync, name_);
    const std::lock_guard lock(disk_.mutex_);
    const auto error = enter(disk_operation::sync);
    if (boot_ != disk_.boot_ || disk_.is_off_now()) return error;
    if (error) {
      node_->sync_failed();
    } else {
      node_->sync();
    }
    return error;
  }

 private:
  error_code enter(disk_operation operation) {
    if (boot_ != disk_.boot_) return errc::io_error;
    return disk_.enter(operation, name_);
  }

  sim_disk& disk_;
  sim_disk::node node_;
  std::string name_;
  std::uint64_t boot_;
  bool writable_;
};

}  // namespace relais::testing
