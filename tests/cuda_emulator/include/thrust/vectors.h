// The part of Thrust that Brian2CUDA uses, in memory of the host.
#ifndef BRIANPROP_CUDA_EMULATION_THRUST_H
#define BRIANPROP_CUDA_EMULATION_THRUST_H

#include "emulation.h"

#include <numeric>
#include <stdexcept>
#include <utility>
#include <vector>

namespace thrust {
template <class T> using host_vector = std::vector<T>;
template <class T> using device_vector = std::vector<T>;
template <class T> using device_ptr = T *;
template <class A, class B> using pair = std::pair<A, B>;
typedef std::runtime_error system_error;

using std::copy_if;
using std::count_if;
using std::make_pair;

template <class T> T *raw_pointer_cast(T *pointer) { return pointer; }

template <class Iterator> void sequence(Iterator first, Iterator last) {
    std::iota(first, last, typename std::iterator_traits<Iterator>::value_type());
}
// leaves equal keys in their order, which is one of the orders that Thrust's may leave
template <class Keys, class Values> void sort_by_key(Keys first, Keys last, Values values) {
    std::vector<std::pair<typename std::iterator_traits<Keys>::value_type, typename std::iterator_traits<Values>::value_type>> both;
    for (Keys key = first; key != last; ++key) both.emplace_back(*key, values[key - first]);
    std::stable_sort(both.begin(), both.end(), [](const auto &a, const auto &b) { return a.first < b.first; });
    for (const auto &one : both) *first++ = one.first, *values++ = one.second;
}
template <class Keys, class Values> pair<Keys, Values> unique_by_key(Keys first, Keys last, Values values) {
    Keys key = first;
    Values value = values;
    for (Keys next = first; next != last; ++next)
        if (next == first || !(*next == *(key - 1))) *key++ = *next, *value++ = values[next - first];
    return {key, value};
}
} // namespace thrust

#endif
