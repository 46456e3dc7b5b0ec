// The process of a contestant: it reads its task, measures itself, and sends its figures to the harness.
import type { Figures } from "../stats.ts"

export interface Task {
  readonly contestant: string
  readonly port: number
  /**
   * The durations of the warm-up and of the measurement, in milliseconds: of CPU time if the benchmark measures CPU
   * time, else of wall time.
   */
  readonly warmUp: number
  readonly duration: number
  /** A number that depends on the benchmark, for example of streams. */
  readonly n: number
}

export type Contestants = Readonly<Record<string, (task: Task) => Promise<Figures>>>

const parse: (text: string) => Task = JSON.parse

export const main = (contestants: Contestants): void => {
  const task = parse(process.argv[2] ?? "{}")
  const run = contestants[task.contestant]
  if (run === undefined) throw new Error(`There is no contestant ${task.contestant}.`)
  process.on("disconnect", () => process.exit(1))
  void run(task).then((figures) => {
    process.send?.(figures, () => {
      process.exit(0)
    })
  })
}

export interface Meter {
  readonly tick: (messages: number) => void
  /** CPU time per message in microseconds, and messages per second, after the warm-up. */
  readonly done: Promise<Figures>
}

// The number of messages between two readings of the clock.
const stride = 4_096
// The warm-up needs at least this many messages, however long they take.
const leastWarm = 20_000

/** The CPU time of all threads of the process, user and system, in milliseconds. */
const cpuTime = () => {
  const { system, user } = process.cpuUsage()
  return (user + system) / 1_000
}

/**
 * Measures for `duration` of CPU time instead of wall time, so that runs on a busy machine are longer but comparable.
 * The warm-up begins at the first reading of the clock, not at the dial.
 */
export const meter = ({ duration, warmUp }: Pick<Task, "duration" | "warmUp">): Meter => {
  const { promise, resolve } = defer<Figures>()
  let seen = 0
  let nextReading = stride
  let warmUntil: number | undefined
  let began: { readonly at: number; readonly seen: number; readonly cpu: number } | undefined
  const readClock = () => {
    nextReading = seen + stride
    const cpu = cpuTime()
    warmUntil ??= cpu + warmUp
    if (began === undefined) {
      if (cpu >= warmUntil && seen >= leastWarm) began = { at: performance.now(), seen, cpu }
      return
    }
    const spent = cpu - began.cpu
    if (spent < duration) return
    const messages = seen - began.seen
    nextReading = Number.POSITIVE_INFINITY
    resolve({ cpu: spent / messages * 1_000, rate: messages / (performance.now() - began.at) * 1_000 })
  }
  return {
    tick: (messages) => {
      seen += messages
      if (seen >= nextReading) readClock()
    },
    done: promise
  }
}

export const defer = <A>(): { readonly promise: Promise<A>; readonly resolve: (value: A) => void } => {
  let resolve: (value: A) => void = () => undefined
  const promise = new Promise<A>((fulfil) => {
    resolve = fulfil
  })
  return { promise, resolve }
}

/** Contestants add what they read, so that V8 cannot remove the reads as unused. */
export const consumed = { bytes: 0, ids: 0 }

export const subscribe = (...streams: ReadonlyArray<string>): string =>
  JSON.stringify({ method: "SUBSCRIBE", params: streams, id: 1 })
