// Boost.JSON is compiled here, for all of relais.
#include <boost/json/src.hpp>
