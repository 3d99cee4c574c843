#include "bench/bench.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <utility>

namespace relais::bench {
namespace {

/// What one commit of this case writes when everybody waits for it.
double batch_of(const case_shape& shape) {
  const auto most = static_cast<double>(spool::store_options{}.batch_octets);
  return std::min(static_cast<double>(shape.size * shape.outstanding), most);
}

void add_costs(measure& m, const std::vector<round_result>& rounds, double size) {
  const auto per_round = [&](auto figure) {
    std::vector<double> values;
    for (const auto& r : rounds) {
      if (r.load.acknowledged > 0) values.push_back(figure(r));
    }
    return median(values);
  };
  const auto messages = [](const round_result& r) {
    return static_cast<double>(r.load.latency.count());
  };
  m.values["cpu_us"] = per_round([&](const auto& r) { return r.used.cpu_us / messages(r); });
  if (std::ranges::all_of(rounds, [](const auto& r) { return r.used.has_device; })) {
    m.values["device"] =
        per_round([&](const auto& r) { return r.used.device_octets / (messages(r) * size); });
    m.values["device_writes"] =
        per_round([&](const auto& r) { return r.used.device_writes / messages(r); });
    m.values["flushes"] = per_round([&](const auto& r) { return r.used.flushes / messages(r); });
  }
  const auto batches = [](const round_result& r) {
    return static_cast<double>(r.after.batches - r.before.batches);
  };
  if (!std::ranges::all_of(rounds, [&](const auto& r) { return batches(r) > 0; })) return;
  m.values["written"] = per_round([&](const auto& r) {
    return static_cast<double>(r.after.octets_written - r.before.octets_written) /
           (messages(r) * size);
  });
  m.values["messages_per_batch"] =
      per_round([&](const auto& r) { return messages(r) / batches(r); });
  if (m.values.contains("flushes")) {
    m.values["flushes_per_batch"] =
        per_round([&](const auto& r) { return r.used.flushes / batches(r); });
  }
}

void add_latency(measure& m, const std::vector<round_result>& rounds) {
  load_result all;
  for (const auto& r : rounds) {
    all.latency.merge(r.load.latency);
    all.outside_disk.merge(r.load.outside_disk);
  }
  m.values["p50_ms"] = all.latency.quantile_ms(0.5);
  m.values["p99_ms"] = all.latency.quantile_ms(0.99);
  m.values["p999_ms"] = all.latency.quantile_ms(0.999);
  m.values["max_ms"] = all.latency.max_ms();
  if (all.outside_disk.count() == 0) return;
  m.values["outside_disk_p999_ms"] = all.outside_disk.quantile_ms(0.999);
  m.values["outside_disk_max_ms"] = all.outside_disk.max_ms();
}

}  // namespace

bool run_options::wants(const std::string& id) const {
  return only.empty() || std::ranges::any_of(only, [&](const std::string& part) {
           return id == part || id.starts_with(part + "/");
         });
}

std::string context::folder(const std::string& name) const {
  remove(name);
  auto path = directory + "/" + name;
  std::filesystem::create_directory(path);
  std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  return path;
}

void context::remove(const std::string& name) const {
  std::filesystem::remove_all(directory + "/" + name);
}

measure take_rounds(context& c, const case_shape& shape,
                    const std::function<round_result()>& round) {
  measure m;
  m.id = shape.id;
  m.title = shape.title;
  m.raw_octets = batch_of(shape);
  std::array<std::vector<double>, 3> raw;
  std::vector<double> rates;
  std::vector<round_result> rounds;
  for (std::size_t i = 0; i < c.options.rounds; ++i) {
    for (const auto p : probes_for(m.raw_octets)) {
      raw[static_cast<std::size_t>(p)].push_back(c.probe.measure(p, c.options.probe_seconds));
    }
    rounds.push_back(round());
    const auto& load = rounds.back().load;
    if (load.latency.count() == 0) broken(shape.title + ": nothing was acknowledged");
    rates.push_back(static_cast<double>(load.acknowledged) / load.seconds);
  }
  m.raw_rate = raw_rate_at(m.raw_octets, {median(raw[0]), median(raw[1]), median(raw[2])});
  m.values["rate"] = median(rates);
  const auto octets = m.values["rate"] * static_cast<double>(shape.size);
  m.values["mb_per_s"] = octets / 1e6;
  m.ratio = octets / (m.raw_rate * m.raw_octets);
  add_latency(m, rounds);
  add_costs(m, rounds, static_cast<double>(shape.size));
  const auto* own = c.results.find("generator/" + short_size(shape.size));
  if (own != nullptr && (shape.id.starts_with("accept/") || shape.id.starts_with("life/"))) {
    m.values["cpu_net_us"] = m.values["cpu_us"] - own->values.at("cpu_us");
  }
  return m;
}

round_result metered(const context& c, spool::store* store,
                     const std::function<load_result()>& load) {
  round_result r;
  if (store != nullptr) r.before = store->status();
  const auto before = c.device.read();
  r.load = load();
  r.used = c.device.read() - before;
  if (store != nullptr) r.after = store->status();
  return r;
}

std::string short_size(std::size_t octets) {
  return octets >= 1u << 20 ? fmt::format("{}m", octets >> 20) : fmt::format("{}k", octets >> 10);
}

std::string long_size(std::size_t octets) {
  return octets >= 1u << 20 ? fmt::format("{} MiB", octets >> 20)
                            : fmt::format("{} KiB", octets >> 10);
}

void bench_raw(context& c) {
  for (const auto size : all_probes) {
    const auto index = static_cast<std::size_t>(size);
    if (c.probe.rounds(size) == 0) c.probe.measure(size, c.options.probe_seconds);
    measure m;
    m.id = "raw/" + short_size(probe_octets[index]);
    m.title = std::string("raw probe ") + probe_names[index];
    m.values["rate"] = c.probe.median_rate(size);
    m.values["mb_per_s"] = m.values["rate"] * probe_octets[index] / 1e6;
    const auto& latency = c.probe.latency(size);
    m.values["p50_ms"] = latency.quantile_ms(0.5);
    m.values["p99_ms"] = latency.quantile_ms(0.99);
    m.values["p999_ms"] = latency.quantile_ms(0.999);
    m.values["max_ms"] = latency.max_ms();
    c.results.add(std::move(m));
  }
}

}  // namespace relais::bench
