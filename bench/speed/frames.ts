// Builds frames in advance, as a server puts them on the wire. Only their ids and, on request, the time of sending are
// written when they are sent.

// All ids have twelve digits, so that all frames of a kind have the same length.
export const firstId = 100_000_000_000
const stampText = "1700000000000"

/** A repeating series of messages. */
export interface Pattern {
  /** The number of messages before the pattern repeats. */
  readonly length: number
  /** The number of messages with the same id, each of a different stream. */
  readonly perId: number
  /** The text of a message with this id. */
  readonly text: (index: number, id: string) => string
}

/** An unmasked text frame (RFC 6455 §5.2). */
export const frame = (text: string): Buffer => {
  const payload = Buffer.from(text)
  const { length } = payload
  if (length >= 65_536) throw new RangeError("A frame must be shorter than 65,536 bytes.")
  const head = length < 126 ? Buffer.from([0x81, length]) : Buffer.from([0x81, 126, length >>> 8, length & 255])
  return Buffer.concat([head, payload])
}

const offsetsOf = (bytes: Buffer, text: string): ReadonlyArray<number> => {
  const found: Array<number> = []
  for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + 1)) found.push(at)
  return found
}

const writeDigits = (bytes: Buffer, at: number, digits: number, value: number) => {
  let rest = value
  for (let i = at + digits - 1; i >= at; i--) {
    bytes[i] = 48 + rest % 10
    rest = rest / 10 | 0
  }
}

/** The monotonic clock of the machine in microseconds, the same in all processes. */
export const micros = (): number => Number(process.hrtime.bigint() / 1_000n)

export interface Supply {
  /** The frames of the next `messagesPerChunk` messages. */
  readonly chunk: () => Buffer
  /** The frame of the next message, with the time of sending if `stamped`. */
  readonly next: (stamped: boolean) => Buffer
  readonly messagesPerChunk: number
}

/** An endless supply of the messages of a pattern, in chunks of at least `least`. */
export const supply = (pattern: Pattern, least: number): Supply => {
  const messagesPerChunk = Math.ceil(least / pattern.length) * pattern.length
  const idsPerChunk = messagesPerChunk / pattern.perId
  const frames: Array<{ readonly bytes: Buffer; readonly ids: ReadonlyArray<number>; readonly stamps: ReadonlyArray<number> }> =
    []
  // For each id in the chunk: its number, and the offset of its lower nine digits.
  const idOffsets: Array<readonly [id: number, at: number]> = []
  let start = 0
  for (let i = 0; i < messagesPerChunk; i++) {
    const id = Math.floor(i / pattern.perId)
    const bytes = frame(pattern.text(i % pattern.length, String(firstId)))
    const ids = offsetsOf(bytes, String(firstId)).map((at) => at + 3)
    frames.push({ bytes, ids, stamps: offsetsOf(bytes, stampText) })
    for (const at of ids) idOffsets.push([id, start + at])
    start += bytes.length
  }
  const template = Buffer.concat(frames.map(({ bytes }) => bytes))
  let chunks = 0
  let sent = 0
  return {
    messagesPerChunk,
    chunk: () => {
      const bytes = Buffer.from(template)
      const base = chunks * idsPerChunk
      for (const [id, at] of idOffsets) writeDigits(bytes, at, 9, base + id)
      chunks++
      return bytes
    },
    next: (stamped) => {
      const known = frames[sent % messagesPerChunk]
      if (known === undefined) throw new RangeError("The pattern has no messages.")
      const bytes = Buffer.from(known.bytes)
      for (const at of known.ids) writeDigits(bytes, at, 9, Math.floor(sent / pattern.perId))
      if (stamped) {
        const now = Math.floor(micros())
        for (const at of known.stamps) {
          // Keeps the first digit; the other twelve hold the time modulo eleven days, in two halves that are small
          // integers.
          writeDigits(bytes, at + 1, 6, Math.floor(now / 1e6) % 1e6)
          writeDigits(bytes, at + 7, 6, now % 1e6)
        }
      }
      sent++
      return bytes
    }
  }
}

/** The microseconds from a stamp to `now`, both of the clock of {@link micros}. Wraps around after eleven days. */
export const sinceStamp = (stamp: number, now: number): number => {
  const range = 1e12
  return (now % range - stamp % range + range) % range
}

// ---------------------------------------------------------------------------------------------------------------------
// Patterns

const wrap = (combined: boolean, stream: string, data: string) =>
  combined ? `{"stream":"${stream}","data":${data}}` : data

export const symbolOf = (index: number): string => index === 0 ? "BTCUSDT" : `S${index}USDT`

/** Trades of several symbols in turn, with consecutive ids for each symbol. `combined` adds the envelope. */
export const trades = (symbols: number, combined: boolean): Pattern => ({
  length: symbols,
  perId: symbols,
  text: (index, id) => {
    const symbol = symbolOf(index)
    return wrap(
      combined,
      `${symbol.toLowerCase()}@trade`,
      `{"e":"trade","E":1700000000123,"s":"${symbol}","t":${id},"p":"68123.45000000","q":"0.01234000","T":${stampText},` +
        `"m":true,"M":true}`
    )
  }
})

// Park and Miller's generator, so that every run has the same book.
const random = (seed: number) => {
  let state = seed
  return () => {
    state = state * 16_807 % 2_147_483_647
    return state / 2_147_483_647
  }
}

const middle = 6_812_300
const price = (cents: number) => `${Math.floor(cents / 100)}.${String(cents % 100).padStart(2, "0")}000000`

/** A snapshot with `levels` levels on each side. */
export const snapshot = (levels: number): string => {
  const draw = random(7)
  const side = (sign: number) =>
    Array.from({ length: levels }, (_, i) => [price(middle + sign * (i + 1)), `${(draw() * 9 + 0.1).toFixed(5)}000`])
  return JSON.stringify({ lastUpdateId: firstId - 1, bids: side(-1), asks: side(1) })
}

/** Updates of one book with ten levels each, most of them near the top; 30 % of the levels are removals. */
export const depth = (combined: boolean): Pattern => {
  const draw = random(42)
  const level = (sign: number) => {
    const away = 1 + Math.floor(-Math.log(1 - draw()) * 30)
    const quantity = draw() < 0.3 ? "0.00000000" : `${(draw() * 9 + 0.1).toFixed(5)}000`
    return `["${price(middle + sign * away)}","${quantity}"]`
  }
  const updates = Array.from({ length: 2_000 }, () => {
    const levels = (sign: number) => Array.from({ length: 5 }, () => level(sign)).join(",")
    return `"b":[${levels(-1)}],"a":[${levels(1)}]`
  })
  return {
    length: updates.length,
    perId: 1,
    text: (index, id) =>
      wrap(
        combined,
        "btcusdt@depth@100ms",
        `{"e":"depthUpdate","E":${stampText},"s":"BTCUSDT","U":${id},"u":${id},${updates[index] ?? ""}}`
      )
  }
}
