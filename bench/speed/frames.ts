// Frames as a server puts them on the wire, built before they are needed: only their ids, and where asked for the time
// of sending, are written into them as they go.

// Ids have twelve digits from the first to the last, so that all frames of a kind are as long as each other.
export const firstId = 100_000_000_000
const stampText = "1700000000000"

/** How many messages the pattern has before it repeats itself, and the text of each with this id. */
export interface Pattern {
  readonly length: number
  /** How many messages have the same id, each of another stream. */
  readonly perId: number
  readonly text: (index: number, id: string) => string
}

/** An unmasked text frame (RFC 6455 §5.2). */
export const frame = (text: string): Buffer => {
  const payload = Buffer.from(text)
  const { length } = payload
  if (length >= 65_536) throw new RangeError("such a long frame is not needed here")
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

/** Microseconds of a clock that all processes of the machine share. */
export const micros = (): number => Number(process.hrtime.bigint() / 1_000n)

export interface Supply {
  /** The next messages, as many as are held ready: at least `least`. */
  readonly chunk: () => Buffer
  /** The next message alone. */
  readonly next: (stamped: boolean) => Buffer
  readonly messagesPerChunk: number
}

/** An endless supply of a pattern's messages. `combined` wraps each as a combined connection does. */
export const supply = (pattern: Pattern, least: number): Supply => {
  const messagesPerChunk = Math.ceil(least / pattern.length) * pattern.length
  const idsPerChunk = messagesPerChunk / pattern.perId
  const frames: Array<{ readonly bytes: Buffer; readonly ids: ReadonlyArray<number>; readonly stamps: ReadonlyArray<number> }> =
    []
  // Per id: which one it is within the chunk, and where its lower nine digits are.
  const places: Array<readonly [id: number, at: number]> = []
  let start = 0
  for (let i = 0; i < messagesPerChunk; i++) {
    const id = Math.floor(i / pattern.perId)
    const bytes = frame(pattern.text(i % pattern.length, String(firstId)))
    const ids = offsetsOf(bytes, String(firstId)).map((at) => at + 3)
    frames.push({ bytes, ids, stamps: offsetsOf(bytes, stampText) })
    for (const at of ids) places.push([id, start + at])
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
      for (const [id, at] of places) writeDigits(bytes, at, 9, base + id)
      chunks++
      return bytes
    },
    next: (stamped) => {
      const known = frames[sent % messagesPerChunk]
      if (known === undefined) throw new RangeError("an empty pattern has no messages")
      const bytes = Buffer.from(known.bytes)
      for (const at of known.ids) writeDigits(bytes, at, 9, Math.floor(sent / pattern.perId))
      if (stamped) {
        const now = Math.floor(micros())
        for (const at of known.stamps) {
          // The first digit stays; the other twelve hold eleven days, in two halves that are small integers.
          writeDigits(bytes, at + 1, 6, Math.floor(now / 1e6) % 1e6)
          writeDigits(bytes, at + 7, 6, now % 1e6)
        }
      }
      sent++
      return bytes
    }
  }
}

/** How long before `now` a stamp was made, at most eleven days: both of the clock of {@link micros}. */
export const sinceStamp = (stamp: number, now: number): number => {
  const range = 1e12
  return (now % range - stamp % range + range) % range
}

// ---------------------------------------------------------------------------------------------------------------------
// What is sent

const wrap = (combined: boolean, stream: string, data: string) =>
  combined ? `{"stream":"${stream}","data":${data}}` : data

export const symbolOf = (index: number): string => index === 0 ? "BTCUSDT" : `S${index}USDT`

/** Trades of so many symbols in turn, each symbol's ids one by one: 150 bytes and the frame around them. */
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

// A small generator of its own, so that every run has the same book (Park and Miller's).
const random = (seed: number) => {
  let state = seed
  return () => {
    state = state * 16_807 % 2_147_483_647
    return state / 2_147_483_647
  }
}

const middle = 6_812_300
const price = (cents: number) => `${Math.floor(cents / 100)}.${String(cents % 100).padStart(2, "0")}000000`

/** A snapshot with so many levels a side. */
export const snapshot = (levels: number): string => {
  const draw = random(7)
  const side = (sign: number) =>
    Array.from({ length: levels }, (_, i) => [price(middle + sign * (i + 1)), `${(draw() * 9 + 0.1).toFixed(5)}000`])
  return JSON.stringify({ lastUpdateId: firstId - 1, bids: side(-1), asks: side(1) })
}

/** Updates of one book, ten levels each, nearly all of them near the top; three in ten take a level away. */
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
