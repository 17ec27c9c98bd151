// The rows of all tables: what is known of contacts, agents, queues, and what happened to them.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "lists.hpp"
#include "names.hpp"
#include "window.hpp"

namespace whole {

enum Kind : uint8_t { QUEUED_EVENT, OFFERED_EVENT, CONNECTED_EVENT, WRAPUP_EVENT, ENDED_EVENT, AGENT_EVENT };
enum ContactState : uint8_t { FREE, QUEUED, OFFERED, CONNECTED, WRAPUP, CONTACT_STATES };
enum AgentState : uint8_t { LOGGED_OUT, PAUSED, READY, RINGING, BUSY, AFTER_WORK, COOLDOWN, AGENT_STATES };
enum Reason : uint8_t { COMPLETED_CALLER = 1, ABANDONED = 3, QUEUE_FULL = 6, REASONS = 12 };
enum Outcome {
    OK = 0, DUPLICATE = 1, TENANT_UNKNOWN = 101, QUEUE_UNKNOWN = 102, AGENT_UNKNOWN = 103, CONTACT_UNKNOWN = 104,
    OFFER_UNKNOWN = 105, SKILL_UNKNOWN = 106, OFFER_GONE = 201, CONTACT_NOT_CONNECTED = 202, CONTACT_EXISTS = 204,
    AGENT_LOGGED_OUT = 205, AGENT_NOT_IN_WRAPUP = 206, REQUIREMENT_INVALID = 301, TOO_MANY_CONTACTS = 401,
};
inline const char *const AGENT_STATE_NAMES[] = {"logged_out", "paused", "ready", "offered", "busy", "wrapup", "cooldown"};
inline const char *const REASON_NAMES[] = {
    "completed_agent", "completed_caller", "transferred", "abandoned", "max_wait", "no_agents", "queue_full", "diverted",
    "withdrawn", "callback_done", "lost", "failed",
};

// What happened, in a line of the cache.
struct alignas(64) Record {
    Kind kind;
    bool flag = false;
    uint8_t code = 0;
    int32_t contact, agent, queue;
    int64_t seq, at;
    int64_t offer = 0, a = 0, b = 0, c = 0;
};

// What a contact brings along, from who read the line; the core only counts who holds it.
struct Attributes { std::string ani; int64_t holders; };

struct Term { int32_t skill, level; };

struct alignas(64) Contact {
    Id id;
    uint32_t tag;
    ContactState state;
    uint8_t priority;
    Reason end_reason;
    int64_t enqueued, seq;
    int32_t queue, owner;
    int32_t line;   // NONE when it never had to wait
    int32_t place;  // how many stood before it there when it came
    int32_t agent, client;
    int64_t deadline, timer_number;
    Link timer, arrival;
    Attributes *attributes;
    Forecast foreseen;  // when it came
};

// A person, with the leg to the contact that he holds.
struct alignas(64) Agent {
    int64_t idle_seq = 0;  // 0 unless free or rung
    uint64_t signature = 0;
    AgentState state = LOGGED_OUT;
    int32_t contact = NONE;
    int64_t offer = 0, leg_since = 0, connected = 0, latest = 0;
    int64_t deadline = 0, timer_number = 0;
    Link timer = {NONE, NONE};
    int32_t next_of_offer = NONE;
    int64_t inbound_seq = 0, since = 0, answered = 0, answered_since_login = 0, talk_ns = 0;
    const Text *client = nullptr;
    size_t skills = 0, skill_count = 0;  // among Core::held
    Id id = {};
    const Text *address = nullptr;
};

constexpr size_t ROOM = 64;
struct Entry { int32_t agent; uint32_t since; uint64_t signature; };
struct Head { int64_t key; uint64_t signature; int32_t owner, contact; };
struct Skill {
    std::vector<Entry> idle;
    size_t room = ROOM;  // with so many entries the dead ones are dropped
    std::vector<int32_t> classes;
    std::vector<Head> waiting;
    int32_t holders = 0;
};

// Contacts that ask the same in the same queue.
struct Class {
    const Text *require;
    int32_t queue;
    int32_t index_skill = 0, line = NONE;
    size_t terms = 0, term_count = 0;  // among Core::asked
    uint64_t signature = 0;
    size_t cursor = 0;
    Sorted<Waiting> order = {};
    int32_t head = NONE;  // among those under its skill of whom somebody waits
};

struct Queue {
    const Text *tenant, *name, *require;
    int64_t offer_timeout, wrapup, wrapup_most, max_wait, max_talk, service_level, priority_step, max_waiting;
    std::vector<Term> terms = {};
    size_t offer_lane = 0, wrapup_lane = 0, wait_lane = 0, talk_lane = 0;
    int32_t main_line = NONE, own_lines = 0;
    std::vector<int32_t> lines = {};
    List arrivals = {};         // of those who wait or are offered
    Sorted<int64_t> keys = {};  // of those who wait
    int64_t in_state[CONTACT_STATES] = {};
    int64_t entered = 0, answered = 0, answered_in_target = 0, abandoned_in_target = 0, offers = 0, ended[REASONS] = {};
    int64_t wait_ns = 0, talk_ns = 0, accept_ns = 0, handle_ns = 0;
    int64_t wait_histogram[18] = {}, accept_histogram[13] = {}, handle_histogram[16] = {};
    int64_t forecasts = 0, forecast_error_ms = 0, forecast_off_ms = 0, forecast_in_p50 = 0, forecast_in_p90 = 0;
    int64_t recent_in_target = 1 << 30;
};

constexpr int PRIORITIES = 101, LINES_OWN_MAX = 16, RECENT_SHIFT = 6;
constexpr int64_t RECENT_ONE = 1 << 30;
constexpr std::array<int64_t, 17> WAIT_S = {1, 2, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600, 1200, 1800, 3600};
constexpr std::array<int64_t, 12> ACCEPT_S = {1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 45, 60};
constexpr std::array<int64_t, 15> HANDLE_S = {15, 30, 60, 90, 120, 180, 240, 300, 420, 600, 900, 1200, 1800, 2700, 3600};

template <size_t COUNT> int bucket_of(int64_t duration, const std::array<int64_t, COUNT> &bounds_s) {
    size_t bucket = 0;
    while (bucket < COUNT && duration > bounds_s[bucket] * NS_PER_S) bucket++;
    return static_cast<int>(bucket);
}

struct Route { const Text *tenant, *queue, *require; int32_t owner; };
struct Client { const Text *name; int64_t contacts; };
struct Ended { Id id; uint32_t tag; int32_t client; Reason reason; };

// Timers of one duration come due in the order in which they were set.
struct Lane { int64_t duration; List list = {}; };

}  // namespace whole
