// The coroutine vocabulary: task<T>, and the token that makes I/O failures ordinary values.
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/result.hpp"

namespace relais::net {

namespace asio = boost::asio;

template <class T>
using task = asio::awaitable<T>;

/// auto [ec, n] = co_await socket.async_read_some(buffer, nothrow);
inline constexpr auto nothrow = asio::as_tuple(asio::use_awaitable);

}  // namespace relais::net
