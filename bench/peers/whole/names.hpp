// What names things, and how it is found: texts, ids of contacts and agents, and a table of rows by them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

namespace whole {

constexpr int32_t NONE = -1;
constexpr int64_t NS_PER_S = 1'000'000'000, NS_PER_MS = 1'000'000, NS_PER_US = 1'000;

[[noreturn]] inline void fail(const char *why) {
    std::fprintf(stderr, "%s\n", why);
    std::exit(2);
}

// As who reads lines has them: one object for a text that comes again and again.
struct Text { std::string letters; uint64_t hash; };

inline bool same(const Text *a, const Text *b) { return a == b || (a->hash == b->hash && a->letters == b->letters); }

// Letters of which the last may be nothing.
struct Id {
    uint64_t words[2];
    bool operator==(const Id &other) const { return words[0] == other.words[0] && words[1] == other.words[1]; }
};

inline std::string letters_of(const Id &id) {
    const char *letters = reinterpret_cast<const char *>(&id);
    return std::string(letters, strnlen(letters, sizeof id));
}

inline uint64_t drawn() {
    std::random_device device;
    return static_cast<uint64_t>(device()) << 32 | device();
}

// Others in each process, so that nobody can choose ids that get in each other's way.
inline const uint64_t ONE_KEY = drawn(), OTHER_KEY = drawn();

inline uint64_t folded(uint64_t a, uint64_t b) {
    const unsigned __int128 product = static_cast<unsigned __int128>(a) * b;
    return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

inline uint32_t tag_of(const Id &id) {
    return static_cast<uint32_t>(folded(id.words[0] ^ ONE_KEY, id.words[1] ^ OTHER_KEY));
}

// Numbers of rows by the tag of what names them, with linear probing. The caller tells rows of one tag apart.
class Places {
public:
    static constexpr int32_t NOWHERE = INT32_MIN;

    template <class Same> int32_t find(uint32_t tag, Same same) const {
        for (size_t at = tag & mask; cells[at].place != NOWHERE; at = (at + 1) & mask)
            if (cells[at].tag == tag && same(cells[at].place)) return cells[at].place;
        return NOWHERE;
    }

    void insert(uint32_t tag, int32_t place) {
        if (++used * 4 > cells.size() * 3) grow();
        put({tag, place});
    }

    void replace(uint32_t tag, int32_t place, int32_t by) { cells[where(tag, place)].place = by; }

    void erase(uint32_t tag, int32_t place) {
        size_t hole = where(tag, place);
        used--;
        for (size_t at = (hole + 1) & mask; cells[at].place != NOWHERE; at = (at + 1) & mask)
            if (((at - cells[at].tag) & mask) >= ((at - hole) & mask)) {
                cells[hole] = cells[at];
                hole = at;
            }
        cells[hole].place = NOWHERE;
    }

    void prefetch(uint32_t tag) const { __builtin_prefetch(&cells[tag & mask]); }

private:
    struct Cell { uint32_t tag; int32_t place; };
    static constexpr size_t LEAST = 64;
    std::vector<Cell> cells = std::vector<Cell>(LEAST, Cell{0, NOWHERE});
    size_t mask = LEAST - 1, used = 0;

    size_t where(uint32_t tag, int32_t place) const {
        size_t at = tag & mask;
        while (cells[at].place != place) at = (at + 1) & mask;
        return at;
    }

    void put(Cell cell) {
        size_t at = cell.tag & mask;
        while (cells[at].place != NOWHERE) at = (at + 1) & mask;
        cells[at] = cell;
    }

    void grow() {
        std::vector<Cell> former(cells.size() * 2, Cell{0, NOWHERE});
        former.swap(cells);
        mask = cells.size() - 1;
        for (const Cell &cell : former)
            if (cell.place != NOWHERE) put(cell);
    }
};

}  // namespace whole
