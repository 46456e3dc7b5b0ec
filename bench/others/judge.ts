// Judges the results of a run. Pure, so that it can be tested alone.

export interface Range {
  readonly from: number
  readonly to: number
}

/** The trades that a client read, compared with the trades of the exchange. */
export interface Verdict {
  /** The trades in the window. */
  readonly expected: number
  /** The trades that were never read. */
  readonly lost: number
  /** The lost trades that the client itself reported as missing. */
  readonly declared: number
  /** Trades that were read again. */
  readonly repeated: number
  /** Trades that were read after a later one. */
  readonly outOfOrder: number
}

/** Compares `ids`, in the order in which the client read them, with all ids of the window `truth`. */
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
  let known = 0
  for (let id = truth.from; id <= truth.to; id++) {
    if (!read.has(id) && declared.some(({ from, to }) => id >= from && id <= to)) known++
  }
  const expected = Math.max(0, truth.to - truth.from + 1)
  return { expected, lost: expected - read.size, declared: known, repeated, outOfOrder }
}

/** The outcome of one fault. */
export interface FaultOutcome {
  readonly kind: string
  /** Milliseconds from the fault until a trade made after it was read. Null: not within the bound. */
  readonly recovered: number | null
  /** The help that the client needed to continue. */
  readonly help: "none" | "reset" | "restart"
  /** The reason why the process ended by itself. Null: it did not. */
  readonly crashed: string | null
}

/** The outcomes of all faults of one kind. */
export interface Recovery {
  readonly kind: string
  readonly faults: number
  /** The number of faults not recovered from within the bound, crashes excepted. */
  readonly unnoticed: number
  /** The number of faults that ended the process. */
  readonly crashes: number
  /** The median recovery of the others, in milliseconds. Null: there are none. */
  readonly median: number | null
}

/** The median: the middle value, or the mean of the two middle values. Null without values. */
export const median = (values: ReadonlyArray<number>): number | null => {
  const sorted = [...values].sort((a, b) => a - b)
  const upper = sorted[Math.floor(sorted.length / 2)]
  const lower = sorted[Math.ceil(sorted.length / 2) - 1]
  return upper === undefined || lower === undefined ? null : (lower + upper) / 2
}

/** Summarises the outcomes of the faults of one kind. */
export const recovery = (kind: string, outcomes: ReadonlyArray<FaultOutcome>): Recovery => {
  const mine = outcomes.filter((outcome) => outcome.kind === kind)
  const alive = mine.filter(({ crashed }) => crashed === null)
  const times = alive.flatMap(({ recovered }) => recovered === null ? [] : [recovered])
  return {
    kind,
    faults: mine.length,
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
