/**
 * Frames: what the current call belongs to, and which context its events carry.
 *
 * The current frame is kept in a variable while a wrapped call or `run` is on the stack. Where nothing of ours is, which is
 * after an await, AsyncLocalStorage knows it; before that was ever used there is only the thread's own frame.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { asUintN, reflectApply } from './intrinsics.js'
import { CONTEXT_SLOTS, CONTEXT_WORDS, KIND_CONTEXT, SITE_NONE } from './layout.js'
import type { RingWriter } from './ring-writer.js'
import type { StoredTags } from './tags.js'
import type { ValueEncoder } from './value-encoder.js'

/** What events carry that belong to one `run`. Several frames may share one. */
export class EventContext {
  /** Where the ring names this context, if `slotOwner[slot]` is this context; any slot otherwise. */
  slot: number
  readonly pid: string | null
  readonly correlationId: string | null
  /** The event that caused all this, or `null`. */
  readonly parentId: bigint | null
  readonly tags: StoredTags | null
  /** Whether this is the thread's own context: what `run` opens in it is a root. */
  readonly isThread: boolean
  /** `false`: left out by sampling. Such a context never owns a slot, so that fast paths need not ask. */
  readonly sampled: boolean

  constructor(facts: Omit<EventContext, 'slot'>) {
    this.slot = 0
    this.pid = facts.pid
    this.correlationId = facts.correlationId
    this.parentId = facts.parentId
    this.tags = facts.tags
    this.isThread = facts.isThread
    this.sampled = facts.sampled
  }
}

/** One sequential strand of execution, with its current call. */
export class Frame {
  readonly context: EventContext
  /** Index of the current call in the call table; 0: none, then `baseSequence` is the parent. */
  current = 0
  /** Sequence number of the current call's entry, of the frame's base, or -1: the context's parent. */
  parentSequence: number
  /** `parentSequence` when no call is current. */
  readonly baseSequence: number
  /** Site of the call that opened the frame, or `SITE_NONE`. */
  readonly baseSite: number

  constructor(context: EventContext, baseSequence: number, baseSite: number) {
    this.context = context
    // A fraction first makes this field a double, which later stores overwrite in place.
    this.parentSequence = 0.5
    this.parentSequence = baseSequence
    this.baseSequence = baseSequence
    this.baseSite = baseSite
  }
}

const NO_PARENT = asUintN(64, -1n)

/** The frames and contexts of one thread. */
export class Frames {
  /** The frame of what runs now, valid while `depth` is not 0. */
  frame: Frame
  /** How many of our calls are on the stack, and one more until AsyncLocalStorage is first used. */
  depth = 1
  /** The thread's own frame. */
  readonly root: Frame
  /** The context that each slot of the ring stands for. */
  readonly slotOwner: EventContext[]

  readonly #storage = new AsyncLocalStorage<Frame>()
  readonly #writer: RingWriter
  readonly #encoder: ValueEncoder
  #usesStorage = false
  #nextSlot = 1

  /** @param encoder For the bodies of CONTEXT records only: they are written while another body waits. */
  constructor(writer: RingWriter, encoder: ValueEncoder) {
    this.#writer = writer
    this.#encoder = encoder
    const facts = { pid: null, correlationId: null, parentId: null, tags: null }
    const thread = new EventContext({ ...facts, isThread: true, sampled: true })
    this.root = new Frame(thread, -1, SITE_NONE)
    this.frame = this.root
    // Slots 1 and up belong to nobody yet; a context that is never used stands for that.
    const nobody = new EventContext({ ...facts, isThread: false, sampled: false })
    this.slotOwner = Array.from({ length: CONTEXT_SLOTS }, () => nobody)
    this.slotOwner[0] = thread
  }

  /** The frame of what runs now, when `depth` is 0. */
  lookup(): Frame {
    return this.#storage.getStore() ?? this.root
  }

  /** The frame of what runs now. */
  now(): Frame {
    return this.depth !== 0 ? this.frame : this.lookup()
  }

  /** Calls `fn` in a frame, which everything that it starts carries across awaits. */
  carry(frame: Frame, fn: unknown, self: unknown, args: ArrayLike<unknown>): unknown {
    if (!this.#usesStorage) {
      this.#usesStorage = true
      this.depth--
    }
    const outer = this.frame
    this.frame = frame
    this.depth++
    try {
      return this.#storage.run(frame, reflectApply, fn as () => unknown, self, args)
    } finally {
      this.depth--
      this.frame = outer
    }
  }

  /**
   * Makes sure that the ring names a context, under a slot that may have been another's.
   *
   * @param privileged Whether the record that needs it is.
   * @returns `false` if the ring is full.
   */
  claimSlot(context: EventContext, privileged: boolean): boolean {
    if (this.slotOwner[context.slot] === context) return true
    const encoder = this.#encoder
    encoder.reset()
    encoder.textOrNull(context.pid)
    encoder.textOrNull(context.correlationId)
    if (context.tags === null) encoder.null()
    else encoder.tags(context.tags)
    const writer = this.#writer
    const words = CONTEXT_WORDS + encoder.lengthWords
    const at = writer.reserve(words, privileged)
    if (at < 0) return false
    const slot = this.#nextSlot
    const { i32 } = writer
    writer.copyBody(at + CONTEXT_WORDS, encoder)
    writer.i64[at + 1] = context.parentId ?? NO_PARENT
    i32[at * 2 + 1] = slot
    i32[at * 2 + 4] = encoder.length
    i32[at * 2 + 5] = 0
    i32[(at + words) * 2] = 0
    i32[at * 2] = KIND_CONTEXT | (words << 8)
    writer.at = at + words
    this.slotOwner[slot] = context
    context.slot = slot
    this.#nextSlot = slot === CONTEXT_SLOTS - 1 ? 1 : slot + 1
    return true
  }
}

