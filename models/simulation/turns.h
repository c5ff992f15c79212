// Runs a generated network turn by turn: the samples come from files that are mapped into memory, so that one binary serves
// data sets of any length; the spike monitors are taken out of the network once the turns to be recorded are over; and what
// has nothing to do in a phase of the turn is left out in it.
#ifndef BRIANPROP_TURNS_H
#define BRIANPROP_TURNS_H

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <map>
#include <string>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>
#include <vector>
#if __has_include("steps.h")
#include "steps.h" // of dense code
#define BRIANPROP_STEPS_AHEAD(steps) brianprop::steps_ahead = steps
#else
#define BRIANPROP_STEPS_AHEAD(steps)
#endif

namespace brianprop {

typedef void (*Code)();

// Points `array` at the contents of a file for the life of the object; the array that Brian2 allocated is put back at the end.
template <class T> class Mapped {
  public:
    Mapped(T *&array, const std::string &path) : array_(array), original_(array) {
        const int file = open(path.c_str(), O_RDONLY);
        struct stat status;
        if (file < 0 || fstat(file, &status) != 0 || status.st_size == 0) {
            std::fprintf(stderr, "cannot read %s\n", path.c_str());
            std::exit(3);
        }
        size_ = status.st_size;
        void *start = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file, 0);
        close(file);
        if (start == MAP_FAILED) {
            std::fprintf(stderr, "cannot map %s\n", path.c_str());
            std::exit(3);
        }
        array_ = static_cast<T *>(start);
    }
    ~Mapped() {
        munmap(static_cast<void *>(array_), size_);
        array_ = original_;
    }

    size_t size() const { return size_; } // in bytes

  private:
    T *&array_;
    T *original_;
    size_t size_;
};

struct Turns {
    int64_t lead, period, turns, recorded;
    double dt;
    std::vector<Code> monitors;                     // left out once `recorded` turns are over
    std::vector<Code> idle;                         // code that does nothing
    // code that acts only in some phases, negative ones counted from the end of the turn, and in the lead-in
    std::vector<std::pair<Code, std::vector<int64_t>>> phased;
    std::vector<std::pair<Code, const char *>> names; // of all code, for the profile
    bool by_phase;                                  // run the objects phase by phase, or all of them as Brian2 does
    bool own_loop;                                  // the loop over time steps may be the one below
};

// The loop over time steps. Brian2's own, `Network::run`, asks for the processor time after every step.
template <class NetworkT> class Loop {
  public:
    Loop(NetworkT &network, const Turns &turns) : network_(network), turns_(turns), lists_(turns.period) { arrange(true); }

    void record(const bool recording) { arrange(recording); }

    void run(const int64_t steps) {
        if (!turns_.own_loop || (!turns_.by_phase && !profiles_)) {
            network_.run(steps * turns_.dt, NULL, 0.);
            return;
        }
        for (int64_t step = 0; step < steps && !NetworkT::_globally_stopped; step++) {
            BRIANPROP_STEPS_AHEAD(steps - step - 1);
            const std::vector<Code> &codes = lead_ > 0 ? all_ : lists_[phase_];
            if (profiles_) {
                for (const Code code : codes) {
                    const auto before = std::chrono::steady_clock::now();
                    code();
                    profile_[code].first += std::chrono::duration<double>(std::chrono::steady_clock::now() - before).count();
                    profile_[code].second++;
                }
            } else {
                for (const Code code : codes)
                    code();
            }
            lead_--;
            clock_->tick();
            phase_ = (phase_ + 1) % turns_.period;
        }
    }

    // Seconds and calls of each piece of code, if this run is profiled; `names` tells them apart.
    void write_profile(const std::string &path, const std::vector<std::pair<Code, const char *>> &names) const {
        if (!profiles_)
            return;
        std::ofstream file(path);
        for (const auto &entry : names) {
            const auto found = profile_.find(entry.first);
            if (found != profile_.end())
                file << entry.second << "," << found->second.first << "," << found->second.second << "\n";
        }
    }

  private:
    void arrange(const bool recording) {
        auto &objects = network_.objects;
        const auto among = [](const std::vector<Code> &codes, const Code code) {
            return std::find(codes.begin(), codes.end(), code) != codes.end();
        };
        typedef typename std::decay<decltype(objects[0])>::type Object;
        objects.erase(std::remove_if(objects.begin(), objects.end(),
                                     [&](const Object &object) {
                                         return (!recording && among(turns_.monitors, object.second)) ||
                                                among(turns_.idle, object.second);
                                     }),
                      objects.end());
        clock_ = objects[0].first;
        all_.clear();
        for (const Object &object : objects)
            if (object.second)
                all_.push_back(object.second);
        for (int64_t phase = 0; phase < turns_.period; phase++) {
            lists_[phase].clear();
            for (const Object &object : objects) {
                bool acts = object.second;
                for (const auto &entry : turns_.phased)
                    if (entry.first == object.second)
                        acts = std::any_of(entry.second.begin(), entry.second.end(), [&](const int64_t chosen) {
                            return phase == (chosen < 0 ? chosen + turns_.period : chosen);
                        });
                if (acts)
                    lists_[phase].push_back(object.second);
            }
        }
    }

    const bool profiles_ = std::getenv("BRIANPROP_PROFILE") != nullptr;
    std::map<Code, std::pair<double, int64_t>> profile_;
    NetworkT &network_;
    const Turns &turns_;
    std::vector<std::vector<Code>> lists_; // by phase
    std::vector<Code> all_;                // for the lead-in, in which nothing is left out
    int64_t lead_ = turns_.lead;
    typename std::decay<decltype(std::declval<NetworkT>().objects[0].first)>::type clock_;
    int64_t phase_ = (turns_.period - turns_.lead % turns_.period) % turns_.period;
};

template <class NetworkT> void run_turns(NetworkT &network, const Turns &turns, const std::string &results) {
    using clock = std::chrono::steady_clock;
    NetworkT::_globally_running = true; // so that an interrupt stops the loop below
    Loop<NetworkT> loop(network, turns);
    const auto start = clock::now();
    auto reported = start;
    if (turns.recorded <= 0)
        loop.record(false);
    loop.run(turns.lead);
    int64_t done = 0;
    while (done < turns.turns && !NetworkT::_globally_stopped) {
        // chunks are short enough for a lively progress bar and never cross the end of the recording
        int64_t chunk = std::min<int64_t>(turns.turns - done, 64);
        if (done < turns.recorded)
            chunk = std::min(chunk, turns.recorded - done);
        loop.run(chunk * turns.period);
        done += chunk;
        if (done == turns.recorded)
            loop.record(false);
        const auto now = clock::now();
        if (std::chrono::duration<double>(now - reported).count() > 0.2) {
            std::printf("turns %lld\n", (long long)done);
            std::fflush(stdout);
            reported = now;
        }
    }
    if (NetworkT::_globally_stopped)
        std::exit(130);
    const double seconds = std::chrono::duration<double>(clock::now() - start).count();
    std::ofstream(results + "loop_seconds.txt") << seconds << std::endl;
    loop.write_profile(results + "profile.csv", turns.names);
}

} // namespace brianprop

#endif
