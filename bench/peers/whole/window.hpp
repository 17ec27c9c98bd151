// How fast a line of a queue moves, and the forecasts that follow. acd_core/forecast.py tells what they are made of.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "lists.hpp"

namespace whole {

using int128 = __int128;

constexpr int64_t MINUTE_US = 60'000'000, ONE = 1 << 16, SERVED_MIN = 4, LAST_MAX_US = 1'800'000'000;
constexpr int64_t RING_MAX_MS = 600'000, WAIT_MAX_US = 86'400'000'000, LOSS_MAX = 1 << 30, TERMS_EXACT = 32;
constexpr int FADE_SHIFT = 4, LOSS_SHIFT = 20, SPREAD_SHIFT = 12;
using Quantiles = std::vector<int64_t>;  // of the mean in units of 2**-16, by spread in steps of 1/64

struct Forecast { int32_t mean_ms = NONE, p50_ms = NONE, p90_ms = NONE; };  // NONE where too little is known

inline int32_t quantile_ms(int64_t mean_us, int64_t spread, const Quantiles &by_spread) {
    const int64_t low = spread >> 6, part = spread & 63;
    const int64_t of_mean = (by_spread[low] * (64 - part) + by_spread[low + 1] * part) >> 6;
    return static_cast<int32_t>(std::min(mean_us * of_mean >> 16, WAIT_MAX_US) / 1000);
}

enum Sum { SERVED, LEFT, BACKLOG_US, WAITED_US, RING_MS, RING_SQUARE, SUMS };

struct Line {
    const Text *require;  // what its contacts ask themselves; of the main line, which several classes share, nothing
    int64_t now_us;
    int64_t waiting = 0;
    uint64_t sums[SUMS] = {};
    int64_t last_wait_us = 0, last_at_us = 0;
    Sorted<int64_t> keys = {};  // of those who wait in the main line

    void stand(int64_t until_us) {
        const int64_t elapsed = until_us - now_us;
        now_us = until_us;
        sums[WAITED_US] += waiting * elapsed;
        if (waiting) sums[BACKLOG_US] += elapsed;
    }

    void end_minute() {
        stand(now_us - now_us % MINUTE_US + MINUTE_US);
        for (uint64_t &sum : sums) sum -= sum >> FADE_SHIFT;
    }

    void elapse(int64_t until_us) {
        if (until_us == now_us) return;
        const int64_t begun = until_us - until_us % MINUTE_US;
        if (now_us < begun) {
            end_minute();
            while (now_us < begun) {
                uint64_t former[SUMS];
                std::memcpy(former, sums, sizeof sums);
                end_minute();
                if (!std::memcmp(former, sums, sizeof sums)) now_us = begun;  // as this minute went by, all others do
            }
        }
        stand(until_us);
    }

    void serve(int64_t wait_us, int64_t rung_ms) {
        rung_ms = std::min(rung_ms, RING_MAX_MS);
        sums[SERVED] += ONE;
        sums[RING_MS] += rung_ms;
        sums[RING_SQUARE] += rung_ms * rung_ms;
        last_wait_us = wait_us;
        last_at_us = now_us;
    }

    Forecast forecast(int64_t ahead, int64_t place, const Quantiles &half, const Quantiles &nine_tenths) const {
        Moments found;
        if (sums[SERVED] >= SERVED_MIN * ONE) {
            found = by_steps(ahead + 1);
        } else if (last_at_us && now_us - last_at_us <= LAST_MAX_US) {
            found.mean_us = bounded(static_cast<int128>(last_wait_us) * (ahead + 1) / (place + 1), WAIT_MAX_US);
            found.spread_square = std::min((2ll << 2 * SPREAD_SHIFT) / (ahead + 1), 1ll << 2 * SPREAD_SHIFT);
        } else {
            return {};
        }
        const double root = std::sqrt(static_cast<double>(found.spread_square));  // exact, since it is small
        const int64_t spread = std::min<int64_t>(static_cast<int64_t>(root), (half.size() - 2) << 6);
        const int64_t mean_us = found.mean_us;
        const int32_t mean_ms = static_cast<int32_t>(mean_us / 1000);
        return {mean_ms, quantile_ms(mean_us, spread, half), quantile_ms(mean_us, spread, nine_tenths)};
    }

private:
    struct Moments { int64_t mean_us, spread_square; };

    static int64_t bounded(int128 value, int64_t most) { return value < most ? static_cast<int64_t>(value) : most; }

    // Mean of so many steps and a ring, and the square of its coefficient of variation.
    Moments by_steps(int64_t steps) const {
        const int64_t served = sums[SERVED];
        const int64_t step = std::clamp<int64_t>(sums[BACKLOG_US] * ONE / served, 1, WAIT_MAX_US);
        int64_t loss = 0, total = 0, size = 1;
        if (sums[WAITED_US])
            loss = bounded((static_cast<int128>(sums[LEFT]) * step << LOSS_SHIFT)
                           / (static_cast<int128>(ONE) * sums[WAITED_US]), LOSS_MAX);
        int128 variance = 0;
        for (int64_t begin = 0; begin < steps;) {
            if (begin >= TERMS_EXACT && (begin & (begin - 1)) == 0) size = begin >> 2;
            const int64_t count = std::min(size, steps - begin);
            const int64_t among = (1ll << (LOSS_SHIFT + 1)) + (2 * begin + count - 1) * loss;
            const int64_t term = (step << (LOSS_SHIFT + 1)) / among;
            total += count * term;
            variance += static_cast<int128>(count * term) * term;
            begin += count;
        }
        const int64_t ring = sums[RING_MS] * ONE / served;
        const int128 ring_variance = static_cast<int128>(sums[RING_SQUARE]) * ONE / served - int128{ring} * ring;
        if (ring_variance > 0) variance += ring_variance * 1'000'000;
        const int128 mean = static_cast<int128>(total) + ring * 1000;
        const int64_t measured = static_cast<int64_t>((static_cast<int128>(total) << SPREAD_SHIFT) / mean);
        const int128 square = (variance << 2 * SPREAD_SHIFT) / (mean * mean) + measured * measured / (served / ONE);
        return {bounded(mean, WAIT_MAX_US), bounded(square, 1ll << 40)};
    }
};

}  // namespace whole
