// Rows of the field table: what is kept on disk, and what is told to the outside.
#include "config/field_parts.hpp"

namespace relais::config {
namespace {

constexpr std::array table{
    field{.key = "spool.directory",
          .at = to<&settings::spool, &spool_settings::directory>,
          .doc = "Where accepted messages are kept.",
          .form = "path",
          .may_be_empty = false},
    field{.key = "spool.minimum_free",
          .at = to<&settings::spool, &spool_settings::minimum_free>,
          .doc = "With less free space on that disk, new mail is refused with 452; deliveries go "
                 "on."},
    field{.key = "spool.minimum_free_inodes",
          .at = to<&settings::spool, &spool_settings::minimum_free_inodes>,
          .doc = "The same for free inodes."},
    field{.key = "spool.critical_free",
          .at = to<&settings::spool, &spool_settings::critical_free>,
          .doc =
              "With less free space still, new connections are refused with 421; never more than "
              "spool.minimum_free."},
    field{.key = "spool.critical_free_inodes",
          .at = to<&settings::spool, &spool_settings::critical_free_inodes>,
          .doc = "The same for free inodes."},
    field{.key = "spool.inline_max",
          .at = to<&settings::spool, &spool_settings::inline_max>,
          .doc =
              "Larger messages go to a file of their own while they arrive; at most a quarter of "
              "spool.segment_size.",
          .range = {4096, 256u << 20}},
    field{.key = "spool.segment_size",
          .at = to<&settings::spool, &spool_settings::segment_size>,
          .doc = "The size of one file of the spool's log.",
          .range = {4u << 20, 1u << 30}},
    field{.key = "spool.spare_segments",
          .at = to<&settings::spool, &spool_settings::spare_segments>,
          .doc = "Files of the log that are kept ready, also for a disk that is full.",
          .range = {1, 1000}},
    field{.key = "spool.state_delay",
          .at = to<&settings::spool, &spool_settings::state_delay>,
          .doc = "Outcomes of deliveries are on disk after this time at the latest; after a crash, "
                 "younger ones are repeated.",
          .range = {0, ns(10s)}},
    field{.key = "spool.checkpoint_after",
          .at = to<&settings::spool, &spool_settings::checkpoint_after>,
          .doc = "The index is saved whenever so much was written; a start reads at most about as "
                 "much.",
          .range = {1u << 20, 1ull << 40}},
    field{.key = "spool.compaction_rate",
          .at = to<&settings::spool, &spool_settings::compaction_rate>,
          .doc = "Octets per second that old messages may be copied with, to free the files that "
                 "they hold.",
          .range = {1u << 20, 1ull << 40}},
    field{.key = "spool.compaction_slack",
          .at = to<&settings::spool, &spool_settings::compaction_slack>,
          .doc = "The log may be larger than twice the mail in it by so much before that copying "
                 "begins."},

    field{.key = "http.listen",
          .at = to<&settings::http, &http_settings::listen>,
          .doc = "The address and port that answer /healthz and /readyz, as 127.0.0.1:9025; \"\" = "
                 "none.",
          .check = check_endpoint,
          .form = "address and port"},
    field{.key = "http.control_socket",
          .at = to<&settings::http, &http_settings::control_socket>,
          .doc = "The UNIX socket that relaisctl speaks to; \"\" = none.",
          .check = check_socket_path,
          .form = "path"},

    field{.key = "log.level",
          .at = to<&settings::log, &log_settings::level>,
          .doc = "The least important lines to be logged: debug, info, warning or error."},
    field{.key = "log.timestamps",
          .at = to<&settings::log, &log_settings::timestamps>,
          .doc = "Begin each line with the time; false where the journal adds its own."},
};

}  // namespace

std::span<const field> spool_fields() {
  return table;
}

}  // namespace relais::config
