/**
 * The numbers of docs/ring-format.md. `crates/ring/src/layout.rs` holds the same ones; a test compares the two.
 * Header fields are given as indexes into the view that reads or writes them.
 */

/** "KSR1", the ring's first four bytes. */
export const RING_MAGIC = 0x3152534b
/** The only layout there is. */
export const RING_VERSION = 1
/** Bytes before the data area. */
export const HEADER_BYTES = 4096
/** The data area's first word, counted from the start of the buffer. */
export const FIRST_WORD = HEADER_BYTES / 8

/** Indexes into the Int32Array view. */
export const I32_MAGIC = 0
export const I32_VERSION = 1
export const I32_PRODUCER = 2
export const I32_CAPACITY_WORDS = 3
export const I32_PUBLICATION = 4
export const I32_PUBLISHED_HEAD = 22
export const I32_TAIL = 32
export const I32_ASLEEP = 33
export const I32_STATE = 34

/** Indexes into the Float64Array view. */
export const F64_ATTEMPTS = 8
export const F64_LOST_RING_FULL = 9
export const F64_MISTYPED = 12
export const F64_UNBALANCED = 13
export const F64_SAMPLED_OUT = 14
export const F64_AFTER_CLOSE = 15
export const F64_TICK = 18

/** Index into the BigInt64Array view. */
export const I64_LOST_SINCE = 10

/** Values of `state`. */
export const STATE_OFF = 0
export const STATE_RECORDING = 1
export const STATE_CLOSED = 2

/** Record kinds: the low byte of a commit word. */
export const KIND_PAD = 1
export const KIND_LOSS = 2
export const KIND_CONTEXT = 3
export const KIND_EMIT = 4
export const KIND_ENTER = 5
export const KIND_EXIT = 6
export const KIND_EVENT = 7

/** Words of a record before its body. */
export const LOSS_WORDS = 4
export const CONTEXT_WORDS = 3
export const EMIT_WORDS = 4
export const ENTER_WORDS = 4
export const EXIT_WORDS = 6
export const EVENT_WORDS = 5

/** Flags of kinds 4 to 7, where they stand in the upper half of word 0. */
export const FLAG_COARSE_TIME = 1 << 16
export const FLAG_CALLER_TIME = 2 << 16

/** Why an attempt was lost. */
export const CAUSE_RING_FULL = 0
export const CAUSE_TOO_LARGE = 1
export const CAUSE_ENCODER = 2

/** Contexts that a producer can name at once; 0 is the thread's own. */
export const CONTEXT_SLOTS = 4096

/** Field states held by one i32: two bits each. */
export const STATES_PER_GROUP = 16

/** Field states of an EMIT record; 0 is absent. */
export const FIELD_PLAIN = 1
export const FIELD_ALTERNATIVE = 2
/** Of a `symbol` only: inline, as its alternative, and cut to the string limit. */
export const FIELD_CUT = 3

/** Field types, as `defineEmitter` takes them. */
export const FIELD_TYPES = ['i64', 'f64', 'bool', 'utf8', 'symbol'] as const

/** How a call ended. */
export const REASON_NORMAL = 0
export const REASON_THROW = 1
export const REASON_REJECT = 2
export const REASON_ABANDONED = 3

/** Site ids that name no definition. */
export const SITE_INLINE = -1
export const SITE_NONE = -2

/** Bits of an EVENT's presence mask. */
export const HAS_EVENT_TYPE = 1 << 0
export const HAS_EVENT_ID = 1 << 1
export const HAS_NODE = 1 << 2
export const HAS_PID = 1 << 3
export const HAS_CORRELATION_ID = 1 << 4
export const HAS_PARENT_ID = 1 << 5
export const HAS_MODULE = 1 << 6
export const HAS_FUNCTION = 1 << 7
export const HAS_ARITY = 1 << 8
export const HAS_FILE = 1 << 9
export const HAS_LINE = 1 << 10
export const HAS_TAGS = 1 << 11
export const HAS_WALL_TIME = 1 << 12
export const HAS_DATA = 1 << 13

/** Tags of tagged values. */
export const TAG_END = 0
export const TAG_NULL = 1
export const TAG_FALSE = 2
export const TAG_TRUE = 3
export const TAG_INT32 = 4
export const TAG_F64 = 5
export const TAG_I64 = 6
export const TAG_U64 = 7
export const TAG_STR8 = 8
export const TAG_STR32 = 9
export const TAG_SYM = 10
export const TAG_OBJECT = 11
export const TAG_ARRAY = 12
export const TAG_CUT = 13
export const TAG_MARK = 14

/** Why a value was not captured, or only in part. */
export const CUT_DEPTH = 1
export const CUT_LENGTH = 2
export const CUT_FIELDS = 3
export const CUT_SIZE = 4
export const CUT_GETTER = 5
export const CUT_PROXY = 6
export const CUT_REDACTED = 7
export const CUT_NON_FINITE = 8
export const CUT_BIGINT = 9
