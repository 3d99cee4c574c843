// The operator's API: a request is answered by what `operations` can see and do. Long answers are
// JSON documents with one element in each line, made piece by piece while they are sent:
//   {"messages":[
//   {...},
//   {...}
//   ],"next":"2f-01A1FC213F830000"}
// Not here: who may ask (daemon/control), sockets (server.hpp), the meaning of a request
// (control_request.hpp).
#pragma once

#include "delivery/operations.hpp"
#include "http/exchange.hpp"

namespace relais::http {

/// `hand` outlives the reply.
net::task<reply> answer_control(request asked, delivery::operations& hand);

/// {"error": sentence}
reply json_error(unsigned status, std::string_view sentence);

}  // namespace relais::http
