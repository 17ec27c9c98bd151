// A plain C++ core of the same semantics, as the limit of what ours can reach while it does all that it does: texts name
// contacts, agents, queues and requirements; each event has all its fields; deadlines are set and taken back; counters,
// histograms, times by state, windows and the forecasts that rest on them are kept. It does so for the traffic of
// bench/trace.py: contacts are enqueued, offered, accepted, completed, given up, and after-work ends.
//
// What that traffic cannot reach is left out: failed offers, pauses, transfers, callbacks, steps, rules on joining and
// staying, limits of tenants and of conversations, other strategies and measures, several channels, or contacts at once
// for an agent, other requirements than skills with levels, each of which is put in one way. No deadline comes; one that did
// would end the program. Where such traffic allows a simpler structure it is taken: ids have 16 letters at most; the timers of
// a contact and of a leg are part of their rows, and the leg is part of its agent's; where somebody stands is counted in
// sorted arrays, since mostly one comes last and goes first; a record names rows, which stay until it is forgotten, and not
// their texts.
//
// Idle side: an array for each skill, in the order in which agents became idle; an entry is dead as soon as its agent is no
// longer idle since then. Each class of contacts, who ask the same in the same queue, looks along its rarest skill and
// remembers how far nobody qualifies. Waiting side: who waits of a class is sorted by when he came less his head start; for
// each skill there are the first of each class, packed.
//
// Reads a file that bench/trace.py writes and plays it twice: once for the time of each segment, which it waits for and tells as
// core.cpp does, and once for digests over who got whom and over all fields of all events, and for what the core shows in the
// end. Build: g++ -O3 -std=c++17 whole_core.cpp
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "../segment.hpp"
#include "core.hpp"
#include "shown.hpp"
#include "trace.hpp"

namespace {

using namespace whole;

// Digests, as FNV-1a with whole numbers.
struct Digest {
    uint64_t state = 14695981039346656037ull;

    void mix(int64_t value) { state = (state ^ static_cast<uint64_t>(value)) * 1099511628211ull; }
    void mix(const std::string &letters) {
        for (const char letter : letters) mix(static_cast<unsigned char>(letter));
        mix(NONE);
    }
};

// A trace as a core plays it, and what is seen of that.
class Play {
public:
    Core core;
    Digest decisions, events;

    // With `told` each record is taken into the digest of events; without it, segments are timed.
    Play(Trace &trace, bool told) : trace(trace), told(told), number_of(trace.contacts.size()) {
        core.half = trace.half;
        core.nine_tenths = trace.nine_tenths;
        core.max_contacts = trace.max_contacts;
        core.now = now = trace.start_ns;
        core.keep_ended(trace.ended_kept);
        for (const Text *name : trace.skills) core.add_skill(name);
        for (const Text *name : trace.tenants) core.add_tenant(name);
        for (const Queue &queue : trace.queues) core.add_queue(queue);
        for (size_t number = 0; number < trace.agents.size(); number++)
            core.add_agent(trace.agents[number], trace.terms[number].address, trace.terms[number].levels);
        for (const Id &agent : trace.agents) check(core.login(now += trace.step_ns, trace.client, agent));
        forget();
        int64_t began = 0, goal = INT64_MAX;
        for (size_t row = 0; row < trace.rows.size(); row++) {
            if (row == static_cast<size_t>(trace.setup) && !told) {
                assigned = 0;
                goal = trace.assignments;
                began = next_segment(0);
            }
            if (row + NEAR < trace.rows.size()) bring_near(trace.rows[row + NEAR]);
            command(trace.rows[row]);
            if (assigned >= goal) {
                began = next_segment(cpu_ns() - began);
                goal += trace.assignments;
            }
        }
    }

private:
    static constexpr size_t NEAR = 4;
    static constexpr int64_t NO_CREDIT = 0;  // for an earlier wait, which no caller tells of
    Trace &trace;
    const bool told;
    std::vector<int32_t> number_of;  // contact by its row
    int64_t now = 0, assigned = 0, pending_offer = 0;

    void check(Outcome outcome) {
        if (!outcome) return;
        std::fprintf(stderr, "the core refused: %d\n", outcome);
        std::exit(2);
    }

    // The names of commands to come are near, as those in lines are that were just read.
    void bring_near(const Row &row) const {
        __builtin_prefetch(&trace.contacts[row.contact]);
        if (row.operation == END_WRAPUP) __builtin_prefetch(&trace.agents[row.value]);
    }

    void command(const Row &row) {
        now += trace.step_ns;
        switch (row.operation) {
            case ENQUEUE: {
                const ContactKind &kind = trace.kinds[row.value];
                check(core.enqueue(now, trace.client, trace.contacts[row.contact], kind.tenant, kind.queue, row.priority,
                                   kind.require, &trace.attributes[row.contact % trace.attributes.size()]));
                return see(row.contact);
            }
            case ACCEPT:
                check(core.accept(now, pending_offer));
                assigned++;
                return forget();
            case COMPLETE:
                check(core.complete(now, trace.contacts[row.contact], COMPLETED_CALLER));
                return forget();
            case END_WRAPUP:
                check(core.end_wrapup(now, trace.agents[row.value]));
                return see(NONE);
            default:
                check(core.abandon(now, trace.contacts[row.contact]));
                return forget();
        }
    }

    // Look at what the last command caused.
    void see(int32_t enqueued) {
        for (const Record &record : core.records) {
            if (record.kind == QUEUED_EVENT || (record.kind == ENDED_EVENT && enqueued != NONE)) {
                number_of[record.contact] = enqueued;
            } else if (record.kind == OFFERED_EVENT) {
                pending_offer = record.offer;
                decisions.mix(number_of[record.contact]);
                decisions.mix(record.agent);
            }
        }
        forget();
    }

    void forget() {
        if (told)
            for (const Record &record : core.records) tell(record);
        core.forget();
    }

    void tell(const Record &record) {
        for (const int64_t value : {int64_t{record.kind}, int64_t{record.flag}, int64_t{record.code}}) events.mix(value);
        events.mix(record.contact == NONE ? NONE : number_of[record.contact]);
        for (const int64_t value : {int64_t{record.agent}, int64_t{record.queue}, record.seq, record.at, record.offer,
                                    record.a, record.b, record.c, NO_CREDIT})
            events.mix(value);
        if (record.contact != NONE) events.mix(core.clients[core.contacts[record.contact].client].name->letters);
        if (record.agent != NONE) events.mix(core.agents[record.agent].client->letters);
        if (record.kind == OFFERED_EVENT) {
            events.mix(core.agents[record.agent].address->letters);
            events.mix(core.contacts[record.contact].attributes->ani);
        }
    }
};

void print(const char *name, const Digest &digest) {
    std::printf("\"%s\": %llu,\n", name, static_cast<unsigned long long>(digest.state));
}

}  // namespace

int main(int count, char **words) {
    if (count != 2) fail("usage: whole_core TRACE");
    Trace trace(words[1]);
    { const Play timed(trace, false); }
    const Play play(trace, true);
    std::printf("{");
    print("digest", play.decisions);
    print("events", play.events);
    std::printf("\"ended\": \"");  // a letter for each contact: why it ended, or that this is not remembered
    for (const Id &contact : trace.contacts) {
        const int reason = play.core.ended_reason(contact);
        std::putchar(reason == NONE ? '.' : 'a' + reason);
    }
    std::printf("\",\n");
    std::printf("\"shown\": ");
    Shown(play.core).all();
    std::printf("}\n");
    return 0;
}
