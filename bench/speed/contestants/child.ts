// What every contestant's process does: it is told its task, measures itself, and says what it found.
import type { Figures } from "../stats.ts"

export interface Task {
  readonly contestant: string
  readonly port: number
  /** Before it measures, and while it does, in milliseconds: of CPU time where that is what is measured. */
  readonly warmUp: number
  readonly duration: number
  /** What else a benchmark wants to be different: how many streams, for example. */
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
  /** CPU time per message in microseconds, and messages a second, between the warm-up and the end. */
  readonly done: Promise<Figures>
}

// How many messages pass between two looks at the clock.
const stride = 4_096
// Less than this many messages warm nothing up, however long they take.
const leastWarm = 20_000

/** The CPU time of all threads of the process, user and system, in milliseconds. */
const cpuTime = () => {
  const { system, user } = process.cpuUsage()
  return (user + system) / 1_000
}

/**
 * Measures for so much CPU time, not wall time: on a busy machine a run takes longer, and is worth as much. The warm-up
 * begins with the first messages, and not with the dial.
 */
export const meter = ({ duration, warmUp }: Pick<Task, "duration" | "warmUp">): Meter => {
  const { promise, resolve } = defer<Figures>()
  let seen = 0
  let look = stride
  let warmUntil: number | undefined
  let began: { readonly at: number; readonly seen: number; readonly cpu: number } | undefined
  const cross = () => {
    look = seen + stride
    const cpu = cpuTime()
    warmUntil ??= cpu + warmUp
    if (began === undefined) {
      if (cpu >= warmUntil && seen >= leastWarm) began = { at: performance.now(), seen, cpu }
      return
    }
    const spent = cpu - began.cpu
    if (spent < duration) return
    const messages = seen - began.seen
    look = Number.POSITIVE_INFINITY
    resolve({ cpu: spent / messages * 1_000, rate: messages / (performance.now() - began.at) * 1_000 })
  }
  return {
    tick: (messages) => {
      seen += messages
      if (seen >= look) cross()
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

/** So that what was read has been of use. */
export const consumed = { bytes: 0, ids: 0 }

export const subscribe = (...streams: ReadonlyArray<string>): string =>
  JSON.stringify({ method: "SUBSCRIBE", params: streams, id: 1 })
