// Runs contestants in turn, each in a process of its own against a load in a process of its own.
import { fork } from "node:child_process"
import { fileURLToPath } from "node:url"
import type { Task } from "./contestants/child.ts"
import type { Load } from "./load.ts"
import type { Figures, Round } from "./stats.ts"
import * as Stats from "./stats.ts"

/** How much is measured: the whole, or as little as shows a gross loss. */
export interface Size {
  readonly small: boolean
  /** Before a contestant measures, and while it does, in milliseconds: of CPU time where that is what is measured. */
  readonly warmUp: number
  readonly duration: number
  /** The checkout whose contestants run. Default: this one. */
  readonly root?: URL
}

export const full: Size = { small: false, warmUp: 3_000, duration: 1_000 }
export const small: Size = { small: true, warmUp: 300, duration: 500 }

export interface Contestant {
  readonly name: string
  /** Which contestant its ratios are to. Default: the first. */
  readonly against?: string
  /** Left out of small runs. */
  readonly fullOnly?: boolean
  readonly run: (size: Size) => Promise<Figures>
}

/** What a figure should be at most: as a ratio to the comparator's (or to another's), or by itself. */
export interface Goal {
  readonly contestant: string
  readonly figure: string
  readonly of: "ratio" | "value"
  readonly against?: string
  readonly atMost: number
}

export interface Judged extends Goal {
  readonly value: number
  readonly met: boolean
}

export interface Benchmark {
  readonly name: string
  readonly what: string
  /** What the table shows, in this order, and in which unit. */
  readonly figures: Readonly<Record<string, string>>
  /** The first is what the others are compared with. */
  readonly contestants: ReadonlyArray<Contestant>
  readonly goals: ReadonlyArray<Goal>
  /** Figures of which the largest of all runs counts, since a median would hide it. */
  readonly worst?: ReadonlyArray<string>
}

export interface Row {
  readonly contestant: string
  readonly against: string | undefined
  readonly figures: Figures
  readonly ratios: Figures
  readonly goals: ReadonlyArray<Judged>
}

export interface Result {
  readonly name: string
  readonly what: string
  readonly units: Readonly<Record<string, string>>
  readonly runs: number
  readonly rows: ReadonlyArray<Row>
}

// ---------------------------------------------------------------------------------------------------------------------
// Processes

// The contestants are compiled first, and run by Node alone: a loader would be measured with them.
const here = new URL("../../", import.meta.url)
const compiled = (name: string, root = here) => fileURLToPath(new URL(`bench/speed/dist/${name}.js`, root))

const longest = 10 * 60_000

/** What a process says first, and how to end it. */
const start = (name: string, argument: unknown, execArgv: ReadonlyArray<string> = [], root?: URL) => {
  const child = fork(compiled(name, root), [JSON.stringify(argument)], {
    execArgv: [...execArgv],
    stdio: ["ignore", "ignore", "pipe", "ipc"]
  })
  let complaint = ""
  child.stderr?.on("data", (text: Buffer) => {
    complaint += text.toString()
  })
  const said = new Promise<unknown>((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill("SIGKILL")
      reject(new Error(`${name} ${JSON.stringify(argument)} took longer than ten minutes.`))
    }, longest)
    child.once("message", (message) => {
      clearTimeout(timer)
      resolve(message)
    })
    child.once("exit", (code) => {
      clearTimeout(timer)
      reject(new Error(`${name} ${JSON.stringify(argument)} ended with ${String(code)} and no figures: ${complaint}`))
    })
  })
  return { said, end: () => child.kill("SIGKILL") }
}

const figuresOf = (said: unknown): Figures => {
  if (typeof said !== "object" || said === null) throw new Error("A contestant sent no figures.")
  return Object.fromEntries(Object.entries(said).map(([name, value]) => {
    if (typeof value !== "number" || !Number.isFinite(value)) throw new Error(`The figure ${name} is no number.`)
    return [name, value]
  }))
}

const silence: Load = { kind: "nothing", symbols: 1, rate: 0, count: 0, subscriptions: 0 }

/** Runs something against a load that listens on a port of its own. */
export const withLoad = async (load: Partial<Load>, run: (port: number) => Promise<Figures>): Promise<Figures> => {
  const server = start("load", { ...silence, ...load })
  try {
    return await run(Number(await server.said))
  } finally {
    server.end()
  }
}

/** One run of one contestant of a module in `contestants/`, against a load. */
export const measure = (
  size: Size,
  module: string,
  task: Partial<Task> & Pick<Task, "contestant">,
  load: Partial<Load>,
  execArgv: ReadonlyArray<string> = []
): Promise<Figures> =>
  withLoad(load, async (port) => {
    const { duration, root, warmUp } = size
    const child = start(`contestants/${module}`, { warmUp, duration, n: 0, ...task, port }, execArgv, root)
    try {
      return figuresOf(await child.said)
    } finally {
      child.end()
    }
  })

// ---------------------------------------------------------------------------------------------------------------------
// Rounds

export const run = async (
  benchmark: Benchmark,
  options: {
    readonly size: Size
    readonly runs: number
    readonly only?: ((contestant: Contestant) => boolean) | undefined
    readonly onRun: (contestant: string, round: number, figures: Figures) => void
  }
): Promise<Result> => {
  const { only, onRun, runs, size } = options
  const contestants = benchmark.contestants.filter((contestant) =>
    !(size.small && contestant.fullOnly === true) && (only?.(contestant) ?? true)
  )
  const rounds: Array<Round> = []
  for (let round = 0; round < runs; round++) {
    const figures: Record<string, Figures> = {}
    for (const contestant of contestants) {
      const found = await contestant.run(size)
      figures[contestant.name] = found
      onRun(contestant.name, round, found)
    }
    rounds.push(figures)
  }
  const judge = (goal: Goal, against: string): ReadonlyArray<Judged> => {
    const figures = goal.of === "value"
      ? Stats.summary(rounds, goal.contestant, benchmark.worst)
      : Stats.ratios(rounds, goal.contestant, goal.against ?? against)
    const value = figures[goal.figure]
    // Whom it is compared with may not have run.
    return value === undefined ? [] : [{ ...goal, value, met: value <= goal.atMost }]
  }
  return {
    name: benchmark.name,
    what: benchmark.what,
    units: benchmark.figures,
    runs,
    rows: contestants.map(({ against = benchmark.contestants[0]?.name ?? "", name }) => ({
      contestant: name,
      against: name === against ? undefined : against,
      figures: Stats.summary(rounds, name, benchmark.worst),
      ratios: name === against ? {} : Stats.ratios(rounds, name, against),
      goals: benchmark.goals.filter((goal) => goal.contestant === name).flatMap((goal) => judge(goal, against))
    }))
  }
}
