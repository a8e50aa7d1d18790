/* silent.hpp - claims made in a file that is built with -fno-exceptions. */
#ifndef ROOST_TESTS_CPP_SILENT_HPP
#define ROOST_TESTS_CPP_SILENT_HPP

int silent_claims();

#endif
