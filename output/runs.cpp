// What is compiled once for all pathways.
#include "runs.h"

#include <cstdlib>
#include <new>
#include <numeric>
#include <sys/mman.h>
#include <tuple>

// Arrays begin at cache lines: those of the C library begin 16 bytes behind one, so that every vector of 64 bytes lies in two.
// Large ones, the weights, lie in huge pages where the system has them for the asking: rows of a matrix are picked by spikes,
// nearly each in a page of its own, and the processor keeps the addresses of a few pages only and prefetches within one.
void *operator new(const std::size_t size) {
    constexpr std::size_t huge = std::size_t(1) << 21;
    void *result = nullptr;
    if (size < 1024)
        result = std::malloc(size ? size : 1);
#ifdef MADV_HUGEPAGE
    else if (size >= huge / 8) {
        const std::size_t whole = (size + huge - 1) / huge * huge; // a huge page must lie in the allocation as a whole
        if (posix_memalign(&result, huge, whole))
            result = nullptr;
        else
            madvise(result, whole, MADV_HUGEPAGE); // where it fails, pages stay small
    }
#endif
    else if (posix_memalign(&result, 64, size))
        result = nullptr;
    if (!result)
        throw std::bad_alloc();
    return result;
}
void operator delete(void *const memory) noexcept { std::free(memory); }

namespace brianprop {

// How the synapses of a pathway are divided into stretches: this takes the compiler longer than all the rest of a pathway.
void Runs::build(const std::vector<int32_t> &spiking, const std::vector<int32_t> &other, const std::vector<int32_t> &delays,
                 const int32_t start, const int32_t stop) {
    ready = true;
    start_ = start;
    stop_ = stop;
    const int64_t n = spiking.size();
    const bool apart = delays.size() > 1;
    const auto find = [&](const std::vector<int64_t> &order) {
        std::vector<Run> found;
        for (int64_t position = 0; position < n; position++) {
            const int64_t k = order.empty() ? position : order[position];
            const int32_t delay = delays.empty() ? 0 : delays[apart ? k : 0];
            if (!found.empty()) {
                Run &last = found.back();
                const int64_t stride = k - (last.synapse + (last.length - 1) * last.stride);
                const int32_t ahead = spiking[k] - (last.neuron + (last.diagonal ? last.length - 1 : 0));
                const bool fits = ahead == 0 ? !last.diagonal && (last.length == 1 || stride == last.stride)
                                             : ahead == 1 && stride == 1 && (last.length == 1 || last.diagonal);
                if (fits && last.delay == delay && last.other + last.length == other[k]) {
                    last.diagonal = ahead == 1;
                    last.stride = stride;
                    last.length++;
                    continue;
                }
            }
            found.push_back({spiking[k], other[k], k, 1, 1, delay, false, false, 0});
        }
        return found;
    };
    std::vector<Run> found = find(std::vector<int64_t>());
    // counting sorts: they keep the order of equals, and compile faster than those of the library
    first_.assign(stop - start + 1, 0);
    if ((int64_t)found.size() > n / 4) { // scattered, or ordered by the other end: group by the neuron that spikes
        for (const int32_t neuron : spiking)
            first_[neuron - start + 1]++;
        std::partial_sum(first_.begin(), first_.end(), first_.begin());
        std::vector<int64_t> order(n);
        for (int64_t k = 0; k < n; k++)
            order[first_[spiking[k] - start]++] = k;
        found = find(order);
        first_.assign(stop - start + 1, 0);
    }
    std::vector<Run> diagonals;
    int32_t longest = 0, n_rows = 0;
    for (const Run &run : found) {
        longest = std::max(longest, run.delay);
        if (run.diagonal)
            diagonals.push_back(run);
        else
            first_[run.neuron - start + 1]++, n_rows++;
    }
    std::partial_sum(first_.begin(), first_.end(), first_.begin());
    rows_.resize(n_rows);
    std::vector<int32_t> next(first_);
    for (const Run &run : found)
        if (!run.diagonal)
            rows_[next[run.neuron - start]++] = run;
    std::sort(diagonals.begin(), diagonals.end(), [](const Run &a, const Run &b) {
        return std::tie(a.neuron, a.length, a.delay, a.synapse) < std::tie(b.neuron, b.length, b.delay, b.synapse);
    });
    for (const Run &run : diagonals) { // those of the same neurons together
        if (diagonals_.empty() || diagonals_.back()[0].neuron != run.neuron || diagonals_.back()[0].length != run.length)
            diagonals_.emplace_back();
        diagonals_.back().push_back(run);
    }
    // of the diagonals in order of their first neuron, the first that ends behind a neuron
    int32_t range = 0;
    next_.resize(diagonals_.empty() ? 0 : stop - start);
    for (int32_t neuron = start; neuron < start + (int32_t)next_.size(); neuron++) {
        while (range < (int32_t)diagonals_.size() && diagonals_[range][0].neuron + diagonals_[range][0].length <= neuron)
            range++;
        next_[neuron - start] = range;
    }
    ring_.resize(longest + 1);
    matrix_ = longest == 0 && diagonals_.empty() && !rows_.empty();
    int64_t before = -1;
    for (const Run &run : rows_) {
        matrix_ &= run.stride == 1 && run.other == rows_[0].other && run.length == rows_[0].length && run.synapse > before;
        before = run.synapse;
    }
    regular_ = matrix_;
    for (size_t k = 1; k < rows_.size(); k++)
        regular_ &= rows_[k].neuron == rows_[k - 1].neuron + 1 && rows_[k].synapse == rows_[k - 1].synapse + rows_[k].length;
    regular_ &= rows_.size() == (size_t)(stop - start); // no neuron without a row
}

void Runs::collect(const int32_t *const spikes, const int32_t n_spikes) {
    const std::pair<const int32_t *, const int32_t *> own = within(spikes, n_spikes);
    const int32_t *const first = own.first, *const last = own.second;
    if (first == last)
        return;
    const int32_t n_ranges = diagonals_.size();
    std::vector<int32_t> &kept = ring_[now_].spikes;
    if (n_ranges)
        kept.assign(first, last);
    const int32_t *from = kept.data(), *const end = from + kept.size();
    for (int32_t index = n_ranges ? next_[*from - start_] : 0; index < n_ranges;) {
        const std::vector<Run> &range = diagonals_[index];
        const int32_t neuron = range[0].neuron, length = range[0].length;
        from = std::lower_bound(from, end, neuron);
        if (from == end)
            break;
        if (*from >= neuron + length) { // none of its neurons spike, nor do those of the diagonals before the next spike
            index = std::max(index + 1, next_[*from - start_]);
            continue;
        }
        index++;
        const int32_t count = std::lower_bound(from, end, neuron + length) - from;
        for (const Run &run : range)
            ring_[after(run.delay)].packets.push_back({&run, from, count});
    }
    if (rows_.empty())
        return;
    // often only a few neurons have rows
    for (const int32_t *spike = std::lower_bound(first, last, rows_.front().neuron); spike != last; spike++)
        for (int32_t index = first_[*spike - start_]; index < first_[*spike - start_ + 1]; index++)
            ring_[after(rows_[index].delay)].packets.push_back({&rows_[index], nullptr, 0});
}

template class Sums<int16_t>;

} // namespace brianprop
