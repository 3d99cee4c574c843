// Places at hosts that several workers share.
#include "delivery/host_places.hpp"

#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>

namespace relais::delivery {
namespace {

struct two_workers {
  boost::asio::io_context io;
  host_places places{2};
  int freed[2] = {0, 0};
  two_workers() {
    for (int& f : freed) {
      places.join(io.get_executor(), [&f] { ++f; });
    }
  }
  void turn() {
    io.restart();
    io.poll();
  }
};

TEST_CASE("a host has so many places for all workers together") {
  two_workers w;
  CHECK(w.places.take(0, "a"));
  CHECK(w.places.take(1, "a"));
  CHECK_FALSE(w.places.take(0, "a"));
  CHECK_FALSE(w.places.take(1, "a"));
  CHECK(w.places.take(0, "b"));
  w.places.give_back("a");
  CHECK(w.places.take(1, "a"));
}

TEST_CASE("who found none is told once when one is free and nobody else is") {
  two_workers w;
  w.places.take(0, "a");
  w.places.take(0, "a");
  CHECK_FALSE(w.places.take(1, "a"));
  w.turn();
  CHECK(w.freed[1] == 0);
  w.places.give_back("a");
  w.places.give_back("a");
  w.turn();
  CHECK(w.freed[0] == 0);
  CHECK(w.freed[1] == 1);
}

}  // namespace
}  // namespace relais::delivery
