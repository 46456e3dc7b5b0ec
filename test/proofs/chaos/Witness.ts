// Checks a stream for losses, repetitions and wrong events, event by event, in constant memory.

export interface Verdict {
  /** Events that the exchange has made since the first one received. */
  readonly produced: number
  readonly received: number
  /** Events that are missing without a gap. */
  readonly lost: number
  readonly repeated: number
  readonly outOfOrder: number
  /** Events that differ from those of the exchange with the same id. */
  readonly wrong: number
  readonly gaps: number
  /** Gaps that are not exactly where events are missing, or whose cause is impossible. */
  readonly falseGaps: number
  /** Events that are missing with a gap. */
  readonly declared: number
}

export interface Witness {
  /** Takes an event that covers these positions. `isTrue`: it equals the exchange's. */
  readonly event: (from: number, to: number, isTrue: boolean) => void
  /** Takes a gap with these bounds. `isPossible`: its cause is possible. */
  readonly gap: (from: number | undefined, to: number | undefined, isPossible: boolean) => void
  /** The next expected position. Undefined before the first event. */
  readonly next: () => number | undefined
  /** The verdict on the stream, given the exchange's newest position. */
  readonly verdict: (newest: number) => Verdict
}

export const make = (): Witness => {
  let first: number | undefined
  let next = 0
  // The latest skipped positions. They tell late events from repeated ones.
  let skipped: Array<readonly [from: number, to: number]> = []
  const skippedAtMost = 200
  const counts = { received: 0, lost: 0, repeated: 0, outOfOrder: 0, wrong: 0, gaps: 0, falseGaps: 0, declared: 0 }

  const skip = (from: number, to: number) => {
    skipped.push([from, to])
    if (skipped.length > skippedAtMost) skipped = skipped.slice(-skippedAtMost / 2)
  }

  return {
    event: (from, to, isTrue) => {
      if (!isTrue) counts.wrong++
      if (first === undefined) {
        first = from
        next = from
      }
      if (from < next) {
        counts[skipped.some(([a, b]) => from <= b && to >= a) ? "outOfOrder" : "repeated"]++
        return
      }
      if (from > next) {
        counts.lost += from - next
        skip(next, from - 1)
      }
      counts.received += to - from + 1
      next = to + 1
    },
    gap: (from, to, isPossible) => {
      counts.gaps++
      const fits = first !== undefined && from === next && to !== undefined && to >= from
      if (!fits || !isPossible) counts.falseGaps++
      if (!fits) return
      counts.declared += to - from + 1
      skip(from, to)
      next = to + 1
    },
    next: () => first === undefined ? undefined : next,
    verdict: (newest) => {
      const unread = first === undefined ? 0 : Math.max(0, newest + 1 - next)
      return { ...counts, lost: counts.lost + unread, produced: first === undefined ? 0 : Math.max(newest + 1, next) - first }
    }
  }
}

export const sum = (verdicts: ReadonlyArray<Verdict>): Verdict =>
  verdicts.reduce((a, b) => ({
    produced: a.produced + b.produced,
    received: a.received + b.received,
    lost: a.lost + b.lost,
    repeated: a.repeated + b.repeated,
    outOfOrder: a.outOfOrder + b.outOfOrder,
    wrong: a.wrong + b.wrong,
    gaps: a.gaps + b.gaps,
    falseGaps: a.falseGaps + b.falseGaps,
    declared: a.declared + b.declared
  }))
