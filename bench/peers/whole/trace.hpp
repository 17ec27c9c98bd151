// A trace as bench/trace.py writes it: what is configured, and the commands.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <deque>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "rows.hpp"

namespace whole {

struct Row { int32_t operation, contact, value, priority; };
enum Operation { ENQUEUE, ACCEPT, COMPLETE, END_WRAPUP, ABANDON };

struct AgentTerms { const Text *address; std::vector<std::pair<const Text *, int64_t>> levels; };
struct ContactKind { const Text *tenant, *queue, *require; };

class Trace {
public:
    int64_t start_ns, step_ns, max_contacts, ended_kept, setup, assignments;
    const Text *client;
    Quantiles half, nine_tenths;
    std::vector<const Text *> skills, tenants;
    std::vector<Queue> queues;
    std::vector<Id> agents;
    std::vector<AgentTerms> terms;  // of each agent
    std::vector<ContactKind> kinds;
    std::vector<Attributes> attributes;
    std::vector<Id> contacts;
    std::vector<Row> rows;

    explicit Trace(const char *path) {
        read(path);
        for (int64_t *value : {&start_ns, &step_ns, &max_contacts, &ended_kept, &setup, &assignments}) *value = number();
        client = text();
        for (Quantiles *table : {&half, &nine_tenths})
            for (int64_t left = number(); left--;) table->push_back(number());
        for (std::vector<const Text *> *names : {&skills, &tenants})
            for (int64_t left = number(); left--;) names->push_back(text());
        for (int64_t left = number(); left--;) {
            Queue queue = {};
            for (const Text **value : {&queue.tenant, &queue.name, &queue.require}) *value = text();
            for (int64_t *value : {&queue.offer_timeout, &queue.wrapup, &queue.wrapup_most, &queue.max_wait,
                                   &queue.max_talk, &queue.service_level, &queue.priority_step, &queue.max_waiting})
                *value = number();
            queues.push_back(std::move(queue));
        }
        for (int64_t left = number(); left--;) {
            agents.push_back(id());
            terms.push_back({text(), {}});
            for (int64_t more = number(); more--;) {
                const Text *skill = text();
                terms.back().levels.emplace_back(skill, number());
            }
        }
        for (int64_t left = number(); left--;) {
            kinds.emplace_back();
            for (const Text **value : {&kinds.back().tenant, &kinds.back().queue, &kinds.back().require})
                *value = text();
        }
        for (int64_t left = number(); left--;) attributes.push_back({text()->letters, 0});
        for (int64_t left = number(); left--;) contacts.push_back(id());
        rows.resize(number());
        if (at + rows.size() * sizeof(Row) != data.data() + data.size()) fail("the trace is not whole");
        std::memcpy(rows.data(), at, rows.size() * sizeof(Row));
    }

private:
    std::string data;
    const char *at = nullptr;
    std::deque<Text> texts;
    std::unordered_map<std::string, const Text *> known;

    void read(const char *path) {
        FILE *file = std::fopen(path, "rb");
        if (!file) fail("there is no such file");
        std::fseek(file, 0, SEEK_END);
        data.resize(std::ftell(file));
        std::rewind(file);
        if (std::fread(&data[0], 1, data.size(), file) != data.size()) fail("the file cannot be read");
        std::fclose(file);
        at = data.data();
    }

    int64_t number() {
        int64_t value;
        std::memcpy(&value, at, sizeof value);
        at += sizeof value;
        return value;
    }

    std::string letters() {
        const size_t size = number();
        at += size;
        return std::string(at - size, size);
    }

    const Text *text() {
        std::string found = letters();
        const Text *&place = known[found];
        if (!place) {
            texts.push_back({found, std::hash<std::string>()(found)});
            place = &texts.back();
        }
        return place;
    }

    Id id() {
        const std::string found = letters();
        Id made = {};
        if (found.size() > sizeof made) fail("an id is longer than any of this traffic");
        std::memcpy(&made, found.data(), found.size());
        return made;
    }
};

}  // namespace whole
