// Who a message counts for in the fairness between senders (ready_lanes): the login if it is known,
// else the reverse-path without what mailing lists vary from recipient to recipient (VERP).
#pragma once

#include <cstdint>

#include "smtp/envelope.hpp"

namespace relais::queue {

std::uint32_t sender_hash(const smtp::envelope& envelope);

}  // namespace relais::queue
