/** Messages in Protocol Buffers' wire format: https://protobuf.dev/programming-guides/encoding/ */
import { Buffer } from 'node:buffer'

const WIRE_VARINT = 0
const WIRE_64 = 1
const WIRE_LENGTH = 2
/** Lengths of messages are written when these have ended, into so many bytes: a varint may be longer than it has to be. */
const LENGTH_BYTES = 4
const FIRST_BYTES = 65_536
/** The most that a varint, a tag or a length takes. */
const VARINT_BYTES = 10

/** Appends fields to a buffer that grows. */
export class ProtobufWriter {
  #buffer = Buffer.allocUnsafe(FIRST_BYTES)
  #length = 0

  get length(): number {
    return this.#length
  }

  /** What has been written since the last time. */
  take(): Uint8Array {
    const taken = Uint8Array.prototype.slice.call(this.#buffer, 0, this.#length)
    this.#length = 0
    return taken
  }

  /** A field that is a message, whose fields `write` writes. */
  message(field: number, write: () => void): void {
    this.#tag(field, WIRE_LENGTH)
    this.#reserve(LENGTH_BYTES)
    const start = (this.#length += LENGTH_BYTES)
    write()
    let rest = this.#length - start
    for (let i = LENGTH_BYTES; i > 0; i--) {
      this.#buffer[start - i] = (rest & 0x7f) | (i > 1 ? 0x80 : 0)
      rest >>>= 7
    }
  }

  string(field: number, text: string): void {
    this.#tag(field, WIRE_LENGTH)
    const bytes = Buffer.byteLength(text)
    this.#varint(bytes)
    this.#reserve(bytes)
    this.#buffer.write(text, this.#length)
    this.#length += bytes
  }

  /** An unsigned integer of 32 bits, a bool or an enum. */
  uint32(field: number, value: number): void {
    this.#tag(field, WIRE_VARINT)
    this.#varint(value)
  }

  /** An integer of 64 bits, signed or not. */
  int64(field: number, value: bigint): void {
    this.#tag(field, WIRE_VARINT)
    this.#reserve(VARINT_BYTES)
    let rest = BigInt.asUintN(64, value)
    while (rest > 0x7fn) {
      this.#buffer[this.#length++] = Number(rest & 0x7fn) | 0x80
      rest >>= 7n
    }
    this.#buffer[this.#length++] = Number(rest)
  }

  fixed64(field: number, value: bigint): void {
    this.#tag(field, WIRE_64)
    this.#reserve(8)
    this.#length = this.#buffer.writeBigUInt64LE(BigInt.asUintN(64, value), this.#length)
  }

  double(field: number, value: number): void {
    this.#tag(field, WIRE_64)
    this.#reserve(8)
    this.#length = this.#buffer.writeDoubleLE(value, this.#length)
  }

  #tag(field: number, wireType: number): void {
    this.#varint((field << 3) | wireType)
  }

  #varint(value: number): void {
    this.#reserve(VARINT_BYTES)
    let rest = value >>> 0
    while (rest > 0x7f) {
      this.#buffer[this.#length++] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    this.#buffer[this.#length++] = rest
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#buffer.length) return
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#length + bytes))
    this.#buffer.copy(larger, 0, 0, this.#length)
    this.#buffer = larger
  }
}
