// The text of a line: the JSON of an event, the number of the line, and its checksum.

/** A moment in the chain: the number of its last line, and the checksum up to there. */
export interface Chain {
  readonly line: number
  /** Eight hexadecimal digits. */
  readonly sum: string
}

/** A line of a recording, split. */
export interface Link extends Chain {
  /** The JSON object, without the number and the checksum. */
  readonly json: string
}

const ending = /,"line":([1-9]\d{0,15}),"sum":"([\da-f]{8})"\}$/
// The longest ending: 9 + 16 + 8 + 8 + 2 characters.
const longest = 43

/** Splits the text of a line. Undefined if it has no number and no checksum. */
export const split = (text: string): Link | undefined => {
  const [whole, line, sum] = ending.exec(text.slice(-longest)) ?? []
  return whole === undefined || line === undefined || sum === undefined || !text.startsWith("{")
    ? undefined
    : { json: `${text.slice(0, -whole.length)}}`, line: Number(line), sum }
}
