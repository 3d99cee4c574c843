#include "support/sim_disk.hpp"

#include <algorithm>

namespace relais::testing {
namespace {

constexpr std::size_t sector = 512;

std::size_t sectors_of(const std::string& data) {
  return (data.size() + sector - 1) / sector;
}

std::string_view sector_of(const std::string& data, std::size_t index) {
  return index * sector >= data.size() ? std::string_view{}
                                       : std::string_view(data).substr(index * sector, sector);
}

}  // namespace

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
    const std::lock_guard lock(disk_.mutex_);
    std::string octets;
    for (const auto part : parts) octets += part;
    auto error = enter(disk_operation::write);
    if (!error && !writable_) error = errc::permission;
    if (disk_.is_off_now()) return error;
    auto at = static_cast<std::size_t>(offset);
    if (!error && disk_.would_not_fit(*node_, at + octets.size())) error = errc::no_space;
    // A write that fails has done some of its work.
    if (error) octets.resize(octets.size() / 2);
    if (disk_.would_not_fit(*node_, at + octets.size())) return error;
    if (node_->data.size() < at + octets.size()) node_->data.resize(at + octets.size());
    node_->data.replace(at, octets.size(), octets);
    // Written again: the sectors are dirty again, and a sync may save them.
    for (auto s = at / sector; s * sector < at + octets.size(); ++s) node_->dropped.erase(s);
    return error;
  }

  result<std::string> read_at(std::uint64_t offset, std::size_t length) override {
    const std::lock_guard lock(disk_.mutex_);
    if (const auto error = enter(disk_operation::read)) return error;
    if (offset >= node_->data.size()) return std::string();
    return node_->data.substr(static_cast<std::size_t>(offset), length);
  }

  result<std::uint64_t> size() override {
    const std::lock_guard lock(disk_.mutex_);
    if (const auto error = enter(disk_operation::size)) return error;
    return static_cast<std::uint64_t>(node_->data.size());
  }

  error_code sync() override {
    const std::lock_guard lock(disk_.mutex_);
    const auto error = enter(disk_operation::sync);
    if (disk_.is_off_now()) return error;
    disk_.sync_data(*node_, !error);
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

sim_disk::sim_disk(limits capacity) : capacity_(capacity) {
  folders_["."];
}

std::uint64_t sim_disk::operations() const {
  const std::lock_guard lock(mutex_);
  return operations_;
}

void sim_disk::cut_power_after(std::uint64_t operations) {
  const std::lock_guard lock(mutex_);
  power_ends_at_ = operations_ + operations;
}

bool sim_disk::is_off_now() const {
  return power_ends_at_ && operations_ > *power_ends_at_;
}

bool sim_disk::is_off() const {
  const std::lock_guard lock(mutex_);
  return is_off_now();
}

void sim_disk::fail_after(std::uint64_t operations, errc error) {
  const std::lock_guard lock(mutex_);
  failure_ = {operations_ + operations, error};
}

void sim_disk::on_operation(
    std::function<std::optional<errc>(disk_operation, std::string_view)> hook) {
  const std::lock_guard lock(mutex_);
  hook_ = std::move(hook);
}

void sim_disk::set_capacity(limits capacity) {
  const std::lock_guard lock(mutex_);
  capacity_ = capacity;
}

error_code sim_disk::enter(disk_operation operation, std::string_view name) {
  const auto number = operations_++;
  if (is_off_now()) return errc::io_error;
  if (failure_ && failure_->first == number) return failure_->second;
  if (hook_) {
    if (const auto error = hook_(operation, name)) return *error;
  }
  return {};
}

void sim_disk::apply(std::map<std::string, node>& entries, const change& c) {
  if (c.target) {
    entries[c.name] = c.target;
  } else {
    entries.erase(c.name);
  }
}

void sim_disk::crash(std::uint64_t seed) {
  const std::lock_guard lock(mutex_);
  seeded_random random(seed);
  // The mood of this crash, so that the extremes occur, too: all lost, all kept, a mixture.
  const auto mood = random.below(4);
  const auto survives = [&] { return mood == 0 ? false : mood == 1 ? true : random.below(2) == 0; };

  std::vector<std::pair<directory*, const change*>> changes;
  for (auto& [name, folder] : folders_)
    for (const auto& c : folder.pending) changes.emplace_back(&folder, &c);
  std::ranges::sort(changes, {}, [](const auto& c) { return c.second->serial; });
  std::set<std::uint64_t> lost;
  for (const auto& [folder, c] : changes) {
    if (survives() && !lost.contains(c->needs)) {
      apply(folder->durable, *c);
    } else {
      lost.insert(c->serial);
    }
  }
  for (auto& [name, folder] : folders_) {
    folder.pending.clear();
    // Two names of one inode (half a rename) become two files here; nobody links on purpose.
    for (auto& [leaf, target] : folder.durable) {
      target = std::make_shared<inode>(*target);
      settle_data(*target, random);
    }
    folder.entries = folder.durable;
  }
  ++boot_;
  power_ends_at_.reset();
  failure_.reset();
}

/// Each sector that differs is new, old, or new up to somewhere in its middle.
void sim_disk::settle_data(inode& target, seeded_random& random) {
  const auto mood = random.below(4);
  const auto pick = [&] { return mood == 0 ? 0 : mood == 1 ? 1 : random.below(3); };
  std::string settled = target.durable;
  const auto size_choice = pick();
  if (size_choice == 1) settled.resize(target.data.size());
  if (size_choice == 2) {
    const auto low = std::min(target.durable.size(), target.data.size());
    const auto high = std::max(target.durable.size(), target.data.size());
    settled.resize(low + static_cast<std::size_t>(random.below(high - low + 1)));
  }
  for (std::size_t s = 0; s < sectors_of(settled); ++s) {
    const auto fresh = sector_of(target.data, s);
    if (fresh == sector_of(target.durable, s)) continue;
    const auto choice = pick();
    if (choice == 0) continue;
    auto length = std::min(fresh.size(), settled.size() - s * sector);
    if (choice == 2) length = static_cast<std::size_t>(random.below(length + 1));
    settled.replace(s * sector, length, fresh.substr(0, length));
  }
  target.data = settled;
  target.durable = std::move(settled);
  target.dropped.clear();
}

void sim_disk::sync_data(inode& target, bool succeeds) {
  if (!succeeds) {
    for (std::size_t s = 0; s < sectors_of(target.data); ++s)
      if (sector_of(target.data, s) != sector_of(target.durable, s)) target.dropped.insert(s);
    return;
  }
  target.durable.resize(target.data.size());
  for (std::size_t s = 0; s < sectors_of(target.data); ++s) {
    if (target.dropped.contains(s)) continue;
    const auto fresh = sector_of(target.data, s);
    target.durable.replace(s * sector, fresh.size(), fresh);
  }
}

sim_disk::place sim_disk::locate(std::string_view name) {
  const auto slash = name.rfind('/');
  const auto folder =
      slash == std::string_view::npos ? std::string_view(".") : name.substr(0, slash);
  const auto found = folders_.find(folder);
  if (found == folders_.end()) return {};
  return {&found->second,
          std::string(slash == std::string_view::npos ? name : name.substr(slash + 1))};
}

void sim_disk::record(const place& where, node target, std::uint64_t needs) {
  change c{where.leaf, std::move(target), ++serial_, needs, false};
  apply(where.folder->entries, c);
  where.folder->pending.push_back(std::move(c));
}

std::uint64_t sim_disk::used() const {
  std::uint64_t bytes = 0;
  for (const auto& [name, folder] : folders_)
    for (const auto& [leaf, target] : folder.entries) bytes += target->data.size();
  return bytes;
}

bool sim_disk::would_not_fit(const inode& target, std::size_t new_size) const {
  return new_size > target.data.size() &&
         used() + (new_size - target.data.size()) > capacity_.bytes;
}

result<std::unique_ptr<spool::file>> sim_disk::open(std::string_view name, spool::open_mode mode) {
  const std::lock_guard lock(mutex_);
  if (const auto error = enter(disk_operation::open, name)) return error;
  const auto where = locate(name);
  if (where.folder == nullptr) return make_error_code(errc::not_found);
  const auto found = where.folder->entries.find(where.leaf);
  node target = found == where.folder->entries.end() ? nullptr : found->second;
  if (mode == spool::open_mode::create_new) {
    if (target) return make_error_code(errc::exists);
    target = std::make_shared<inode>();
    record(where, target);
  }
  if (!target) return make_error_code(errc::not_found);
  return std::unique_ptr<spool::file>(std::make_unique<sim_file>(
      *this, std::move(target), std::string(name), boot_, mode != spool::open_mode::read));
}

error_code sim_disk::make_directory(std::string_view name) {
  const std::lock_guard lock(mutex_);
  if (const auto error = enter(disk_operation::make_directory, name)) return error;
  folders_.try_emplace(std::string(name));
  return {};
}

result<std::vector<std::string>> sim_disk::list(std::string_view name) {
  const std::lock_guard lock(mutex_);
  if (const auto error = enter(disk_operation::list, name)) return error;
  const auto found = folders_.find(name);
  if (found == folders_.end()) return make_error_code(errc::not_found);
  std::vector<std::string> names;
  for (const auto& [leaf, target] : found->second.entries) names.push_back(leaf);
  return names;
}

error_code sim_disk::rename(std::string_view from, std::string_view to) {
  const std::lock_guard lock(mutex_);
  if (const auto error = enter(disk_operation::rename, from)) return error;
  const auto source = locate(from);
  const auto destination = locate(to);
  if (source.folder == nullptr || destination.folder == nullptr) return errc::not_found;
  const auto found = source.folder->entries.find(source.leaf);
  if (found == source.folder->entries.end()) return errc::not_found;
  record(destination, found->second);
  record(source, nullptr, serial_);
  return {};
}

error_code sim_disk::remove(std::string_view name) {
  const std::lock_guard lock(mutex_);
  if (const auto error = enter(disk_operation::remove, name)) return error;
  const auto where = locate(name);
  if (where.folder == nullptr || !where.folder->entries.contains(where.leaf))
    return errc::not_found;
  record(where, nullptr);
  return {};
}

error_code sim_disk::sync_directory(std::string_view name) {
  const std::lock_guard lock(mutex_);
  const auto error = enter(disk_operation::sync_directory, name);
  const auto found = folders_.find(name);
  if (found == folders_.end()) return errc::not_found;
  if (is_off_now()) return error;
  auto& folder = found->second;
  if (error) {
    for (auto& c : folder.pending) c.dropped = true;
    return error;
  }
  // The new name of what was renamed away from here goes along, so that the file never vanishes.
  for (const auto& c : folder.pending) {
    if (c.needs == 0 || c.dropped) continue;
    for (auto& [other_name, other] : folders_)
      std::erase_if(other.pending, [&](const change& o) {
        if (o.serial != c.needs) return false;
        apply(other.durable, o);
        return true;
      });
  }
  std::erase_if(folder.pending, [&](const change& c) {
    if (c.dropped) return false;
    apply(folder.durable, c);
    return true;
  });
  return {};
}

result<spool::free_space> sim_disk::space() {
  const std::lock_guard lock(mutex_);
  if (const auto error = enter(disk_operation::space, ".")) return error;
  std::uint64_t files = 0;
  for (const auto& [name, folder] : folders_) files += folder.entries.size();
  const auto bytes = used();
  return spool::free_space{capacity_.bytes > bytes ? capacity_.bytes - bytes : 0,
                           capacity_.inodes > files ? capacity_.inodes - files : 0};
}

bool sim_disk::flip_bit(std::string_view name, std::uint64_t bit) {
  const std::lock_guard lock(mutex_);
  const auto where = locate(name);
  if (where.folder == nullptr || !where.folder->entries.contains(where.leaf)) return false;
  auto& target = *where.folder->entries[where.leaf];
  for (auto* data : {&target.data, &target.durable}) {
    if (bit / 8 >= data->size()) return false;
    auto& octet = (*data)[static_cast<std::size_t>(bit / 8)];
    octet = static_cast<char>(static_cast<unsigned char>(octet) ^ (1u << (bit % 8)));
  }
  return true;
}

std::optional<std::string> sim_disk::content(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const auto where = const_cast<sim_disk*>(this)->locate(name);
  if (where.folder == nullptr || !where.folder->entries.contains(where.leaf)) return {};
  return where.folder->entries[where.leaf]->data;
}

void sim_disk::put(std::string_view name, std::string content) {
  const std::lock_guard lock(mutex_);
  const auto slash = name.rfind('/');
  if (slash != std::string_view::npos) folders_.try_emplace(std::string(name.substr(0, slash)));
  const auto where = locate(name);
  auto target = std::make_shared<inode>();
  target->data = content;
  target->durable = std::move(content);
  where.folder->entries[where.leaf] = target;
  where.folder->durable[where.leaf] = target;
}

}  // namespace relais::testing
