# What all compiled modules share: the engine's enums and row structs. Slots are indexes into the tables of
# tables.pyx; -1 means none. Times are nanoseconds, counters and sequence numbers are 64 bits wide.

from cpython.ref cimport PyObject
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t

cdef enum:
    NONE = -1
    PRIORITIES = 101          # priorities 0..100
    WAIT_BUCKETS = 18         # len(views.WAIT_BUCKETS_S) + 1
    ACCEPT_BUCKETS = 13       # likewise
    HANDLE_BUCKETS = 16
    HEAD_TERMS = 4            # terms of a requirement that fit into a packed head
    ANY_SKILL = 0             # a skill that every agent has, so that every requirement has one

# In the order of views.Direction.
cdef enum Direction:
    INBOUND = 0
    OUTBOUND = 1
    INTERNAL = 2

cdef enum ContactState:
    CONTACT_FREE = 0          # the slot is not in use
    CONTACT_QUEUED = 1
    CONTACT_OFFERED = 2
    CONTACT_CONNECTED = 3
    CONTACT_WRAPUP = 4
    CONTACT_PARKED = 5

cdef enum LegState:
    LEG_FREE = 0              # the slot is not in use
    LEG_OFFERED = 1
    LEG_CONNECTED = 2
    LEG_WRAPUP = 3

cdef enum Presence:
    LOGGED_OUT = 0
    PAUSED = 1
    READY = 2

cdef enum Activity:
    ACTIVITY_NONE = 0
    ACTIVITY_OFFERED = 1
    ACTIVITY_BUSY = 2
    ACTIVITY_WRAPUP = 3
    ACTIVITY_COOLDOWN = 4

cdef enum Strategy:
    LONGEST_IDLE = 0
    MOST_SKILLED = 1
    LEAST_SKILLED = 2
    FEWEST_CONTACTS = 3
    ROUND_ROBIN = 4
    LINEAR = 5
    LOWEST_COST = 6
    LONGEST_IDLE_INBOUND = 7
    LEAST_OCCUPIED = 8
    RANDOM = 9
    WEIGHTED_RANDOM = 10

# In the order of events.EndReason, plus one for "not ended".
cdef enum EndReason:
    COMPLETED_AGENT = 0
    COMPLETED_CALLER = 1
    TRANSFERRED = 2
    ABANDONED = 3
    MAX_WAIT = 4
    NO_AGENTS = 5
    QUEUE_FULL = 6
    DIVERTED = 7
    WITHDRAWN = 8
    CALLBACK_DONE = 9
    LOST = 10
    FAILED = 11
    END_REASONS = 12

# In the order of events.OfferOutcome.
cdef enum OfferOutcome:
    OFFER_REJECTED = 0
    OFFER_TIMED_OUT = 1
    OFFER_WITHDRAWN = 2

cdef enum CooldownCause:
    CAUSE_NONE = 0
    CAUSE_REJECTED = 1
    CAUSE_NO_ANSWER = 2
    CAUSE_BUSY = 3
    CAUSE_UNREACHABLE = 4
    CAUSE_OCCUPANCY = 5       # a rest from work, not a cooldown
    CAUSES = 6

cdef enum Held:
    HELD_NOWHERE = 0
    HELD_FIFO = 1
    HELD_HEAP = 2
    HELD_BOUND = 3         # in no line, but among those who wait for agents by name

# A node of a pairing heap or of a list; which of the two is known to the owner.
cdef struct Node:
    int64_t key
    int64_t seq
    int32_t child
    int32_t prev              # in a heap: the left sibling, or the parent of a first child
    int32_t next

cdef extern from *:
    """
    #include <stdint.h>

    /* A line and a half of the cache, so that there is room for many: what is small is a few bits. Fields of bits are unsigned,
       and numbers of as many bits wrap round: they are made longer before they are multiplied or shifted. */
    struct acd_contact {
        uint8_t state;
        uint8_t priority;
        uint8_t where : 2;
        uint8_t direction : 2;
        uint8_t held : 1;
        uint8_t stands : 1;
        uint8_t wait_expired : 1;
        uint8_t by_hand : 1;
        uint8_t aged : 1;
        uint8_t planned : 1;
        uint8_t prefers : 1;
        uint8_t bound : 1;
        uint8_t deserted : 1;
        uint8_t callback : 1;
        uint8_t consults : 1;
        uint8_t moved : 1;
        int32_t queue;
        int64_t enqueued;
        uint64_t offers : 16;
        uint64_t seq : 48;
        uint64_t step : 8;
        uint64_t end_reason : 5;
        uint64_t foreseen : 1;
        uint64_t spread : 13;
        uint64_t mean_us : 37;
        int32_t line;
        int32_t pace;
        int32_t place;
        int32_t client;
        int32_t legs;
        int32_t timer;
        union {
            int32_t leaves[2];
            int64_t completed;
        };
        union {
            struct {
                int32_t line_prev;
                int32_t line_next;
            };
            int64_t connected;
        };
        int32_t queue_prev;
        int32_t queue_next;
        PyObject *attributes;
        PyObject *asked;
    };
    """
    # Who waits stands in lines and orders; who has left them for a conversation has the times of that in the same places.
    ctypedef struct Contact "struct acd_contact":
        uint8_t state
        uint8_t priority
        uint8_t where             # Held: in which half of its line its node is
        uint8_t direction         # index into views.DIRECTIONS
        uint8_t held
        uint8_t stands            # in the order of its line, since nobody is rung for it
        uint8_t wait_expired
        uint8_t by_hand           # it was put beside another; `State.by_hand` tells how
        uint8_t aged              # its waiting counts from another time on than that of its coming, see `Tables.since`
        uint8_t planned           # its steps are not its queue's, see `Tables.plan_of`
        uint8_t prefers           # some agents, by name
        uint8_t bound             # nobody else may have it
        uint8_t deserted          # none of whom can come
        uint8_t callback          # its caller is to be called back
        uint8_t consults          # it is a question of one agent to another
        uint8_t moved             # it is in the heap of its queue, not in the list
        int32_t queue
        int64_t enqueued
        int16_t offers            # how many of its legs are offered
        int64_t seq
        int16_t step              # how many steps hold for it
        uint8_t end_reason
        uint8_t foreseen          # there was a forecast when it came
        int64_t spread            # of that forecast, see windows.pyx
        int64_t mean_us           # likewise
        int32_t line
        int32_t pace              # of its line, see pace.pyx; NONE when it never had to wait
        int32_t place             # how many stood before it when it first came to wait
        int32_t client            # who announced it, see clients.pyx
        int32_t legs              # the first of them
        int32_t timer
        int32_t leaves[2]         # of order.pyx: in that of its line, and in that of those in further lines of its queue
        int64_t completed         # when its conversation ended, see `completed_of`
        int32_t line_prev         # list of those in its line, unless it is in the line's heap
        int32_t line_next
        int64_t connected         # when its conversation began, see `connected_of`
        int32_t queue_prev        # list of the contacts that wait or are offered, in order of arrival
        int32_t queue_next
        PyObject *attributes      # a dict, see brought.pxd; NULL for none
        PyObject *asked           # a tuple, likewise

# What few centres ask of contacts. The table is made when the first of them is anything but plain.
cdef struct ContactDetails:
    uint8_t useless           # nobody could match, so its next step comes at once
    int32_t plan              # of its steps, if they are not its queue's
    int32_t step_timer
    int32_t stay              # the rule by which it may not stay; NONE if it may
    int32_t stay_timer
    int32_t seen_ms           # the p50 of what it has to wait, where a rule on staying asks for that; NONE for none
    int32_t look_timer
    int32_t prefer_timer
    int32_t overflows
    int64_t since             # from when on its waiting counts towards its urgency, if it is aged

# What contacts read and write of an agent: two cache lines, the first of which says whether he can be offered something.
cdef struct Agent:
    uint8_t presence
    uint8_t activity
    uint8_t cooldown_cause
    uint8_t cooling           # the CooldownCause that he is seen with; CAUSE_NONE unless his activity is a cooldown
    uint8_t outside           # he has contacts from elsewhere; `State.agent_outside` tells which
    uint8_t resting           # his occupancy is too high for contacts
    uint8_t logging_out
    uint8_t all_tenants
    uint8_t rung              # one of his legs is offered
    uint8_t choosy            # he serves some of his queues only; `Tables.agent_queues` tells which
    uint8_t ranked            # he has a rank in some queue
    uint32_t signature        # Bloom bits of his skills, to reject at a glance
    uint32_t open             # channels, a bit each, that he can be offered a contact of now
    int32_t legs              # first and last of his legs
    int32_t last_leg
    int32_t timer             # of his cooldown
    int32_t skills            # offset into Tables.agent_skills; the first is ANY_SKILL
    uint16_t skill_count
    uint16_t skill_room       # how many skills fit at that offset
    int32_t tenants           # offset into Tables.agent_tenants, of their number and of them; unless he serves all
    int32_t units             # taken of his capacity
    int32_t capacity          # in units
    int32_t missed
    int64_t idle_seq          # 0 unless open to contacts or being rung
    int64_t inbound_seq       # the idle_seq that he first had after his last inbound contact; 0 until then
    int64_t since
    int64_t answered
    int64_t answered_since_login
    int64_t missed_total
    int64_t rejected_total
    int64_t talk_ns
    int32_t position          # in the configuration
    int16_t missed_max
    int16_t failed_max        # so many failed offers within the window pause him; 0 for never

# What few centres ask about agents. The table is made when the first of them is anything but plain.
cdef struct Details:
    uint8_t use               # occupancy.Use, as of occupancy_us
    int32_t rest_timer        # of the end of his rest from work, or while he is occupied of its beginning
    int32_t outside_timer     # when the first report of his contacts from elsewhere is too old
    int32_t pause_timer       # of the allowance of his pause
    int32_t pause_code        # place of its reason in the configuration, while it is counted; else NONE
    int32_t group
    int32_t cost
    int32_t weight
    int32_t ranks             # offset into Tables.agent_ranks
    int32_t rank_count
    int32_t attributes        # offset into Tables.agent_attributes
    int32_t attribute_count
    int32_t attribute_room
    int32_t queues            # offset into Tables.agent_queues
    int32_t queue_count
    int32_t queue_room
    int64_t pause_began
    int64_t paid_ns           # of pauses
    int64_t unpaid_ns
    int64_t kept_seq          # the idle_seq that he had before those contacts, and has again after them; 0 for none
    int64_t occupancy         # in units of 1/fixed_point.ONE, as of occupancy_us
    int64_t occupancy_us
    int64_t occupancy_key     # orders those who are free

# What joins a contact and an agent, from the offer to the end of the wrap-up.
cdef struct Leg:
    uint8_t state
    uint8_t direction         # of the contact
    int32_t contact           # NONE once the contact went on without him
    int32_t agent
    int32_t queue             # that the contact came from
    int32_t timer
    int32_t previous_of_contact
    int32_t next_of_contact
    int32_t previous_of_agent
    int32_t next_of_agent     # of a slot not in use: the next such
    int32_t next_of_number    # in its chain, see `Legs.numbered`
    int64_t number
    int64_t since
    int64_t connected
    int64_t latest            # when its wrap-up ends at the latest; 0 before

cdef struct ChannelRow:
    int64_t units
    int32_t most
    bint interruptible

# A skill, and the least level of it that a requirement asks.
cdef struct Term:
    int32_t skill
    int32_t level

# An attribute of an agent. A number n is 2 * n, a text is 2 * its id + 1.
cdef struct Attribute:
    int32_t name
    int64_t value

# An agent's rank in a queue, where it is not 0.
cdef struct QueueRank:
    int32_t queue
    int32_t rank

cdef enum ConditionKind:
    LEVEL_IN_RANGE = 0
    VALUE_AMONG = 1
    VALUE_IN_RANGE = 2
    NOT = 3
    ANY_OF = 4                # of none: what nobody meets
    ALL_OF = 5
    AGENT_AMONG = 6           # the values are slots

# A node of a requirement's tree; its conditions are a list from `first` on.
cdef struct Condition:
    int32_t kind
    int32_t name              # skill or attribute
    int64_t lo
    int64_t hi
    int32_t first
    int32_t next
    int32_t values            # offset into Tables.values
    int32_t value_count

# What holds for a contact from one step to the next; see plan.py.
cdef struct Stage:
    int64_t after
    int64_t points            # of priority, beside the contact's own
    int32_t rank_max          # NONE: all ranks count
    int32_t overflow          # the queue that it moves to; NONE to stay
    uint8_t skip
    uint8_t keep_age

# The stages of all contacts of a queue that brought the same steps.
cdef struct Plan:
    int32_t first             # offset into Tables.stages
    int32_t count
    uint8_t skips             # some stage may be skipped

# A sum of nanoseconds: `high` times 2^62, and `low`. See totals.pxd.
cdef struct Total:
    int64_t low
    int64_t high

cdef struct Queue:
    int32_t tenant
    int32_t plan              # of its contacts that bring no steps
    int32_t base_class        # class of its contacts that ask nothing themselves
    int32_t channel
    int32_t offers_at_once
    int64_t max_in_conversation
    int32_t shares            # offset into Gates.shares
    int32_t share_count
    int32_t timer             # of its reserve
    uint8_t reserved          # it has a reserve
    uint8_t conditional       # which holds at times only
    uint8_t reserving         # and holds now
    int64_t reserve_agents
    int64_t reserve_when_wait  # NONE: whatever the wait
    int64_t reserve_until_wait
    int64_t reserve_when_level  # NONE: whatever the service level
    int64_t reserve_until_level
    int64_t reserve_lasts
    int64_t recent_in_target
    uint8_t strategy
    int64_t occupancy_price   # see config.py; 0 for none
    uint8_t ranked            # some agent has a rank in it
    int32_t measure           # what it is measured on beside waits, see measures.pyx; NONE for nothing
    uint8_t strict            # a higher priority goes first, whatever the waits
    int64_t head_start
    int64_t ageing            # see urgency.py, as for the next
    int64_t most
    int64_t credit_window     # 0: nobody gets credit for an earlier wait
    int64_t credit_max
    uint8_t closed
    uint8_t join_count        # rules on joining
    uint8_t stay_count        # rules on staying
    uint8_t looks             # one of which asks for the estimate
    int64_t turn              # number of the latest offer, where offers go round
    int64_t priority_step
    int64_t offer_timeout
    int64_t wrapup
    int64_t wrapup_most       # extended, or waiting for a disposition
    uint8_t disposes          # a wrap-up waits for a disposition
    int64_t reject_cooldown
    int64_t no_answer_cooldown
    int64_t max_waiting
    int64_t max_wait
    int64_t max_talk
    int64_t service_level
    int32_t head              # of the contacts that wait or are offered, in order of arrival
    int32_t tail
    int32_t main_pace         # of the contacts that ask nothing themselves; NONE until one waits, as are the following
    int32_t first_pace        # of all its lines, in the order of their making
    int32_t last_pace
    int32_t own_lines         # how many of them are of contacts that ask something themselves
    int32_t others            # root of the order of those who wait in all of them but the first; NONE when empty
    int64_t forecasts
    int64_t forecast_error_ms
    int64_t forecast_off_ms
    int64_t forecast_in_p50
    int64_t forecast_in_p90
    int32_t moved             # heap of those that came later than their arrival says
    int64_t overflowed
    int64_t waiting
    int64_t offered
    int64_t connected
    int64_t wrapping_up
    int64_t parked
    int64_t consults          # questions about its contacts
    int64_t conferences
    int64_t callbacks
    int64_t callbacks_failed
    Total callback_delay_ns
    int64_t callback_offer_ms  # a forecast from which on a callback is offered; NONE for never
    int64_t entered
    int64_t answered
    int64_t answered_in_target
    int64_t abandoned_in_target
    int64_t offers
    int64_t failed[3]
    int64_t ended[12]
    Total wait_ns
    Total talk_ns
    int64_t histogram[18]
    Total accept_ns
    int64_t accept_histogram[13]
    Total handle_ns
    int64_t handle_histogram[16]

# A requirement together with a tenant: all contacts that any agent either can serve all or none of. Where a queue
# orders agents in its own way, only its own contacts.
cdef struct Class:
    # What each contact and each freed agent looks at: a line of the cache.
    int32_t tenant
    uint32_t channel          # its bit
    int32_t queue             # NONE when all its queues take the longest idle agent, of no rank, and no agent is choosy
    int32_t rank_max          # agents of up to this rank count; NONE for all
    int32_t terms             # levels that nobody can do without: offset into Tables.terms
    int32_t term_count
    int32_t condition         # what it asks beyond the terms: index into Tables.conditions; NONE for nothing
    int32_t index_skill       # the skill of its terms that the fewest agents have
    int32_t bucket            # under the index skill, for those with this second skill; NONE until somebody waited
    uint32_t signature
    int32_t lines             # first of its lines
    int32_t head_line         # the line with the first contact (where there is a limit, with any); NONE when nobody waits
    int32_t head_position     # of its packed head in its bucket; NONE when nobody waits
    int32_t cursor            # idle entries before it are known not to qualify (queue is NONE)
    int32_t watch             # slot of its watch; NONE until asked for
    uint8_t mixed             # its contacts are not of plain urgency: slope 1, no limit, no strict priority
    uint8_t capped            # who of them goes first changes with time, since there is a limit
    # What is looked at more seldom, and room up to the end of another one.
    int32_t second_skill      # as `index_skill`, of the others; ANY_SKILL when there is no other
    int32_t next_in_skill     # next class with the same index skill
    int32_t wanted            # skills by which it can be met: offset into Tables.wanted
    int32_t wanted_count
    int32_t further           # queues whose agents count beside its own's: offset into Tables.further
    int32_t further_count
    int32_t measured          # the queue whose measure holds for them; NONE when they are measured by waits
    int32_t ranking           # slot of its ranking of idle agents (queue is not NONE); NONE until asked for
    int64_t ageing
    int64_t most
    int64_t room[2]

# Contacts of one class with the same head start, level and nudge: a FIFO, since their keys arrive in order, and a heap
# for those that come back, or come in late. Of plain contacts the nudge is part of the head start.
cdef struct Line:
    int64_t head_start
    int64_t nudge
    int64_t key               # of its first contact, see `Lines.key`
    int64_t tail_since        # from when on the waiting of the last in the list counts
    int32_t level
    int32_t owner             # the class
    int32_t next_in_class
    int32_t first             # contact; NONE when nobody waits
    int32_t fifo_head
    int32_t fifo_tail
    int32_t heap

# The window of one line of a queue, see forecast.py; the fields are those of views.PaceView. Those from `served` to `ring_square`
# stay in this order: windows.pyx lets minutes pass over two of them at a time.
cdef struct Pace:
    int32_t next_in_queue
    int32_t root              # of the tree of those who wait in it
    int64_t now_us
    int64_t waiting
    int64_t served
    int64_t left
    int64_t backlog_us
    int64_t waited_us
    int64_t ring_ms
    int64_t ring_square
    int64_t last_wait_us
    int64_t last_at_us

# The values of refusals.Outcome that the engine gives.
cdef enum Answer:
    OK = 0
    DUPLICATE = 1
    TENANT_UNKNOWN = 101
    QUEUE_UNKNOWN = 102
    AGENT_UNKNOWN = 103
    CONTACT_UNKNOWN = 104
    OFFER_UNKNOWN = 105
    SKILL_UNKNOWN = 106
    CALENDAR_UNKNOWN = 107
    PAUSE_REASON_UNKNOWN = 108
    CHANNEL_UNKNOWN = 109
    OFFER_GONE = 201
    CONTACT_NOT_CONNECTED = 202
    CONTACT_NOT_WAITING = 203
    CONTACT_EXISTS = 204
    AGENT_LOGGED_OUT = 205
    AGENT_NOT_IN_WRAPUP = 206
    AGENT_IN_USE = 207
    QUEUE_IN_USE = 208
    WRAPUP_LONGEST = 209
    CALLBACK_EXISTS = 211
    CALLBACK_NOT_OFFERED = 212
    CONTACT_IS_CALLBACK = 213
    CONTACT_IS_CONSULT = 221
    CONTACT_NO_CONSULT = 222
    CONSULT_EXISTS = 223
    AGENT_NOT_TALKING = 224
    AGENT_ALONE = 225
    AGENT_NOT_JOINED = 231
    QUEUE_NOT_SERVED = 232
    REQUIREMENT_INVALID = 301
    CONFIG_INVALID = 302
    HOURS_INVALID = 304
    TRANSFER_INVALID = 305
    DISPOSITION_MISSING = 306
    PLACE_INVALID = 307
    CALLBACK_INVALID = 311
    CONSULT_INVALID = 312
    QUEUES_INVALID = 313
    TOO_MANY_CONTACTS = 401
    TENANT_FULL = 402
