// What the cores in C++ have in common: they are timed segment by segment, whenever word comes to play the next.
#pragma once

#include <cstdint>
#include <cstdio>
#include <ctime>

inline int64_t cpu_ns() {
    timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * 1'000'000'000ll + now.tv_nsec;
}

// Tell how long the last segment took, and wait for word to begin the next; gives when that is.
inline int64_t next_segment(int64_t spent_ns) {
    std::printf("%lld\n", static_cast<long long>(spent_ns));
    std::fflush(stdout);
    std::getchar();
    return cpu_ns();
}
