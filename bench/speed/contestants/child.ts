// What every contestant's process does: it is told its task, measures itself, and says what it found.
import type { Figures } from "../stats.ts"

export interface Task {
  readonly contestant: string
  readonly port: number
  /** Before it measures, and while it does, in milliseconds. */
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
  void run(task).then((figures) => {
    process.send?.(figures, () => {
      process.exit(0)
    })
  })
}

export interface Meter {
  readonly tick: (messages: number) => void
  /** CPU (all threads of the process, user and system) and wall time of the messages between warm-up and end. */
  readonly done: Promise<Figures>
}

// How many messages pass between two looks at the clock.
const stride = 512

export const meter = ({ duration, warmUp }: Pick<Task, "duration" | "warmUp">): Meter => {
  const { promise, resolve } = defer<Figures>()
  let seen = 0
  let look = stride
  let began: { readonly at: number; readonly seen: number; readonly cpu: NodeJS.CpuUsage } | undefined
  let warmUntil: number | undefined
  const cross = () => {
    look = seen + stride
    const now = performance.now()
    // The warm-up begins with the first messages, and not with the dial.
    warmUntil ??= now + warmUp
    if (began === undefined) {
      if (now >= warmUntil) began = { at: now, seen, cpu: process.cpuUsage() }
      return
    }
    const elapsed = now - began.at
    if (elapsed < duration) return
    const { system, user } = process.cpuUsage(began.cpu)
    const messages = seen - began.seen
    look = Number.POSITIVE_INFINITY
    resolve({ cpu: (user + system) / messages, rate: messages / elapsed * 1_000 })
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
