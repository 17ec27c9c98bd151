// The core itself: what commands do, and what follows.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "rows.hpp"

namespace whole {

// Commands bring the time along, and give an outcome; what they caused is in `records` until `forget`.
class Core {
public:
    std::vector<Record> records;
    std::vector<Contact> contacts;
    std::vector<Agent> agents;
    std::vector<Queue> queues;
    std::vector<Line> lines;
    std::vector<Client> clients;
    Quantiles half, nine_tenths;
    int64_t now = 0, seq = 1;  // that a configuration holds was the first event
    int64_t max_contacts = 0, live_contacts = 0, live_waiting = 0, by_state[AGENT_STATES] = {};
    int64_t last_position = 0;  // that a contact got which came just now, for the answer; 0 when it ended
    Forecast last_forecast;

    // What is configured, before any command: skills first, then tenants, queues, agents.

    void keep_ended(size_t most) { ended.resize(most); }

    void add_skill(const Text *name) {
        skill_numbers.emplace(name->letters, static_cast<int32_t>(skills.size()));
        skills.emplace_back();
    }

    void add_tenant(const Text *name) { tenants.push_back(name); }

    void add_queue(Queue queue) {
        if (parse(queue.require->letters, queue.terms) || queue.terms.empty()) fail("a queue asks what is left out here");
        queue.offer_lane = lane_of(agent_lanes, queue.offer_timeout);
        queue.wrapup_lane = lane_of(agent_lanes, queue.wrapup);
        queue.wait_lane = lane_of(contact_lanes, queue.max_wait);
        queue.talk_lane = lane_of(contact_lanes, queue.max_talk);
        queue_numbers.emplace(queue.tenant->letters + '/' + queue.name->letters, static_cast<int32_t>(queues.size()));
        queues.push_back(std::move(queue));
    }

    void add_agent(const Id &id, const Text *address, const std::vector<std::pair<const Text *, int64_t>> &levels) {
        Agent agent;
        agent.id = id;
        agent.address = address;
        agent.skills = held.size();
        agent.skill_count = levels.size();
        for (const auto &[name, level] : levels) {
            const int32_t skill = skill_numbers.at(name->letters);
            held.push_back({skill, static_cast<int32_t>(level)});
            agent.signature |= 1ull << (skill & 63);
            skills[skill].holders++;
        }
        agent_ids.insert(tag_of(id), static_cast<int32_t>(agents.size()));
        agents.push_back(agent);
        count(LOGGED_OUT, 1);
        while (of_offer.size() < 2 * agents.size()) of_offer.resize(of_offer.size() * 2, NONE);
    }

    // Commands

    Outcome login(int64_t at, const Text *client, const Id &id) {
        advance(at);
        const int32_t number = agent_of(id);
        if (number == Places::NOWHERE) return AGENT_UNKNOWN;
        Agent &agent = agents[number];
        if (agent.state != LOGGED_OUT) return DUPLICATE;
        agent.client = client;
        agent.answered_since_login = agent.inbound_seq = 0;
        set_state(agent, READY);
        idle(number);
        return OK;
    }

    Outcome enqueue(int64_t at, const Text *client, const Id &id, const Text *tenant, const Text *queue_name, int priority,
                    const Text *require, Attributes *attributes) {
        advance(at);
        last_position = 0;
        last_forecast = {};
        if (priority < 0 || priority >= PRIORITIES) fail("a priority is 0..100");
        const uint32_t tag = tag_of(id);
        ids.prefetch(tag);
        if (!free_rows.empty()) prefetch(contacts[free_rows.back()]);
        int32_t owner = NONE;
        const Outcome understood = route(tenant, queue_name, require, owner);
        const int32_t known = find_contact(id, tag);
        if (known != Places::NOWHERE) return repeated(known, client, tenant, queue_name);
        if (understood) return understood;
        if (live_contacts >= max_contacts) return TOO_MANY_CONTACTS;
        const int32_t number = new_contact();
        Contact &contact = contacts[number];
        Class &wanted = classes[owner];
        Queue &queue = queues[wanted.queue];
        contact.id = id;
        contact.tag = tag;
        contact.state = QUEUED;
        contact.priority = static_cast<uint8_t>(priority);
        contact.enqueued = now;
        contact.seq = ++contact_seq;
        contact.queue = wanted.queue;
        contact.owner = owner;
        contact.line = contact.place = contact.agent = NONE;
        contact.client = take_client(client);
        contact.attributes = attributes;
        contact.foreseen = {};
        attributes->holders++;
        ids.insert(tag, number);
        live_contacts++;
        live_waiting++;
        queue.in_state[QUEUED]++;
        queue.entered++;
        append(queue.arrivals, contacts, &Contact::arrival, number);
        const int32_t agent = wanted.order.size() ? NONE : longest_idle(wanted);  // where some wait nobody qualifies
        if (agent == NONE && queue.max_waiting && queue.in_state[QUEUED] > queue.max_waiting) {
            give_up(number, QUEUE_FULL);
            return OK;
        }
        if (queue.max_wait) arm_contact(queue.wait_lane, number);
        const size_t before = queue.keys.before(key_of(contact));
        if (agent == NONE) {
            join(number, before);
            contact.foreseen = lines[contact.line].forecast(contact.place, contact.place, half, nine_tenths);
        }
        Record &record = tell(QUEUED_EVENT, number, NONE, contact.queue);
        record.code = contact.priority;
        record.a = static_cast<int64_t>(before) + 1;
        if (contact.foreseen.mean_ms != NONE) {
            record.flag = true;
            record.b = contact.foreseen.p50_ms;
            record.c = contact.foreseen.p90_ms;
        }
        last_position = record.a;
        last_forecast = contact.foreseen;
        if (agent != NONE) offer(number, agent);
        return OK;
    }

    Outcome accept(int64_t at, int64_t number) {
        advance(at);
        if (number <= 0 || number > offer_seq) return OFFER_UNKNOWN;
        int32_t who = of_offer[number & (of_offer.size() - 1)];
        while (who != NONE && agents[who].offer != number) who = agents[who].next_of_offer;
        if (who == NONE) return OFFER_GONE;
        Agent &agent = agents[who];
        if (agent.state != RINGING) return DUPLICATE;
        Contact &contact = contacts[agent.contact];
        Queue &queue = queues[contact.queue];
        const int64_t wait = now - contact.enqueued, rung = now - agent.leg_since;
        disarm_agent(queue.offer_lane, who);
        agent.leg_since = agent.connected = now;
        agent.idle_seq = 0;
        count_contact(contact, CONNECTED);
        take_out(queue.arrivals, contacts, &Contact::arrival, agent.contact);
        if (queue.max_wait) disarm_contact(queue.wait_lane, agent.contact);
        arm_contact(queue.talk_lane, agent.contact);
        agent.answered++;
        agent.answered_since_login++;
        agent.inbound_seq = 0;
        queue.answered++;
        queue.wait_ns += wait;
        const bool in_target = wait <= queue.service_level;
        queue.answered_in_target += in_target;
        watch(queue, in_target);
        queue.wait_histogram[bucket_of(wait, WAIT_S)]++;
        queue.accept_ns += rung;
        queue.accept_histogram[bucket_of(rung, ACCEPT_S)]++;
        if (contact.line != NONE) score(contact, queue, wait, rung);
        Record &record = tell(CONNECTED_EVENT, agent.contact, who, contact.queue);
        record.offer = number;
        record.a = wait;
        set_state(agent, BUSY);
        agent_changed(who, NONE);
        return OK;
    }

    Outcome complete(int64_t at, const Id &id, Reason reason) {
        advance(at);
        const int32_t number = find_contact(id, tag_of(id));
        if (number < 0) return number == Places::NOWHERE ? CONTACT_UNKNOWN : DUPLICATE;
        Contact &contact = contacts[number];
        if (contact.state == WRAPUP) return DUPLICATE;
        if (contact.state != CONNECTED) return CONTACT_NOT_CONNECTED;
        Queue &queue = queues[contact.queue];
        Agent &agent = agents[contact.agent];
        prefetch(agent);
        prefetch_beside(contacts, &Contact::timer, number);
        contact.end_reason = reason;
        disarm_contact(queue.talk_lane, number);
        count_contact(contact, WRAPUP);
        const int64_t talk = now - agent.connected;
        queue.talk_ns += talk;
        agent.talk_ns += talk;
        agent.leg_since = now;
        agent.latest = now + queue.wrapup_most;
        set_state(agent, AFTER_WORK);
        arm_agent(queue.wrapup_lane, contact.agent);
        Record &record = tell(WRAPUP_EVENT, number, contact.agent, contact.queue);
        record.code = reason;
        record.a = talk;
        record.b = queue.wrapup;
        agent_changed(contact.agent, queue.wrapup);
        return OK;
    }

    Outcome end_wrapup(int64_t at, const Id &id) {
        advance(at);
        const int32_t number = agent_of(id);
        if (number == Places::NOWHERE) return AGENT_UNKNOWN;
        Agent &agent = agents[number];
        if (agent.state == LOGGED_OUT) return AGENT_LOGGED_OUT;
        if (agent.state != AFTER_WORK) return AGENT_NOT_IN_WRAPUP;
        const int32_t held_contact = agent.contact;
        Contact &contact = contacts[held_contact];
        Queue &queue = queues[contact.queue];
        const int64_t handle = now - agent.connected;
        queue.handle_ns += handle;
        queue.handle_histogram[bucket_of(handle, HANDLE_S)]++;
        agent.inbound_seq = 0;
        disarm_agent(queue.wrapup_lane, number);
        forget_offer(number);
        agent.contact = NONE;
        const int64_t wait = agent.connected - contact.enqueued, talk = agent.leg_since - agent.connected;
        end(held_contact, contact.end_reason, number, wait, talk);
        set_state(agent, READY);
        idle(number);
        return OK;
    }

    Outcome abandon(int64_t at, const Id &id) {
        advance(at);
        const int32_t number = find_contact(id, tag_of(id));
        if (number < 0) return number == Places::NOWHERE ? CONTACT_UNKNOWN : DUPLICATE;
        Contact &contact = contacts[number];
        if (contact.state != QUEUED) fail("somebody gave up who did not wait: that is left out here");
        Queue &queue = queues[contact.queue];
        queue.abandoned_in_target += now - contact.enqueued <= queue.service_level;
        if (queue.max_wait) disarm_contact(queue.wait_lane, number);
        leave(number);
        lines[contact.line].sums[LEFT] += ONE;
        give_up(number, ABANDONED);
        return OK;
    }

    // The records are told, or nobody asks for them. Rows of ended contacts can be used again.
    void forget() {
        records.clear();
        for (const int32_t number : ended_rows) {
            clients[contacts[number].client].contacts--;
            contacts[number].attributes->holders--;
            free_rows.push_back(number);
        }
        ended_rows.clear();
    }

    // What is shown

    int64_t time_in(int state) const {
        return static_cast<int64_t>(state_us[state] + static_cast<uint64_t>(by_state[state]) * (now / NS_PER_US));
    }

    // When the first timer comes due; 0 when none is set.
    int64_t next_deadline() const {
        int64_t first = INT64_MAX;
        for (const Lane &lane : contact_lanes)
            if (lane.list.first != NONE) first = std::min(first, contacts[lane.list.first].deadline);
        for (const Lane &lane : agent_lanes)
            if (lane.list.first != NONE) first = std::min(first, agents[lane.list.first].deadline);
        return first == INT64_MAX ? 0 : first;
    }

    // Why a contact ended, if that is remembered; else NONE.
    int ended_reason(const Id &id) const {
        const int32_t place = find_contact(id, tag_of(id));
        return place < 0 && place != Places::NOWHERE ? ended[~place].reason : NONE;
    }

private:
    std::vector<Skill> skills;
    std::vector<Class> classes;
    std::vector<Route> routes;
    std::vector<const Text *> tenants;
    std::vector<Term> held, asked;  // the skills of each agent, and those of each class
    std::unordered_map<std::string, int32_t> skill_numbers, queue_numbers;
    Places ids;  // of live contacts; below 0 of those in `ended`
    Places agent_ids, route_places;
    std::vector<Ended> ended;  // a ring
    int64_t ended_count = 0;
    std::vector<int32_t> free_rows, ended_rows;
    std::vector<int32_t> of_offer = std::vector<int32_t>(16, NONE);  // chains of agents by the numbers of their offers
    std::vector<Lane> contact_lanes, agent_lanes;
    std::vector<int32_t> moved;
    int64_t earliest = INT64_MAX;  // no deadline is before
    int64_t contact_seq = 0, offer_seq = 0, idle_seq = 0, timer_seq = 0;
    uint64_t state_us[AGENT_STATES] = {};  // less than was spent by what the time is now, for each who is in the state
    int32_t last_client = NONE;

    // Time

    void advance(int64_t at) {
        if (at >= earliest) {
            const int64_t next = next_deadline();
            earliest = next ? next : INT64_MAX;
            if (at >= earliest) fail("a deadline came: what follows is left out here");
        }
        now = std::max(now, at);
    }

    static size_t lane_of(std::vector<Lane> &lanes, int64_t duration) {
        size_t lane = 0;
        while (lane < lanes.size() && lanes[lane].duration != duration) lane++;
        if (lane == lanes.size()) lanes.push_back({duration});
        return lane;
    }

    template <class Row> void arm(Lane &lane, std::vector<Row> &rows, int32_t number) {
        rows[number].deadline = now + lane.duration;
        rows[number].timer_number = ++timer_seq;
        earliest = std::min(earliest, rows[number].deadline);
        append(lane.list, rows, &Row::timer, number);
    }

    void arm_contact(size_t lane, int32_t number) { arm(contact_lanes[lane], contacts, number); }
    void arm_agent(size_t lane, int32_t number) { arm(agent_lanes[lane], agents, number); }

    void disarm_contact(size_t lane, int32_t number) {
        take_out(contact_lanes[lane].list, contacts, &Contact::timer, number);
    }

    void disarm_agent(size_t lane, int32_t number) {
        take_out(agent_lanes[lane].list, agents, &Agent::timer, number);
        agents[number].deadline = agents[number].timer_number = 0;
    }

    // Names

    int32_t find_contact(const Id &id, uint32_t tag) const {
        return ids.find(tag, [&](int32_t place) {
            if (place < 0) return ended[~place].id == id;
            prefetch(contacts[place]);
            return contacts[place].id == id;
        });
    }

    int32_t agent_of(const Id &id) const {
        return agent_ids.find(tag_of(id), [&](int32_t number) { return agents[number].id == id; });
    }

    Outcome repeated(int32_t place, const Text *client, const Text *tenant, const Text *queue) const {
        if (place < 0) return same(clients[ended[~place].client].name, client) ? DUPLICATE : CONTACT_EXISTS;
        const Queue &its = queues[contacts[place].queue];
        const bool own = same(clients[contacts[place].client].name, client);
        return own && same(its.tenant, tenant) && same(its.name, queue) ? DUPLICATE : CONTACT_EXISTS;
    }

    int32_t take_client(const Text *client) {
        if (last_client == NONE || clients[last_client].name != client) {
            const int32_t count = static_cast<int32_t>(clients.size());
            for (last_client = 0; last_client < count; last_client++)
                if (same(clients[last_client].name, client)) break;
            if (last_client == count) clients.push_back({client, 0});
        }
        clients[last_client].contacts++;
        return last_client;
    }

    // The class of contacts that come to a queue with a requirement; made when first asked for.
    Outcome route(const Text *tenant, const Text *queue, const Text *require, int32_t &owner) {
        const uint64_t mixed = folded(tenant->hash ^ ONE_KEY, queue->hash ^ OTHER_KEY);
        const uint32_t tag = static_cast<uint32_t>(folded(mixed ^ ONE_KEY, require->hash ^ OTHER_KEY));
        const int32_t known = route_places.find(tag, [&](int32_t place) {
            const Route &route = routes[place];
            return same(route.require, require) && same(route.queue, queue) && same(route.tenant, tenant);
        });
        if (known != Places::NOWHERE) {
            owner = routes[known].owner;
            return OK;
        }
        const auto found = queue_numbers.find(tenant->letters + '/' + queue->letters);
        if (found == queue_numbers.end()) {
            for (const Text *name : tenants)
                if (same(name, tenant)) return QUEUE_UNKNOWN;
            return TENANT_UNKNOWN;
        }
        std::vector<Term> terms = queues[found->second].terms;
        if (const Outcome refused = parse(require->letters, terms)) return refused;
        Class made = {require, found->second};
        made.terms = asked.size();
        made.term_count = terms.size();
        made.index_skill = terms[0].skill;
        for (const Term &term : terms) {
            made.signature |= 1ull << (term.skill & 63);
            if (skills[term.skill].holders < skills[made.index_skill].holders) made.index_skill = term.skill;
        }
        asked.insert(asked.end(), terms.begin(), terms.end());
        owner = static_cast<int32_t>(classes.size());
        skills[made.index_skill].classes.push_back(owner);
        classes.push_back(std::move(made));
        route_places.insert(tag, static_cast<int32_t>(routes.size()));
        routes.push_back({tenant, queue, require, owner});
        return OK;
    }

    // Add what a text asks to terms: skills, each with the least level or without, joined by `&`.
    Outcome parse(const std::string &text, std::vector<Term> &terms) const {
        for (size_t at = 0; at < text.size();) {
            const size_t end = std::min(text.find(" & ", at), text.size());
            const std::string asked = text.substr(at, end - at);
            const size_t sign = std::min(asked.find(">="), asked.size());
            const int level = sign == asked.size() ? 1 : std::atoi(asked.c_str() + sign + 2);
            if (level < 1 || level > 100) return REQUIREMENT_INVALID;
            const auto skill = skill_numbers.find(asked.substr(0, sign));
            if (skill == skill_numbers.end()) return SKILL_UNKNOWN;
            auto known = terms.begin();
            while (known != terms.end() && known->skill != skill->second) known++;
            if (known == terms.end()) terms.push_back({skill->second, level});
            else known->level = std::max(known->level, level);
            at = end + 3;
        }
        return OK;
    }

    // Records and counts

    Record &tell(Kind kind, int32_t contact, int32_t agent, int32_t queue) {
        records.push_back({kind, false, 0, contact, agent, queue, ++seq, now});
        return records.back();
    }

    void agent_changed(int32_t number, int64_t left) {
        Record &record = tell(AGENT_EVENT, NONE, number, NONE);
        record.code = agents[number].state;
        record.a = left;
    }

    void count(AgentState state, int by) {
        by_state[state] += by;
        state_us[state] -= static_cast<uint64_t>(now / NS_PER_US) * by;
    }

    void set_state(Agent &agent, AgentState state) {
        count(agent.state, -1);
        count(state, 1);
        agent.state = state;
        agent.since = now;
    }

    void count_contact(Contact &contact, ContactState state) {
        queues[contact.queue].in_state[contact.state]--;
        queues[contact.queue].in_state[state]++;
        contact.state = state;
    }

    void watch(Queue &queue, bool in_target) {
        queue.recent_in_target += (RECENT_ONE * in_target - queue.recent_in_target) >> RECENT_SHIFT;
    }

    // An agent answered a contact that had to wait: measure its line, and score its forecast.
    void score(const Contact &contact, Queue &queue, int64_t wait, int64_t rung) {
        const int64_t wait_ms = wait / NS_PER_MS;
        Line &line = lines[contact.line];
        line.elapse(now / NS_PER_US);
        line.serve(wait / NS_PER_US, rung / NS_PER_MS);
        if (contact.foreseen.mean_ms == NONE) return;
        queue.forecasts++;
        queue.forecast_error_ms += contact.foreseen.mean_ms - wait_ms;
        queue.forecast_off_ms += std::abs(contact.foreseen.p50_ms - wait_ms);
        queue.forecast_in_p50 += wait_ms <= contact.foreseen.p50_ms;
        queue.forecast_in_p90 += wait_ms <= contact.foreseen.p90_ms;
    }

    // Contacts that wait

    int64_t key_of(const Contact &contact) const {
        return contact.enqueued - contact.priority * queues[contact.queue].priority_step;
    }

    int32_t new_contact() {
        if (free_rows.empty()) {
            contacts.emplace_back();
            return static_cast<int32_t>(contacts.size()) - 1;
        }
        const int32_t number = free_rows.back();
        free_rows.pop_back();
        return number;
    }

    int32_t line_of(const Class &wanted) {
        Queue &queue = queues[wanted.queue];
        const bool own = !wanted.require->letters.empty() && queue.own_lines < LINES_OWN_MAX;
        if (!own && queue.main_line != NONE) return queue.main_line;
        const int32_t number = static_cast<int32_t>(lines.size());
        lines.push_back({own ? wanted.require : nullptr, now / NS_PER_US});
        queue.lines.push_back(number);
        if (own) queue.own_lines++; else queue.main_line = number;
        return number;
    }

    // A contact waits, behind so many of its queue.
    void join(int32_t number, size_t before) {
        Contact &contact = contacts[number];
        Class &wanted = classes[contact.owner];
        const int64_t key = key_of(contact);
        if (wanted.line == NONE) wanted.line = line_of(wanted);
        contact.line = wanted.line;
        Line &line = lines[contact.line];
        line.elapse(now / NS_PER_US);
        line.waiting++;
        queues[contact.queue].keys.insert(before, key);
        size_t rank = wanted.order.before(key);
        wanted.order.insert(rank, {key, number});
        if (rank == 0) head_changed(contact.owner);
        if (!line.require) {
            rank = line.keys.before(key);
            line.keys.insert(rank, key);
        }
        contact.place = static_cast<int32_t>(rank);
    }

    // A contact waits no longer.
    void leave(int32_t number) {
        Contact &contact = contacts[number];
        Class &wanted = classes[contact.owner];
        Line &line = lines[contact.line];
        const int64_t key = key_of(contact);
        line.elapse(now / NS_PER_US);
        line.waiting--;
        Sorted<int64_t> &of_queue = queues[contact.queue].keys;
        of_queue.erase(of_queue.rank(key));
        size_t rank = wanted.order.rank(key);
        while (wanted.order[rank].contact != number) rank++;
        wanted.order.erase(rank);
        if (rank == 0) head_changed(contact.owner);
        if (!line.require) line.keys.erase(line.keys.rank(key));
    }

    void head_changed(int32_t number) {
        Class &wanted = classes[number];
        std::vector<Head> &heads = skills[wanted.index_skill].waiting;
        if (!wanted.order.size()) {
            heads[wanted.head] = heads.back();
            classes[heads.back().owner].head = wanted.head;
            heads.pop_back();
            wanted.head = NONE;
            return;
        }
        if (wanted.head == NONE) {
            wanted.head = static_cast<int32_t>(heads.size());
            heads.push_back({0, wanted.signature, number, NONE});
        }
        heads[wanted.head].key = wanted.order[0].key;
        heads[wanted.head].contact = wanted.order[0].contact;
    }

    // A contact that is in no line ends without an agent.
    void give_up(int32_t number, Reason reason) {
        const Contact &contact = contacts[number];
        Queue &queue = queues[contact.queue];
        watch(queue, false);
        take_out(queue.arrivals, contacts, &Contact::arrival, number);
        live_waiting--;
        end(number, reason, NONE, now - contact.enqueued, 0);
    }

    void end(int32_t number, Reason reason, int32_t agent, int64_t wait, int64_t talk) {
        Contact &contact = contacts[number];
        Queue &queue = queues[contact.queue];
        queue.ended[reason]++;
        queue.in_state[contact.state]--;
        contact.state = FREE;
        live_contacts--;
        remember(number, reason);
        Record &record = tell(ENDED_EVENT, number, agent, contact.queue);
        record.code = reason;
        record.a = wait;
        record.b = talk;
        ended_rows.push_back(number);
    }

    // Keep the id of a contact that ends, so that a command which is repeated is known as such.
    void remember(int32_t number, Reason reason) {
        const Contact &contact = contacts[number];
        if (ended.empty()) return ids.erase(contact.tag, number);
        const int32_t place = static_cast<int32_t>(ended_count % ended.size());
        if (ended_count++ >= static_cast<int64_t>(ended.size())) ids.erase(ended[place].tag, ~place);
        ended[place] = {contact.id, contact.tag, contact.client, reason};
        ids.replace(contact.tag, number, ~place);
        ids.prefetch(ended[ended_count % ended.size()].tag);  // the next to go
    }

    // Matching

    bool qualifies(const Agent &agent, const Class &wanted) const {
        const Term *first = &held[agent.skills], *last = first + agent.skill_count;
        for (size_t index = wanted.terms; index < wanted.terms + wanted.term_count; index++) {
            const Term *has = first;
            while (has != last && has->skill != asked[index].skill) has++;
            if (has == last || has->level < asked[index].level) return false;
        }
        return true;
    }

    static bool is_idle(const Agent &agent, const Entry &entry) {
        return static_cast<uint32_t>(agent.idle_seq) == entry.since && agent.state == READY;
    }

    // The agent who is idle longest of those who qualify, or NONE.
    int32_t longest_idle(Class &wanted) {
        std::vector<Entry> &idle = skills[wanted.index_skill].idle;
        for (; wanted.cursor < idle.size(); wanted.cursor++) {
            Entry &entry = idle[wanted.cursor];
            if (wanted.signature & ~entry.signature) continue;
            const Agent &agent = agents[entry.agent];
            if (!is_idle(agent, entry)) entry.signature = 0;  // other classes need not look at his row
            else if (qualifies(agent, wanted)) return entry.agent;
        }
        return NONE;
    }

    // Who waits and is served first by an agent, or NONE.
    int32_t best_contact(const Agent &agent) const {
        int64_t best_key = INT64_MAX;
        int32_t best = NONE;
        for (size_t index = agent.skills; index < agent.skills + agent.skill_count; index++)
            for (const Head &head : skills[held[index].skill].waiting) {
                if (head.key > best_key || (head.signature & ~agent.signature)) continue;
                if (head.key == best_key && contacts[head.contact].seq > contacts[best].seq) continue;
                if (!qualifies(agent, classes[head.owner])) continue;
                best_key = head.key;
                best = head.contact;
            }
        return best;
    }

    // An agent holds nothing: he is the last of the idle, and gets who waits.
    void idle(int32_t number) {
        Agent &agent = agents[number];
        agent.idle_seq = ++idle_seq;
        if (!agent.inbound_seq) agent.inbound_seq = idle_seq;
        agent_changed(number, NONE);
        const int32_t contact = live_waiting ? best_contact(agent) : NONE;
        if (contact != NONE) {
            prefetch(contacts[contact]);
            leave(contact);
            return offer(contact, number);
        }
        for (size_t index = agent.skills; index < agent.skills + agent.skill_count; index++) {
            Skill &skill = skills[held[index].skill];
            if (skill.idle.size() == skill.room) compact(skill);
            skill.idle.push_back({number, static_cast<uint32_t>(agent.idle_seq), agent.signature});
        }
    }

    // Drop dead entries; cursors keep to those that they stood at.
    void compact(Skill &skill) {
        size_t kept = 0;
        moved.clear();
        for (const Entry &entry : skill.idle) {
            moved.push_back(static_cast<int32_t>(kept));
            if (is_idle(agents[entry.agent], entry)) skill.idle[kept++] = entry;
        }
        moved.push_back(static_cast<int32_t>(kept));
        for (const int32_t owner : skill.classes) classes[owner].cursor = moved[classes[owner].cursor];
        skill.idle.resize(kept);
        skill.room = 2 * kept + ROOM;
    }

    void offer(int32_t number, int32_t who) {
        Contact &contact = contacts[number];
        Agent &agent = agents[who];
        Queue &queue = queues[contact.queue];
        agent.offer = ++offer_seq;
        agent.contact = number;
        agent.leg_since = now;
        agent.connected = agent.latest = 0;
        contact.agent = who;
        int32_t &first = of_offer[agent.offer & (of_offer.size() - 1)];
        agent.next_of_offer = first;
        first = who;
        prefetch_beside(contacts, &Contact::timer, number);  // for when it is accepted
        prefetch_beside(contacts, &Contact::arrival, number);
        live_waiting--;
        count_contact(contact, OFFERED);
        set_state(agent, RINGING);
        arm_agent(queue.offer_lane, who);
        queue.offers++;
        Record &record = tell(OFFERED_EVENT, number, who, contact.queue);
        record.offer = agent.offer;
        record.a = queue.offer_timeout;
        record.b = now - contact.enqueued;
        agent_changed(who, queue.offer_timeout);
    }

    void forget_offer(int32_t who) {
        int32_t *link = &of_offer[agents[who].offer & (of_offer.size() - 1)];
        while (*link != who) link = &agents[*link].next_of_offer;
        *link = agents[who].next_of_offer;
    }
};

}  // namespace whole
