// Packets of spikes that make no difference are not delivered.
//
// Some neurons forget at once: an update makes the membrane the sum of a drive and a constant, v = I + b, and the drive 0. What
// pathways add to such a drive in one step then matters in the next step alone, and only if it lifts the membrane of a neuron
// over its threshold. So what they have to add waits until the next update. There the sum of the largest weights bounds the
// drive from above; neurons none of which can fire with it get nothing.
#ifndef BRIANPROP_DRIVES_H
#define BRIANPROP_DRIVES_H

#include "runs.h"
#include "steps.h"

#include <algorithm>
#include <limits>
#include <vector>

namespace brianprop {

// The drive of a group of neurons. A segment is a stretch of neurons that get packets together: either all of them or none.
class Drives {
  public:
    typedef void (*Code)();

    enum Task { COLLECT, EXPECT, DELIVER };
    Task task = COLLECT; // what the code of a pathway has to do when it is called

    // Set where the neurons remember more, or where something adds to the drive that has no bound.
    bool refused = false;

    // Whether what makes no difference may be left out. The last two steps leave their traces in v and I, which others may read.
    bool lazy() const { return !refused && steps_ahead >= 2; }

    // Lets the packets of this step wait, if they may.
    bool wait(const Code code) {
        if (lazy())
            waiting_.push_back(code);
        return lazy();
    }

    // Those blocks, a bit for each, whose membrane must be right in any case. In all others it matters only in steps in which a
    // packet has arrived: without one, no neuron fires.
    uint64_t exact(const int32_t word) const { return lazy() && !exact_.empty() ? exact_[word] : ~0ULL; }

    // Neurons that a pathway sends packets to.
    void join(const int32_t first, const int32_t length) {
        linked_.resize(std::max<size_t>(linked_.size(), first + length));
        std::fill(linked_.begin() + first + 1, linked_.begin() + first + length, true);
        arranged_ = -1;
    }

    // A packet that adds at most this much to each neuron of a stretch; if `all`, it adds to each of them.
    void expect(const int32_t first, const int32_t length, const double most, const bool all) {
        Segment &segment = segments_[segment_[first]];
        segment.bound += all && length == segment.length ? most : std::max(most, 0.);
    }

    // Whether a neuron of the segment of this one may fire.
    bool matters(const int32_t neuron) const {
        const Segment &segment = segments_[segment_[neuron]];
        return refused || segment.limit < 0 || segment.bound > segment.limit;
    }

    // Delivers what waits and matters. `limit`: the drive above which a neuron fires, negative where its membrane must be right
    // in any case. `run` tells runs of the network apart, between which limits may change.
    template <class Limit> void settle(const int64_t run, const int32_t n, Limit &&limit) {
        if (arranged_ != run)
            arrange(n, limit);
        arranged_ = run;
        if (waiting_.empty())
            return;
        for (Segment &segment : segments_)
            segment.bound = 0;
        for (const Task next : {EXPECT, DELIVER}) {
            task = next;
            for (const Code code : waiting_)
                code();
        }
        task = COLLECT;
        waiting_.clear();
    }

  private:
    struct Segment {
        int32_t length;
        double limit, bound;
    };

    template <class Limit> void arrange(const int32_t n, Limit &&limit) {
        segments_.clear();
        segment_.clear();
        linked_.resize(n);
        exact_.assign(n / BLOCK / WORD + 1, 0);
        for (int32_t neuron = 0; neuron < n; neuron++) {
            exact_[neuron / BLOCK / WORD] |= (uint64_t)(limit(neuron) < 0) << neuron / BLOCK % WORD;
            if (!linked_[neuron])
                segments_.push_back({0, std::numeric_limits<double>::infinity(), 0});
            Segment &segment = segments_.back();
            segment.length++;
            segment.limit = std::min<double>(segment.limit, limit(neuron));
            segment_.push_back(segments_.size() - 1);
        }
    }

    std::vector<bool> linked_; // of neurons: whether one is in the segment of the one before
    std::vector<int32_t> segment_;
    std::vector<Segment> segments_;
    std::vector<uint64_t> exact_;
    std::vector<Code> waiting_;
    int64_t arranged_ = -1;
};

// Those of the group that Id stands for.
template <uint32_t Id> Drives &drives() {
    static Drives drives;
    return drives;
}

} // namespace brianprop

#endif
