// What the core shows, as JSON with the names that our views have. Names need no escapes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "core.hpp"

namespace whole {

class Shown {
public:
    explicit Shown(const Core &core) : core(core) {}

    void all() {
        std::printf("{");
        number("next_deadline", core.next_deadline());
        name("domain");
        domain();
        name("clients");
        list(core.clients.size(), [&](size_t row) { client(core.clients[row]); });
        name("queues");
        list(core.queues.size(), [&](size_t row) { queue(core.queues[row]); });
        name("paces");
        std::vector<std::pair<const Queue *, const Line *>> lines;
        for (const Queue &queue : core.queues)
            for (const int32_t line : queue.lines) lines.emplace_back(&queue, &core.lines[line]);
        list(lines.size(), [&](size_t row) { pace(*lines[row].first, *lines[row].second); });
        name("agents");
        list(core.agents.size(), [&](size_t row) { agent(core.agents[row]); });
        std::printf("}");
    }

private:
    const Core &core;
    const char *comma = "";

    void name(const char *name) {
        std::printf("%s\"%s\": ", comma, name);
        comma = ", ";
    }

    void number(const char *its, int64_t value) {
        name(its);
        std::printf("%lld", static_cast<long long>(value));
    }

    void text(const char *its, const std::string &value) {
        name(its);
        std::printf("\"%s\"", value.c_str());
    }

    template <class Body> void object(Body body) {
        std::printf("{");
        comma = "";
        body();
        std::printf("}");
        comma = ", ";
    }

    template <class One> void list(size_t count, One one) {
        std::printf("[");
        for (size_t row = 0; row < count; row++) {
            if (row) std::printf(",\n");
            object([&] { one(row); });
        }
        std::printf("]");
        comma = ", ";
    }

    template <size_t COUNT> void numbers(const char *its, const int64_t (&values)[COUNT]) {
        name(its);
        for (size_t index = 0; index < COUNT; index++)
            std::printf("%s%lld", index ? ", " : "[", static_cast<long long>(values[index]));
        std::printf("]");
    }

    void domain() {
        object([&] {
            number("now_ns", core.now);
            number("seq", core.seq);
            number("contacts", core.live_contacts);
            number("waiting", core.live_waiting);
            name("agents");
            object([&] { by_state([&](int state) { return core.by_state[state]; }); });
            name("agent_us");
            object([&] { by_state([&](int state) { return core.time_in(state); }); });
        });
    }

    template <class Value> void by_state(Value value) {
        for (int state = 0; state < AGENT_STATES; state++) number(AGENT_STATE_NAMES[state], value(state));
    }

    void client(const Client &client) {
        text("client", client.name->letters);
        number("agents", std::count_if(core.agents.begin(), core.agents.end(),
                                       [&](const Agent &agent) { return agent.client == client.name; }));
        number("contacts", client.contacts);
    }

    void queue(const Queue &queue) {
        text("tenant", queue.tenant->letters);
        text("queue", queue.name->letters);
        number("waiting", queue.in_state[QUEUED]);
        number("offered", queue.in_state[OFFERED]);
        number("connected", queue.in_state[CONNECTED]);
        number("wrapup", queue.in_state[WRAPUP]);
        number("oldest_ns", queue.arrivals.first == NONE ? 0 : core.contacts[queue.arrivals.first].enqueued);
        number("entered", queue.entered);
        number("answered", queue.answered);
        number("answered_in_target", queue.answered_in_target);
        number("abandoned_in_target", queue.abandoned_in_target);
        name("ended");
        object([&] {
            for (int reason = 0; reason < REASONS; reason++)
                if (queue.ended[reason]) number(REASON_NAMES[reason], queue.ended[reason]);
        });
        number("offers", queue.offers);
        number("wait_ns", queue.wait_ns);
        number("talk_ns", queue.talk_ns);
        numbers("wait_histogram", queue.wait_histogram);
        number("accept_ns", queue.accept_ns);
        numbers("accept_histogram", queue.accept_histogram);
        number("handle_ns", queue.handle_ns);
        numbers("handle_histogram", queue.handle_histogram);
        number("forecasts", queue.forecasts);
        number("forecast_error_ms", queue.forecast_error_ms);
        number("forecast_off_ms", queue.forecast_off_ms);
        number("forecast_in_p50", queue.forecast_in_p50);
        number("forecast_in_p90", queue.forecast_in_p90);
        number("recent_in_target", queue.recent_in_target);
        if (queue.main_line == NONE) return;
        Line line = core.lines[queue.main_line];
        line.elapse(core.now / NS_PER_US);
        const Forecast forecast = line.forecast(line.waiting, line.waiting, core.half, core.nine_tenths);
        if (forecast.mean_ms == NONE) return;
        name("estimate");
        object([&] {
            number("mean_ms", forecast.mean_ms);
            number("p50_ms", forecast.p50_ms);
            number("p90_ms", forecast.p90_ms);
        });
    }

    void pace(const Queue &queue, Line line) {
        line.elapse(core.now / NS_PER_US);
        text("tenant", queue.tenant->letters);
        text("queue", queue.name->letters);
        text("require", line.require ? described(line.require->letters) : "");
        number("waiting", line.waiting);
        number("served", line.sums[SERVED]);
        number("left", line.sums[LEFT]);
        number("backlog_us", line.sums[BACKLOG_US]);
        number("waited_us", line.sums[WAITED_US]);
        number("ring_ms", line.sums[RING_MS]);
        number("ring_square", line.sums[RING_SQUARE]);
        number("last_wait_us", line.last_wait_us);
        number("last_at_us", line.last_at_us);
    }

    // A requirement as views put it: a skill at any level goes without one.
    static std::string described(std::string require) {
        const std::string any = ">=1";
        for (size_t at = require.find(any); at != std::string::npos; at = require.find(any, at))
            if (at + any.size() == require.size() || require[at + any.size()] == ' ') require.erase(at, any.size());
            else at++;
        return require;
    }

    void agent(const Agent &agent) {
        const bool holds = agent.contact != NONE;
        text("agent", letters_of(agent.id));
        text("address", agent.address->letters);
        text("client", agent.client->letters);
        text("presence", "ready");
        text("activity", agent.state == READY ? "none" : AGENT_STATE_NAMES[agent.state]);
        text("contact", holds ? letters_of(core.contacts[agent.contact].id) : "");
        text("offer", holds ? "o-" + std::to_string(agent.offer) : "");
        number("idle_seq", agent.idle_seq);
        number("inbound_seq", agent.inbound_seq);
        number("since_ns", agent.since);
        number("deadline_ns", agent.deadline);
        number("timer", agent.timer_number);
        number("answered", agent.answered);
        number("answered_since_login", agent.answered_since_login);
        number("talk_ns", agent.talk_ns);
        name("room");
        std::printf(holds ? "[]" : "[\"voice\"]");
        name("legs");
        list(holds, [&](size_t) { leg(agent); });
    }

    void leg(const Agent &agent) {
        const Contact &contact = core.contacts[agent.contact];
        const Queue &queue = core.queues[contact.queue];
        text("offer", "o-" + std::to_string(agent.offer));
        text("contact", letters_of(contact.id));
        text("path", queue.tenant->letters + '/' + queue.name->letters);
        text("state", agent.state == RINGING ? "offered" : agent.state == BUSY ? "connected" : "wrapup");
        number("since_ns", agent.leg_since);
        number("connected_ns", agent.connected);
        number("deadline_ns", agent.deadline);
        number("timer", agent.timer_number);
        number("latest_ns", agent.latest);
    }
};

}  // namespace whole
