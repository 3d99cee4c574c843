# What every target shares (relais_options), the packages, Asio compiled once, and relais_library().
find_package(Threads REQUIRED)
find_package(OpenSSL 3.0 REQUIRED)
find_package(Boost 1.81 REQUIRED)
find_package(spdlog REQUIRED)
find_package(fmt REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(cares REQUIRED IMPORTED_TARGET libcares)
pkg_check_modules(idn2 REQUIRED IMPORTED_TARGET libidn2)
pkg_check_modules(crypt REQUIRED IMPORTED_TARGET libcrypt)
pkg_check_modules(argon2 REQUIRED IMPORTED_TARGET libargon2)
pkg_check_modules(pam REQUIRED IMPORTED_TARGET pam)

add_library(relais_options INTERFACE)
target_compile_features(relais_options INTERFACE cxx_std_20)
target_include_directories(relais_options INTERFACE ${PROJECT_SOURCE_DIR}/lib)
target_compile_definitions(relais_options INTERFACE RELAIS_VERSION="${PROJECT_VERSION}")
target_compile_options(relais_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror
  $<$<CXX_COMPILER_ID:Clang>:-Wnon-virtual-dtor>
  # g++ 12 sees ghosts in inlined std::string and coroutine frames; clang has no such false alarms
  $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized -Wno-restrict -Wno-array-bounds -Wno-stringop-overflow -Wno-stringop-overread -Wno-dangling-pointer -Wno-null-dereference -Wno-mismatched-new-delete -Wno-tsan>)
if(RELAIS_SANITIZE)
  target_compile_options(relais_options INTERFACE -fsanitize=${RELAIS_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(relais_options INTERFACE -fsanitize=${RELAIS_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    target_compile_options(relais_options INTERFACE -fno-sanitize=function)
  endif()
endif()
if(RELAIS_COVERAGE)
  target_compile_options(relais_options INTERFACE --coverage)
  target_link_options(relais_options INTERFACE --coverage)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  find_program(LLD ld.lld-19 ld.lld)
  if(LLD)
    target_link_options(relais_options INTERFACE -fuse-ld=lld)
  endif()
endif()

# Asio, Asio-SSL and Beast are compiled once, here.
add_library(relais_asio STATIC ${PROJECT_SOURCE_DIR}/lib/net/asio_compiled.cpp)
target_compile_features(relais_asio PUBLIC cxx_std_20)
target_compile_definitions(relais_asio PUBLIC
  BOOST_ASIO_SEPARATE_COMPILATION BOOST_BEAST_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED
  BOOST_ASIO_DISABLE_BOOST_COROUTINE)
target_link_libraries(relais_asio PUBLIC Boost::headers OpenSSL::SSL Threads::Threads)
if(RELAIS_SANITIZE)
  target_compile_options(relais_asio PUBLIC -fsanitize=${RELAIS_SANITIZE} -fno-omit-frame-pointer)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    target_compile_options(relais_asio PUBLIC -fno-sanitize=function)
  endif()
endif()

# relais_library(smtp DEPENDS relais::base): every .cpp of this folder becomes the static library
# relais_smtp, alias relais::smtp. A folder is a layer; its file list is what `ls` shows.
function(relais_library name)
  cmake_parse_arguments(ARG "" "" "DEPENDS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  list(FILTER sources EXCLUDE REGEX asio_compiled)
  add_library(relais_${name} STATIC ${sources})
  add_library(relais::${name} ALIAS relais_${name})
  target_link_libraries(relais_${name} PUBLIC relais_options ${ARG_DEPENDS})
endfunction()
