// Synapses of a pathway as runs: for one spiking neuron, stretches of synapses that lie side by side in memory and end on
// neurons that lie side by side. All-to-all rows are one run, one-to-all projections are one run, one-to-one is a run of
// length one. A run is looped over without indirection, so the compiler can vectorise it; and no queue of single synapses
// is needed, since delayed runs wait in a ring as a whole.
#ifndef BRIANPROP_RUNS_H
#define BRIANPROP_RUNS_H

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

namespace brianprop {

struct Run {
    int32_t neuron;  // the neuron that spikes
    int32_t other;   // first neuron at the other end
    int64_t synapse; // first synapse
    int64_t stride;  // from one synapse to the next
    int32_t length;
    int32_t delay; // in time steps
};

class Runs {
  public:
    bool ready = false;

    // `spiking` and `other`: the neurons at the two ends of each synapse. One delay for all, or one for each.
    template <class T>
    void build(const std::vector<int32_t> &spiking, const std::vector<int32_t> &other, const std::vector<T> &delays,
               const double dt, const int32_t start, const int32_t stop) {
        ready = true;
        start_ = start;
        stop_ = stop;
        const int64_t n = spiking.size();
        first_.assign(stop - start + 1, 0);
        const auto delay_of = [&](const int64_t k) {
            return delays.empty() ? 0 : (int32_t)std::lround(delays[delays.size() == 1 ? 0 : k] / dt);
        };
        // by spiking neuron, in the order of their making: a counting sort, which copies nothing where they are sorted
        std::vector<int64_t> order;
        if (!std::is_sorted(spiking.begin(), spiking.end())) {
            order.resize(n);
            std::iota(order.begin(), order.end(), 0);
            std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return spiking[a] < spiking[b]; });
        }
        int32_t longest = 0;
        for (int64_t position = 0; position < n; position++) {
            const int64_t k = order.empty() ? position : order[position];
            const int32_t delay = delay_of(k);
            longest = std::max(longest, delay);
            if (!runs_.empty()) {
                Run &last = runs_.back();
                const int64_t stride = k - (last.synapse + (last.length - 1) * last.stride);
                if (last.neuron == spiking[k] && last.delay == delay && last.other + last.length == other[k] &&
                    (last.length == 1 || stride == last.stride)) {
                    last.stride = stride;
                    last.length++;
                    continue;
                }
            }
            runs_.push_back({spiking[k], other[k], k, 1, 1, delay});
            first_[spiking[k] - start + 1]++;
        }
        std::partial_sum(first_.begin(), first_.end(), first_.begin());
        ring_.resize(longest + 1);
    }

    // Calls `run` for every run that is due in this step: those of the neurons that spike now, without delay, and those
    // that have waited. `spikes` is sorted, as a thresholder leaves it.
    template <class Function> inline void due(const int32_t *spikes, const int32_t n_spikes, Function &&run) {
        const int32_t *spike = std::lower_bound(spikes, spikes + n_spikes, start_);
        const int32_t *const end = spikes + n_spikes;
        if (delayed()) {
            std::vector<int32_t> &waiting = ring_[now_];
            for (const int32_t index : waiting)
                run(runs_[index]);
            waiting.clear();
        }
        for (; spike != end && *spike < stop_; spike++) {
            const int32_t last = first_[*spike - start_ + 1];
            for (int32_t index = first_[*spike - start_]; index < last; index++) {
                const Run &found = runs_[index];
                if (found.delay == 0)
                    run(found);
                else
                    ring_[(now_ + found.delay) % ring_.size()].push_back(index);
            }
        }
        if (++now_ == ring_.size())
            now_ = 0;
    }

    inline bool delayed() const { return ring_.size() > 1; }

    inline bool any(const int32_t *spikes, const int32_t n_spikes) const {
        const int32_t *spike = std::lower_bound(spikes, spikes + n_spikes, start_);
        return delayed() || (spike != spikes + n_spikes && *spike < stop_);
    }

  private:
    std::vector<Run> runs_;
    std::vector<int32_t> first_; // runs of neuron i: first_[i - start] to first_[i - start + 1]
    std::vector<std::vector<int32_t>> ring_;
    size_t now_ = 0;
    int32_t start_ = 0, stop_ = 0;
};

// Writes the indices of the flags that are set; returns their number. Eight flags are passed over at a time.
inline int32_t compact(const char *flags, const int32_t n, int32_t *indices) {
    int32_t count = 0, i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t eight;
        __builtin_memcpy(&eight, flags + i, 8);
        while (eight) {
            const int place = __builtin_ctzll(eight) >> 3;
            indices[count++] = i + place;
            eight &= ~(0xffULL << (8 * place));
        }
    }
    for (; i < n; i++)
        if (flags[i])
            indices[count++] = i;
    return count;
}

} // namespace brianprop

#endif
