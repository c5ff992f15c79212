// Which synapses a pathway has to run in a step: Brian2's queue of spikes, with stretches of synapses in place of single ones.
//
// The order is that of Brian2's queue: by the step of the spike, then by spike, then by synapse. So sums are rounded alike, and
// code in which the last one wins gives the same. Spikes under way stay so between two runs, also where delays, synapses or the
// time step change in between.
#ifndef BRIANPROP_EVENTS_H
#define BRIANPROP_EVENTS_H

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace brianprop {

// Synapses of one neuron with one delay, in their order. With a stride, synapses lie that far apart and end on neurons that lie
// side by side; with stride 0, they are any.
struct Stretch {
    int32_t neuron; // the neuron that spikes
    int32_t begin;  // place of the first synapse among those sorted by neuron and delay
    int32_t length;
    int32_t synapse; // the first one
    int32_t other;   // its neuron at the other end
    int32_t stride;
};

class Events {
  public:
    struct Slot {
        std::vector<int32_t> synapses;  // from before synapses or delays were changed
        std::vector<int32_t> stretches; // their numbers
    };

    // To be called when a run begins: one delay [s] for all synapses, or one for each.
    template <class T>
    void prepare(const std::vector<int32_t> &spiking, const std::vector<int32_t> &other, const std::vector<T> &delays,
                 const double dt, const int32_t start, const int32_t stop) {
        std::vector<int32_t> steps(delays.size());
        for (size_t k = 0; k < delays.size(); k++)
            steps[k] = static_cast<int32_t>(delays[k] / dt + 0.5); // rounded as Brian2 does
        prepared_++;
        keep(dt);
        sort(spiking, steps, start, stop);
        divide(other, spiking, steps);
    }

    // A step begins: what was due in the last one is done, and the spikes of this one go under way. They are sorted.
    void push(const int32_t *spikes, const int32_t n_spikes) {
        slots_[now_].synapses.clear();
        slots_[now_].stretches.clear();
        now_ = now_ + 1 == slots_.size() ? 0 : now_ + 1;
        const int32_t *const end = std::lower_bound(spikes, spikes + n_spikes, stop_);
        for (const int32_t *spike = std::lower_bound(spikes, end, start_); spike != end; spike++)
            for (int32_t k = of_neuron_[*spike - start_]; k < of_neuron_[*spike - start_ + 1]; k++)
                slot(delays_[k]).stretches.push_back(k);
    }

    int64_t prepared() const { return prepared_; } // how often

    const Slot &due() const { return slots_[now_]; }
    const Stretch *stretches() const { return stretches_.data(); }

    int32_t synapse(const int32_t place) const { return order_.empty() ? place : order_[place]; }
    const int32_t *order() const { return order_.empty() ? nullptr : order_.data(); } // none: synapses are sorted

  private:
    // Shorter ones are not worth a loop of their own.
    static constexpr int32_t SHORTEST = 8;

    Slot &slot(const size_t delay) {
        const size_t place = now_ + delay;
        return slots_[place < slots_.size() ? place : place - slots_.size()];
    }

    // What is under way, as synapses, since stretches are about to change; the slot of the current step comes first.
    void keep(const double dt) {
        const bool same = dt_ == 0 || dt_ == dt;
        const double factor = same ? 1 : dt_ / dt;
        std::vector<Slot> kept(same ? slots_.size() : static_cast<size_t>(slots_.size() * factor) + 1);
        for (size_t delay = 0; delay < slots_.size(); delay++) {
            const Slot &old = slot(delay);
            std::vector<int32_t> &synapses = kept[static_cast<size_t>(delay * factor + 0.5)].synapses;
            synapses.insert(synapses.end(), old.synapses.begin(), old.synapses.end());
            for (const int32_t k : old.stretches)
                for (int32_t place = stretches_[k].begin; place < stretches_[k].begin + stretches_[k].length; place++)
                    synapses.push_back(synapse(place));
        }
        slots_.swap(kept);
        now_ = 0;
        dt_ = dt;
    }

    // Synapses by neuron and then by delay; those of the same neuron and delay stay in their order.
    void sort(const std::vector<int32_t> &spiking, const std::vector<int32_t> &steps, const int32_t start, const int32_t stop) {
        start_ = start;
        stop_ = stop;
        const int32_t n = spiking.size();
        std::vector<int32_t> next(stop - start + 1, 0);
        for (const int32_t neuron : spiking)
            next[neuron - start + 1]++;
        for (int32_t neuron = 0; neuron < stop - start; neuron++)
            next[neuron + 1] += next[neuron];
        first_ = next;
        order_.resize(n);
        for (int32_t k = 0; k < n; k++)
            order_[next[spiking[k] - start]++] = k;
        if (steps.size() > 1)
            for (int32_t neuron = 0; neuron < stop - start; neuron++)
                std::stable_sort(order_.begin() + first_[neuron], order_.begin() + first_[neuron + 1],
                                 [&](const int32_t a, const int32_t b) { return steps[a] < steps[b]; });
        if (std::is_sorted(order_.begin(), order_.end()))
            std::vector<int32_t>().swap(order_);
    }

    void divide(const std::vector<int32_t> &other, const std::vector<int32_t> &spiking, const std::vector<int32_t> &steps) {
        stretches_.clear();
        delays_.clear();
        of_neuron_.assign(1, 0);
        size_t longest = 0;
        const auto delay_of = [&](const int32_t k) { return steps.empty() ? 0 : steps[steps.size() > 1 ? k : 0]; };
        for (int32_t neuron = 0; neuron < stop_ - start_; neuron++) {
            bool open = false; // whether the last stretch has stride 0 and may go on
            for (int32_t place = first_[neuron]; place < first_[neuron + 1];) {
                const int32_t k = synapse(place), delay = delay_of(k);
                int32_t length = 1, stride = 0;
                for (; place + length < first_[neuron + 1]; length++) {
                    const int32_t last = synapse(place + length - 1), here = synapse(place + length);
                    if (delay_of(here) != delay || other[here] != other[k] + length || (length > 1 && here - last != stride))
                        break;
                    stride = here - last;
                }
                if (length < SHORTEST) {
                    if (open && delays_.back() == delay) {
                        stretches_.back().length += length;
                        place += length;
                        continue;
                    }
                    stride = 0;
                }
                open = stride == 0;
                stretches_.push_back({neuron + start_, place, length, k, other[k], stride});
                delays_.push_back(delay);
                longest = std::max<size_t>(longest, delay);
                place += length;
            }
            of_neuron_.push_back(stretches_.size());
        }
        if (longest >= slots_.size())
            slots_.resize(longest + 1); // `keep` has put the current step first
    }

    std::vector<Slot> slots_ = std::vector<Slot>(1);
    std::vector<int32_t> order_, first_;
    std::vector<Stretch> stretches_;
    std::vector<int32_t> delays_;    // of each stretch [steps]
    std::vector<int32_t> of_neuron_; // stretches of neuron i: of_neuron_[i - start] to of_neuron_[i - start + 1]
    size_t now_ = 0;
    int64_t prepared_ = 0;
    double dt_ = 0;
    int32_t start_ = 0, stop_ = 0;
};

// The events of the pathway that the type stands for: the code of several runs shares them.
template <class Pathway> Events &events() {
    static Events events;
    return events;
}

} // namespace brianprop

#endif
