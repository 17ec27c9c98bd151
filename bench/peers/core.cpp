// A plain C++ core of the same behaviour, as the limit of what ours can reach: skills with levels, contacts that ask up to
// three of them, four priorities worth a minute each, the agent who is idle longest. Nothing else: no names, events,
// timers, forecasts, counters, several kinds of everything. The core in whole/ has those.
//
// Idle side: an array for each skill, in the order in which agents became idle; an entry is dead as soon as its agent is no
// longer idle since then. Each class of requirements looks along its rarest skill and remembers how far nobody qualifies.
// Waiting side: a list for each class and priority, and for each skill the classes of which somebody waits.
//
// Reads a file of 32-bit integers that bench/trace.py writes. Prints 0 when it has come to the first segment; reads a letter
// before each segment, and prints its CPU time in nanoseconds; in the end, a digest over who got whom. Build: g++ -O3 core.cpp
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "segment.hpp"

namespace {

constexpr int PRIORITIES = 4;
constexpr int64_t NONE_YET = INT64_MAX;

struct Term { int32_t skill, level; };
struct Entry { int32_t agent; uint32_t since; };
struct Agent { std::vector<Term> skills; uint32_t since = 0; };
struct Contact { int64_t key; int32_t next, previous, owner; uint8_t priority; bool waits; };
struct Line { int32_t first = -1, last = -1; };
struct Class {
    std::vector<Term> terms;
    int32_t index_skill = 0;
    int64_t cursor = 0;
    Line lines[PRIORITIES];
    int64_t head = NONE_YET;
    int32_t place = -1;  // among the classes under its skill that have somebody waiting
};
struct Skill {
    std::vector<Entry> idle;
    int64_t dead = 0;
    int32_t holders = 0;
    std::vector<int32_t> classes, waiting;
};

struct Core {
    std::vector<Agent> agents;
    std::vector<Skill> skills;
    std::vector<Class> classes;
    std::vector<Contact> contacts;
    std::vector<uint8_t> level;  // by agent and skill
    uint32_t sequence = 0;
    int64_t step_ns = 0, now = 0;
    uint64_t digest = 14695981039346656037ull;
    int64_t assigned = 0;

    bool qualifies(int32_t agent, const Class &asked) const {
        const uint8_t *have = &level[static_cast<size_t>(agent) * skills.size()];
        for (const Term &term : asked.terms)
            if (have[term.skill] < term.level) return false;
        return true;
    }

    void assign(int32_t contact, int32_t agent) {
        digest = (digest ^ static_cast<uint64_t>(contact)) * 1099511628211ull;
        digest = (digest ^ static_cast<uint64_t>(agent)) * 1099511628211ull;
        assigned++;
    }

    void compact(Skill &skill) {
        std::vector<int64_t> moved(skill.classes.size());
        size_t kept = 0, at = 0;
        std::vector<size_t> counts(skill.idle.size() + 1);
        for (; at < skill.idle.size(); at++) {
            counts[at] = kept;
            const Entry entry = skill.idle[at];
            if (agents[entry.agent].since == entry.since) skill.idle[kept++] = entry;
        }
        counts[at] = kept;
        for (int32_t owner : skill.classes) classes[owner].cursor = counts[classes[owner].cursor];
        skill.idle.resize(kept);
        skill.dead = 0;
    }

    void enqueue(int32_t number, int32_t owner, int priority) {
        Class &asked = classes[owner];
        Skill &skill = skills[asked.index_skill];
        Contact &contact = contacts[number];
        contact.key = now - priority * 60'000'000'000ll;
        contact.owner = owner;
        contact.priority = priority;
        contact.waits = false;
        if (asked.place < 0) {  // else somebody of this class waits, so nobody free qualifies
            for (; asked.cursor < static_cast<int64_t>(skill.idle.size()); asked.cursor++) {
                const Entry entry = skill.idle[asked.cursor];
                Agent &agent = agents[entry.agent];
                if (agent.since == entry.since && qualifies(entry.agent, asked)) {
                    agent.since = 0;
                    for (const Term &has : agent.skills) {
                        Skill &its = skills[has.skill];
                        if (++its.dead * 2 > static_cast<int64_t>(its.idle.size()) + 64) compact(its);
                    }
                    assign(number, entry.agent);
                    return;
                }
            }
        }
        contact.waits = true;
        Line &line = asked.lines[priority];
        contact.next = -1;
        contact.previous = line.last;
        if (line.last < 0) line.first = number; else contacts[line.last].next = number;
        line.last = number;
        if (asked.place < 0) {
            asked.place = static_cast<int32_t>(skill.waiting.size());
            skill.waiting.push_back(owner);
        }
        if (contact.key < asked.head) asked.head = contact.key;
    }

    void leave(int32_t number) {
        Contact &contact = contacts[number];
        Class &asked = classes[contact.owner];
        Line &line = asked.lines[contact.priority];
        contact.waits = false;
        if (contact.previous < 0) line.first = contact.next; else contacts[contact.previous].next = contact.next;
        if (contact.next < 0) line.last = contact.previous; else contacts[contact.next].previous = contact.previous;
        asked.head = NONE_YET;
        for (const Line &other : asked.lines)
            if (other.first >= 0 && contacts[other.first].key < asked.head) asked.head = contacts[other.first].key;
        if (asked.head == NONE_YET) {
            Skill &skill = skills[asked.index_skill];
            const int32_t last = skill.waiting.back();
            skill.waiting[asked.place] = last;
            classes[last].place = asked.place;
            skill.waiting.pop_back();
            asked.place = -1;
        }
    }

    void free_agent(int32_t number) {
        int64_t best_key = NONE_YET;
        int32_t best = -1;
        Agent &agent = agents[number];
        for (const Term &has : agent.skills)
            for (int32_t owner : skills[has.skill].waiting) {
                const Class &asked = classes[owner];
                if (asked.head < best_key && qualifies(number, asked)) {
                    best_key = asked.head;
                    best = owner;
                }
            }
        if (best >= 0) {
            for (const Line &line : classes[best].lines)
                if (line.first >= 0 && contacts[line.first].key == best_key) {
                    const int32_t contact = line.first;
                    leave(contact);
                    assign(contact, number);
                    return;
                }
        }
        agent.since = ++sequence;
        for (const Term &has : agent.skills) skills[has.skill].idle.push_back({number, agent.since});
    }
};

std::vector<int32_t> read_all(const char *path) {
    FILE *file = std::fopen(path, "rb");
    if (!file) { std::perror(path); std::exit(2); }
    std::fseek(file, 0, SEEK_END);
    std::vector<int32_t> data(std::ftell(file) / 4);
    std::rewind(file);
    if (std::fread(data.data(), 4, data.size(), file) != data.size()) std::exit(2);
    std::fclose(file);
    return data;
}

}  // namespace

int main(int count, char **words) {
    if (count != 2) { std::fprintf(stderr, "usage: core TRACE\n"); return 2; }
    const std::vector<int32_t> data = read_all(words[1]);
    const int32_t *at = data.data();
    Core core;
    core.agents.resize(*at++);
    core.skills.resize(*at++);
    core.classes.resize(*at++);
    core.contacts.resize(*at++);
    const int64_t rows = *at++, setup = *at++, segment = *at++;
    core.step_ns = at[0] * 1'000'000'000ll + at[1];
    at += 2;
    core.level.resize(core.agents.size() * core.skills.size());
    for (size_t number = 0; number < core.agents.size(); number++)
        for (int32_t left = *at++; left--; at += 2) {
            core.agents[number].skills.push_back({at[0], at[1]});
            core.level[number * core.skills.size() + at[0]] = at[1];
            core.skills[at[0]].holders++;
        }
    for (size_t number = 0; number < core.classes.size(); number++) {
        Class &asked = core.classes[number];
        for (int32_t left = *at++; left--; at += 2) asked.terms.push_back({at[0], at[1]});
        asked.index_skill = asked.terms[0].skill;
        for (const Term &term : asked.terms)
            if (core.skills[term.skill].holders < core.skills[asked.index_skill].holders) asked.index_skill = term.skill;
        core.skills[asked.index_skill].classes.push_back(number);
    }
    for (size_t number = 0; number < core.agents.size(); number++) core.free_agent(number);
    int64_t began = 0, goal = 0;
    for (int64_t row = 0; row < rows; row++, at += 4) {
        if (row == setup) { core.assigned = 0; goal = segment; began = next_segment(0); }
        core.now += core.step_ns;
        switch (at[0]) {
            case 0: core.enqueue(at[1], at[2], at[3]); break;
            case 3: core.free_agent(at[2]); break;
            case 4: core.leave(at[1]); break;
            default: break;  // accept, complete: the contact is the agent's already
        }
        if (row >= setup && core.assigned >= goal) {
            began = next_segment(cpu_ns() - began);
            goal += segment;
        }
    }
    std::printf("{\"digest\": %llu}\n", static_cast<unsigned long long>(core.digest));
    return 0;
}
