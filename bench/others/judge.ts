// What a run was worth: pure, so that it can be tested by itself.

export interface Range {
  readonly from: number
  readonly to: number
}

/** What was read, compared with what there was. */
export interface Verdict {
  /** Trades that there were. */
  readonly expected: number
  /** Of them, those that were never read. */
  readonly lost: number
  /** Of the lost, those that the client itself said were missing. */
  readonly declared: number
  /** Readings of a trade that had been read before. */
  readonly repeated: number
  /** Trades that came after one that happened later. */
  readonly outOfOrder: number
}

/** Compares the ids that were read, in the order in which they came, with all the ids of a window. */
export const judge = (truth: Range, ids: ReadonlyArray<number>, declared: ReadonlyArray<Range> = []): Verdict => {
  const read = new Set<number>()
  let newest = Number.NEGATIVE_INFINITY
  let repeated = 0
  let outOfOrder = 0
  for (const id of ids) {
    if (id < truth.from || id > truth.to) continue
    if (read.has(id)) repeated++
    else if (id < newest) outOfOrder++
    read.add(id)
    newest = Math.max(newest, id)
  }
  let told = 0
  for (let id = truth.from; id <= truth.to; id++) {
    if (!read.has(id) && declared.some(({ from, to }) => id >= from && id <= to)) told++
  }
  const expected = Math.max(0, truth.to - truth.from + 1)
  return { expected, lost: expected - read.size, declared: told, repeated, outOfOrder }
}

/** How one fault went. */
export interface Strike {
  readonly kind: string
  /** Milliseconds until the first trade that happened after the fault was read. Null: not within the bound. */
  readonly recovered: number | null
  /** What made it go on, when it did not by itself. */
  readonly help: "none" | "reset" | "restart"
  readonly crashed: string | null
}

/** How all faults of a kind went. */
export interface Recovery {
  readonly kind: string
  readonly strikes: number
  /** How many were not recovered from within the bound. */
  readonly unnoticed: number
  /** How many ended the process. */
  readonly crashes: number
  /** The median of the others, in milliseconds. Null when there are none. */
  readonly median: number | null
}

/** The middle of the values, or the mean of the two in the middle. */
export const median = (values: ReadonlyArray<number>): number | null => {
  const sorted = [...values].sort((a, b) => a - b)
  const upper = sorted[Math.floor(sorted.length / 2)]
  const lower = sorted[Math.ceil(sorted.length / 2) - 1]
  return upper === undefined || lower === undefined ? null : (lower + upper) / 2
}

/** Sums up the faults of one kind. */
export const recovery = (kind: string, strikes: ReadonlyArray<Strike>): Recovery => {
  const mine = strikes.filter((strike) => strike.kind === kind)
  const alive = mine.filter(({ crashed }) => crashed === null)
  const times = alive.flatMap(({ recovered }) => recovered === null ? [] : [recovered])
  return {
    kind,
    strikes: mine.length,
    unnoticed: alive.length - times.length,
    crashes: mine.length - alive.length,
    median: median(times)
  }
}

/** Adds up the verdicts of several runs. */
export const sum = (verdicts: ReadonlyArray<Verdict>): Verdict =>
  verdicts.reduce((a, b) => ({
    expected: a.expected + b.expected,
    lost: a.lost + b.lost,
    declared: a.declared + b.declared,
    repeated: a.repeated + b.repeated,
    outOfOrder: a.outOfOrder + b.outOfOrder
  }), { expected: 0, lost: 0, declared: 0, repeated: 0, outOfOrder: 0 })
