// Makes the text of a recording: events, where each series stands now and then, and how a run begins and ends.
import * as Chains from "./chain.ts"
import type { Status } from "./format.ts"
import { checkpoint, end, header } from "./format.ts"
import type { Chain } from "./link.ts"

/** An event to write: its JSON, and its position if it has one. */
export interface Entry {
  readonly json: string
  readonly position: readonly [series: string, position: number] | undefined
}

// A restart reads this many bytes at least, and eight times as many as a line of positions has.
const checkpointEvery = 1024 * 1024
const checkpointShare = 8

export class Writer {
  readonly #venue: string
  readonly #streams: ReadonlyArray<string>
  readonly #positions: Map<string, number>
  #chain: Chain
  // The characters since the last line that has the positions, and how many there may be.
  #written = 0
  #most = checkpointEvery

  constructor(venue: string, streams: ReadonlyArray<string>, chain: Chain, positions: ReadonlyMap<string, number>) {
    this.#venue = venue
    this.#streams = streams
    this.#chain = chain
    this.#positions = new Map(positions)
  }

  /** The lines of events. */
  events(entries: ReadonlyArray<Entry>, now: number): string {
    let text = ""
    for (const { json, position } of entries) {
      text += this.#line(json)
      if (position !== undefined) this.#positions.set(...position)
      if (this.#written > this.#most) text += this.#statusLine(checkpoint(this.#status(now)))
    }
    return text
  }

  /** The first line of a file, or of a run in the same file. */
  begin(now: number): string {
    return this.#statusLine(header(this.#venue, this.#chain.sum, this.#status(now)))
  }

  /** The last line of a file. */
  end(now: number): string {
    return this.#statusLine(end(this.#status(now)))
  }

  #status(timestamp: number): Status {
    return { streams: this.#streams, positions: this.#positions, timestamp }
  }

  #line(json: string): string {
    const { chain, text } = Chains.link(this.#chain, json)
    this.#chain = chain
    this.#written += text.length
    return `${text}\n`
  }

  #statusLine(json: string): string {
    const text = this.#line(json)
    this.#written = 0
    this.#most = Math.max(checkpointEvery, checkpointShare * text.length)
    return text
  }
}
