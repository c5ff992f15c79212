// Runs a generated network turn by turn: the samples come from files that are mapped into memory, so that one binary serves
// data sets of any length, and the spike monitors are taken out of the network once the turns to be recorded are over.
#ifndef BRIANPROP_TURNS_H
#define BRIANPROP_TURNS_H

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <string>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace brianprop {

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

  private:
    T *&array_;
    T *original_;
    size_t size_;
};

template <class NetworkT>
void run_turns(NetworkT &network, const double dt, const int64_t lead, const int64_t period, const int64_t turns,
               const int64_t recorded, const std::vector<void (*)()> &monitors, const std::string &results) {
    using clock = std::chrono::steady_clock;
    const auto start = clock::now();
    auto reported = start;
    const auto stop_recording = [&] {
        auto &objects = network.objects;
        objects.erase(std::remove_if(objects.begin(), objects.end(),
                                     [&](const typename std::decay<decltype(objects[0])>::type &object) {
                                         return std::find(monitors.begin(), monitors.end(), object.second) != monitors.end();
                                     }),
                      objects.end());
    };
    if (recorded <= 0)
        stop_recording();
    network.run(lead * dt, NULL, 0.);
    int64_t done = 0;
    while (done < turns && !NetworkT::_globally_stopped) {
        // chunks are short enough for a lively progress bar and never cross the end of the recording
        int64_t chunk = std::min<int64_t>(turns - done, 64);
        if (done < recorded)
            chunk = std::min(chunk, recorded - done);
        network.run(chunk * period * dt, NULL, 0.);
        done += chunk;
        if (done == recorded)
            stop_recording();
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
}

} // namespace brianprop

#endif
