// Runs contestants in turn. Each runs in its own process, against a load in another process.
import { fork } from "node:child_process"
import { fileURLToPath } from "node:url"
import type { Task } from "./contestants/child.ts"
import type { Load } from "./load.ts"
import type { Figures, Round } from "./stats.ts"
import * as Stats from "./stats.ts"

/** The size of a run: full, or small, which is enough to find gross losses. */
export interface Size {
  readonly small: boolean
  /**
   * The durations of the warm-up and of the measurement, in milliseconds: of CPU time if the benchmark measures CPU
   * time, else of wall time.
   */
  readonly warmUp: number
  readonly duration: number
  /** The checkout whose contestants run. Default: this one. */
  readonly root?: URL
}

export const full: Size = { small: false, warmUp: 3_000, duration: 1_000 }
export const small: Size = { small: true, warmUp: 300, duration: 500 }

export interface Contestant {
  readonly name: string
  /** The contestant that its ratios compare it with. Default: the first. */
  readonly against?: string
  /** True if small runs leave it out. */
  readonly fullOnly?: boolean
  readonly run: (size: Size) => Promise<Figures>
}

/** The maximum of a figure: of its value, or of its ratio to the figure of `against`. */
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
  /** The figures that the table shows, in this order, with their units. */
  readonly figures: Readonly<Record<string, string>>
  /** The others are compared with the first, unless they say otherwise. */
  readonly contestants: ReadonlyArray<Contestant>
  readonly goals: ReadonlyArray<Goal>
  /** The figures whose maximum over all runs counts, since a median would hide the worst run. */
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

// The contestants are compiled, since a loader would be measured with them.
const here = new URL("../../", import.meta.url)
const compiled = (name: string, root = here) => fileURLToPath(new URL(`bench/speed/dist/${name}.js`, root))

const timeout = 10 * 60_000

/** Starts a process. `firstMessage` is the first message that it sends. */
const start = (name: string, argument: unknown, execArgv: ReadonlyArray<string> = [], root?: URL) => {
  const child = fork(compiled(name, root), [JSON.stringify(argument)], {
    execArgv: [...execArgv],
    stdio: ["ignore", "ignore", "pipe", "ipc"]
  })
  let errors = ""
  child.stderr?.on("data", (text: Buffer) => {
    errors += text.toString()
  })
  const firstMessage = new Promise<unknown>((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill("SIGKILL")
      reject(new Error(`${name} ${JSON.stringify(argument)} took longer than ten minutes.`))
    }, timeout)
    child.once("message", (message) => {
      clearTimeout(timer)
      resolve(message)
    })
    child.once("exit", (code) => {
      clearTimeout(timer)
      reject(new Error(`${name} ${JSON.stringify(argument)} ended with ${String(code)} and no figures: ${errors}`))
    })
  })
  return { firstMessage, end: () => child.kill("SIGKILL") }
}

const figuresOf = (message: unknown): Figures => {
  if (typeof message !== "object" || message === null) throw new Error("A contestant sent no figures.")
  return Object.fromEntries(Object.entries(message).map(([name, value]) => {
    if (typeof value !== "number" || !Number.isFinite(value)) throw new Error(`The figure ${name} is not a finite number.`)
    return [name, value]
  }))
}

const defaultLoad: Load = { kind: "nothing", symbols: 1, rate: 0, count: 0, subscriptions: 0 }

/** Starts a load, and runs `run` with the port on which it listens. */
export const withLoad = async (load: Partial<Load>, run: (port: number) => Promise<Figures>): Promise<Figures> => {
  const server = start("load", { ...defaultLoad, ...load })
  try {
    return await run(Number(await server.firstMessage))
  } finally {
    server.end()
  }
}

/** Runs one contestant of a module in `contestants/` once, against a load. */
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
      return figuresOf(await child.firstMessage)
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
      const measured = await contestant.run(size)
      figures[contestant.name] = measured
      onRun(contestant.name, round, measured)
    }
    rounds.push(figures)
  }
  const judge = (goal: Goal, against: string): ReadonlyArray<Judged> => {
    const figures = goal.of === "value"
      ? Stats.summary(rounds, goal.contestant, benchmark.worst)
      : Stats.ratios(rounds, goal.contestant, goal.against ?? against)
    const value = figures[goal.figure]
    // The contestant that it is compared with may not have run.
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
