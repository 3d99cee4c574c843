// The vocabulary of failure: relais::result<T> and relais::error_code for expected failures.
// Exceptions are kept for start-up faults, broken invariants and lack of memory.
#pragma once

#include <boost/system/error_code.hpp>
#include <boost/system/result.hpp>

namespace relais {

using error_code = boost::system::error_code;

template <class T>
using result = boost::system::result<T>;

}  // namespace relais
