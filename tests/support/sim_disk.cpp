#include "support/sim_disk.hpp"

#include <algorithm>
#include <set>

#include "support/sim_file.hpp"

namespace relais::testing {

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

void sim_disk::observe(std::function<void(disk_operation, std::string_view)> observer) {
  observer_ = std::move(observer);
}

void sim_disk::announce(disk_operation operation, std::string_view name) const {
  if (observer_) observer_(operation, name);  // without the lock: it looks at the disk
}

void sim_disk::fail_after(std::uint64_t operations, errc error) {
  const std::lock_guard lock(mutex_);
  failure_ = {operations_ + operations, error};
}

void sim_disk::fail(disk_fault fault) {
  const std::lock_guard lock(mutex_);
  faults_.push_back(fault);
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

void sim_disk::vanish(bool with_content) {
  const std::lock_guard lock(mutex_);
  has_vanished_ = true;
  if (!with_content) return;
  folders_.clear();
}

error_code sim_disk::enter(disk_operation operation, std::string_view name) {
  const auto number = operations_++;
  if (is_off_now()) return errc::io_error;
  if (failure_ && failure_->first == number) return failure_->second;
  for (auto& f : faults_) {
    if (f.what != operation || f.times == 0) continue;
    if (f.after > 0) {
      --f.after;
      continue;
    }
    if (f.times != UINT64_MAX) --f.times;
    short_write_ = f.written;
    return f.error;
  }
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

sim_disk::tree sim_disk::after_crash(std::uint64_t seed) const {
  seeded_random random(seed);
  std::vector<std::pair<std::string_view, const change*>> changes;
  for (const auto& [name, folder] : folders_)
    for (const auto& c : folder.pending) changes.emplace_back(name, &c);
  std::ranges::sort(changes, {}, [](const auto& c) { return c.second->serial; });
  // The mood of this crash, so that the extremes occur, too: all lost, all kept, the first ones
  // kept, a mixture.
  const auto mood = random.below(5);
  const auto first = random.below(changes.size() + 1);
  const auto survives = [&](std::size_t i) {
    return mood == 0 ? false : mood == 1 ? true : mood == 2 ? i < first : random.below(2) == 0;
  };
  tree settled;
  for (const auto& [name, folder] : folders_) settled[name].durable = folder.durable;
  std::set<std::uint64_t> lost;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    const auto& [name, c] = changes[i];
    if (survives(i) && !lost.contains(c->needs)) {
      apply(settled.find(name)->second.durable, *c);
    } else {
      lost.insert(c->serial);
    }
  }
  // Two names of one file (half a rename) become two files here; nobody links on purpose.
  for (auto& [name, folder] : settled) {
    for (auto& [leaf, target] : folder.durable)
      target = std::make_shared<sim_content>(target->after_crash(random));
    folder.entries = folder.durable;
  }
  return settled;
}

void sim_disk::crash(std::uint64_t seed) {
  const std::lock_guard lock(mutex_);
  folders_ = after_crash(seed);
  ++boot_;
  power_ends_at_.reset();
  failure_.reset();
  faults_.clear();
}

void sim_disk::restart() {
  const std::lock_guard lock(mutex_);
  ++boot_;
  power_ends_at_.reset();
}

std::unique_ptr<sim_disk> sim_disk::crashed_copy(std::uint64_t seed) const {
  const std::lock_guard lock(mutex_);
  auto copy = std::make_unique<sim_disk>(capacity_);
  copy->folders_ = after_crash(seed);
  return copy;
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

sim_disk::node sim_disk::find(std::string_view name) const {
  const auto where = const_cast<sim_disk*>(this)->locate(name);
  if (where.folder == nullptr) return nullptr;
  const auto found = where.folder->entries.find(where.leaf);
  return found == where.folder->entries.end() ? nullptr : found->second;
}

void sim_disk::record(const place& where, node target, std::uint64_t needs) {
  change c{where.leaf, std::move(target), ++serial_, needs, false};
  apply(where.folder->entries, c);
  where.folder->pending.push_back(std::move(c));
}

std::uint64_t sim_disk::used() const {
  std::uint64_t bytes = 0;
  for (const auto& [name, folder] : folders_)
    for (const auto& [leaf, target] : folder.entries) bytes += target->size();
  return bytes;
}

std::uint64_t sim_disk::names() const {
  std::uint64_t files = 0;
  for (const auto& [name, folder] : folders_) files += folder.entries.size();
  return files;
}

bool sim_disk::is_named(const node& target) const {
  for (const auto& [name, folder] : folders_)
    for (const auto& [leaf, entry] : folder.entries)
      if (entry == target) return true;
  return false;
}

bool sim_disk::would_not_fit(const sim_content& target, std::size_t new_size) const {
  return new_size > target.size() && used() + (new_size - target.size()) > capacity_.bytes;
}

result<std::unique_ptr<spool::file>> sim_disk::open(std::string_view name, spool::open_mode mode) {
  if (mode == spool::open_mode::create_new) announce(disk_operation::open, name);
  const std::lock_guard lock(mutex_);
  if (const auto error = enter(disk_operation::open, name)) return error;
  const auto where = locate(name);
  if (where.folder == nullptr) return make_error_code(errc::not_found);
  auto target = find(name);
  if (mode == spool::open_mode::create_new) {
    if (target) return make_error_code(errc::exists);
    if (names() >= capacity_.inodes) return make_error_code(errc::no_space);
    target = std::make_shared<sim_content>();
    record(where, target);
  }
  if (!target) return make_error_code(folders_.contains(name) ? errc::permission : errc::not_found);
  return std::unique_ptr<spool::file>(std::make_unique<sim_file>(
      *this, std::move(target), std::string(name), boot_, mode != spool::open_mode::read));
}

error_code sim_disk::make_directory(std::string_view name) {
  announce(disk_operation::make_directory, name);
  const std::lock_guard lock(mutex_);
  if (const auto error = enter(disk_operation::make_directory, name)) return error;
  if (locate(name).folder == nullptr) return errc::not_found;
  folders_.try_emplace(std::string(name));
  return {};
}

result<std::vector<std::string>> sim_disk::list(std::string_view name) {
  const std::lock_guard lock(mutex_);
  if (const auto error = enter(disk_operation::list, name)) return error;
  const auto found = folders_.find(name);
  if (found == folders_.end()) return make_error_code(errc::not_found);
  std::vector<std::string> listed;
  for (const auto& [leaf, target] : found->second.entries) listed.push_back(leaf);
  for (const auto& [path, folder] : folders_) {
    const auto slash = path.rfind('/');
    const auto parent = slash == std::string::npos ? "." : path.substr(0, slash);
    if (path != "." && parent == name)
      listed.push_back(slash == std::string::npos ? path : path.substr(slash + 1));
  }
  return listed;
}

error_code sim_disk::rename(std::string_view from, std::string_view to) {
  announce(disk_operation::rename, from);
  const std::lock_guard lock(mutex_);
  if (const auto error = enter(disk_operation::rename, from)) return error;
  const auto source = locate(from);
  const auto destination = locate(to);
  const auto target = find(from);
  if (target == nullptr || destination.folder == nullptr) return errc::not_found;
  record(destination, target);
  record(source, nullptr, serial_);
  return {};
}

error_code sim_disk::remove(std::string_view name) {
  announce(disk_operation::remove, name);
  const std::lock_guard lock(mutex_);
  if (const auto error = enter(disk_operation::remove, name)) return error;
  if (find(name) == nullptr) return errc::not_found;
  record(locate(name), nullptr);
  return {};
}

error_code sim_disk::sync_directory(std::string_view name) {
  announce(disk_operation::sync_directory, name);
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
  std::set<std::uint64_t> needed;
  for (const auto& c : folder.pending)
    if (c.needs != 0 && !c.dropped) needed.insert(c.needs);
  for (auto& [other_name, other] : folders_)
    std::erase_if(other.pending, [&](const change& c) {
      const bool goes = (&other == &folder && !c.dropped) || needed.contains(c.serial);
      if (goes) apply(other.durable, c);
      return goes;
    });
  return {};
}

result<spool::free_space> sim_disk::space() {
  const std::lock_guard lock(mutex_);
  if (const auto error = enter(disk_operation::space, ".")) return error;
  const auto files = names();
  const auto bytes = used();
  return spool::free_space{capacity_.bytes > bytes ? capacity_.bytes - bytes : 0,
                           capacity_.inodes > files ? capacity_.inodes - files : 0};
}

error_code sim_disk::verify() {
  const std::lock_guard lock(mutex_);
  if (const auto error = enter(disk_operation::verify, ".")) return error;
  return has_vanished_ ? make_error_code(errc::not_found) : error_code{};
}

bool sim_disk::flip_bit(std::string_view name, std::uint64_t bit) {
  const std::lock_guard lock(mutex_);
  const auto target = find(name);
  if (target == nullptr || bit / 8 >= target->size()) return false;
  target->flip_bit(bit);
  return true;
}

std::optional<std::string> sim_disk::content(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const auto target = find(name);
  if (target == nullptr) return {};
  return target->seen().read(0, target->size());
}

void sim_disk::put(std::string_view name, std::string content) {
  const std::lock_guard lock(mutex_);
  for (auto slash = name.find('/'); slash != std::string_view::npos;
       slash = name.find('/', slash + 1))
    folders_.try_emplace(std::string(name.substr(0, slash)));
  const auto where = locate(name);
  auto target = std::make_shared<sim_content>();
  target->write(0, content);
  target->sync();
  where.folder->entries[where.leaf] = target;
  where.folder->durable[where.leaf] = target;
}

bool sim_disk::take_away(std::string_view name) {
  const std::lock_guard lock(mutex_);
  const auto where = locate(name);
  if (where.folder == nullptr || where.folder->entries.erase(where.leaf) == 0) return false;
  where.folder->durable.erase(where.leaf);
  std::erase_if(where.folder->pending, [&](const change& c) { return c.name == where.leaf; });
  return true;
}

std::vector<std::string> sim_disk::files() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> all;
  for (const auto& [name, folder] : folders_)
    for (const auto& [leaf, target] : folder.entries)
      all.push_back(name == "." ? leaf : name + "/" + leaf);
  return all;
}

}  // namespace relais::testing
