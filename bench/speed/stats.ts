// What is made of the figures of several runs. All of it is pure.

export type Figures = Readonly<Record<string, number>>

export const quantile = (values: ReadonlyArray<number>, q: number): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const place = (sorted.length - 1) * q
  const below = sorted[Math.floor(place)]
  const above = sorted[Math.ceil(place)]
  if (below === undefined || above === undefined) return Number.NaN
  return below + (above - below) * (place - Math.floor(place))
}

export const median = (values: ReadonlyArray<number>): number => quantile(values, 0.5)

/** One round: every contestant ran once, in turn. */
export type Round = Readonly<Record<string, Figures>>

/** Of each figure, the median over the rounds; of those whose worst counts, the largest. */
export const summary = (rounds: ReadonlyArray<Round>, contestant: string, worst: ReadonlyArray<string> = []): Figures => {
  const names = new Set(rounds.flatMap((round) => Object.keys(round[contestant] ?? {})))
  return Object.fromEntries([...names].map((name) => {
    const values = rounds.flatMap((round) => round[contestant]?.[name] ?? [])
    return [name, worst.includes(name) ? Math.max(...values) : median(values)]
  }))
}

/**
 * Of each figure, the median of its ratios to the comparator's in the same round: what slows the machine down for a
 * while slows both down. Where the comparator has none of something, there is no ratio.
 */
export const ratios = (rounds: ReadonlyArray<Round>, contestant: string, against: string): Figures => {
  const found: Record<string, Array<number>> = {}
  for (const round of rounds) {
    for (const [name, value] of Object.entries(round[contestant] ?? {})) {
      const other = round[against]?.[name]
      if (other !== undefined && other > 0) (found[name] ??= []).push(value / other)
    }
  }
  return Object.fromEntries(Object.entries(found).map(([name, values]) => [name, median(values)]))
}

/** A median, and the interval that holds the true one in at least 95 of 100 cases. */
export interface Interval {
  readonly median: number
  readonly low: number
  readonly high: number
}

/**
 * The interval of a median by order statistics, which assumes nothing of the distribution: between the k-th smallest and
 * the k-th largest value lies the true median but for the chance that fewer than k of n values are on one side of it.
 */
export const medianInterval = (values: ReadonlyArray<number>): Interval => {
  const sorted = [...values].sort((a, b) => a - b)
  const n = sorted.length
  // Of fewer than k values below the median: a binomial with a chance of one half.
  let below = 0
  let ways = 1
  let k = 0
  while (k < n / 2) {
    below += ways / 2 ** n
    if (2 * below > 0.05) break
    ways = ways * (n - k) / (k + 1)
    k++
  }
  const at = Math.max(k - 1, 0)
  return { median: median(values), low: sorted[at] ?? Number.NaN, high: sorted[n - 1 - at] ?? Number.NaN }
}
