// Lists through the rows of a table, and sorted arrays.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "names.hpp"

namespace whole {

// Bring a row near that will be needed, which is far away when there are very many.
template <class Row> void prefetch(const Row &row) {
    for (size_t at = 0; at < sizeof row; at += 64) __builtin_prefetch(reinterpret_cast<const char *>(&row) + at);
}

// A row may be in several lists; for each it has a link that names the rows beside it.
struct Link { int32_t previous, next; };
struct List { int32_t first = NONE, last = NONE; };

template <class Row> void append(List &list, std::vector<Row> &rows, Link Row::*link, int32_t row) {
    rows[row].*link = {list.last, NONE};
    (list.last == NONE ? list.first : (rows[list.last].*link).next) = row;
    list.last = row;
}

template <class Row> void take_out(List &list, std::vector<Row> &rows, Link Row::*link, int32_t row) {
    const Link beside = rows[row].*link;
    (beside.previous == NONE ? list.first : (rows[beside.previous].*link).next) = beside.next;
    (beside.next == NONE ? list.last : (rows[beside.next].*link).previous) = beside.previous;
}

template <class Row> void prefetch_beside(const std::vector<Row> &rows, Link Row::*link, int32_t row) {
    const Link beside = rows[row].*link;
    if (beside.previous != NONE) __builtin_prefetch(&(rows[beside.previous].*link));
    if (beside.next != NONE) __builtin_prefetch(&(rows[beside.next].*link));
}

struct Waiting { int64_t key; int32_t contact; };

inline int64_t key_of(int64_t key) { return key; }
inline int64_t key_of(const Waiting &waiting) { return waiting.key; }

// Entries by key, of equal ones the last who came behind. Most are added near the end, and leave near the beginning.
template <class Entry> class Sorted {
public:
    size_t size() const { return entries.size() - gone; }
    const Entry &operator[](size_t rank) const { return entries[gone + rank]; }

    // How many come before one who comes now with this key.
    size_t before(int64_t key) const {
        size_t low = gone, high = entries.size(), step = 1;
        while (high > low) {  // mostly it is close to the end
            const size_t at = high - low > step ? high - step : low;
            if (key_of(entries[at]) <= key) { low = at + 1; break; }
            high = at;
            step *= 2;
        }
        while (low < high) {
            const size_t middle = (low + high) / 2;
            if (key_of(entries[middle]) <= key) low = middle + 1; else high = middle;
        }
        return low - gone;
    }

    // The first of this key.
    size_t rank(int64_t key) const {
        size_t low = gone, high = entries.size(), step = 1;
        while (low < high) {  // mostly it is close to the beginning
            const size_t at = high - low > step ? low + step - 1 : high - 1;
            if (key_of(entries[at]) >= key) { high = at; break; }
            low = at + 1;
            step *= 2;
        }
        while (low < high) {
            const size_t middle = (low + high) / 2;
            if (key_of(entries[middle]) >= key) high = middle; else low = middle + 1;
        }
        return low - gone;
    }

    void insert(size_t rank, Entry entry) { entries.insert(entries.begin() + gone + rank, entry); }

    void erase(size_t rank) {
        if (rank > size() / 2) {
            entries.erase(entries.begin() + gone + rank);
            return;
        }
        std::copy_backward(entries.begin() + gone, entries.begin() + gone + rank, entries.begin() + gone + rank + 1);
        if (++gone * 2 > entries.size() + SPARE) {
            entries.erase(entries.begin(), entries.begin() + gone);
            gone = 0;
        }
    }

private:
    static constexpr size_t SPARE = 32;
    std::vector<Entry> entries;
    size_t gone = 0;
};

}  // namespace whole
