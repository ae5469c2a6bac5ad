/** A recorder over a fake native store, with a reader of what it writes. */
import type { CaptureConfig, CaptureLimits, Recorder } from '../../index.js'
import { DEFAULT_LIMITS } from '../../src/options.js'
import { createRecorder, type RecorderHandle } from '../../src/recorder/recorder.js'
import { RingReader } from './decode.js'
import { FakeNative, type FakeOptions } from './fake-native.js'

export interface SetupOptions extends FakeOptions {
  limits?: Partial<CaptureLimits>
  redact?: string[]
  samplingRate?: number
  definitionCap?: number
}

export interface Setup {
  native: FakeNative
  handle: RecorderHandle
  recorder: Recorder
  reader: RingReader
  counters: () => { attempts: number; lost: number; mistyped: number; unbalanced: number; sampledOut: number; afterClose: number }
}

export function setup(options: SetupOptions = {}): Setup {
  const native = new FakeNative(options)
  if (options.definitionCap !== undefined) native.definitionCap = options.definitionCap
  const config: CaptureConfig = {
    enabled: true,
    samplingRate: options.samplingRate ?? 1,
    limits: { ...DEFAULT_LIMITS, ...options.limits },
    redact: options.redact ?? [],
  }
  const handle = createRecorder({ native, producer: native.producer, config })
  const { f64 } = native.producer
  return {
    native,
    handle,
    recorder: handle.recorder,
    reader: new RingReader(native),
    counters: () => ({
      attempts: f64[8]!,
      lost: f64[9]!,
      mistyped: f64[12]!,
      unbalanced: f64[13]!,
      sampledOut: f64[14]!,
      afterClose: f64[15]!,
    }),
  }
}
