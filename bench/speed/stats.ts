// Statistics over the figures of several runs. Pure.

export type Figures = Readonly<Record<string, number>>

/** The quantile `q`, from 0 to 1, with linear interpolation. NaN without values. */
export const quantile = (values: ReadonlyArray<number>, q: number): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const position = (sorted.length - 1) * q
  const below = sorted[Math.floor(position)]
  const above = sorted[Math.ceil(position)]
  if (below === undefined || above === undefined) return Number.NaN
  return below + (above - below) * (position - Math.floor(position))
}

export const median = (values: ReadonlyArray<number>): number => quantile(values, 0.5)

/** The figures of one round, in which every contestant runs once. */
export type Round = Readonly<Record<string, Figures>>

/** The median of each figure over the rounds; for the figures in `worst`, the maximum. */
export const summary = (rounds: ReadonlyArray<Round>, contestant: string, worst: ReadonlyArray<string> = []): Figures => {
  const names = new Set(rounds.flatMap((round) => Object.keys(round[contestant] ?? {})))
  return Object.fromEntries([...names].map((name) => {
    const values = rounds.flatMap((round) => round[contestant]?.[name] ?? [])
    return [name, worst.includes(name) ? Math.max(...values) : median(values)]
  }))
}

/**
 * The median of the ratios of each figure to that of `against` in the same round: if the machine is slow for a while, both
 * are slow. A figure has no ratio where that of `against` is missing or 0.
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

/** A median with its confidence interval: it contains the true median in at least 95 % of cases. */
export interface Interval {
  readonly median: number
  readonly low: number
  readonly high: number
}

/**
 * The confidence interval of a median by order statistics; it assumes no distribution. The true median lies between the
 * k-th smallest and the k-th largest value, unless fewer than k of the n values are on one side of it.
 */
export const medianInterval = (values: ReadonlyArray<number>): Interval => {
  const sorted = [...values].sort((a, b) => a - b)
  const n = sorted.length
  // The probability of fewer than k values below the median, from the binomial distribution with p = 1/2.
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
