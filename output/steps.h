#ifndef BRIANPROP_STEPS_H
#define BRIANPROP_STEPS_H

#include <cstdint>

namespace brianprop {

// Time steps of a run that follow the present one for sure. A loop over time steps may say so; Brian2's own does not.
inline int64_t steps_ahead = 0;

} // namespace brianprop

#endif
